/* EventBridge event patterns: compiled once, matched against JSON text without allocation. One matcher for rules, event source
 * mappings and destinations.
 *
 * A pattern is a JSON object; each leaf is an array of values and rules, of which one must hold; members of an object must all
 * hold; "$or" takes an array of at least two objects. Rules: exact values (string, number, true, false, null), prefix, suffix (each also
 * with {"equals-ignore-case"}), anything-but (values, or prefix, suffix, equals-ignore-case, wildcard, each one value or a list), numeric,
 * exists, equals-ignore-case, cidr, wildcard.
 *
 * As EventBridge does it:
 * - names are joined by dots: {"a":{"b":...}} and {"a.b":...} are the same, in patterns and in events; of the same path the last counts.
 * - an array in the event matches when one of its elements does; what is matched below an array is matched in one element of it.
 * - anything-but holds for a value of another type and for null, never for a field that is not there.
 *   A member that an event has twice (or once whole and once with dots) counts as both; only below arrays with several objects what it holds must
 *   be in one of the two.
 * - exists is about scalars: an object, an empty object and an empty array are not there. Below an array a field is absent when the element
 *   that the other fields were found in lacks it; without such fields, when all elements lack it.
 * - numbers compare by value (300, 300.0 and 3.0e2 are equal) between -5e9 and 5e9 with 6 digits behind the point, further digits are
 *   dropped; beyond that range exact values compare as texts and numeric does not hold.
 * - a string that is an IP address equals other spellings of the same address.
 * - equals-ignore-case knows Latin, Greek, Cyrillic and Armenian letters, one for one.
 *
 * How: "$or" is multiplied out; what results (at most MATCH_BRANCHES_MAX) are sets of leaves, and the names make one tree. Matching walks
 * the event's text once with the tree beside it, and a bit for each leaf that holds somewhere; names that the tree does not know are
 * skipped without being decoded. Only where arrays with several objects were met, a second walk looks whether one element holds all. Strings with
 * escapes are compared while they are decoded. The text should be valid JSON (json_check); on other text the result is as if the broken
 * part held nothing, or "no", never a read outside. Stack: some 300 bytes for each level of arrays in the event.
 *
 * Pure; a compiled pattern is constant and may be used on any thread. */
#ifndef MAYFLY_MATCH_MATCH_H
#define MAYFLY_MATCH_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/str.h"

#define MATCH_PATTERN_MAX 4096u /* bytes, also of a mapping's filter */
#define MATCH_LEAVES_MAX 512u   /* arrays in a pattern */
#define MATCH_BRANCHES_MAX 1000u
#define MATCH_DEPTH_MAX 100u
#define MATCH_WILDCARD_COST 10u /* positions of a field's wildcards that one text can be in at the same time */

struct match;

/* Whose words the refusal has. */
enum match_kind { MATCH_EVENT, MATCH_FILTER };

/* NULL: ERR_INVALID. MATCH_EVENT: err->msg is AWS's text behind "Event pattern is not valid. Reason: ", with line and column as AWS gives them
 * ("...\n at [Source: (String)"{...}"; line: 1, column: 11]"; a long pattern is cut so that all fits into err->msg). MATCH_FILTER:
 * "Invalid filter pattern definition." An empty object is refused. */
struct match *match_compile(struct str pattern, enum match_kind kind, struct error *err);
void match_free(struct match *m); /* NULL is fine */

bool match_event(const struct match *m, struct str event);
/* Takes at most `*work` steps, and takes those that it needed off it. 0: given up, which is no match. A step is about a byte that is looked at
 * once (some ns at most); a pattern and an event of the greatest sizes may need billions. */
bool match_event_within(const struct match *m, struct str event, uint64_t *work);

/* The same for an event that is never put together: its members at the top, each with a JSON value as text. For SQS filters:
 * {"body": <parsed or string>, "attributes": ...} without building the record. */
struct match_member {
	const char *name;
	struct str json;
};
bool match_members(const struct match *m, const struct match_member *members, size_t n);

#endif
