#include "control/function/name.h"

static bool all(struct str s, bool (*is)(char c))
{
	for (size_t i = 0; i < s.n; i++) {
		if (!is(s.p[i]))
			return false;
	}
	return s.n > 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

static bool is_qualifier(char c)
{
	return is_name(c) || c == '$' || c == '.';
}

/* Cuts "<piece>:" off the front. */
static bool take(struct str *rest, struct str *piece)
{
	size_t at = str_find(*rest, ':');
	if (at == rest->n)
		return false;
	*piece = str_sub(*rest, 0, at);
	*rest = str_sub(*rest, at + 1, rest->n);
	return true;
}

static bool take_word(struct str *rest, const char *word)
{
	struct str r = *rest, piece;
	if (!take(&r, &piece) || !str_eqz(piece, word))
		return false;
	*rest = r;
	return true;
}

/* "us-east-1", "us-gov-west-1": two letters, dashes, a closing digit. */
static bool is_region(struct str s)
{
	return s.n >= 9 && s.p[2] == '-' && is_digit(s.p[s.n - 1]) && s.p[s.n - 2] == '-' && all(s, is_name);
}

static bool take_prefix(struct str *rest, struct function_ref *ref)
{
	struct str r = *rest, piece;
	if (str_starts(r, STR("arn:"))) {
		if (!take(&r, &piece) || !take(&r, &piece) || !str_starts(piece, STR("aws")) || !take_word(&r, "lambda"))
			return false;
		*rest = r;
	}
	if (take(&r, &piece) && is_region(piece)) {
		ref->region = piece;
		*rest = r;
	}
	r = *rest;
	if (take(&r, &piece) && piece.n == 12 && all(piece, is_digit)) {
		ref->account = piece;
		*rest = r;
	}
	take_word(rest, "function");
	return true;
}

bool function_ref_parse(struct function_ref *ref, struct str text)
{
	struct function_ref new = {.qualifier = STR_NULL};
	size_t colon = str_find(text, ':');
	if (colon < text.n && !take_prefix(&text, &new))
		return false;
	colon = str_find(text, ':');
	new.name = str_sub(text, 0, colon);
	if (!all(new.name, is_name))
		return false;
	if (colon < text.n) {
		new.qualifier = str_sub(text, colon + 1, text.n);
		if (!all(new.qualifier, is_qualifier))
			return false;
	}
	*ref = new;
	return true;
}

enum qualifier_kind function_qualifier_kind(struct str qualifier, unsigned *number)
{
	if (!qualifier.p || qualifier.n == 0)
		return QUALIFIER_NONE;
	if (str_eqz(qualifier, "$LATEST"))
		return QUALIFIER_LATEST;
	if (!all(qualifier, is_digit))
		return QUALIFIER_ALIAS;
	uint64_t v;
	*number = str_to_u64(qualifier, UINT32_MAX, &v) < 0 ? 0 : (unsigned)v;
	return QUALIFIER_NUMBER;
}
