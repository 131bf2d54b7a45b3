#include "core/spec/runtime.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/spec/java_version.h"
#include "core/spec/node_version.h"

/* Identifiers: AWS Lambda developer guide, "Lambda runtimes". */
static const struct runtime_row rows[] = {
	{"nodejs16.x", RUNTIME_NODEJS, 16, false},  {"nodejs18.x", RUNTIME_NODEJS, 18, false},
	{"nodejs20.x", RUNTIME_NODEJS, 20, false},  {"nodejs22.x", RUNTIME_NODEJS, 22, false},
	{"nodejs24.x", RUNTIME_NODEJS, 24, false},  {"python3.8", RUNTIME_PYTHON, 8, false},
	{"python3.9", RUNTIME_PYTHON, 9, false},    {"python3.10", RUNTIME_PYTHON, 10, false},
	{"python3.11", RUNTIME_PYTHON, 11, false},  {"python3.12", RUNTIME_PYTHON, 12, false},
	{"python3.13", RUNTIME_PYTHON, 13, false},  {"python3.14", RUNTIME_PYTHON, 14, false},
	{"provided.al2", RUNTIME_PROVIDED, 0, false}, {"provided.al2023", RUNTIME_PROVIDED, 0, false},
	{"java8.al2", RUNTIME_JAVA, 8, false},      {"java11", RUNTIME_JAVA, 11, false},
	{"java17", RUNTIME_JAVA, 17, false},        {"java21", RUNTIME_JAVA, 21, false},
	{"java25", RUNTIME_OTHER, 0, false},        {"ruby3.2", RUNTIME_OTHER, 0, false},
	{"ruby3.3", RUNTIME_OTHER, 0, false},       {"ruby3.4", RUNTIME_OTHER, 0, false},
	{"dotnet6", RUNTIME_OTHER, 0, false},       {"dotnet8", RUNTIME_OTHER, 0, false},
	{"dotnet10", RUNTIME_OTHER, 0, false},      {"nodejs", RUNTIME_OTHER, 0, true},
	{"nodejs4.3", RUNTIME_OTHER, 0, true},      {"nodejs4.3-edge", RUNTIME_OTHER, 0, true},
	{"nodejs6.10", RUNTIME_OTHER, 0, true},     {"nodejs8.10", RUNTIME_OTHER, 0, true},
	{"nodejs10.x", RUNTIME_OTHER, 0, true},     {"nodejs12.x", RUNTIME_OTHER, 0, true},
	{"nodejs14.x", RUNTIME_OTHER, 0, true},     {"python2.7", RUNTIME_OTHER, 0, true},
	{"python3.6", RUNTIME_OTHER, 0, true},      {"python3.7", RUNTIME_OTHER, 0, true},
	{"java8", RUNTIME_OTHER, 0, true},          {"dotnetcore1.0", RUNTIME_OTHER, 0, true},
	{"dotnetcore2.0", RUNTIME_OTHER, 0, true},  {"dotnetcore2.1", RUNTIME_OTHER, 0, true},
	{"dotnetcore3.1", RUNTIME_OTHER, 0, true},  {"go1.x", RUNTIME_OTHER, 0, true},
	{"ruby2.5", RUNTIME_OTHER, 0, true},        {"ruby2.7", RUNTIME_OTHER, 0, true},
	{"provided", RUNTIME_OTHER, 0, true},
};

static const char *const folders[] = {"/usr/bin", "/usr/local/bin"};

const struct runtime_row *runtime_rows(size_t *n)
{
	*n = ARRAY_LEN(rows);
	return rows;
}

const struct runtime_row *runtime_find(struct str id)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (str_eqz(id, rows[i].id))
			return &rows[i];
	}
	return NULL;
}

static bool use_if_there(struct runtime_found *found, const char *folder, const char *name, unsigned minor)
{
	char path[SETTING_TEXT_MAX];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	if (access(path, X_OK) < 0)
		return false;
	memcpy(found->interpreter, path, sizeof path);
	found->minor = minor;
	return true;
}

static bool python_version(struct runtime_found *found, unsigned minor)
{
	char name[32];
	snprintf(name, sizeof name, "python3.%u", minor);
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		if (use_if_there(found, folders[i], name, minor))
			return true;
	}
	return false;
}

/* Nearest installed: the row's own, then one step further away at a time, the newer first. */
static bool locate_python(const struct runtime_row *row, struct runtime_found *found)
{
	for (unsigned d = 0; d < 24; d++) {
		if (python_version(found, row->minor + d) || (d && d < row->minor && python_version(found, row->minor - d)))
			return true;
	}
	return false;
}

/* Debian and nodesource install one version under the plain name; what it is has to be found out. */
static bool locate_nodejs(const struct runtime_row *row, struct runtime_found *found)
{
	char name[32];
	snprintf(name, sizeof name, "node%u", row->minor);
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		if (use_if_there(found, folders[i], name, row->minor))
			return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		if (use_if_there(found, folders[i], "node", 0) || use_if_there(found, folders[i], "nodejs", 0)) {
			found->minor = node_major(found->interpreter);
			return true;
		}
	}
	return false;
}

/* Debian's /usr/bin/java is a link; where it leads to is used, since a sandbox may have other links. */
static bool locate_java(const struct runtime_row *row, struct runtime_found *found)
{
	return java_nearest("/usr/lib/jvm", row->minor, found->interpreter, sizeof found->interpreter, &found->minor);
}

static int locate_set(const char *option, const char *path, struct runtime_found *found, struct error *err)
{
	snprintf(found->interpreter, sizeof found->interpreter, "%s", path);
	found->minor = 0;
	return access(path, X_OK) == 0 ? 0 : error_set(err, ERR_UNSUPPORTED, "%s names %s, which is not there or cannot be run", option, path);
}

bool runtime_is_stand_in(const struct runtime_row *row, const struct runtime_found *found)
{
	return *found->interpreter && found->minor && found->minor != row->minor;
}

int runtime_locate(const struct runtime_row *row, const struct settings *settings, struct runtime_found *found,
                   struct error *err)
{
	struct runtime_found new = {.interpreter = ""};
	switch (row->family) {
	case RUNTIME_PROVIDED:
		break;
	case RUNTIME_PYTHON:
		if (*settings->python && locate_set("--python", settings->python, &new, err) < 0)
			return -1;
		if (!*settings->python && !locate_python(row, &new))
			return error_set(err, ERR_UNSUPPORTED, "no Python 3 for %s was found in /usr/bin or /usr/local/bin; install one "
			                 "(apt-get install python3) or name it with --python", row->id);
		break;
	case RUNTIME_NODEJS:
		if (*settings->nodejs && locate_set("--nodejs", settings->nodejs, &new, err) < 0)
			return -1;
		if (!*settings->nodejs && !locate_nodejs(row, &new))
			return error_set(err, ERR_UNSUPPORTED, "no Node.js for %s was found in /usr/bin or /usr/local/bin; install one "
			                 "(apt-get install nodejs) or name it with --nodejs", row->id);
		break;
	case RUNTIME_JAVA:
#if !MAYFLY_WITH_JAVA
		return error_set(err, ERR_UNSUPPORTED, "runtime %s is not offered, since this server was built without Java; install a JDK "
		                 "(apt-get install openjdk-17-jdk-headless), then build and install again", row->id);
#endif
		if (*settings->java && locate_set("--java", settings->java, &new, err) < 0)
			return -1;
		new.minor = *settings->java ? java_major(settings->java) : 0;
		if (!*settings->java && !locate_java(row, &new))
			return error_set(err, ERR_UNSUPPORTED, "no Java 17 or 21 for %s was found in /usr/lib/jvm; install one "
			                 "(apt-get install openjdk-17-jre-headless) or name it with --java", row->id);
		break;
	case RUNTIME_OTHER:
		return error_set(err, ERR_UNSUPPORTED, "runtime %s is not offered by this server; use a provided.al2023 runtime "
		                 "with a bootstrap", row->id);
	}
	*found = new;
	return 0;
}
