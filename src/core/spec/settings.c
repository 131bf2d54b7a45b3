#include "core/spec/settings.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/str.h"

static const struct setting_row rows[] = {
#define S(field, option, kind, initial, min, max, unit, help) \
	{option, SETTING_##kind, initial, min, max, unit, help, offsetof(struct settings, field)},
#include "core/spec/settings.def"
#undef S
};

const struct setting_row *settings_rows(size_t *n)
{
	*n = ARRAY_LEN(rows);
	return rows;
}

static int set_number(struct settings *s, const struct setting_row *row, struct str value, struct error *err)
{
	uint64_t n;
	if (str_to_u64(value, row->max, &n) < 0 || n < row->min)
		return error_set(err, ERR_USAGE, "--%s takes a number from %llu to %llu%s%s, not '%.40s'", row->option,
		                 (unsigned long long)row->min, (unsigned long long)row->max, *row->unit ? ", in " : "", row->unit,
		                 value.p);
	memcpy((char *)s + row->offset, &n, sizeof n);
	return 0;
}

static bool is_choice(const struct setting_row *row, struct str value)
{
	struct str rest = str_from(row->unit), one;
	while (str_split(&rest, '|', &one)) {
		if (str_eq(one, value))
			return true;
	}
	return false;
}

static int set_value(struct settings *s, const struct setting_row *row, const char *text, struct error *err)
{
	struct str value = str_from(text);
	if (row->kind == SETTING_NUMBER)
		return set_number(s, row, value, err);
	if (row->kind == SETTING_CHOICE && !is_choice(row, value))
		return error_set(err, ERR_USAGE, "--%s is one of %s, not '%.40s'", row->option, row->unit, text);
	if (str_copy((char *)s + row->offset, SETTING_TEXT_MAX, value) < 0)
		return error_set(err, ERR_USAGE, "--%s takes at most %d characters", row->option, SETTING_TEXT_MAX - 1);
	return 0;
}

static const struct setting_row *find(struct str option)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (str_eqz(option, rows[i].option))
			return &rows[i];
	}
	return NULL;
}

static const char *from_env(const struct setting_row *row, char *const env[])
{
	char name[64];
	int n = snprintf(name, sizeof name, "MAYFLY_%s=", row->option);
	for (char *c = name; *c; c++)
		*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
	for (; env && *env; env++) {
		if (strncmp(*env, name, (size_t)n) == 0)
			return *env + n;
	}
	return NULL;
}

static int parse_option(struct settings *s, int argc, char *const argv[], int *at, struct error *err)
{
	const char *arg = argv[*at];
	if (strncmp(arg, "--", 2) != 0)
		return error_set(err, ERR_USAGE, "unexpected argument '%.60s'; options begin with --", arg);
	struct str whole = str_from(arg + 2), name = str_sub(whole, 0, str_find(whole, '='));
	const struct setting_row *row = find(name);
	if (!row)
		return error_set(err, ERR_USAGE, "unknown option '%.60s'; --help lists them", arg);
	if (name.n < whole.n)
		return set_value(s, row, name.p + name.n + 1, err);
	if (*at + 1 >= argc)
		return error_set(err, ERR_USAGE, "--%s needs a value", row->option);
	return set_value(s, row, argv[++*at], err);
}

static int check_account(const struct settings *s, struct error *err)
{
	uint64_t n;
	if (strlen(s->account) != 12 || str_to_u64(str_from(s->account), UINT64_MAX, &n) < 0)
		return error_set(err, ERR_USAGE, "--account takes 12 digits, not '%.40s'", s->account);
	if (strspn(s->region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(s->region) || !*s->region || strlen(s->region) > 32)
		return error_set(err, ERR_USAGE, "--region takes a name such as us-east-1, not '%.40s'", s->region);
	return 0;
}

static int check_tls(const struct settings *s, struct error *err)
{
	if (!*s->tls_cert == !*s->tls_key)
		return 0;
	return error_set(err, ERR_USAGE, "--tls-cert and --tls-key go together; --%s is missing", *s->tls_cert ? "tls-key" : "tls-cert");
}

int settings_parse(struct settings *s, int argc, char *const argv[], char *const env[], struct error *err)
{
	struct settings new = {0};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *text = from_env(&rows[i], env);
		if (set_value(&new, &rows[i], text ? text : rows[i].initial, err) < 0)
			return text ? error_wrap(err, "environment variable") : -1;
	}
	for (int at = 0; at < argc; at++) {
		if (parse_option(&new, argc, argv, &at, err) < 0)
			return -1;
	}
	char host[64];
	uint16_t port;
	if (check_account(&new, err) < 0 || check_tls(&new, err) < 0 || settings_listen(&new, host, &port, err) < 0)
		return -1;
	*s = new;
	return 0;
}

int settings_listen(const struct settings *s, char host[64], uint16_t *port, struct error *err)
{
	struct str whole = str_from(s->listen), name = str_sub(whole, 0, str_find(whole, ':'));
	uint64_t n;
	char copy[64];
	if (name.n == whole.n || str_to_u64(str_sub(whole, name.n + 1, whole.n), 65535, &n) < 0 || str_copy(copy, 64, name) < 0)
		return error_set(err, ERR_USAGE, "--listen takes ADDR:PORT such as 127.0.0.1:4566, not '%.60s'", s->listen);
	if (strcmp(copy, "localhost") == 0)
		snprintf(copy, sizeof copy, "127.0.0.1");
	memcpy(host, copy, sizeof copy);
	*port = (uint16_t)n;
	return 0;
}

const char *settings_scheme(const struct settings *s)
{
	return *s->tls_cert ? "https" : "http";
}
