/* EventBridge event patterns: compiled once, matched against JSON text without allocation. One matcher for rules, event source
 * mappings and destinations.
 *
 * A pattern is a JSON object; each leaf is an array of values and rules, of which one must hold; members of an object must all
 * hold; "$or" takes an array of objects. Rules: exact values (string, number, true, false, null), prefix, suffix (each also with
 * {"equals-ignore-case"}), anything-but (values, or prefix, suffix, equals-ignore-case, wildcard), numeric, exists,
 * equals-ignore-case, cidr, wildcard. An array in the event matches when one of its elements does; objects in arrays are
 * consistent (the fields of one pattern object hold in one element). Numbers compare as EventBridge does: exact values by their
 * text's value (300, 300.0 and 3.0e2 are equal), numeric up to ±5e9 with 6 digits behind the point.
 *
 * How: compiling makes a tree of names (sorted, hashed by length and bytes) with rules at its leaves, in one block of memory.
 * Matching walks the event's text once with a cursor and the tree beside it: names that the tree does not know are skipped
 * without being decoded; strings with escapes are compared while they are decoded. State is a bit a leaf, in the caller's
 * stack, at most MATCH_LEAVES_MAX. The text must be valid JSON (json_check); on other text the result is "no", never a read outside.
 *
 * Pure; a compiled pattern is constant and may be used on any thread. */
#ifndef MAYFLY_MATCH_MATCH_H
#define MAYFLY_MATCH_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/error.h"
#include "core/base/str.h"

#define MATCH_PATTERN_MAX 4096u /* bytes, also of a mapping's filter */
#define MATCH_LEAVES_MAX 512u   /* with "$or" multiplied out: AWS allows 1,000 combinations; more is ERR_TOO_LARGE with its text */
#define MATCH_DEPTH_MAX 100u

struct match;

/* What may stand at the top. AWS's texts differ a little between events and mappings. */
enum match_kind { MATCH_EVENT, MATCH_FILTER };

/* NULL: ERR_INVALID; err->msg is AWS's text behind "Event pattern is not valid. Reason: " (EVENT), or of
 * "Invalid filter pattern definition." (FILTER), with line and column as AWS gives them. An empty object is refused. */
struct match *match_compile(struct str pattern, enum match_kind kind, struct error *err);
void match_free(struct match *m); /* NULL is fine */

bool match_event(const struct match *m, struct str event);

/* The same where an event is put together: member `name` at the top has this text as its value (a JSON value), the others are
 * looked up in `rest`. For SQS filters: {"body": <parsed or string>, "messageAttributes": ...} without building the record. */
struct match_member {
	const char *name;
	struct str json;
};
bool match_members(const struct match *m, const struct match_member *members, size_t n);

#endif
