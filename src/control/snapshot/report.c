#include <stdlib.h>
#include <string.h>

#include "control/snapshot/snapshot_priv.h"
#include "core/base/clock.h"
#include "core/base/codec.h"
#include "core/json/write.h"

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* The nearest rank: of one sample, that one. */
static double percentile_ms(const uint32_t *sorted_us, unsigned n, unsigned percent)
{
	unsigned rank = (n * percent + 99) / 100;
	return (double)sorted_us[rank ? rank - 1 : 0] / 1000;
}

static void write_times(struct json_writer *j, const struct snapshot_version *sv)
{
	uint32_t sorted[SNAPSHOT_SAMPLES];
	unsigned n = sv->sample_count < SNAPSHOT_SAMPLES ? sv->sample_count : SNAPSHOT_SAMPLES;
	if (!n)
		return;
	memcpy(sorted, sv->samples_us, n * sizeof sorted[0]);
	qsort(sorted, n, sizeof sorted[0], by_size);
	json_write_key(j, "restore_ms");
	json_write_object(j);
	json_write_key(j, "median");
	json_write_double(j, percentile_ms(sorted, n, 50));
	json_write_key(j, "p99");
	json_write_double(j, percentile_ms(sorted, n, 99));
	json_write_close(j);
}

static void write_image(struct json_writer *j, const struct snapshot_image *image)
{
	char hex[2 * IPC_IMAGE_KEY + 1];
	hex_encode(hex, image->key, sizeof image->key);
	json_write_key(j, "image");
	json_write_object(j);
	json_write_key_z(j, "key", hex);
	json_write_key_int(j, "taken_ms", (int64_t)image->taken_wall_ms);
	json_write_key_int(j, "file_bytes", (int64_t)image->file_bytes);
	json_write_key_int(j, "resident_bytes", (int64_t)image->resident_bytes);
	json_write_key(j, "dump_ms");
	json_write_double(j, (double)image->dump_ns / (double)NS_PER_MS);
	json_write_key_z(j, "park", image->park == PARK_RESTORE ? "restore" : "invocation");
	json_write_close(j);
}

static void write_when(struct json_writer *j, const char *key, uint64_t at_ns, uint64_t now_ns)
{
	if (at_ns > now_ns)
		json_write_key_int(j, key, clock_wall_ms() + (int64_t)((at_ns - now_ns) / NS_PER_MS));
}

static void write_version(struct json_writer *j, const struct snapshot_version *sv, uint64_t now_ns)
{
	static const char *const modes[] = {[SNAPSHOT_AUTO] = "auto", [SNAPSHOT_ALWAYS] = "always", [SNAPSHOT_OFF] = "off"};
	const struct function_version *v = sv->version;
	json_write_object(j);
	json_write_key_z(j, "function", v->name);
	json_write_key_z(j, "version", v->version);
	json_write_key_z(j, "mode", modes[v->snapshot]);
	json_write_key_bool(j, "snap_start", v->snap_start);
	json_write_key_bool(j, "single_use", v->single_use);
	json_write_key_z(j, "state", snapshot_state_name(sv->state));
	if (*sv->reason)
		json_write_key_z(j, "reason", sv->reason);
	write_when(j, "retry_ms", sv->state == SNAP_UNUSABLE ? sv->retry_ns : sv->not_before_ns, now_ns);
	if (sv->image) {
		write_when(j, "plain_until_ms", sv->plain_until_ns, now_ns);
		write_image(j, sv->image);
	}
	json_write_key_int(j, "restores", (int64_t)sv->restores);
	json_write_key_int(j, "failed_restores", (int64_t)sv->failed);
	write_times(j, sv);
	json_write_close(j);
}

void snapshots_get_stats(const struct snapshots *s, struct snapshots_stats *out)
{
	*out = s->stats;
	HASH_FOREACH(node, &s->versions) {
		const struct snapshot_image *image = HASH_ENTRY(node, struct snapshot_version, by_id)->image;
		out->images += image != NULL;
		out->file_bytes += image ? image->file_bytes : 0;
		out->resident_bytes += image ? image->resident_bytes : 0;
	}
}

void snapshots_report(struct snapshots *s, struct buf *out)
{
	struct json_writer j;
	struct snapshots_stats stats;
	uint64_t now_ns = clock_mono_ns();
	unsigned wanted = 0;
	snapshots_get_stats(s, &stats);
	HASH_FOREACH(node, &s->versions)
		wanted += HASH_ENTRY(node, struct snapshot_version, by_id)->state == SNAP_WANTED;
	json_write_init(&j, out);
	json_write_object(&j);
	json_write_key_z(&j, "default", s->deps.settings->snapshot_default);
	json_write_key_int(&j, "images", (int64_t)stats.images);
	json_write_key_int(&j, "file_bytes", (int64_t)stats.file_bytes);
	json_write_key_int(&j, "resident_bytes", (int64_t)stats.resident_bytes);
	json_write_key_int(&j, "wanted", wanted);
	json_write_key(&j, "versions");
	json_write_array(&j);
	HASH_FOREACH(node, &s->versions)
		write_version(&j, CONTAINER_OF(node, struct snapshot_version, by_id), now_ns);
	json_write_close(&j);
	json_write_close(&j);
	(void)json_write_done(&j); /* an overflow shows in the buffer */
}
