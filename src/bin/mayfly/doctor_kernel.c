#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bin/mayfly/doctor.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/io.h"
#include "core/base/str.h"

#define TEXT_MAX 65536

/* mount_setattr (5.12) is the youngest call that is needed. */
#define KERNEL_MAJOR 5
#define KERNEL_MINOR 12

/* A small file of /proc or /sys as text; NULL when it is not there. Freed by the caller. */
static char *read_text(const char *path)
{
	size_t n;
	return io_read_file(AT_FDCWD, path, TEXT_MAX, &n, NULL);
}

static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);
	for (const char *at = text; at && (at = strstr(at, word)); at += n) {
		bool start = at == text || strchr(" \t\n,", at[-1]);
		if (start && (!at[n] || strchr(" \t\n,", at[n])))
			return true;
	}
	return false;
}

static bool has_filesystem(const char *name)
{
	CLEANUP_FREE char *text = read_text("/proc/filesystems");
	return has_word(text, name);
}

static void check_kernel(struct finding *f, const struct settings *settings)
{
	struct utsname u;
	int major = 0, minor = 0;
	uname(&u);
	if (sscanf(u.release, "%d.%d", &major, &minor) != 2)
		major = 0;
	finding_set(f, FINDING_GOOD, "Linux %s on %s", u.release, u.machine);
	if (major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor < KERNEL_MINOR)) {
		f->level = FINDING_MISSING;
		finding_remedy(f, "the server needs Linux %d.%d or newer; Debian 12 has 6.1", KERNEL_MAJOR, KERNEL_MINOR);
	} else if (strcmp(u.machine, "x86_64") != 0) {
		f->level = FINDING_WARN;
		finding_remedy(f, "only x86_64 is tested");
	}
}

static void check_namespaces(struct finding *f, const struct settings *settings)
{
	static const char *const names[] = {"user", "pid", "mnt", "net", "ipc", "uts", "cgroup"};
	char path[64], missing[100] = "";
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t n = strlen(missing);
		snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
		if (access(path, F_OK) < 0)
			snprintf(missing + n, sizeof missing - n, " %s", names[i]);
	}
	if (*missing) {
		finding_set(f, FINDING_MISSING, "the kernel has no namespace of kind:%s", missing);
		finding_remedy(f, "use a kernel with CONFIG_NAMESPACES and CONFIG_USER_NS, as Debian's has");
		return;
	}
	finding_set(f, FINDING_GOOD, "user, pid, mount, network, ipc, uts and cgroup namespaces");
}

static void check_user_namespaces(struct finding *f, const struct settings *settings)
{
	static const struct {
		const char *path, *bad, *sysctl;
	} rows[] = {
		{"/proc/sys/user/max_user_namespaces", "0\n", "user.max_user_namespaces=15000"},
		{"/proc/sys/kernel/unprivileged_userns_clone", "0\n", "kernel.unprivileged_userns_clone=1"},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n", "kernel.apparmor_restrict_unprivileged_userns=0"},
	};
	finding_set(f, FINDING_GOOD, "users without rights may make them");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *text = read_text(rows[i].path);
		if (text && strcmp(text, rows[i].bad) == 0) {
			finding_set(f, FINDING_MISSING, "%s forbids them", rows[i].path + strlen("/proc/sys/"));
			finding_remedy(f, "sysctl -w %s, and the same line in /etc/sysctl.d/mayfly.conf", rows[i].sysctl);
			return;
		}
	}
}

static bool has_folder(const char *root, const char *name)
{
	char path[SETTING_TEXT_MAX + 64];
	snprintf(path, sizeof path, "%s/%s", root, name);
	return access(path, F_OK) == 0;
}

/* Names of the controllers that neither v2 at `root` nor v1 below it has. */
static bool find_controllers(const char *root, bool v2, char *missing, size_t size)
{
	static const char *const names[] = {"memory", "cpu", "pids"};
	char path[SETTING_TEXT_MAX + 64];
	snprintf(path, sizeof path, "%s/cgroup.controllers", root);
	CLEANUP_FREE char *text = v2 ? read_text(path) : NULL;
	*missing = '\0';
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t n = strlen(missing);
		if (v2 ? !has_word(text, names[i]) : !has_folder(root, names[i]))
			snprintf(missing + n, size - n, " %s", names[i]);
	}
	return !*missing;
}

static void check_cgroups(struct finding *f, const struct settings *settings)
{
	const char *root = settings->cgroup_root;
	char missing[100];
	bool v2 = has_folder(root, "cgroup.controllers");
	if (find_controllers(root, v2, missing, sizeof missing)) {
		finding_set(f, FINDING_GOOD, "version %d at %s with memory, cpu and pids", v2 ? 2 : 1, root);
		return;
	}
	finding_set(f, FINDING_MISSING, "version %d at %s lacks:%s", v2 ? 2 : 1, root, missing);
	if (v2)
		finding_remedy(f, "boot with cgroup_enable=memory, or in a container pass the controllers on (systemd: Delegate=yes)");
	else
		finding_remedy(f, "mount them: mount -t cgroup2 none %s, or say where they are with --cgroup-root", root);
}

static void check_freezing(struct finding *f, const struct settings *settings)
{
	const char *root = settings->cgroup_root;
	if (has_folder(root, "cgroup.controllers"))
		finding_set(f, FINDING_GOOD, "cgroup2 freezes and kills at %s", root);
	else if (has_folder(root, "unified/cgroup.controllers"))
		finding_set(f, FINDING_GOOD, "cgroup2 freezes and kills at %s/unified", root);
	else if (has_folder(root, "freezer"))
		finding_set(f, FINDING_GOOD, "the v1 freezer at %s/freezer", root);
	else {
		finding_set(f, FINDING_MISSING, "no cgroup2 hierarchy and no v1 freezer");
		finding_remedy(f, "mkdir -p %s/unified && mount -t cgroup2 none %s/unified", root, root);
	}
}

static void check_seccomp(struct finding *f, const struct settings *settings)
{
	CLEANUP_FREE char *text = read_text("/proc/sys/kernel/seccomp/actions_avail");
	finding_set(f, FINDING_GOOD, "filters of system calls");
	if (!has_word(text, "errno")) {
		finding_set(f, FINDING_MISSING, "the kernel has no seccomp filters");
		finding_remedy(f, "use a kernel with CONFIG_SECCOMP_FILTER, as Debian's has");
	}
}

static void check_landlock(struct finding *f, const struct settings *settings)
{
	/* Asked of the kernel itself: its list below /sys/kernel/security is often not mounted. */
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (version > 0)
		finding_set(f, FINDING_GOOD, "version %ld", version);
	else
		finding_set(f, FINDING_NOTE, "off; unpacking packages does without that wall");
}

static void check_overlay(struct finding *f, const struct settings *settings)
{
	if (has_filesystem("overlay"))
		finding_set(f, FINDING_GOOD, "overlayfs");
	else
		finding_set(f, FINDING_NOTE, "no overlayfs (or its module is not loaded); sandboxes do without it");
}

static bool in_path(const char *name)
{
	static const char *const folders[] = {"/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"};
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		if (has_folder(folders[i], name))
			return true;
	}
	return false;
}

static void check_tmp(struct finding *f, const struct settings *settings)
{
	bool mkfs = in_path("mkfs.btrfs"), loop = access("/dev/loop-control", F_OK) == 0, btrfs = has_filesystem("btrfs");
	if (mkfs && loop && btrfs) {
		finding_set(f, FINDING_GOOD, "btrfs with quotas in a loop-mounted image");
		return;
	}
	finding_set(f, FINDING_WARN, "%s%s%sis missing: /tmp of environments is kept in memory", mkfs ? "" : "mkfs.btrfs ", loop ? "" : "/dev/loop-control ",
	            btrfs ? "" : "btrfs in the kernel ");
	finding_remedy(f, "%s", !mkfs ? "apt-get install btrfs-progs" : !loop ? "modprobe loop" : "modprobe btrfs");
}

static void check_outbound(struct finding *f, const struct settings *settings)
{
	if (in_path("nft")) {
		finding_set(f, FINDING_GOOD, "nft is there, for functions with --network outbound");
		return;
	}
	finding_set(f, FINDING_NOTE, "nft is missing; functions with --network outbound need it");
	finding_remedy(f, "apt-get install nftables");
}

static void check_kvm(struct finding *f, const struct settings *settings)
{
	if (access("/dev/kvm", F_OK) == 0)
		finding_set(f, FINDING_GOOD, "/dev/kvm");
	else
		finding_set(f, FINDING_NOTE, "no /dev/kvm; nothing needs it yet");
}

static const struct doctor_row rows[] = {
	{"kernel", "new enough for the mount calls", check_kernel},
	{"namespaces", "walls between environments", check_namespaces},
	{"user namespaces", "each environment's own users", check_user_namespaces},
	{"control groups", "limits of memory, processor and processes", check_cgroups},
	{"freezing", "idle environments take no processor time", check_freezing},
	{"seccomp", "which system calls a function may use", check_seccomp},
	{"landlock", "a further wall around the unpacking of packages", check_landlock},
	{"overlayfs", "layers over the root of a sandbox", check_overlay},
	{"/tmp", "a size-limited /tmp that costs no memory", check_tmp},
	{"outbound network", "functions that may reach the network", check_outbound},
	{"kvm", "virtual machines", check_kvm},
};

const struct doctor_row *doctor_kernel_rows(size_t *count)
{
	*count = ARRAY_LEN(rows);
	return rows;
}
