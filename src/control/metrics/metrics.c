#include "control/metrics/metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/metrics/labels.h"
#include "core/base/check.h"
#include "core/base/hash.h"

#define OTHER "other"

enum metric_kind { COUNTER, GAUGE, HISTOGRAM };

struct metric_row {
	enum metric_kind kind;
	enum metric_label label1, label2; /* only label1 may be the function: series grow by whole rows */
	const char *name, *help;
};

static const struct metric_row rows[METRIC_COUNT] = {
#define M(id, kind, label1, label2, name, help) [METRIC_##id] = {kind, LABEL_##label1, LABEL_##label2, name, help},
#include "control/metrics/metrics.def"
#undef M
};
static const char *const kind_names[] = {"counter", "gauge", "histogram"};

#define US UINT64_C(1000)
#define MS (1000 * US)
#define SEC (1000 * MS)

/* Upper bounds. An invocation takes from 100 us to 15 minutes; close together where cold starts are. */
static const struct {
	uint64_t ns;
	const char *text;
} bounds[] = {{100 * US, "0.0001"}, {250 * US, "0.00025"}, {500 * US, "0.0005"}, {750 * US, "0.00075"}, {1 * MS, "0.001"},
              {1500 * US, "0.0015"}, {2 * MS, "0.002"}, {2500 * US, "0.0025"}, {3500 * US, "0.0035"}, {5 * MS, "0.005"},
              {7500 * US, "0.0075"}, {10 * MS, "0.01"}, {15 * MS, "0.015"}, {25 * MS, "0.025"}, {50 * MS, "0.05"}, {100 * MS, "0.1"},
              {250 * MS, "0.25"}, {500 * MS, "0.5"}, {1 * SEC, "1"}, {2500 * MS, "2.5"}, {5 * SEC, "5"}, {10 * SEC, "10"},
              {30 * SEC, "30"}, {60 * SEC, "60"}, {300 * SEC, "300"}, {900 * SEC, "900"}};

#define BUCKETS (ARRAY_LEN(bounds) + 1)

struct histogram {
	uint64_t sum_ns, buckets[BUCKETS];
};

struct function_entry {
	struct hash_node by_name;
	char *name;
	unsigned index;
};

struct metrics {
	struct hash functions;
	struct function_entry *entries[METRICS_FUNCTIONS + 1]; /* by index; 0: other */
	unsigned function_count, function_cap;                 /* both count "other" */
	unsigned width[METRIC_COUNT], height[METRIC_COUNT];    /* values of label 2, room for those of label 1 */
	uint64_t *values[METRIC_COUNT];                        /* counters and gauges */
	struct histogram *histograms[METRIC_COUNT];
};

static unsigned label_count(const struct metrics *m, enum metric_label label, bool capacity)
{
	if (label != LABEL_FUNCTION)
		return metrics_label(label)->count;
	return capacity ? m->function_cap : m->function_count;
}

static int grow_metric(struct metrics *m, unsigned i, unsigned from)
{
	size_t width = label_count(m, rows[i].label2, true), n = width * label_count(m, rows[i].label1, true);
	size_t old = rows[i].label1 == LABEL_FUNCTION ? width * from : 0;
	size_t size = rows[i].kind == HISTOGRAM ? sizeof(struct histogram) : sizeof(uint64_t);
	char *now = calloc(n, size);
	void **slot = rows[i].kind == HISTOGRAM ? (void **)&m->histograms[i] : (void **)&m->values[i];
	if (!now)
		return -1;
	if (old)
		memcpy(now, *slot, old * size);
	free(*slot);
	*slot = now;
	m->width[i] = (unsigned)width;
	m->height[i] = (unsigned)(n / width);
	return 0;
}

/* On failure what has grown stays grown: function_cap is set only by success. */
static int grow(struct metrics *m, unsigned cap)
{
	unsigned from = m->function_cap;
	m->function_cap = cap;
	for (unsigned i = 0; i < METRIC_COUNT; i++) {
		if ((from == 0 || rows[i].label1 == LABEL_FUNCTION) && grow_metric(m, i, from) < 0) {
			m->function_cap = from;
			return -1;
		}
	}
	return 0;
}

struct metrics *metrics_new(void)
{
	struct metrics *m = calloc(1, sizeof *m);
	if (!m)
		return NULL;
	hash_init(&m->functions);
	m->function_count = 1;
	if (grow(m, 16) < 0) {
		metrics_free(m);
		return NULL;
	}
	return m;
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i <= METRICS_FUNCTIONS; i++) {
		if (m->entries[i])
			free(m->entries[i]->name);
		free(m->entries[i]);
	}
	for (unsigned i = 0; i < METRIC_COUNT; i++) {
		free(m->values[i]);
		free(m->histograms[i]);
	}
	hash_release(&m->functions);
	free(m);
}

unsigned metrics_function(struct metrics *m, struct str name)
{
	struct function_entry *e = HASH_ENTRY(hash_get(&m->functions, name), struct function_entry, by_name);
	if (e)
		return e->index;
	if (m->function_count > METRICS_FUNCTIONS)
		return 0;
	unsigned cap = m->function_cap * 2 < METRICS_FUNCTIONS + 1 ? m->function_cap * 2 : METRICS_FUNCTIONS + 1;
	if (m->function_count == m->function_cap && grow(m, cap) < 0)
		return 0;
	e = calloc(1, sizeof *e);
	char *copy = str_dup(name);
	if (!e || !copy || hash_put(&m->functions, &e->by_name, (struct str){copy, name.n}) < 0) {
		free(copy);
		free(e);
		return 0;
	}
	e->name = copy;
	e->index = m->function_count++;
	m->entries[e->index] = e;
	return e->index;
}

static size_t index_of(const struct metrics *m, enum metric metric, unsigned label1, unsigned label2)
{
	ASSERT(label1 < m->height[metric] && label2 < m->width[metric]);
	return (size_t)label1 * m->width[metric] + label2;
}

void metrics_add(struct metrics *m, enum metric metric, unsigned label1, unsigned label2, uint64_t n)
{
	ASSERT(rows[metric].kind == COUNTER);
	m->values[metric][index_of(m, metric, label1, label2)] += n;
}

void metrics_set(struct metrics *m, enum metric metric, unsigned label1, unsigned label2, uint64_t value)
{
	ASSERT(rows[metric].kind != HISTOGRAM);
	m->values[metric][index_of(m, metric, label1, label2)] = value;
}

uint64_t metrics_value(const struct metrics *m, enum metric metric, unsigned label1, unsigned label2)
{
	ASSERT(rows[metric].kind != HISTOGRAM);
	return m->values[metric][index_of(m, metric, label1, label2)];
}

void metrics_observe(struct metrics *m, enum metric metric, unsigned label1, unsigned label2, uint64_t ns)
{
	ASSERT(rows[metric].kind == HISTOGRAM);
	struct histogram *h = &m->histograms[metric][index_of(m, metric, label1, label2)];
	size_t i = 0;
	while (i < ARRAY_LEN(bounds) && ns > bounds[i].ns)
		i++;
	h->buckets[i]++;
	h->sum_ns += ns;
}

static void observe_phases(struct metrics *m, const struct metrics_invocation *inv)
{
	bool restored = inv->cold && inv->cold_kind == METRIC_COLD_RESTORE;
	const struct {
		enum metric_phase phase;
		bool counts;
		uint64_t from_ns, to_ns;
	} spans[] = {
		{PHASE_QUEUED, true, inv->submitted_ns, inv->placed_ns},
		{PHASE_SANDBOX, inv->cold, inv->start_asked_ns, inv->sandbox_done_ns},
		{restored ? PHASE_RESTORE : PHASE_INIT, inv->cold, inv->sandbox_done_ns, inv->init_done_ns},
		{PHASE_FUNCTION, true, inv->sent_ns, inv->answered_ns},
		{PHASE_RESPONSE, true, inv->answered_ns, inv->done_ns},
		{PHASE_TOTAL, true, inv->submitted_ns, inv->done_ns},
	};
	for (size_t i = 0; i < ARRAY_LEN(spans); i++) {
		if (!spans[i].counts || !spans[i].from_ns || spans[i].to_ns < spans[i].from_ns)
			continue;
		uint64_t ns = spans[i].to_ns - spans[i].from_ns;
		metrics_observe(m, METRIC_PHASE, spans[i].phase, 0, ns);
		if (inv->cold)
			metrics_observe(m, METRIC_COLD_PHASE, inv->cold_kind, spans[i].phase, ns);
	}
}

void metrics_count_invocation(struct metrics *m, const struct metrics_invocation *inv)
{
	if (inv->throttled) {
		metrics_add(m, METRIC_THROTTLES, inv->function, inv->throttle, 1);
		return;
	}
	metrics_add(m, METRIC_INVOCATIONS, inv->function, 0, 1);
	if (inv->failed)
		metrics_add(m, METRIC_ERRORS, inv->function, inv->error, 1);
	if (inv->cold)
		metrics_add(m, METRIC_COLD_STARTS, inv->function, inv->cold_kind, 1);
	if (inv->placed_ns >= inv->submitted_ns && inv->submitted_ns)
		metrics_observe(m, METRIC_QUEUE_WAIT, 0, 0, inv->placed_ns - inv->submitted_ns);
	observe_phases(m, inv);
	if (inv->sent_ns && inv->answered_ns >= inv->sent_ns)
		metrics_observe(m, METRIC_DURATION, inv->function, 0, inv->answered_ns - inv->sent_ns);
}

/* ---- text ---- */

static const char *label_value(const struct metrics *m, enum metric_label label, unsigned i)
{
	if (label == LABEL_FUNCTION)
		return i ? m->entries[i]->name : OTHER;
	return metrics_label(label)->values[i];
}

/* Function names are [A-Za-z0-9_-], so nothing needs escapes; what is not is shown as '_'. */
static void put_label(const struct metrics *m, struct buf *out, enum metric_label label, unsigned i, char *before)
{
	if (label == LABEL_NONE)
		return;
	buf_printf(out, "%c%s=\"", *before, metrics_label(label)->name);
	for (const char *p = label_value(m, label, i); *p; p++)
		buf_putc(out, *p == '"' || *p == '\\' || (unsigned char)*p < ' ' ? '_' : *p);
	buf_putc(out, '"');
	*before = ',';
}

static void put_name(const struct metrics *m, struct buf *out, const struct metric_row *row, const char *suffix, unsigned i,
                     unsigned j, const char *le)
{
	char before = '{';
	buf_printf(out, "%s%s", row->name, suffix);
	put_label(m, out, row->label1, i, &before);
	put_label(m, out, row->label2, j, &before);
	if (le)
		buf_printf(out, "%cle=\"%s\"", before, le);
	buf_puts(out, le || before == ',' ? "} " : " ");
}

static void put_histogram(const struct metrics *m, struct buf *out, const struct metric_row *row, const struct histogram *h,
                          unsigned i, unsigned j)
{
	uint64_t sum = 0;
	for (size_t b = 0; b < BUCKETS; b++) {
		sum += h->buckets[b];
		put_name(m, out, row, "_bucket", i, j, b < ARRAY_LEN(bounds) ? bounds[b].text : "+Inf");
		buf_printf(out, "%" PRIu64 "\n", sum);
	}
	put_name(m, out, row, "_sum", i, j, NULL);
	buf_printf(out, "%" PRIu64 ".%09" PRIu64 "\n", h->sum_ns / SEC, h->sum_ns % SEC);
	put_name(m, out, row, "_count", i, j, NULL);
	buf_printf(out, "%" PRIu64 "\n", sum);
}

static bool is_empty(const struct histogram *h)
{
	for (size_t b = 0; b < BUCKETS; b++) {
		if (h->buckets[b])
			return false;
	}
	return true;
}

/* Series of a function that never counted anything are left out: most functions never fail in most ways. So are pairs of
 * labels that cannot come together. */
static void put_series(const struct metrics *m, struct buf *out, unsigned metric, unsigned i, unsigned j)
{
	const struct metric_row *row = &rows[metric];
	size_t at = index_of(m, metric, i, j);
	bool sparse = row->label1 == LABEL_FUNCTION || row->label2 == LABEL_PHASE;
	if (row->kind == HISTOGRAM) {
		if (!sparse || !is_empty(&m->histograms[metric][at]))
			put_histogram(m, out, row, &m->histograms[metric][at], i, j);
	} else if (!sparse || m->values[metric][at]) {
		put_name(m, out, row, "", i, j, NULL);
		buf_printf(out, "%" PRIu64 "\n", m->values[metric][at]);
	}
}

int metrics_text(const struct metrics *m, struct buf *out)
{
	for (unsigned k = 0; k < METRIC_COUNT; k++) {
		buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", rows[k].name, rows[k].help, rows[k].name, kind_names[rows[k].kind]);
		for (unsigned i = 0; i < label_count(m, rows[k].label1, false); i++) {
			for (unsigned j = 0; j < label_count(m, rows[k].label2, false); j++)
				put_series(m, out, k, i, j);
		}
	}
	return out->overflow ? -1 : 0;
}
