/* Packages: the zip writer read back by its own field layout, the rules of .mayflyignore, a folder as a whole. tests/cli reads
 * the same archives with Python's zipfile. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "src/bin/mayfly/pack.h"
#include "tests/unit/test.h"

static uint32_t get32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;
	return u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

static unsigned get16(const char *p)
{
	return get32(p) & 0xffff;
}

struct found {
	uint32_t mode, crc, size, stored_size;
	unsigned method;
	const char *data;
};

/* By the central directory, as readers do it. */
static int find(const struct zip *z, const char *name, struct found *f)
{
	const char *end = z->out.data + z->out.len - 22, *at = z->out.data + get32(end + 16);
	for (unsigned i = 0; i < get16(end + 10); i++, at += 46 + get16(at + 28)) {
		const char *local = z->out.data + get32(at + 42);
		if (get16(at + 28) != strlen(name) || memcmp(at + 46, name, strlen(name)) != 0)
			continue;
		*f = (struct found){get32(at + 38) >> 16, get32(at + 16), get32(at + 24), get32(at + 20), get16(at + 10), local + 30 + get16(local + 26)};
		return get32(at) == 0x02014b50 && get32(local) == 0x04034b50 && get32(local + 14) == f->crc ? 0 : -1;
	}
	return -1;
}

TEST(entries_read_back)
{
	struct zip z;
	struct error err = {0};
	struct found f;
	char text[4096], back[4096];
	memset(text, 'x', sizeof text);
	zip_init(&z, 1 << 20);
	CHECK_INT(zip_add(&z, ZIP_EXECUTABLE, "bootstrap", text, sizeof text, &err), 0);
	CHECK_INT(zip_add(&z, ZIP_FILE, "small", "ab", 2, &err), 0);
	CHECK_INT(zip_add(&z, ZIP_FILE, "empty", "", 0, &err), 0);
	CHECK_INT(zip_add(&z, ZIP_SYMLINK, "link", "bootstrap", 9, &err), 0);
	CHECK_INT(zip_add(&z, ZIP_FOLDER, "lib/", "", 0, &err), 0);
	CHECK_INT(zip_end(&z, &err), 0);
	CHECK_INT(find(&z, "bootstrap", &f), 0);
	CHECK(f.mode == 0100755 && f.method == 8 && f.stored_size < 200 && f.size == sizeof text);
	z_stream s = {.next_in = (Bytef *)(uintptr_t)f.data, .avail_in = f.stored_size, .next_out = (Bytef *)back, .avail_out = sizeof back};
	CHECK_INT(inflateInit2(&s, -MAX_WBITS), Z_OK);
	CHECK_INT(inflate(&s, Z_FINISH), Z_STREAM_END);
	inflateEnd(&s);
	CHECK(memcmp(back, text, sizeof text) == 0 && f.crc == crc32(0, (Bytef *)text, sizeof text));
	CHECK_INT(find(&z, "small", &f), 0);
	CHECK(f.mode == 0100644 && f.method == 0 && f.stored_size == 2 && memcmp(f.data, "ab", 2) == 0);
	CHECK(find(&z, "empty", &f) == 0 && f.size == 0 && f.method == 0);
	CHECK(find(&z, "link", &f) == 0 && f.mode == 0120777 && f.method == 0 && memcmp(f.data, "bootstrap", 9) == 0);
	CHECK(find(&z, "lib/", &f) == 0 && f.mode == 040755);
	zip_release(&z);
}

TEST(the_maximum_is_kept)
{
	struct zip z;
	struct error err = {0};
	char noise[3000];
	for (size_t i = 0; i < sizeof noise; i++)
		noise[i] = (char)(i * i * 7 + i / 3);
	zip_init(&z, 2000);
	CHECK(zip_add(&z, ZIP_SYMLINK, "noise", noise, sizeof noise, &err) < 0 && err.code == ERR_TOO_LARGE);
	zip_release(&z);
}

TEST(more_entries_than_the_format_has)
{
	struct zip z;
	struct error err = {0};
	zip_init(&z, 64 << 20);
	for (unsigned i = 0; i < 65535; i++)
		CHECK_INT(zip_add(&z, ZIP_FILE, "a", "", 0, &err), 0);
	CHECK(zip_add(&z, ZIP_FILE, "a", "", 0, &err) < 0 && strstr(err.msg, "65535"));
	zip_release(&z);
}

static bool ignored(const char *text, const char *path, bool is_folder)
{
	struct error err = {0};
	struct pack_rules *rules = malloc(sizeof *rules);
	bool r = rules && pack_rules_init(rules, text, &err) == 0 && pack_rules_ignore(rules, path, is_folder);
	free(rules);
	return r;
}

TEST(what_is_always_left_out)
{
	CHECK(ignored(NULL, ".git", true) && ignored(NULL, "lib/.git", false) && ignored(NULL, "a/b/__pycache__", true));
	CHECK(ignored(NULL, "node_modules/.cache", true) && ignored(NULL, ".mayflyignore", false));
	CHECK(!ignored(NULL, "node_modules", true) && !ignored(NULL, "__pycache__", false) && !ignored(NULL, ".env", false));
	CHECK(!ignored(NULL, ".gitignore", false));
}

TEST(rules_of_the_ignore_file)
{
	const char *text = "# a remark\n\n*.log\r\n/only\nbuild/\ndocs/*.md\n!keep.log\ndeep/**/x\n";
	CHECK(ignored(text, "a.log", false) && ignored(text, "b/c.log", false) && !ignored(text, "b/keep.log", false));
	CHECK(ignored(text, "only", false) && !ignored(text, "b/only", false));
	CHECK(ignored(text, "build", true) && ignored(text, "b/build", true) && !ignored(text, "build", false));
	CHECK(ignored(text, "docs/a.md", false) && !ignored(text, "docs/b/a.md", false) && !ignored(text, "a.md", false));
	CHECK(ignored(text, "deep/a/b/x", false) && !ignored(text, "# a remark", false));
	CHECK(!ignored("!.git\n", ".git", true));
}

TEST(too_many_rules)
{
	struct error err = {0};
	char text[3 * (PACK_RULES_MAX + 1)] = "";
	struct pack_rules *rules = malloc(sizeof *rules);
	for (int i = 0; i < PACK_RULES_MAX; i++)
		strcat(text, "a\n");
	CHECK(rules && pack_rules_init(rules, text, &err) < 0 && err.code == ERR_TOO_LARGE);
	free(rules);
}

static int make_folder(char root[64])
{
	snprintf(root, 64, "/tmp/test-pack-XXXXXX");
	return mkdtemp(root) && chdir(root) == 0 && mkdir("lib", 0700) == 0 && mkdir(".git", 0700) == 0 && symlink("app.py", "alias") == 0 ? 0 : -1;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");
	if (f) {
		fputs(text, f);
		fchmod(fileno(f), mode);
		fclose(f);
	}
}

static void clean_folder(const char *root)
{
	static const char *const names[] = {"lib/b.py", "app.py", "alias", "run", ".git/HEAD", "pipe"};
	for (size_t i = 0; i < 6; i++)
		unlink(names[i]);
	rmdir("lib");
	rmdir(".git");
	if (chdir("/") == 0)
		rmdir(root);
}

TEST(a_folder)
{
	struct zip one, two;
	struct error err = {0};
	struct pack_totals totals;
	struct found f;
	char root[64];
	CHECK_INT(make_folder(root), 0);
	write_file("app.py", "print(1)\n", 0600);
	write_file("run", "#!/bin/sh\n", 0710);
	write_file("lib/b.py", "b = 2\n", 0644);
	write_file(".git/HEAD", "no", 0644);
	zip_init(&one, 1 << 20);
	zip_init(&two, 1 << 20);
	CHECK_INT(pack_folder(root, &one, &totals, &err), 0);
	CHECK(totals.files == 4 && totals.bytes == 25);
	CHECK(find(&one, "app.py", &f) == 0 && f.mode == 0100644);
	CHECK(find(&one, "run", &f) == 0 && f.mode == 0100755);
	CHECK(find(&one, "lib/b.py", &f) == 0 && find(&one, "lib/", &f) == 0);
	CHECK(find(&one, "alias", &f) == 0 && f.mode == 0120777);
	CHECK(find(&one, ".git/HEAD", &f) < 0 && find(&one, ".git/", &f) < 0);
	write_file("app.py", "print(1)\n", 0640); /* other times, other mode bits that do not count */
	CHECK_INT(pack_folder(root, &two, &totals, &err), 0);
	CHECK(one.out.len == two.out.len && memcmp(one.out.data, two.out.data, one.out.len) == 0);
	zip_release(&one);
	zip_release(&two);
	clean_folder(root);
}

TEST(folders_that_cannot_be_packed)
{
	struct zip z;
	struct error err = {0};
	struct pack_totals totals;
	char root[64];
	CHECK_INT(make_folder(root), 0);
	zip_init(&z, 1 << 20);
	CHECK(mkfifo("pipe", 0600) == 0 && pack_folder(root, &z, &totals, &err) < 0 && strstr(err.msg, "pipe is neither"));
	unlink("pipe");
	unlink("alias");
	CHECK(pack_folder(root, &z, &totals, &err) < 0 && strstr(err.msg, "nothing to pack"));
	CHECK(pack_folder("/nonexistent", &z, &totals, &err) < 0 && strstr(err.msg, "/nonexistent"));
	zip_release(&z);
	clean_folder(root);
}

TESTS(T(entries_read_back), T(the_maximum_is_kept), T(more_entries_than_the_format_has), T(what_is_always_left_out),
      T(rules_of_the_ignore_file), T(too_many_rules), T(a_folder), T(folders_that_cannot_be_packed))
