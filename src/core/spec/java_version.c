#include "core/spec/java_version.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/io.h"

#define RELEASE_MAX_BYTES 65536
/* The runtime's classes are compiled for the first; later ones than the last warn about what it does. */
#define FIRST_MAJOR 17
#define LAST_MAJOR 21

/* JAVA_VERSION="17.0.15", or "1.8.0_402" up to 8. */
static unsigned release_major(const char *home)
{
	static const char name[] = "JAVA_VERSION=\"";
	char path[PATH_MAX + 16];
	snprintf(path, sizeof path, "%s/release", home);
	CLEANUP_FREE char *text = io_read_file(AT_FDCWD, path, RELEASE_MAX_BYTES, NULL, NULL);
	const char *at = text ? strstr(text, name) : NULL;
	if (!at)
		return 0;
	at += strlen(name);
	return (unsigned)strtoul(strncmp(at, "1.", 2) == 0 ? at + 2 : at, NULL, 10);
}

unsigned java_major(const char *interpreter)
{
	char home[PATH_MAX];
	if (!realpath(interpreter, home))
		return 0;
	for (int up = 0; up < 2; up++) {
		char *slash = strrchr(home, '/');
		if (!slash)
			return 0;
		*slash = '\0';
	}
	return release_major(home);
}

static unsigned distance(unsigned major, unsigned wanted)
{
	return major >= wanted ? 2 * (major - wanted) : 2 * (wanted - major) + 1;
}

bool java_nearest(const char *folder, unsigned wanted, char *path, size_t size, unsigned *major)
{
	unsigned best = 0;
	CLEANUP_DIR DIR *dir = opendir(folder);
	for (struct dirent *e; dir && (e = readdir(dir));) {
		char home[PATH_MAX], real[PATH_MAX];
		snprintf(home, sizeof home, "%s/%s/bin/java", folder, e->d_name);
		/* One installation may have several names. */
		if (e->d_name[0] == '.' || !realpath(home, real) || access(real, X_OK) < 0 || strlen(real) >= size)
			continue;
		unsigned found = java_major(real);
		if (found < FIRST_MAJOR || found > LAST_MAJOR || (best && distance(found, wanted) >= distance(best, wanted)))
			continue;
		best = found;
		memcpy(path, real, strlen(real) + 1);
	}
	if (best)
		*major = best;
	return best != 0;
}
