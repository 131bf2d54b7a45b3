/* What the API does with bytes before anything has vouched for them: cutting ZipFile out of a body, and names.
 *
 * A body that is JSON, with ZipFile as a text in its outermost object, gives the same package as a real parser does; names
 * with escapes apart, which nobody writes and the cutter does not know. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "control/api/api_priv.h"
#include "control/api/pattern.h"
#include "control/function/layer.h"
#include "tests/fuzz/fuzz.h"

static void check_zip(const uint8_t *data, size_t n)
{
	struct http_blob body = {.data = malloc(n + 1), .len = n}, zip = {0};
	struct buf rest;
	ASSERT(body.data);
	memcpy(body.data, data, n);
	body.data[n] = '\0';
	buf_init(&rest, API_JSON_BODY_MAX);
	json_t *json = json_loadb((const char *)data, n, JSON_REJECT_DUPLICATES, NULL);
	const char *want = json_string_value(json_object_get(json, "ZipFile"));
	bool alone = want && !json_object_get(json, "Code") && !json_object_get(json, "Content") && !memmem(data, n, "\\u", 2);
	unsigned char *bytes = want ? malloc(strlen(want) + 1) : NULL;
	size_t size = 0;
	bool valid = want && base64_decode(bytes, &size, str_from(want)) == 0;
	int rc = api_zip_cut(&body, &rest, &zip);
	ASSERT(rc >= -1 && rc <= 1 && (rc == 1) == (zip.data != NULL));
	if (alone && valid)
		ASSERT(rc == 1 && zip.len == size && memcmp(zip.data, bytes, size) == 0);
	free(bytes);
	json_decref(json);
	buf_release(&rest);
	http_blob_release(&body);
	http_blob_release(&zip);
}

static void check_name(const uint8_t *data, size_t n)
{
	struct str text = {(const char *)data, n};
	struct function_ref ref;
	unsigned number = 0;
	if (n > 300)
		return;
	if (function_ref_parse(&ref, text)) {
		ASSERT(ref.name.n > 0 && ref.name.p >= text.p && ref.name.p + ref.name.n <= text.p + text.n);
		function_qualifier_kind(ref.qualifier, &number);
	}
	struct layer_ref layer;
	if (layer_ref_parse(&layer, text))
		ASSERT(layer.name.n > 0 && layer.name.p >= text.p && layer.name.p + layer.name.n <= text.p + text.n);
	pattern_matches("((a|b)*c{0,3})+|(?!^[0-9]+$)([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-z]+))?", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	check_zip(data, n);
	check_name(data, n);
	return 0;
}
