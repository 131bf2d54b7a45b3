#include "control/worker/fleet_report.h"

#include <stdio.h>

#include "control/worker/worker_priv.h"
#include "core/base/clock.h"
#include "core/json/write.h"

#define LISTED_MAX 1000

static double ms(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (double)(to_ns - from_ns) / (double)NS_PER_MS : 0;
}

static void write_ms(struct json_writer *j, const char *key, uint64_t from_ns, uint64_t to_ns)
{
	json_write_key(j, key);
	json_write_double(j, ms(from_ns, to_ns));
}

static void write_start_times(struct json_writer *j, const struct worker *w)
{
	if (worker_is_restored(w) && w->sandbox_ns) {
		uint64_t done_ns = w->init_ns ? w->init_ns : w->sandbox_ns, began_ns = done_ns - worker_restore_ns(w, done_ns);
		write_ms(j, "sandbox_ms", w->asked_ns, began_ns);
		write_ms(j, "restore_ms", began_ns, done_ns);
		return;
	}
	if (w->sandbox_ns)
		write_ms(j, "sandbox_ms", w->asked_ns, w->sandbox_ns);
	if (w->init_ns)
		write_ms(j, "init_ms", w->sandbox_ns, w->init_ns);
}

static void write_worker(struct json_writer *j, struct worker *w, uint64_t now_ns)
{
	char id[24];
	snprintf(id, sizeof id, "%llx", (unsigned long long)w->env_id);
	json_write_object(j);
	json_write_key_z(j, "id", id);
	json_write_key_z(j, "function", w->version->name);
	json_write_key_z(j, "version", w->version->version);
	json_write_key_z(j, "kind", worker_kind_name(w->kind));
	json_write_key_z(j, "state", worker_state_name(w->state));
	write_ms(j, "age_ms", w->asked_ns, now_ns);
	json_write_key_int(j, "memory_mb", w->version->memory_mb);
	json_write_key_int(j, "peak_bytes", (int64_t)worker_peak_bytes(w, now_ns));
	write_start_times(j, w);
	if (w->invocation)
		json_write_key_z(j, "request_id", w->invocation->request_id);
	json_write_close(j);
}

/* Runtimes whose own version is not installed here, and what runs them instead. */
static void write_stand_ins(struct json_writer *j, const struct settings *settings)
{
	size_t n;
	const struct runtime_row *rows = runtime_rows(&n);
	struct runtime_found found;
	json_write_key(j, "stand_ins");
	json_write_object(j);
	for (size_t i = 0; i < n; i++) {
		if (runtime_locate(&rows[i], settings, &found, NULL) == 0 && runtime_is_stand_in(&rows[i], &found))
			json_write_key_z(j, rows[i].id, found.interpreter);
	}
	json_write_close(j);
}

void fleet_report(const struct fleet *f, struct buf *out)
{
	struct json_writer j;
	uint64_t now_ns = clock_mono_ns();
	unsigned listed = 0;
	json_write_init(&j, out);
	json_write_object(&j);
	json_write_key(&j, "counts");
	json_write_object(&j);
	for (int s = 0; s < WORKER_DEAD; s++)
		json_write_key_int(&j, worker_state_name((enum worker_state)s), f->counts[s]);
	json_write_close(&j);
	write_stand_ins(&j, f->deps.settings);
	json_write_key(&j, "environments");
	json_write_array(&j);
	for (int s = 0; s < WORKER_DEAD; s++) {
		LIST_FOREACH(l, &f->states[s]) {
			if (listed++ < LISTED_MAX)
				write_worker(&j, CONTAINER_OF(l, struct worker, by_state), now_ns);
		}
	}
	json_write_close(&j);
	json_write_close(&j);
	(void)json_write_done(&j); /* an overflow shows in the buffer */
}
