#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/io.h"
#include "core/spec/java_version.h"
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

static bool add_java(const char *dir, const char *name, const char *version)
{
	char home[150], bin[200], release[200], java[200], text[200];
	snprintf(home, sizeof home, "%s/%s", dir, name);
	snprintf(bin, sizeof bin, "%s/bin", home);
	snprintf(java, sizeof java, "%s/bin/java", home);
	snprintf(release, sizeof release, "%s/release", home);
	snprintf(text, sizeof text, "IMPLEMENTOR=\"X\"\nJAVA_VERSION=\"%s\"\n", version);
	return mkdir(home, 0755) == 0 && mkdir(bin, 0755) == 0 && write_text(release, text) == 0 && write_text(java, "") == 0;
}

static unsigned nearest(const char *dir, unsigned wanted, const char *ends)
{
	char path[200];
	unsigned major = 0;
	if (!java_nearest(dir, wanted, path, sizeof path, &major))
		return 0;
	const char *tail = strstr(path, ends);
	return tail && strcmp(tail, ends) == 0 && java_major(path) == major ? major : 0;
}

TEST(java_is_told_by_its_release_file)
{
	char dir[] = "/tmp/mayfly-test-XXXXXX", path[200];
	static const char *const homes[][2] = {{"eight", "1.8.0_402"}, {"eleven", "11.0.2"}, {"twentyfive", "25.0.1"},
	                                       {"seventeen", "17.0.15"}, {"twentyone", "21"}};
	CHECK(mkdtemp(dir));
	for (size_t i = 0; i < 3; i++)
		CHECK(add_java(dir, homes[i][0], homes[i][1]));
	snprintf(path, sizeof path, "%s/eight/bin/java", dir);
	CHECK_INT(java_major(path), 8);
	CHECK_INT(java_major("/nowhere/bin/java"), 0);
	CHECK_INT(nearest(dir, 17, ""), 0);
	CHECK(add_java(dir, homes[3][0], homes[3][1]));
	CHECK_INT(nearest(dir, 21, "/seventeen/bin/java"), 17);
	CHECK(add_java(dir, homes[4][0], homes[4][1]));
	snprintf(path, sizeof path, "%s/default", dir);
	CHECK_INT(symlink("twentyone", path), 0);
	CHECK_INT(nearest(dir, 21, "/twentyone/bin/java"), 21);
	CHECK_INT(nearest(dir, 11, "/seventeen/bin/java"), 17);
	CHECK_INT(nearest(dir, 19, "/twentyone/bin/java"), 21);
	unlink(path);
	for (size_t i = 0; i < ARRAY_LEN(homes); i++) {
		static const char *const parts[] = {"/bin/java", "/bin", "/release", ""};
		for (size_t p = 0; p < ARRAY_LEN(parts); p++) {
			snprintf(path, sizeof path, "%s/%s%s", dir, homes[i][0], parts[p]);
			remove(path);
		}
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

TESTS(T(rows_are_known_by_their_names), T(node_is_told_by_its_headers), T(java_is_told_by_its_release_file),
      T(a_stand_in_is_known_to_differ))
