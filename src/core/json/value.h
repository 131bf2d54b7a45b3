/* Helpers over jansson: loading with limits, typed getters with clear errors, merging that keeps unknown fields.
 *
 * jansson owns its memory by reference counts; CLEANUP_JSON drops a local's reference at the end of the scope:
 *   CLEANUP_JSON json_t *root = json_value_load(text, &limits, err);
 * Strings that getters return point into the value and live as long as it does. One thread for one value. */
#ifndef MAYFLY_JSON_VALUE_H
#define MAYFLY_JSON_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/error.h"
#include "core/base/str.h"

static inline void json_value_cleanup(json_t **v)
{
	json_decref(*v);
}

#define CLEANUP_JSON CLEANUP(json_value_cleanup)

struct json_limits {
	size_t max_bytes; /* 0: no limit */
	unsigned max_depth; /* 0: JSON_CHECK_MAX_DEPTH */
};

/* New reference, or NULL: ERR_TOO_LARGE, ERR_NO_MEMORY, or ERR_INVALID "not JSON at line 1, column 5 (byte 4): ...".
 * Any value is allowed at the top; of duplicate keys the last one counts. Beyond what json_check refuses, these cannot be
 * held and are ERR_INVALID: integers beyond 64 bits, numbers beyond a double, half a surrogate pair, NUL in a key. */
json_t *json_value_load(struct str text, const struct json_limits *limits, struct error *err);
json_t *json_value_load_object(struct str text, const struct json_limits *limits, struct error *err);

/* Getters: member `key` of `object`. 1 found, 0 absent or null (output untouched), -1 other type or out of range
 * (ERR_INVALID, names the key). Any of them with object NULL is 0. */
int json_value_str(const json_t *object, const char *key, struct str *out, struct error *err);
int json_value_bool(const json_t *object, const char *key, bool *out, struct error *err);
/* A double without a fraction (128.0) counts as an integer. */
int json_value_int(const json_t *object, const char *key, int64_t min, int64_t max, int64_t *out, struct error *err);
int json_value_double(const json_t *object, const char *key, double *out, struct error *err);
int json_value_object(const json_t *object, const char *key, json_t **out, struct error *err); /* borrowed */
int json_value_array(const json_t *object, const char *key, json_t **out, struct error *err);  /* borrowed */
/* An object all of whose values are strings. Walk it with json_object_foreach; the value with json_value_text. */
int json_value_str_map(const json_t *object, const char *key, json_t **out, struct error *err); /* borrowed */

/* The string of a json string, STR_NULL for anything else. */
struct str json_value_text(const json_t *v);
json_t *json_value_new_str(struct str s); /* new reference; NULL when not UTF-8 or out of memory */

/* Merges `patch` into `base` (both objects) in place: objects are merged member by member at every depth, a null in patch
 * removes the member (RFC 7396), anything else replaces; members that only base has, known or not, stay. Nothing of
 * patch is shared afterwards. -1: ERR_NO_MEMORY, ERR_TOO_LARGE (deeper than JSON_CHECK_MAX_DEPTH); base may then be
 * partly merged. */
int json_value_merge(json_t *base, const json_t *patch, struct error *err);

/* Appends compact text, keys in insertion order; -1 on overflow. */
int json_value_dump(const json_t *v, struct buf *out, struct error *err);

#endif
