#include "core/spec/node_version.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/io.h"

#define HEADER_MAX_BYTES 65536

static unsigned from_header(const char *interpreter)
{
	static const char define[] = "#define NODE_MAJOR_VERSION ";
	char path[512];
	const char *bin = strstr(interpreter, "/bin/");
	if (!bin || (size_t)snprintf(path, sizeof path, "%.*s/include/node/node_version.h", (int)(bin - interpreter), interpreter) >= sizeof path)
		return 0;
	CLEANUP_FREE char *text = io_read_file(AT_FDCWD, path, HEADER_MAX_BYTES, NULL, NULL);
	const char *at = text ? strstr(text, define) : NULL;
	return at ? (unsigned)strtoul(at + strlen(define), NULL, 10) : 0;
}

/* Module versions: the registry of Node.js (doc/abi_version_registry.json). */
static unsigned of_module_version(unsigned module)
{
	static const struct {
		unsigned module, major;
	} known[] = {{93, 16}, {108, 18}, {115, 20}, {127, 22}, {137, 24}};
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (known[i].module == module)
			return known[i].major;
	}
	return 0;
}

static unsigned from_library(void)
{
	unsigned module, major = 0;
	CLEANUP_DIR DIR *dir = opendir("/usr/lib/x86_64-linux-gnu");
	for (struct dirent *e; dir && !major && (e = readdir(dir));) {
		if (sscanf(e->d_name, "libnode.so.%u", &module) == 1)
			major = of_module_version(module);
	}
	return major;
}

unsigned node_major(const char *interpreter)
{
	unsigned major = from_header(interpreter);
	return major ? major : from_library();
}
