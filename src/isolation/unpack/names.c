#include "isolation/unpack/names.h"

#include <string.h>

#include "core/base/str.h"

static int check_part(struct str part, const char *name, struct error *err)
{
	if (part.n > NAME_PART_MAX)
		return error_set(err, ERR_INVALID, "a file name in the package is longer than %d bytes", NAME_PART_MAX);
	if (str_eqz(part, ".."))
		return error_set(err, ERR_INVALID, "the package names a file outside of itself: %.100s", name);
	for (size_t i = 0; i < part.n; i++) {
		if ((unsigned char)part.p[i] < 0x20 || part.p[i] == 0x7f)
			return error_set(err, ERR_INVALID, "a file name in the package has a control character");
	}
	return 0;
}

int name_clean(char out[NAME_PATH_MAX], const char *name, struct error *err)
{
	char clean[NAME_PATH_MAX];
	size_t n = 0;
	struct str rest = str_from(name), part;
	if (!name || *name == '/')
		return error_set(err, ERR_INVALID, "the package has an absolute or empty path: %.100s", name ? name : "");
	while (str_split(&rest, '/', &part)) {
		if (part.n == 0 || str_eqz(part, "."))
			continue;
		if (check_part(part, name, err) < 0)
			return -1;
		if (n + part.n + 2 > sizeof clean)
			return error_set(err, ERR_INVALID, "a path in the package is longer than %d bytes", NAME_PATH_MAX - 1);
		if (n)
			clean[n++] = '/';
		memcpy(clean + n, part.p, part.n);
		n += part.n;
	}
	clean[n] = '\0';
	memcpy(out, clean, n + 1);
	return 0;
}

int name_check_link(const char *path, const char *target, struct error *err)
{
	int depth = 0;
	struct str rest = str_from(target), part;
	if (!target || !*target || *target == '/' || strlen(target) >= NAME_PATH_MAX)
		return error_set(err, ERR_INVALID, "the package has a symbolic link that leaves it: %.100s", path);
	for (const char *c = path; *c; c++)
		depth += *c == '/';
	while (str_split(&rest, '/', &part)) {
		if (part.n == 0 || str_eqz(part, "."))
			continue;
		depth += str_eqz(part, "..") ? -1 : 1;
		if (depth < 0)
			return error_set(err, ERR_INVALID, "the package has a symbolic link that leaves it: %.100s", path);
	}
	return 0;
}
