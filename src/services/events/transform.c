#include "services/events/transform.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/json/check.h"
#include "core/json/value.h"
#include "core/json/write.h"
#include "services/events/transform_path.h"

enum transform_kind { WHOLE, CONSTANT, PATH, TEMPLATE };
enum word { WORD_NONE, WORD_RULE_ARN, WORD_RULE_NAME, WORD_INGESTION_TIME, WORD_EVENT, WORD_EVENT_JSON };

static const struct {
	const char *name;
	enum word word;
} words[] = {
	{"aws.events.rule-arn", WORD_RULE_ARN},
	{"aws.events.rule-name", WORD_RULE_NAME},
	{"aws.events.event.ingestion-time", WORD_INGESTION_TIME},
	{"aws.events.event", WORD_EVENT},
	{"aws.events.event.json", WORD_EVENT_JSON},
};

struct variable {
	struct str name;
	struct transform_path path;
};

/* Plain text, then a placeholder (the last piece may have none). */
struct piece {
	struct str text;
	const struct variable *variable; /* NULL: none, or `word` */
	enum word word;
	bool quoted, ends; /* ends: there is no placeholder behind the text */
};

struct transform {
	enum transform_kind kind;
	char *text; /* constant, or the template with its escapes of < and > taken out piecewise */
	size_t len;
	struct variable *variables; /* PATH: one */
	size_t variable_count;
	struct piece *pieces;
	size_t piece_count;
};

void transform_free(struct transform *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->variable_count; i++)
		transform_path_release(&t->variables[i].path);
	free(t->variables);
	free(t->pieces);
	free(t->text);
	free(t);
}

static const char *id_of(const json_t *target)
{
	const char *id = json_string_value(json_object_get(target, "Id"));
	return id ? id : "";
}

/* ---- compiling ---- */

static int add_path(struct transform *t, const json_t *target, const char *name, const json_t *path, struct error *err)
{
	struct variable *v = &t->variables[t->variable_count];
	if (transform_path_parse(&v->path, json_value_text(path)) < 0)
		return error_set(err, ERR_VALIDATION, "InputPath for target %s is invalid.", id_of(target));
	v->name = str_from(name);
	t->variable_count++;
	return 0;
}

static int compile_constant(struct transform *t, const json_t *target, const json_t *input, struct error *err)
{
	CLEANUP_FREE struct json_check *check = malloc(sizeof *check);
	t->kind = CONSTANT;
	t->text = str_dup(json_value_text(input));
	t->len = json_string_length(input);
	if (!check || !t->text)
		return error_set(err, ERR_NO_MEMORY, "no memory for a target's input");
	if (json_check_all(check, t->text, t->len) < 0)
		return error_set(err, ERR_VALIDATION, "JSON syntax error in input for target %s.",
		                 id_of(target));
	return 0;
}

static int compile_path(struct transform *t, const json_t *target, const json_t *path, struct error *err)
{
	t->kind = PATH;
	t->variables = calloc(1, sizeof *t->variables);
	return t->variables ? add_path(t, target, "", path, err) : error_set(err, ERR_NO_MEMORY, "no memory for a target's input");
}

static bool is_name(char c)
{
	return ((c | 32) >= 'a' && (c | 32) <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

static size_t placeholder_length(struct str s)
{
	size_t n = 1;
	while (n < s.n && is_name(s.p[n]))
		n++;
	return n > 1 && n < s.n && s.p[n] == '>' ? n + 1 : 0;
}

static bool resolve(const struct transform *t, struct str name, struct piece *piece)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (str_eqz(name, words[i].name)) {
			piece->word = words[i].word;
			return true;
		}
	}
	for (size_t i = 0; i < t->variable_count && !piece->variable; i++) {
		if (str_eq(name, t->variables[i].name))
			piece->variable = &t->variables[i];
	}
	return piece->variable != NULL;
}

/* Cuts the template at its placeholders, and at \< and \>, whose backslash is left out. */
static int cut(struct transform *t, const json_t *target, struct error *err)
{
	struct str rest = {t->text, t->len};
	size_t at = 0;
	bool quoted = false;
	while (at < rest.n) {
		struct piece *piece = &t->pieces[t->piece_count];
		char c = rest.p[at];
		size_t n = c == '<' ? placeholder_length(str_sub(rest, at, rest.n)) : 0;
		bool escaped = c == '\\' && at + 1 < rest.n && (rest.p[at + 1] == '<' || rest.p[at + 1] == '>');
		if (!n && !escaped) {
			quoted ^= c == '"';
			at += c == '\\' && quoted && at + 1 < rest.n ? 2 : 1;
			continue;
		}
		*piece = (struct piece){.text = str_sub(rest, 0, at), .quoted = quoted, .ends = escaped};
		struct str name = str_sub(rest, at + 1, at + n - 1);
		if (n && !resolve(t, name, piece))
			return error_set(err, ERR_VALIDATION, "InputTemplate for target %s contains placeholder " STR_FMT
			                 " which is not defined in InputPathsMap.", id_of(target), STR_ARG(name));
		t->piece_count++;
		rest = str_sub(rest, escaped ? at + 1 : at + n, rest.n); /* what was escaped is plain text of the next piece */
		at = escaped;
	}
	t->pieces[t->piece_count++] = (struct piece){.text = rest, .ends = true};
	return 0;
}

static bool is_strings(struct json_check *check, struct str text)
{
	struct str line;
	unsigned lines = 0;
	while (str_split(&text, '\n', &line)) {
		line = str_trim(line);
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n && (line.p[0] != '"' || json_check_all(check, line.p, line.n) < 0))
			return false;
		lines += line.n > 0;
	}
	return lines > 0;
}

/* With null for each placeholder, nothing for those in quotes: is it JSON? */
static int check_template(const struct transform *t, const json_t *target, struct error *err)
{
	CLEANUP_FREE struct json_check *check = calloc(1, sizeof *check);
	struct buf text;
	if (!check)
		return error_set(err, ERR_NO_MEMORY, "no memory for a template");
	buf_init(&text, 64 * 1024 + t->len);
	for (size_t i = 0; i < t->piece_count; i++) {
		buf_put(&text, t->pieces[i].text);
		if (!t->pieces[i].ends && !t->pieces[i].quoted)
			buf_puts(&text, "null");
	}
	bool fine = !text.overflow && (json_check_all(check, text.data, text.len) == 0 || is_strings(check, buf_str(&text)));
	unsigned long long line = check->line, column = check->column;
	buf_release(&text);
	return fine ? 0 : error_set(err, ERR_VALIDATION, "Invalid InputTemplate for target %s : [Source: (String); line: %llu, column: %llu].",
	                            id_of(target), line, column);
}

static int compile_template(struct transform *t, const json_t *target, const json_t *transformer, struct error *err)
{
	json_t *paths = json_object_get(transformer, "InputPathsMap"), *path;
	struct str text = json_value_text(json_object_get(transformer, "InputTemplate"));
	const char *name;
	t->kind = TEMPLATE;
	t->text = str_dup(text);
	t->len = text.n;
	t->variables = calloc(json_object_size(paths) + 1, sizeof *t->variables);
	t->pieces = calloc(text.n / 2 + 2, sizeof *t->pieces); /* \< is the shortest */
	if (!t->text || !t->variables || !t->pieces)
		return error_set(err, ERR_NO_MEMORY, "no memory for a template");
	json_object_foreach(paths, name, path) {
		if (strncasecmp(name, "aws", 3) == 0)
			return error_set(err, ERR_VALIDATION, "InputPathsMap of target %s: names must not begin with \"AWS\".",
			                 id_of(target));
		if (add_path(t, target, name, path, err) < 0)
			return -1;
	}
	return cut(t, target, err) < 0 ? -1 : check_template(t, target, err);
}

static const struct {
	const char *key;
	int (*compile)(struct transform *t, const json_t *target, const json_t *value, struct error *err);
} ways[] = {{"Input", compile_constant}, {"InputPath", compile_path}, {"InputTransformer", compile_template}};

struct transform *transform_compile(const json_t *target, struct error *err)
{
	struct transform *t = calloc(1, sizeof *t);
	unsigned given = 0;
	int rc = t ? 0 : error_set(err, ERR_NO_MEMORY, "no memory for a target's input");
	for (size_t i = 0; i < ARRAY_LEN(ways) && rc == 0; i++) {
		const json_t *value = json_object_get(target, ways[i].key);
		if (!value || json_is_null(value))
			continue;
		rc = given++ ? error_set(err, ERR_VALIDATION, "Only one of Input, InputPath, or InputTransformer must be provided for target %s.",
		                         id_of(target))
		             : ways[i].compile(t, target, value, err);
	}
	if (rc == 0)
		return t;
	transform_free(t);
	return NULL;
}

/* ---- applying ---- */

static void put_without_detail(struct buf *out, struct str event)
{
	struct str name, value;
	bool first = true;
	buf_putc(out, '{');
	while (transform_next_member(&event, &name, &value)) {
		if (str_eqz(name, "detail"))
			continue;
		buf_printf(out, first ? "\"" : ",\"");
		buf_put(out, name);
		buf_puts(out, "\":");
		buf_put(out, value);
		first = false;
	}
	buf_putc(out, '}');
}

/* A value within a string: strings without their quotes, of others the quotes are left out, so that the text around stays one string. */
static void put_within(struct buf *out, struct str value)
{
	if (value.n >= 2 && value.p[0] == '"') {
		buf_put(out, str_sub(value, 1, value.n - 1));
		return;
	}
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '\\' && i + 1 < value.n) { /* an escape, as one */
			if (value.p[++i] != '"')
				buf_append(out, value.p + i - 1, 2);
		} else if (value.p[i] != '"') {
			buf_putc(out, value.p[i]);
		}
	}
}

static void put_text(struct buf *out, struct str text, bool quoted)
{
	struct buf escaped;
	buf_init(&escaped, 6 * text.n + 2);
	json_escape(&escaped, text);
	if (quoted)
		put_within(out, buf_str(&escaped));
	else
		buf_put(out, buf_str(&escaped));
	buf_release(&escaped);
}

/* One application: what a template asks for again is found once. */
struct applying {
	const struct transform *t;
	const struct transform_context *c;
	struct buf *out;
	struct str *values;        /* one a variable */
	struct buf without_detail; /* empty: not made yet */
	size_t work;               /* bytes read so far; they may leave less behind, as quotes are left out */
};

static void put_value(struct applying *a, struct str value, bool quoted)
{
	a->work += value.n;
	if (quoted)
		put_within(a->out, value);
	else
		buf_put(a->out, value);
}

static void put_word(struct applying *a, enum word word, bool quoted)
{
	const struct transform_context *c = a->c;
	if (word == WORD_EVENT_JSON) {
		put_value(a, c->event, quoted);
	} else if (word == WORD_EVENT) {
		if (a->without_detail.len == 0)
			put_without_detail(&a->without_detail, c->event);
		put_value(a, buf_str(&a->without_detail), quoted);
	} else {
		put_text(a->out, word == WORD_RULE_ARN ? c->rule_arn : word == WORD_RULE_NAME ? c->rule_name : c->ingestion_time, quoted);
	}
}

static void put_piece(struct applying *a, const struct piece *piece)
{
	buf_put(a->out, piece->text);
	if (piece->ends)
		return;
	if (!piece->variable) {
		put_word(a, piece->word, piece->quoted);
		return;
	}
	struct str value = a->values[piece->variable - a->t->variables];
	put_value(a, value.p || piece->quoted ? value : STR("null"), piece->quoted);
}

static int apply_template(const struct transform *t, const struct transform_context *c, struct buf *out, struct error *err)
{
	CLEANUP_FREE struct str *values = calloc(t->variable_count + 1, sizeof *values);
	struct applying a = {.t = t, .c = c, .out = out, .values = values};
	if (!values)
		return error_set(err, ERR_NO_MEMORY, "no memory for what a target is given");
	for (size_t i = 0; i < t->variable_count; i++)
		values[i] = transform_path_find(&t->variables[i].path, c->event);
	buf_init(&a.without_detail, c->event.n + 2);
	for (size_t i = 0; i < t->piece_count && !out->overflow && a.work <= TRANSFORM_WORK_MAX; i++)
		put_piece(&a, &t->pieces[i]);
	buf_release(&a.without_detail);
	return a.work <= TRANSFORM_WORK_MAX ? 0 : error_set(err, ERR_TOO_LARGE, "what the target is given takes in more than %u bytes of events",
	                                                    TRANSFORM_WORK_MAX);
}

int transform_apply(const struct transform *t, const struct transform_context *context, struct buf *out, struct error *err)
{
	struct str found;
	switch (t->kind) {
	case WHOLE:
		buf_put(out, context->event);
		break;
	case CONSTANT:
		buf_append(out, t->text, t->len);
		break;
	case PATH:
		found = transform_path_find(&t->variables[0].path, context->event);
		buf_put(out, found.p ? found : STR("null"));
		break;
	case TEMPLATE:
		if (apply_template(t, context, out, err) < 0)
			return -1;
	}
	return out->overflow ? error_set(err, ERR_TOO_LARGE, "what the target is given passes %zu bytes", out->max) : 0;
}
