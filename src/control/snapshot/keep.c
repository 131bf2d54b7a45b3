/* Images that outlive the server: what mayflyd found, what the store says of them, and the versions they fit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/snapshot/snapshot_priv.h"
#include "core/base/clock.h"
#include "core/base/codec.h"
#include "core/json/value.h"
#include "core/json/write.h"

#define KEY_PREFIX "image/"
#define KEY_SIZE (sizeof KEY_PREFIX + (size_t)2 * IPC_IMAGE_KEY)
#define RECORD_MAX 4096
/* Images are found right after the start; records still without one by then are of another boot, kernel or build. */
#define FOUND_BY_NS (20 * NS_PER_S)
#define TIDY_NS (15 * NS_PER_S)
#define GONE_PAUSE_NS (60 * NS_PER_S)

static struct str key_of(const struct snapshot_image *image)
{
	return (struct str){(const char *)image->key, sizeof image->key};
}

static struct snapshot_image *find(const struct snapshots *s, const uint8_t key[IPC_IMAGE_KEY])
{
	return HASH_ENTRY(hash_get(&s->images, (struct str){(const char *)key, IPC_IMAGE_KEY}), struct snapshot_image, by_key);
}

struct snapshot_image *snapshot_image_new(struct snapshots *s, const uint8_t key[IPC_IMAGE_KEY])
{
	struct snapshot_image *image = calloc(1, sizeof *image);
	if (!image)
		return NULL;
	memcpy(image->key, key, sizeof image->key);
	list_init(&image->loose);
	if (find(s, key) || hash_put(&s->images, &image->by_key, key_of(image)) < 0) {
		free(image);
		return NULL;
	}
	return image;
}

void snapshot_image_free(struct snapshots *s, struct snapshot_image *image)
{
	hash_remove(&s->images, &image->by_key);
	list_remove(&image->loose);
	free(image->name);
	free(image->version);
	free(image);
}

/* ---- the store ---- */

static void record_key(char dst[KEY_SIZE], const struct snapshot_image *image)
{
	memcpy(dst, KEY_PREFIX, sizeof KEY_PREFIX - 1);
	hex_encode(dst + sizeof KEY_PREFIX - 1, image->key, sizeof image->key);
}

/* What the store cannot do costs an image at the next start, no more. */
static void on_stored(void *arg, const struct kv_entry *entry, const struct error *err)
{
	(void)arg;
	(void)entry;
	(void)err;
}

static void forget_record(struct snapshots *s, const struct snapshot_image *image)
{
	char key[KEY_SIZE];
	record_key(key, image);
	if (s->deps.kv && !s->closed)
		kv_delete(s->deps.kv, str_from(key), KV_ANY, on_stored, NULL, NULL);
}

void snapshot_image_drop(struct snapshots *s, struct snapshot_image *image)
{
	if (image->written)
		launcher_drop_image(s->deps.launcher, image->key);
	forget_record(s, image);
	snapshot_image_free(s, image);
}

void snapshot_image_record(struct snapshots *s, const struct snapshot_version *sv, const struct snapshot_image *image)
{
	char key[KEY_SIZE];
	struct buf text;
	struct json_writer w;
	if (!s->deps.kv || s->closed)
		return;
	record_key(key, image);
	buf_init(&text, RECORD_MAX);
	json_write_init(&w, &text);
	json_write_object(&w);
	json_write_key_z(&w, "function", sv->version->name);
	json_write_key_z(&w, "version", sv->version->version);
	json_write_key_int(&w, "renewal", (int64_t)image->renewal);
	json_write_key_int(&w, "dump_ns", (int64_t)image->dump_ns);
	json_write_key_bool(&w, "closed", image->closed);
	json_write_close(&w);
	if (json_write_done(&w) == 0)
		kv_put(s->deps.kv, str_from(key), (struct str){text.data, text.len}, KV_ANY, on_stored, NULL, NULL);
	buf_release(&text);
}

static int read_record(struct snapshot_image *image, struct str value)
{
	CLEANUP_JSON json_t *json = json_value_load_object(value, &(struct json_limits){.max_bytes = RECORD_MAX}, NULL);
	struct str name = STR_NULL, version = STR_NULL;
	int64_t renewal = 0, dump_ns = 0;
	if (json_value_str(json, "function", &name, NULL) != 1 || json_value_str(json, "version", &version, NULL) != 1 ||
	    json_value_int(json, "renewal", 0, INT64_MAX, &renewal, NULL) != 1 ||
	    json_value_int(json, "dump_ns", 0, INT64_MAX, &dump_ns, NULL) != 1 || json_value_bool(json, "closed", &image->closed, NULL) != 1)
		return -1;
	image->name = str_dup(name);
	image->version = str_dup(version);
	image->renewal = (uint64_t)renewal;
	image->dump_ns = (uint64_t)dump_ns;
	image->recorded = image->name && image->version;
	return image->recorded ? 0 : -1;
}

static struct snapshot_image *loose_image(struct snapshots *s, const uint8_t key[IPC_IMAGE_KEY])
{
	struct snapshot_image *image = find(s, key);
	if (image)
		return image;
	image = snapshot_image_new(s, key);
	if (image)
		list_push_back(&s->loose, &image->loose);
	return image;
}

static void load_one(struct snapshots *s, const struct kv_entry *entry)
{
	uint8_t key[IPC_IMAGE_KEY];
	struct str hex = str_sub(entry->key, sizeof KEY_PREFIX - 1, entry->key.n);
	struct snapshot_image *image = hex_decode(key, sizeof key, hex) == 0 ? loose_image(s, key) : NULL;
	if (!image)
		kv_delete(s->deps.kv, entry->key, KV_ANY, on_stored, NULL, NULL);
	else if (!image->recorded && !image->owner && read_record(image, entry->value) < 0)
		snapshot_image_drop(s, image);
}

static void list_after(struct snapshots *s, struct str after);

static void on_listed(void *arg, const struct kv_entry *entries, size_t n, bool more, const struct error *err)
{
	struct snapshots *s = arg;
	if (err) {
		s->loading = false;
		return; /* without what is recorded no image is used, and none dropped */
	}
	for (size_t i = 0; i < n; i++)
		load_one(s, &entries[i]);
	if (more) {
		list_after(s, entries[n - 1].key);
		return;
	}
	s->loading = false;
	s->loaded = true;
	ev_defer_run(s->deps.loop, &s->match);
	ev_timer_after(s->deps.loop, &s->tidy, FOUND_BY_NS);
}

static void list_after(struct snapshots *s, struct str after)
{
	struct kv_list what = {.prefix = STR(KEY_PREFIX), .after = after};
	if (kv_list(s->deps.kv, &what, on_listed, s, NULL) < 0)
		s->loading = false;
}

void snapshots_load(struct snapshots *s)
{
	ASSERT(!s->loading && !s->loaded);
	s->loading = true;
	if (s->deps.kv)
		list_after(s, STR(""));
	else
		on_listed(s, NULL, 0, false, NULL);
}

/* ---- matching ---- */

static struct function_version *whose(struct snapshots *s, const struct snapshot_image *image)
{
	return s->deps.resolve(s->deps.resolve_arg, str_from(image->name), str_from(image->version));
}

static bool fits(struct snapshots *s, const struct snapshot_image *image, struct function_version *v)
{
	uint8_t key[IPC_IMAGE_KEY];
	if (!snapshot_allowed(v) || (image->closed && !snapshot_closes(v)))
		return false;
	return worker_image_key(s->deps.fleet, v, image->renewal, key, NULL) == 0 &&
	       memcmp(key, image->key, sizeof key) == 0;
}

static void match_one(struct snapshots *s, struct snapshot_image *image)
{
	struct function_version *v = image->recorded ? whose(s, image) : NULL;
	struct snapshot_version *sv = v && fits(s, image, v) ? snapshot_version_need(s, v) : NULL;
	if (!sv || sv->image || (sv->state != SNAP_NONE && sv->state != SNAP_WANTED)) {
		snapshot_image_drop(s, image);
		return;
	}
	list_remove(&image->loose);
	snapshot_use_image(s, sv, image);
	snapshot_publish_done(s, sv, NULL, NULL);
}

void snapshot_match(struct ev_defer *defer)
{
	struct snapshots *s = CONTAINER_OF(defer, struct snapshots, match);
	if (!s->loaded)
		return;
	LIST_FOREACH(link, &s->loose) {
		struct snapshot_image *image = CONTAINER_OF(link, struct snapshot_image, loose);
		if (image->written) /* else it may still be found */
			match_one(s, image);
	}
}

void snapshot_image_loosen(struct snapshots *s, struct snapshot_version *sv)
{
	struct snapshot_image *image = STEAL_PTR(sv->image);
	if (!image)
		return;
	image->owner = NULL;
	image->name = image->name ? image->name : str_dup(str_from(sv->version->name));
	image->version = image->version ? image->version : str_dup(str_from(sv->version->version));
	image->recorded = image->name && image->version;
	list_push_back(&s->loose, &image->loose);
	ev_defer_run(s->deps.loop, &s->match);
}

/* Its image did not survive (a reboot, an upgrade): SnapStart's promise is kept in the background. */
static void settle_record(struct snapshots *s, struct snapshot_image *image)
{
	struct function_version *v = image->recorded ? whose(s, image) : NULL;
	struct snapshot_version *sv = v && v->snap_start ? snapshot_version_need(s, v) : NULL;
	if (sv && sv->state == SNAP_NONE)
		snapshot_want(s, sv);
	snapshot_image_drop(s, image);
}

static void renew_old(struct snapshots *s)
{
	uint64_t oldest_ms = (uint64_t)clock_wall_ms() - s->deps.settings->snapshot_renew_minutes * 60000;
	HASH_FOREACH(node, &s->versions) {
		struct snapshot_version *sv = HASH_ENTRY(node, struct snapshot_version, by_id);
		if (sv->state == SNAP_READY && sv->image->taken_wall_ms <= oldest_ms && sv->not_before_ns <= clock_mono_ns())
			snapshot_want(s, sv);
	}
}

void snapshot_tidy(struct ev_timer *timer)
{
	struct snapshots *s = CONTAINER_OF(timer, struct snapshots, tidy);
	LIST_FOREACH(link, &s->loose) {
		struct snapshot_image *image = CONTAINER_OF(link, struct snapshot_image, loose);
		if (!image->written)
			settle_record(s, image);
	}
	if (!s->deps.settings->snapshot_renew_minutes)
		return;
	renew_old(s);
	ev_timer_after(s->deps.loop, &s->tidy, TIDY_NS);
}

/* ---- what mayflyd tells ---- */

static void on_found(void *arg, const struct ipc_image_found *m)
{
	struct snapshots *s = arg;
	struct snapshot_image *image = loose_image(s, m->key);
	if (!image)
		return;
	image->written = true;
	image->file_bytes = m->file_bytes;
	image->resident_bytes = m->resident_bytes;
	image->taken_wall_ms = m->taken_wall_ms;
	image->park = m->park;
	ev_defer_run(s->deps.loop, &s->match);
}

/* The longer the pause, the more often it happened: images must not drive each other off a full disk in turn. */
static void lost(struct snapshots *s, struct snapshot_version *sv, const struct ipc_image_gone *m)
{
	sv->image = NULL;
	snprintf(sv->reason, sizeof sv->reason, "its image was deleted: %.*s", (int)sizeof m->msg, m->msg);
	unsigned doublings = sv->gone < 8 ? sv->gone : 8;
	if (sv->gone++)
		sv->not_before_ns = clock_mono_ns() + (GONE_PAUSE_NS << (doublings - 1));
	if (sv->state != SNAP_READY)
		return; /* a new one is under way */
	snapshot_set_state(s, sv, SNAP_NONE);
	if (sv->version->snap_start && sv->gone == 1)
		snapshot_want(s, sv);
}

static void on_gone(void *arg, const struct ipc_image_gone *m)
{
	struct snapshots *s = arg;
	struct snapshot_image *image = find(s, m->key);
	if (!image)
		return;
	image->written = false;
	struct snapshot_version *sv = image->owner;
	if (sv && sv->next == image) /* its trial fails, and says more */
		return;
	if (sv)
		lost(s, sv, m);
	snapshot_image_drop(s, image);
}

void snapshot_watch_images(struct snapshots *s)
{
	static const struct launcher_image_events events = {.on_found = on_found, .on_gone = on_gone};
	launcher_set_image_events(s->deps.launcher, &events, s);
}
