/* mayfly-unpack SHA256 MAX_BYTES: makes a folder of a package.
 *
 * Rights: none. It starts as control's user without capabilities, in an empty network namespace, with the functions' system
 * call filter, limits of memory, time and descriptors, and three descriptors: the package, the folder, the answer. Landlock
 * takes away every file but that folder. */
#include <fcntl.h>
#include <linux/landlock.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/str.h"
#include "core/spec/limits.h"
#include "isolation/unpack/result.h"
#include "isolation/unpack/unpack.h"

#define HANDLED \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | \
	 LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
	 LANDLOCK_ACCESS_FS_MAKE_SYM)
#define ALLOWED \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM)

/* Kernels without Landlock leave the other fences. */
static void keep_folder_only(void)
{
	struct landlock_ruleset_attr all = {.handled_access_fs = HANDLED};
	struct landlock_path_beneath_attr folder = {.allowed_access = ALLOWED, .parent_fd = UNPACK_FOLDER_FD};
	CLEANUP_CLOSE int rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
	if (rules >= 0 && syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &folder, 0) == 0)
		syscall(SYS_landlock_restrict_self, rules, 0);
}

static int run(int argc, char **argv, uint64_t *unzipped, struct error *err)
{
	uint64_t max;
	if (argc != 3 || strlen(argv[1]) != 64 || strspn(argv[1], "0123456789abcdef") != 64 ||
	    str_to_u64(str_from(argv[2]), LIMIT_UNZIPPED_BYTES, &max) < 0)
		return error_set(err, ERR_USAGE, "mayfly-unpack is started by mayflyd only");
	return unpack_package(UNPACK_ZIP_FD, UNPACK_FOLDER_FD, argv[1], max, unzipped, err);
}

int main(int argc, char **argv)
{
	struct error err = {0};
	uint64_t unzipped = 0;
	/* Started from a descriptor: kernels before 6.14 would call this process by the descriptor's number. */
	prctl(PR_SET_NAME, "mayfly-unpack", 0, 0, 0);
	umask(022);
	setlocale(LC_CTYPE, "C.UTF-8"); /* names in packages are UTF-8 */
	keep_folder_only();
	int rc = run(argc, argv, &unzipped, &err);
	struct unpack_result result = {.code = rc < 0 ? (uint32_t)err.code : 0, .unzipped_bytes = unzipped};
	memcpy(result.msg, err.msg, sizeof result.msg);
	return write(UNPACK_RESULT_FD, &result, sizeof result) != (ssize_t)sizeof result;
}
