/* Names in packages: an accepted one is plain and stays below; cleaning it again changes nothing. */
#include <string.h>

#include "isolation/unpack/names.h"
#include "tests/fuzz/fuzz.h"

static void check_plain(const char *path)
{
	size_t part = 0;
	ASSERT(*path != '/');
	for (const char *c = path;; c++) {
		if (*c && *c != '/') {
			part++;
			continue;
		}
		ASSERT((part > 0 || !*path) && part <= NAME_PART_MAX);
		ASSERT(!(part == 1 && c[-1] == '.') && !(part == 2 && c[-1] == '.' && c[-2] == '.'));
		part = 0;
		if (!*c)
			return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char name[4096], target[4096], out[NAME_PATH_MAX], again[NAME_PATH_MAX];
	size_t cut = n ? data[0] * n / 256 : 0;
	if (n >= sizeof name)
		return 0;
	memcpy(name, data, cut);
	name[cut] = '\0';
	memcpy(target, data + cut, n - cut);
	target[n - cut] = '\0';
	if (name_clean(out, name, NULL) < 0)
		return 0;
	check_plain(out);
	ASSERT(name_clean(again, out, NULL) == 0 || !*out);
	ASSERT(!*out || strcmp(out, again) == 0);
	if (name_check_link(out, target, NULL) == 0)
		ASSERT(*target != '/' && *target);
	return 0;
}
