#include "isolation/unpack/names.h"

#include "tests/unit/test.h"

static int clean(const char *in, const char *want)
{
	char out[NAME_PATH_MAX] = "untouched";
	int rc = name_clean(out, in, NULL);
	return want ? rc == 0 && strcmp(out, want) == 0 : rc == -1 && strcmp(out, "untouched") == 0;
}

TEST(names_get_their_plain_form)
{
	CHECK(clean("a", "a"));
	CHECK(clean("./a//b/./c/", "a/b/c"));
	CHECK(clean("a/", "a"));
	CHECK(clean("./", ""));
	CHECK(clean("...", "..."));
	CHECK(clean("a..b/..c", "a..b/..c"));
	CHECK(clean("C:\\x", "C:\\x"));
}

TEST(names_that_leave_are_refused)
{
	CHECK(clean("..", NULL));
	CHECK(clean("../a", NULL));
	CHECK(clean("a/../b", NULL));
	CHECK(clean("a/..", NULL));
	CHECK(clean("/a", NULL));
	CHECK(clean("//a", NULL));
	CHECK(clean(NULL, NULL));
	CHECK(clean("a\x01", NULL));
	CHECK(clean("a\x7f/b", NULL));
}

TEST(lengths)
{
	char part[NAME_PART_MAX + 2], path[NAME_PATH_MAX + 1];
	memset(part, 'x', sizeof part);
	part[NAME_PART_MAX + 1] = '\0';
	CHECK(clean(part, NULL));
	part[NAME_PART_MAX] = '\0';
	CHECK(clean(part, part));
	for (size_t i = 0; i < sizeof path; i++)
		path[i] = i % 2 ? '/' : 'a';
	path[NAME_PATH_MAX - 1] = '\0';
	CHECK(clean(path, path));
	path[NAME_PATH_MAX - 1] = '/';
	path[NAME_PATH_MAX] = '\0';
	char longer[NAME_PATH_MAX + 2];
	snprintf(longer, sizeof longer, "%sb", path);
	CHECK(clean(longer, NULL));
}

TEST(links)
{
	CHECK_INT(name_check_link("a", "b", NULL), 0);
	CHECK_INT(name_check_link("a/b", "../c", NULL), 0);
	CHECK_INT(name_check_link("a/b", "./../c/../d", NULL), 0);
	CHECK_INT(name_check_link("a/b", "../../c", NULL), -1);
	CHECK_INT(name_check_link("a", "..", NULL), -1);
	CHECK_INT(name_check_link("a", "b/../../c", NULL), -1);
	CHECK_INT(name_check_link("a", "/etc", NULL), -1);
	CHECK_INT(name_check_link("a", "", NULL), -1);
	CHECK_INT(name_check_link("a", NULL, NULL), -1);
}

TESTS(T(names_get_their_plain_form), T(names_that_leave_are_refused), T(lengths), T(links))
