/* Lineage in trace headers. */
#include <stdlib.h>

#include "control/invoke/trace.h"
#include "tests/unit/test.h"

#define F STR("arn:aws:lambda:us-east-1:000000000000:function:f")
#define G STR("arn:aws:lambda:us-east-1:000000000000:function:g")

TEST(a_chain_is_counted_by_function)
{
	char a[TRACE_MAX], b[TRACE_MAX];
	CHECK_INT(trace_next(a, STR_NULL, F), 1);
	CHECK(strncmp(a, "Root=1-", 7) == 0 && strstr(a, ";Parent=") && strstr(a, ";Sampled=0;Lineage=1:"));
	CHECK_INT(trace_count(str_from(a), F), 1);
	CHECK_INT(trace_count(str_from(a), G), 0);
	CHECK_INT(trace_next(b, str_from(a), G), 1);
	CHECK_INT(trace_count(str_from(b), F), 1);
	CHECK(strncmp(a, b, strlen("Root=1-12345678-123456789012345678901234")) == 0);
	for (unsigned i = 2; i <= 20; i++) {
		CHECK_INT(trace_next(a, str_from(b), F), i);
		memcpy(b, a, sizeof a);
	}
	CHECK_INT(trace_count(str_from(b), F), 20);
	CHECK_INT(trace_count(str_from(b), G), 1);
}

TEST(unknown_members_are_kept_bad_lineages_count_as_none)
{
	char a[TRACE_MAX];
	trace_next(a, STR("Self=1-2;Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=x:y:z"), F);
	CHECK(strstr(a, "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Self=1-2;Lineage=1:") == a);
	CHECK_INT(trace_count(str_from(a), F), 1);
	CHECK_INT(trace_count(STR("nonsense"), F), 0);
	CHECK_INT(trace_count(STR_NULL, F), 0);
	CHECK_INT(trace_next(a, STR("Parent=1;Lineage=1:00000000:7"), F), 1);
	CHECK(!strstr(a, ":7") && !strstr(a, "Parent=1;"));
}

TEST(what_could_end_a_header_line_counts_as_none)
{
	char a[TRACE_MAX];
	CHECK_INT(trace_next(a, STR("Root=1-x;a=b\r\nX-Evil: 1;Lineage=1:00000000:7"), F), 1);
	CHECK(!strpbrk(a, "\r\n") && !strstr(a, "Evil") && !strstr(a, "Root=1-x"));
	CHECK_INT(trace_count(STR("Root=1-x;\x7fLineage=1:00000000:7"), F), 0);
}

TEST(long_chains_and_headers_fit)
{
	char a[TRACE_MAX], b[TRACE_MAX], arn[64], huge[4000];
	trace_next(a, STR_NULL, F);
	for (int i = 0; i < 30; i++) {
		snprintf(arn, sizeof arn, "arn:aws:lambda:us-east-1:000000000000:function:f%d", i);
		trace_next(b, str_from(a), str_from(arn));
		memcpy(a, b, sizeof a);
		CHECK(strlen(a) < TRACE_MAX);
		CHECK_INT(trace_count(str_from(a), str_from(arn)), 1);
	}
	CHECK_INT(trace_count(str_from(a), F), 0); /* invoked too long ago */
	memset(huge, 'x', sizeof huge);
	memcpy(huge, "Root=1-2;A=", 11);
	huge[sizeof huge - 1] = '\0';
	CHECK_INT(trace_next(a, str_from(huge), F), 1);
	CHECK(strncmp(a, "Root=1-2;Parent=", 16) == 0 && strlen(a) < TRACE_MAX);
	huge[8] = 'x';
	CHECK_INT(trace_next(a, str_from(huge), F), 1);
	/* Any bytes at all. */
	srand(7);
	for (int i = 0; i < 20000; i++) {
		static const char alphabet[] = "Root=;Parent=;Lineage=0123456789abcdef:|";
		size_t n = (size_t)rand() % 400;
		memcpy(huge, "Root=1;", 7);
		for (size_t k = 7; k < n; k++)
			huge[k] = alphabet[(size_t)rand() % (sizeof alphabet - 1)];
		CHECK(trace_next(a, (struct str){huge, n}, F) >= 1 && strlen(a) < TRACE_MAX && trace_count(str_from(a), F) >= 1);
	}
}

TESTS(T(a_chain_is_counted_by_function), T(unknown_members_are_kept_bad_lineages_count_as_none), T(what_could_end_a_header_line_counts_as_none),
      T(long_chains_and_headers_fit))
