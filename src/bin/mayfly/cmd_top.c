/* mayfly top: what the server is doing, refreshed every second on a terminal; q or Ctrl-C ends it. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "bin/mayfly/histogram.h"
#include "bin/mayfly/lambda.h"
#include "bin/mayfly/samples.h"
#include "bin/mayfly/term.h"
#include "core/base/check.h"
#include "core/base/clock.h"

static const struct option_row options[] = {
	{"once", '1', OPTION_FLAG, NULL, "print one table and end (also where standard output is no terminal)", 0, 0},
	{"interval", 'i', OPTION_NUMBER, "S", "seconds between refreshes (1)", 1, 3600},
	{"token", 0, OPTION_TEXT, "TEXT", "the server's --metrics-token, where it does not listen on loopback (MAYFLY_METRICS_TOKEN)", 0, 0},
};

#define FUNCTIONS_MAX 1001
#define STATES_MAX 8

struct function_row {
	char name[160];
	double invoked, errors, throttled, cold, seconds, counted;
	double rate; /* since the refresh before; negative: not known yet */
};

/* How a new environment was made, and the parts of the time that its first invocation took. */
static const char *const kinds[] = {"start", "restore"};
static const char *const phases[] = {"queued", "sandbox", "init", "restore", "function", "response", "total"};
#define KINDS ARRAY_LEN(kinds)
#define PHASES ARRAY_LEN(phases)

struct view {
	struct function_row rows[FUNCTIONS_MAX];
	size_t count;
	struct {
		char name[16];
		double value;
	} states[STATES_MAX];
	size_t state_count;
	struct histogram cold[KINDS][PHASES]; /* seconds */
	double running, waiting, memory, memory_max, started_s;
	uint64_t at_ns;
};

/* Where a metric with a function label is added up. */
static const struct {
	const char *name;
	size_t offset;
} sums[] = {
	{"mayfly_invocations_total", offsetof(struct function_row, invoked)},
	{"mayfly_invocation_errors_total", offsetof(struct function_row, errors)},
	{"mayfly_throttles_total", offsetof(struct function_row, throttled)},
	{"mayfly_cold_starts_total", offsetof(struct function_row, cold)},
	{"mayfly_duration_seconds_sum", offsetof(struct function_row, seconds)},
	{"mayfly_duration_seconds_count", offsetof(struct function_row, counted)},
};

static const struct {
	const char *name;
	size_t offset;
} gauges[] = {
	{"mayfly_concurrent_invocations", offsetof(struct view, running)},
	{"mayfly_waiting_invocations", offsetof(struct view, waiting)},
	{"mayfly_environment_memory_bytes", offsetof(struct view, memory)},
	{"mayfly_environment_memory_max_bytes", offsetof(struct view, memory_max)},
	{"process_start_time_seconds", offsetof(struct view, started_s)},
};

static struct function_row *row_of(struct view *v, struct str name)
{
	for (size_t i = 0; i < v->count; i++) {
		if (str_eqz(name, v->rows[i].name))
			return &v->rows[i];
	}
	if (v->count == FUNCTIONS_MAX || str_copy(v->rows[v->count].name, sizeof v->rows->name, name) < 0)
		return NULL;
	v->rows[v->count].rate = -1;
	return &v->rows[v->count++];
}

static size_t index_of(const char *const *names, size_t n, struct str name)
{
	size_t i = 0;
	while (i < n && !str_eqz(name, names[i]))
		i++;
	return i;
}

static void add_cold(struct view *v, const struct sample *s)
{
	size_t kind = index_of(kinds, KINDS, sample_label(s, "kind")), phase = index_of(phases, PHASES, sample_label(s, "phase"));
	if (kind < KINDS && phase < PHASES)
		histogram_add(&v->cold[kind][phase], s);
}

static void add(struct view *v, const struct sample *s)
{
	if (str_eqz(s->name, "mayfly_cold_start_seconds_bucket"))
		add_cold(v, s);
	struct str function = sample_label(s, "function"), state = sample_label(s, "state");
	for (size_t i = 0; i < ARRAY_LEN(sums); i++) {
		struct function_row *row = function.p && str_eqz(s->name, sums[i].name) ? row_of(v, function) : NULL;
		if (row)
			*(double *)(void *)((char *)row + sums[i].offset) += s->value;
	}
	for (size_t i = 0; i < ARRAY_LEN(gauges); i++) {
		if (str_eqz(s->name, gauges[i].name))
			*(double *)(void *)((char *)v + gauges[i].offset) = s->value;
	}
	if (str_eqz(s->name, "mayfly_environments") && state.p && v->state_count < STATES_MAX &&
	    str_copy(v->states[v->state_count].name, sizeof v->states->name, state) == 0)
		v->states[v->state_count++].value = s->value;
}

static void compare(struct view *v, struct view *before)
{
	double seconds = before->at_ns ? (double)(v->at_ns - before->at_ns) / NS_PER_S : 0;
	for (size_t i = 0; i < v->count && seconds > 0; i++) {
		const struct function_row *old = row_of(before, str_from(v->rows[i].name));
		double more = v->rows[i].invoked - (old ? old->invoked : 0);
		v->rows[i].rate = more > 0 ? more / seconds : 0;
	}
}

static int busiest_first(const void *a, const void *b)
{
	const struct function_row *x = a, *y = b;
	double dx = x->rate > 0 ? x->rate : 0, dy = y->rate > 0 ? y->rate : 0;
	if (dx != dy)
		return dx < dy ? 1 : -1;
	return x->invoked < y->invoked ? 1 : x->invoked > y->invoked ? -1 : strcmp(x->name, y->name);
}

static int fill(struct cli *cli, struct view *v, struct view *before)
{
	CLEANUP_ANSWER struct client_answer answer = {0};
	struct sample s;
	*v = (struct view){.at_ns = clock_mono_ns()};
	if (client_page(cli, "/_mayfly/metrics", args_text(&cli->args, "token"), &answer) < 0)
		return -1;
	struct str text = buf_str(&answer.body);
	while (samples_next(&text, &s))
		add(v, &s);
	compare(v, before);
	qsort(v->rows, v->count, sizeof *v->rows, busiest_first);
	return 0;
}

static void print_head(struct cli *cli, const struct view *v)
{
	char memory[TERM_TEXT], most[TERM_TEXT], since[TERM_TEXT];
	printf("%s%s%s", term_out(cli, TERM_BOLD), client_profile(cli)->endpoint, term_out(cli, TERM_PLAIN));
	if (v->started_s > 0)
		printf(", started %s", term_ago(since, (double)clock_wall_ms() / 1000 - v->started_s));
	printf("\ninvocations: %.0f running or waiting, %.0f of them waiting\nenvironments:", v->running, v->waiting);
	for (size_t i = 0; i < v->state_count; i++)
		printf(" %.0f %s%s", v->states[i].value, v->states[i].name, i + 1 < v->state_count ? "," : "");
	printf("; %s of %s memory promised\n\n", term_bytes(memory, v->memory), term_bytes(most, v->memory_max));
}

/* A phase that no invocation of this kind had is empty. */
static void add_quantiles(struct term_table *t, const struct histogram *h)
{
	char median[TERM_TEXT], p99[TERM_TEXT], text[2 * TERM_TEXT];
	double low = histogram_quantile(h, 0.5), high = histogram_quantile(h, 0.99);
	if (low < 0)
		snprintf(text, sizeof text, "-");
	else
		snprintf(text, sizeof text, "%s / %s", term_ms(median, 1000 * low), term_ms(p99, 1000 * high));
	term_table_add(t, text);
}

static void print_cold(struct cli *cli, const struct view *v)
{
	static const char *const titles[] = {"COLD START", ">COUNT", ">QUEUED", ">SANDBOX", ">INIT", ">RESTORE", ">FUNCTION", ">RESPONSE", ">TOTAL"};
	struct term_table t;
	char text[TERM_TEXT];
	double count = 0;
	term_table_init(&t, titles, ARRAY_LEN(titles));
	for (size_t kind = 0; kind < KINDS; kind++) {
		double n = histogram_count(&v->cold[kind][PHASES - 1]);
		if (n == 0)
			continue;
		count += n;
		snprintf(text, sizeof text, "%.0f", n);
		term_table_add(&t, kinds[kind]);
		term_table_add(&t, text);
		for (size_t phase = 0; phase < PHASES; phase++)
			add_quantiles(&t, &v->cold[kind][phase]);
	}
	if (count > 0) {
		term_table_print(cli, &t, stdout);
		printf("%smedian / 99th percentile since the server's start%s\n\n", term_out(cli, TERM_DIM), term_out(cli, TERM_PLAIN));
	}
	term_table_release(&t);
}

static void add_number(struct term_table *t, double value)
{
	char text[TERM_TEXT];
	snprintf(text, sizeof text, "%.0f", value);
	term_table_add(t, text);
}

static void print_table(struct cli *cli, const struct view *v, size_t most)
{
	static const char *const titles[] = {"FUNCTION", ">INVOKED", ">PER S", ">ERRORS", ">THROTTLED", ">COLD", ">MEAN"};
	struct term_table t;
	char text[TERM_TEXT];
	term_table_init(&t, titles, ARRAY_LEN(titles));
	for (size_t i = 0; i < v->count && i < most; i++) {
		const struct function_row *r = &v->rows[i];
		term_table_add(&t, r->name);
		add_number(&t, r->invoked);
		snprintf(text, sizeof text, "%.1f", r->rate);
		term_table_add(&t, r->rate < 0 ? "-" : text);
		add_number(&t, r->errors);
		add_number(&t, r->throttled);
		add_number(&t, r->cold);
		term_table_add(&t, r->counted > 0 ? term_ms(text, 1000 * r->seconds / r->counted) : "-");
	}
	term_table_print(cli, &t, stdout);
	term_table_release(&t);
}

static json_t *cold_object(const struct view *v)
{
	json_t *all = json_object();
	for (size_t kind = 0; kind < KINDS; kind++) {
		json_t *one = json_pack("{s:f}", "count", histogram_count(&v->cold[kind][PHASES - 1]));
		for (size_t phase = 0; phase < PHASES; phase++) {
			const struct histogram *h = &v->cold[kind][phase];
			if (histogram_count(h) > 0)
				json_object_set_new(one, phases[phase], json_pack("{s:f, s:f}", "median_ms", 1000 * histogram_quantile(h, 0.5), "p99_ms",
				                                                  1000 * histogram_quantile(h, 0.99)));
		}
		json_object_set_new(all, kinds[kind], one);
	}
	return all;
}

static int print_object(const struct view *v)
{
	CLEANUP_JSON json_t *o = json_pack("{s:f, s:f, s:f, s:f}", "running", v->running, "waiting", v->waiting, "memory_bytes", v->memory,
	                                   "memory_max_bytes", v->memory_max);
	json_t *functions = json_array(), *states = json_object();
	for (size_t i = 0; i < v->state_count; i++)
		json_object_set_new(states, v->states[i].name, json_integer((json_int_t)v->states[i].value));
	for (size_t i = 0; i < v->count; i++) {
		const struct function_row *r = &v->rows[i];
		json_array_append_new(functions, json_pack("{s:s, s:f, s:f, s:f, s:f, s:f}", "function", r->name, "invocations", r->invoked, "errors",
		                                           r->errors, "throttles", r->throttled, "cold_starts", r->cold, "mean_ms",
		                                           r->counted > 0 ? 1000 * r->seconds / r->counted : 0.0));
	}
	json_object_set_new(o, "environments", states);
	json_object_set_new(o, "functions", functions);
	json_object_set_new(o, "cold_starts", cold_object(v));
	return cli_print_json(o);
}

/* Keys one by one and unseen; Ctrl-C comes as a key, so that the terminal is always set back. */
static void keys_start(struct termios *old)
{
	struct termios raw;
	tcgetattr(STDIN_FILENO, old);
	raw = *old;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	fputs("\033[?25l", stdout);
}

static void keys_end(const struct termios *old)
{
	fputs("\033[?25h", stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, old);
}

static bool wait_for_end(unsigned ms)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char key;
	if (poll(&in, 1, (int)ms) <= 0)
		return false;
	return read(STDIN_FILENO, &key, 1) <= 0 || key == 'q' || key == 3 || key == 4;
}

static int live(struct cli *cli, struct view *v, struct view *before, unsigned interval_ms)
{
	struct termios old;
	int r;
	keys_start(&old);
	while ((r = fill(cli, v, before)) == 0) {
		fputs("\033[H\033[J", stdout);
		print_head(cli, v);
		print_cold(cli, v);
		print_table(cli, v, 40);
		fputs("\nq ends", stdout);
		fflush(stdout);
		*before = *v;
		if (wait_for_end(interval_ms))
			break;
	}
	keys_end(&old);
	putchar('\n');
	return r;
}

static int once(struct cli *cli, struct view *v, struct view *before)
{
	if (fill(cli, v, before) < 0)
		return -1;
	if (cli->json)
		return print_object(v);
	print_head(cli, v);
	print_cold(cli, v);
	print_table(cli, v, FUNCTIONS_MAX);
	return 0;
}

static int run(struct cli *cli)
{
	uint64_t seconds = 1;
	CLEANUP_FREE struct view *views = calloc(2, sizeof *views);
	ASSERT(views);
	args_number(&cli->args, "interval", &seconds);
	if (cli->json || args_flag(&cli->args, "once") || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return once(cli, &views[0], &views[1]);
	return live(cli, &views[0], &views[1], (unsigned)seconds * 1000);
}

const struct command command_top = {
	.name = "top",
	.summary = "watch functions and environments",
	.words = "",
	.options = OPTIONS(options),
	.run = run,
};
