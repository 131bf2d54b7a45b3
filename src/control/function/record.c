/* The text of a function's key: {"Format":1,"Incarnation":...,"Last":n,"Latest":{...},"Aliases":{...},"Tags":{...},
 * "Reserved":n,"Events":{QUALIFIER:{...}},"Policies":{QUALIFIER:{...}},"Kept":{KIND/QUALIFIER:{...}},"Urls":{QUALIFIER:{...}},"Recursion":true}, or {"Format":1,"Last":n} when the
 * function is deleted; members that say nothing are left out. Keys: "function/NAME" and
 * "version/NAME/INCARNATION/NUMBER", whose text is the published configuration. */
#include <stdio.h>

#include "control/function/registry_priv.h"
#include "core/json/value.h"
#include "core/json/write.h"

int record_key(char *dst, size_t size, const struct function *f)
{
	return snprintf(dst, size, RECORD_PREFIX "%s", f->name);
}

int record_version_key(char *dst, size_t size, const struct function *f, unsigned number)
{
	return snprintf(dst, size, RECORD_VERSION_PREFIX "%s/%s/%010u", f->name, f->incarnation, number);
}

static int write_value(struct json_writer *w, const char *key, const json_t *value)
{
	struct buf text;
	buf_init(&text, RECORD_LIMIT_BYTES);
	int rc = json_value_dump(value, &text, NULL);
	json_write_key(w, key);
	if (rc == 0)
		json_write_raw(w, buf_str(&text));
	else
		json_write_null(w);
	buf_release(&text);
	return rc;
}

int record_write(struct buf *out, const struct function *f, const struct truth *truth, struct error *err)
{
	struct json_writer w;
	int rc = 0;
	buf_init(out, RECORD_LIMIT_BYTES);
	json_write_init(&w, out);
	json_write_object(&w);
	json_write_key_int(&w, "Format", 1);
	json_write_key_z(&w, "Incarnation", f->incarnation);
	json_write_key_int(&w, "Last", truth->last);
	json_write_key(&w, "Latest");
	json_write_raw(&w, (struct str){truth->latest->json, truth->latest->len});
	json_write_key(&w, "Aliases");
	json_write_object(&w);
	for (size_t i = 0; i < truth->alias_count; i++) {
		json_t *one = alias_store(truth->aliases[i]);
		rc |= one ? write_value(&w, truth->aliases[i]->name, one) : -1;
		json_decref(one);
	}
	json_write_close(&w);
	if (truth->tags)
		rc |= write_value(&w, "Tags", truth->tags);
	if (truth->reserved >= 0)
		json_write_key_int(&w, "Reserved", truth->reserved);
	if (truth->events)
		rc |= write_value(&w, "Events", truth->events);
	if (truth->policies)
		rc |= write_value(&w, "Policies", truth->policies);
	if (truth->kept)
		rc |= write_value(&w, "Kept", truth->kept);
	if (truth->urls)
		rc |= write_value(&w, "Urls", truth->urls);
	if (truth->recursion)
		json_write_key_bool(&w, "Recursion", true);
	json_write_close(&w);
	if (json_write_done(&w) < 0 || rc != 0)
		return error_set(err, ERR_INVALID, "Function %s holds more settings, aliases and tags than fit one record (%u bytes).",
		                 f->name, RECORD_LIMIT_BYTES);
	return 0;
}

int record_write_tombstone(struct buf *out, unsigned last)
{
	buf_init(out, 64);
	return buf_printf(out, "{\"Format\":1,\"Last\":%u}", last);
}
