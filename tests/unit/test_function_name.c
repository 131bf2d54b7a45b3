#include "control/function/name.h"
#include "tests/unit/test.h"

struct row {
	const char *text, *name, *qualifier, *region, *account; /* name NULL: refused; others NULL: not said */
};

static const struct row rows[] = {
	{"f", "f", NULL, NULL, NULL},
	{"f:7", "f", "7", NULL, NULL},
	{"f:$LATEST", "f", "$LATEST", NULL, NULL},
	{"000000000000:function:f", "f", NULL, NULL, "000000000000"},
	{"000000000000:f:live", "f", "live", NULL, "000000000000"},
	{"arn:aws:lambda:us-east-1:000000000000:function:f", "f", NULL, "us-east-1", "000000000000"},
	{"arn:aws:lambda:us-gov-west-1:000000000000:function:f:1", "f", "1", "us-gov-west-1", "000000000000"},
	{"function:f", "f", NULL, NULL, NULL},
	{"", NULL, NULL, NULL, NULL},
	{"a b", NULL, NULL, NULL, NULL},
	{"f:", NULL, NULL, NULL, NULL},
	{"f:1:2", NULL, NULL, NULL, NULL},
	{"arn:aws:s3:us-east-1:000000000000:function:f", NULL, NULL, NULL, NULL},
};

static bool same(struct str got, const char *want)
{
	return want ? str_eqz(got, want) : !got.p;
}

TEST(forms)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct function_ref ref;
		bool fine = function_ref_parse(&ref, str_from(rows[i].text));
		if (fine != (rows[i].name != NULL))
			printf("%s\n", rows[i].text);
		CHECK(fine == (rows[i].name != NULL));
		CHECK(!fine || (same(ref.name, rows[i].name) && same(ref.qualifier, rows[i].qualifier) &&
		                same(ref.region, rows[i].region) && same(ref.account, rows[i].account)));
	}
}

TEST(qualifiers)
{
	unsigned n = 5;
	CHECK_INT(function_qualifier_kind(STR_NULL, &n), QUALIFIER_NONE);
	CHECK_INT(function_qualifier_kind(STR("$LATEST"), &n), QUALIFIER_LATEST);
	CHECK_INT(function_qualifier_kind(STR("live-1"), &n), QUALIFIER_ALIAS);
	CHECK(function_qualifier_kind(STR("42"), &n) == QUALIFIER_NUMBER && n == 42);
	CHECK(function_qualifier_kind(STR("99999999999"), &n) == QUALIFIER_NUMBER && n == 0);
}

TESTS(T(forms), T(qualifiers))
