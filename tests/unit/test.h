/* The unit test framework: TEST(name) { CHECK(...); } and a table at the end of the file.
 *
 *   TEST(str_splits) { CHECK(str_eqz(piece, "a")); CHECK_INT(n, 3); }
 *   TESTS(T(str_splits), ...)
 *
 * A failed check prints file, line and values, ends that test, and the program exits 1. */
#ifndef MAYFLY_TEST_H
#define MAYFLY_TEST_H

#include <stdio.h>
#include <string.h>

struct test_case {
	const char *name;
	void (*run)(int *failed);
};

#define TEST(name) static void test_##name(int *failed_)
#define T(name) {#name, test_##name}
#define CHECK(cond) \
	do { \
		if (!(cond)) { \
			printf("%s:%d: CHECK(%s) does not hold\n", __FILE__, __LINE__, #cond); \
			*failed_ = 1; \
			return; \
		} \
	} while (0)
#define CHECK_INT(got, want) \
	do { \
		long long got_ = (long long)(got), want_ = (long long)(want); \
		if (got_ != want_) { \
			printf("%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #got, got_, want_); \
			*failed_ = 1; \
			return; \
		} \
	} while (0)
#define CHECK_STR(got, want) \
	do { \
		const char *got_ = (got), *want_ = (want); \
		if (!got_ || strcmp(got_, want_) != 0) { \
			printf("%s:%d: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, #got, got_ ? got_ : "(null)", want_); \
			*failed_ = 1; \
			return; \
		} \
	} while (0)
#define TESTS(...) \
	int main(int argc, char **argv) \
	{ \
		static const struct test_case cases[] = {__VA_ARGS__}; \
		int passed = 0, failures = 0; \
		for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) { \
			int failed = 0; \
			if (argc > 1 && !strstr(cases[i].name, argv[1])) \
				continue; \
			cases[i].run(&failed); \
			printf("%s %s\n", failed ? "not ok" : "ok", cases[i].name); \
			failures += failed; \
			passed += !failed; \
		} \
		printf("%d passed, %d failed\n", passed, failures); \
		return failures != 0; \
	}

#endif
