#include "core/spec/arn.h"

static bool cut(struct str *rest, struct str *piece)
{
	size_t at = str_find(*rest, ':');
	if (at == rest->n)
		return false;
	*piece = str_sub(*rest, 0, at);
	*rest = str_sub(*rest, at + 1, rest->n);
	return true;
}

bool arn_parse(struct arn *out, struct str text)
{
	struct arn a;
	struct str word;
	if (!text.p || !cut(&text, &word) || !str_eqz(word, "arn") || !cut(&text, &a.partition) || !cut(&text, &a.service) ||
	    !cut(&text, &a.region) || !cut(&text, &a.account) || a.partition.n == 0 || a.service.n == 0 || text.n == 0)
		return false;
	a.resource = text;
	*out = a;
	return true;
}

bool arn_is(const struct arn *a, const char *service, const char *region, const char *account)
{
	return str_eqz(a->service, service) && str_eqz(a->region, region) && str_eqz(a->account, account);
}
