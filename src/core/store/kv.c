#include "core/store/kv.h"

#include "core/base/check.h"

/* An empty key is none, and so passes only where none is needed. */
static int check_chars(struct str s, const char *what, struct error *err)
{
	if (s.n > KV_KEY_MAX)
		return error_set(err, ERR_USAGE, "a %s of %zu bytes: at most %d are allowed", what, s.n, KV_KEY_MAX);
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x21 || s.p[i] > 0x7e)
			return error_set(err, ERR_USAGE, "a %s with byte 0x%02x: only 0x21 to 0x7e are allowed", what,
			                 (unsigned)(unsigned char)s.p[i]);
	return 0;
}

int kv_check_key(struct str key, struct error *err)
{
	return key.n ? check_chars(key, "key", err) : error_set(err, ERR_USAGE, "an empty key");
}

int kv_get(struct kv *kv, struct str key, kv_cb *cb, void *arg, struct error *err)
{
	return kv_check_key(key, err) < 0 ? -1 : kv->ops->get(kv, key, cb, arg, err);
}

int kv_put(struct kv *kv, struct str key, struct str value, uint64_t expected, kv_cb *cb, void *arg, struct error *err)
{
	if (kv_check_key(key, err) < 0)
		return -1;
	if (value.n > KV_VALUE_MAX)
		return error_set(err, ERR_USAGE, "a value of %zu bytes: at most %d are allowed", value.n, KV_VALUE_MAX);
	return kv->ops->put(kv, key, value, expected, cb, arg, err);
}

int kv_delete(struct kv *kv, struct str key, uint64_t expected, kv_cb *cb, void *arg, struct error *err)
{
	ASSERT(expected != KV_ABSENT);
	return kv_check_key(key, err) < 0 ? -1 : kv->ops->del(kv, key, expected, cb, arg, err);
}

int kv_list(struct kv *kv, const struct kv_list *what, kv_list_cb *cb, void *arg, struct error *err)
{
	if (check_chars(what->prefix, "prefix", err) < 0 || check_chars(what->after, "key", err) < 0)
		return -1;
	return kv->ops->list(kv, what, cb, arg, err);
}

struct kv_watch *kv_watch(struct kv *kv, struct str prefix, kv_watch_cb *cb, void *arg, struct error *err)
{
	return check_chars(prefix, "prefix", err) < 0 ? NULL : kv->ops->watch(kv, prefix, cb, arg, err);
}

void kv_watch_stop(struct kv *kv, struct kv_watch *watch)
{
	if (watch)
		kv->ops->watch_stop(kv, watch);
}

void kv_close(struct kv *kv)
{
	if (kv)
		kv->ops->close(kv);
}
