#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "bin/mayfly/doctor.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/spec/runtime.h"

#define FDS_FOR_ONE 7u        /* in control, for one environment */
#define FDS_RESERVED 256u
#define ENVIRONMENTS_FEW 100u
#define MEMORY_LEAST_MB 256u
#define DISK_LEAST_MB 512u
#define DISK_LITTLE_MB 4096u

static void check_root(struct finding *f, const struct settings *settings)
{
	if (geteuid() == 0) {
		finding_set(f, FINDING_GOOD, "this is root");
		return;
	}
	finding_set(f, FINDING_NOTE, "this is user %u; the server needs root, clients do not", (unsigned)geteuid());
	finding_remedy(f, "start the server with sudo, or as a service: systemctl enable --now mayfly");
}

static void check_user(struct finding *f, const struct settings *settings)
{
	const struct passwd *pw = getpwnam(settings->user);
	if (pw)
		finding_set(f, FINDING_GOOD, "%s, id %u", settings->user, (unsigned)pw->pw_uid);
	else
		finding_set(f, FINDING_NOTE, "there is no user %s; a fixed id is used", settings->user);
}

/* The newest row of a family: what an interpreter is looked for with. */
static void check_family(struct finding *f, const struct settings *settings, enum runtime_family family)
{
	struct error err = {0};
	struct runtime_found found;
	char seen[200] = "", last[SETTING_TEXT_MAX] = "";
	size_t count;
	const struct runtime_row *rows = runtime_rows(&count);
	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(seen);
		if (rows[i].family != family || rows[i].deprecated || runtime_locate(&rows[i], settings, &found, &err) < 0 ||
		    strcmp(found.interpreter, last) == 0)
			continue;
		snprintf(last, sizeof last, "%s", found.interpreter);
		if (!strstr(seen, last))
			snprintf(seen + n, sizeof seen - n, "%s%s", n ? ", " : "", last);
	}
	if (*seen) {
		finding_set(f, FINDING_GOOD, "%s", seen);
		return;
	}
	static const char *const remedies[] = {
		[RUNTIME_PYTHON] = "apt-get install python3, or --python PATH",
		[RUNTIME_NODEJS] = "apt-get install nodejs, or --nodejs PATH",
		[RUNTIME_JAVA] = "apt-get install openjdk-17-jre-headless, or --java PATH",
	};
	finding_set(f, FINDING_WARN, "none in %s: functions of that language are refused",
	            family == RUNTIME_JAVA ? "/usr/lib/jvm" : "/usr/bin or /usr/local/bin");
	finding_remedy(f, "%s", remedies[family]);
}

static void check_python(struct finding *f, const struct settings *settings)
{
	check_family(f, settings, RUNTIME_PYTHON);
}

static void check_nodejs(struct finding *f, const struct settings *settings)
{
	check_family(f, settings, RUNTIME_NODEJS);
}

static void check_java(struct finding *f, const struct settings *settings)
{
	check_family(f, settings, RUNTIME_JAVA);
}

/* Beside this program as mayflyd looks for it (startup.c), or where it was built. */
static bool runtimes_have(const char *name)
{
	static const char *const places[] = {"runtimes", "../runtimes", "../share/mayfly/runtimes", NULL};
	char path[4096 + 100], own[4096];
	ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
	own[n < 0 ? 0 : n] = '\0';
	char *slash = strrchr(own, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; slash && places[i]; i++) {
		snprintf(path, sizeof path, "%s/%s/python/bootstrap.py", own, places[i]);
		if (access(path, F_OK) < 0)
			continue;
		snprintf(path, sizeof path, "%s/%s/%s", own, places[i], name);
		return access(path, F_OK) == 0;
	}
	snprintf(path, sizeof path, MAYFLY_RUNTIMES "/%s", name);
	return access(path, F_OK) == 0;
}

static void check_sdks(struct finding *f, const struct settings *settings)
{
	bool python = access("/usr/lib/python3/dist-packages/boto3", F_OK) == 0;
	bool nodejs = runtimes_have("node_modules/@aws-sdk/client-lambda/package.json");
	finding_set(f, python && nodejs ? FINDING_GOOD : FINDING_NOTE, "%s, %s", python ? "boto3" : "no boto3",
	            nodejs ? "@aws-sdk clients" : "no @aws-sdk clients");
	if (!python || !nodejs)
		finding_remedy(f, "%s%s%s; until then, functions bring their own", python ? "" : "apt-get install python3-boto3",
		               python || nodejs ? "" : ", and ", nodejs ? "" : "run tools/build-sdks in the source folder (and make install again)");
}

static void check_descriptors(struct finding *f, const struct settings *settings)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return finding_set(f, FINDING_WARN, "the limit cannot be read");
	unsigned long long most = limit.rlim_max, connections = settings->connections ? settings->connections : most / 4;
	unsigned long long environments = most > FDS_RESERVED + connections ? (most - FDS_RESERVED - connections) / FDS_FOR_ONE : 0;
	enum finding_level level = environments == 0 ? FINDING_MISSING : environments < ENVIRONMENTS_FEW ? FINDING_WARN : FINDING_GOOD;
	finding_set(f, level, "%llu open files allow %llu environments beside %llu connections", most, environments, connections);
	if (level != FINDING_GOOD)
		finding_remedy(f, "raise the hard limit: ulimit -Hn 65536, or LimitNOFILE=65536 in the unit");
}

static unsigned long long meminfo_mb(const char *name)
{
	char line[200];
	unsigned long long kb = 0;
	size_t n = strlen(name);
	CLEANUP_FCLOSE FILE *file = fopen("/proc/meminfo", "re");
	while (file && fgets(line, sizeof line, file)) {
		if (strncmp(line, name, n) == 0 && line[n] == ':' && sscanf(line + n + 1, "%llu", &kb) == 1)
			break;
	}
	return kb >> 10;
}

static void check_memory(struct finding *f, const struct settings *settings)
{
	unsigned long long total = meminfo_mb("MemTotal"), free = meminfo_mb("MemAvailable");
	unsigned long long asked = settings->memory_mb ? settings->memory_mb : total * 3 / 4;
	finding_set(f, FINDING_GOOD, "%llu MB, %llu of them free; environments may take %llu", total, free, asked);
	if (free < MEMORY_LEAST_MB) {
		f->level = FINDING_MISSING;
		finding_remedy(f, "free some: the server and one small environment take about %u MB", MEMORY_LEAST_MB);
	} else if (asked > total) {
		f->level = FINDING_WARN;
		finding_remedy(f, "lower --memory below the machine's %llu MB", total);
	}
}

/* The folder itself, or the nearest one above it that is there: what its file system would be. */
static int nearest(const char *path, struct statvfs *fs)
{
	char at[SETTING_TEXT_MAX];
	snprintf(at, sizeof at, "%s", path);
	while (statvfs(at, fs) < 0) {
		char *slash = strrchr(at, '/');
		if (!slash)
			return statvfs(".", fs);
		if (slash == at)
			return statvfs("/", fs);
		*slash = '\0';
	}
	return 0;
}

static void check_disk(struct finding *f, const struct settings *settings)
{
	struct statvfs fs;
	if (nearest(settings->data, &fs) < 0)
		return finding_set(f, FINDING_WARN, "the free space at %s cannot be read", settings->data);
	unsigned long long free_mb = (unsigned long long)fs.f_bavail * fs.f_frsize >> 20;
	enum finding_level level = free_mb < DISK_LEAST_MB ? FINDING_MISSING : free_mb < DISK_LITTLE_MB ? FINDING_WARN : FINDING_GOOD;
	finding_set(f, level, "%llu MB free for %s", free_mb, settings->data);
	if (level != FINDING_GOOD)
		finding_remedy(f, "make room, or name a larger disk with --data; code, logs and /tmp of functions live there");
}

static const struct doctor_row rows[] = {
	{"root", "making sandboxes", check_root},
	{"user", "the unprivileged part of the server", check_user},
	{"python", "runtimes python3.x", check_python},
	{"nodejs", "runtimes nodejs2x.x", check_nodejs},
	{"java", "runtimes java17 and java21", check_java},
	{"SDKs", "functions that use services", check_sdks},
	{"descriptors", "connections and environments", check_descriptors},
	{"memory", "environments", check_memory},
	{"disk", "the data folder", check_disk},
};

const struct doctor_row *doctor_machine_rows(size_t *count)
{
	*count = ARRAY_LEN(rows);
	return rows;
}
