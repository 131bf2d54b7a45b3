#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/io.h"
#include "core/spec/node_version.h"
#include "core/spec/runtime.h"
#include "tests/unit/test.h"

static int write_text(const char *path, const char *text)
{
	return io_write_file(AT_FDCWD, path, text, strlen(text), 0755, NULL);
}

TEST(rows_are_known_by_their_names)
{
	CHECK(runtime_find(STR("python3.11"))->family == RUNTIME_PYTHON && runtime_find(STR("python3.11"))->minor == 11);
	CHECK(runtime_find(STR("nodejs12.x"))->deprecated);
	CHECK(!runtime_find(STR("python3.99")) && !runtime_find(STR("")));
}

TEST(node_is_told_by_its_headers)
{
	char dir[] = "/tmp/mayfly-test-XXXXXX", path[200], node[200];
	static const char *const folders[] = {"bin", "include", "include/node"};
	CHECK(mkdtemp(dir));
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		snprintf(path, sizeof path, "%s/%s", dir, folders[i]);
		CHECK_INT(mkdir(path, 0755), 0);
	}
	snprintf(node, sizeof node, "%s/bin/node", dir);
	CHECK_INT(write_text(node, ""), 0);
	snprintf(path, sizeof path, "%s/include/node/node_version.h", dir);
	CHECK_INT(write_text(path, "#ifndef X\n#define NODE_MAJOR_VERSION 22\n#define NODE_MINOR_VERSION 3\n"), 0);
	CHECK_INT(node_major(node), 22);
	unlink(path);
	unlink(node);
	for (size_t i = ARRAY_LEN(folders); i-- > 0;) {
		snprintf(path, sizeof path, "%s/%s", dir, folders[i]);
		rmdir(path);
	}
	CHECK_INT(rmdir(dir), 0);
}

TEST(a_stand_in_is_known_to_differ)
{
	const struct runtime_row *row = runtime_find(STR("nodejs20.x"));
	CHECK(runtime_is_stand_in(row, &(struct runtime_found){.interpreter = "/usr/bin/node", .minor = 18}));
	CHECK(!runtime_is_stand_in(row, &(struct runtime_found){.interpreter = "/usr/bin/node", .minor = 20}));
	CHECK(!runtime_is_stand_in(row, &(struct runtime_found){.interpreter = "/usr/bin/node", .minor = 0}));
	CHECK(!runtime_is_stand_in(runtime_find(STR("provided.al2023")), &(struct runtime_found){.interpreter = ""}));
}

TESTS(T(rows_are_known_by_their_names), T(node_is_told_by_its_headers), T(a_stand_in_is_known_to_differ))
