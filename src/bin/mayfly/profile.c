#include "bin/mayfly/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/io.h"

struct str profile_ini_get(struct str text, struct str section, const char *name)
{
	struct str line, found = STR_NULL;
	bool inside = false;
	while (str_split(&text, '\n', &line)) {
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		/* A line that begins with a blank belongs to the nested value above it ("s3 =\n  ..."). */
		bool nested = line.n && (*line.p == ' ' || *line.p == '\t');
		line = str_trim(line);
		if (!line.n || *line.p == '#' || *line.p == ';')
			continue;
		if (*line.p == '[') {
			inside = line.p[line.n - 1] == ']' && str_eq(str_trim(str_sub(line, 1, line.n - 1)), section);
			continue;
		}
		size_t eq = str_find(line, '=');
		if (inside && !nested && eq < line.n && str_eqz(str_trim(str_sub(line, 0, eq)), name))
			found = str_trim(str_sub(line, eq + 1, line.n));
	}
	return found;
}

static const char *env_get(const struct profile_ask *ask, const char *name)
{
	size_t n = strlen(name);
	for (char *const *e = ask->env; e && *e; e++) {
		if (strncmp(*e, name, n) == 0 && (*e)[n] == '=' && (*e)[n + 1])
			return *e + n + 1;
	}
	return NULL;
}

static int put(char dst[PROFILE_TEXT_MAX], struct str value, const char *what, const char *where, struct error *err)
{
	if (value.n && str_copy(dst, PROFILE_TEXT_MAX, value) < 0)
		return error_set(err, ERR_INVALID, "%s in %s is too long", what, where);
	return 0;
}

/* Takes what `text` (a file of `path`) has, where it is not known yet. */
static int take_key(struct profile *p, struct str text, struct str section, const char *path, struct error *err)
{
	struct str key = profile_ini_get(text, section, "aws_access_key_id");
	struct str secret = profile_ini_get(text, section, "aws_secret_access_key");
	if (*p->access_key || !key.n || !secret.n)
		return 0;
	snprintf(p->key_source, sizeof p->key_source, "%s", path);
	if (put(p->access_key, key, "aws_access_key_id", path, err) < 0 || put(p->secret, secret, "aws_secret_access_key", path, err) < 0)
		return -1;
	return put(p->session_token, profile_ini_get(text, section, "aws_session_token"), "aws_session_token", path, err);
}

static int take_place(struct profile *p, struct str text, struct str section, const char *path, struct error *err)
{
	struct str endpoint = profile_ini_get(text, section, "endpoint_url");
	if (!*p->endpoint && endpoint.n) {
		snprintf(p->endpoint_source, sizeof p->endpoint_source, "%s", path);
		if (put(p->endpoint, endpoint, "endpoint_url", path, err) < 0)
			return -1;
	}
	return *p->region ? 0 : put(p->region, profile_ini_get(text, section, "region"), "region", path, err);
}

/* NULL with errno when the file cannot be read. */
static char *read_text(const char *path, size_t *n)
{
	struct error err = {0};
	char *text = io_read_file(AT_FDCWD, path, PROFILE_FILE_MAX, n, &err);
	if (!text)
		errno = err.sys ? err.sys : EIO;
	return text;
}

/* DIR/credentials and DIR/config. `named`: the user said --data, so that a file that is missing is a failure. */
static int from_folder(struct profile *p, const char *dir, bool named, bool with_key, struct error *err)
{
	char path[PROFILE_TEXT_MAX];
	size_t n;
	snprintf(path, sizeof path, "%s/config", dir);
	CLEANUP_FREE char *config = read_text(path, &n);
	if (config && take_place(p, (struct str){config, n}, STR("default"), path, err) < 0)
		return -1;
	if (!with_key)
		return 0;
	snprintf(path, sizeof path, "%s/credentials", dir);
	CLEANUP_FREE char *keys = read_text(path, &n);
	int why = errno;
	if (keys)
		return take_key(p, (struct str){keys, n}, STR("default"), path, err);
	p->data_unreadable = p->data_unreadable || why == EACCES;
	if (!named)
		return 0;
	return error_set(err, ERR_NOT_FOUND, "cannot read %.120s: %s; the server writes it at its first start, for root only",
	                 path, strerror(why));
}

static int from_env(struct profile *p, const struct profile_ask *ask, struct error *err)
{
	const char *key = env_get(ask, "AWS_ACCESS_KEY_ID"), *secret = env_get(ask, "AWS_SECRET_ACCESS_KEY");
	if (*p->access_key || !key || !secret)
		return 0;
	snprintf(p->key_source, sizeof p->key_source, "the environment");
	if (put(p->access_key, str_from(key), "AWS_ACCESS_KEY_ID", "the environment", err) < 0 ||
	    put(p->secret, str_from(secret), "AWS_SECRET_ACCESS_KEY", "the environment", err) < 0)
		return -1;
	return put(p->session_token, str_from(env_get(ask, "AWS_SESSION_TOKEN")), "AWS_SESSION_TOKEN", "the environment", err);
}

static void shared_path(const struct profile_ask *ask, char dst[PROFILE_TEXT_MAX], const char *variable, const char *file)
{
	const char *path = env_get(ask, variable), *home = env_get(ask, "HOME");
	if (path)
		snprintf(dst, PROFILE_TEXT_MAX, "%s", path);
	else
		snprintf(dst, PROFILE_TEXT_MAX, "%s/.aws/%s", home ? home : "", file);
}

static int from_shared_keys(struct profile *p, const struct profile_ask *ask, const char *name, struct error *err)
{
	char path[PROFILE_TEXT_MAX];
	size_t n;
	shared_path(ask, path, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
	CLEANUP_FREE char *text = read_text(path, &n);
	return text ? take_key(p, (struct str){text, n}, str_from(name), path, err) : 0;
}

static int from_shared_config(struct profile *p, const struct profile_ask *ask, const char *name, bool with_key, struct error *err)
{
	char path[PROFILE_TEXT_MAX], section[300];
	size_t n;
	shared_path(ask, path, "AWS_CONFIG_FILE", "config");
	CLEANUP_FREE char *text = read_text(path, &n);
	if (!text)
		return 0;
	snprintf(section, sizeof section, "%s%.200s", strcmp(name, "default") == 0 ? "" : "profile ", name);
	if (take_place(p, (struct str){text, n}, str_from(section), path, err) < 0)
		return -1;
	return with_key ? take_key(p, (struct str){text, n}, str_from(section), path, err) : 0;
}

static int from_shared(struct profile *p, const struct profile_ask *ask, const char *name, struct error *err)
{
	return from_shared_keys(p, ask, name, err) < 0 ? -1 : from_shared_config(p, ask, name, true, err);
}

static int find_place(struct profile *p, const struct profile_ask *ask, const char *name, struct error *err)
{
	const char *url = ask->endpoint ? ask->endpoint : env_get(ask, "AWS_ENDPOINT_URL_LAMBDA");
	const char *region = ask->region ? ask->region : env_get(ask, "AWS_REGION");
	url = url ? url : env_get(ask, "AWS_ENDPOINT_URL");
	region = region ? region : env_get(ask, "AWS_DEFAULT_REGION");
	if (put(p->region, str_from(region), "region", "the options", err) < 0)
		return -1;
	/* A data folder that is named beats what the environment says, but for the endpoint option itself. */
	if (!ask->endpoint && ask->data && from_folder(p, ask->data, true, false, err) < 0)
		return -1;
	if (!*p->endpoint && url) {
		snprintf(p->endpoint_source, sizeof p->endpoint_source, "%s", ask->endpoint ? "--endpoint" : "AWS_ENDPOINT_URL");
		if (put(p->endpoint, str_from(url), "endpoint", "the environment", err) < 0)
			return -1;
	}
	return from_shared_config(p, ask, name, false, err);
}

static int finish(struct profile *p, struct error *err)
{
	if (!*p->region)
		snprintf(p->region, sizeof p->region, "us-east-1");
	if (!*p->endpoint) {
		snprintf(p->endpoint, sizeof p->endpoint, "%s", PROFILE_DEFAULT_ENDPOINT);
		snprintf(p->endpoint_source, sizeof p->endpoint_source, "the default");
	}
	size_t n = strlen(p->endpoint);
	while (n && p->endpoint[n - 1] == '/')
		p->endpoint[--n] = '\0';
	if (strncmp(p->endpoint, "http://", 7) != 0 && strncmp(p->endpoint, "https://", 8) != 0)
		return error_set(err, ERR_USAGE, "the endpoint is a URL such as %s, not '%.80s' (from %.40s)", PROFILE_DEFAULT_ENDPOINT,
		                 p->endpoint, p->endpoint_source);
	return 0;
}

int profile_find(struct profile *p, const struct profile_ask *ask, struct error *err)
{
	*p = (struct profile){0};
	const char *name = ask->profile ? ask->profile : env_get(ask, "AWS_PROFILE");
	const char *profile = name ? name : "default";
	if (find_place(p, ask, profile, err) < 0)
		return -1;
	if (ask->data && from_folder(p, ask->data, true, true, err) < 0)
		return -1;
	if (ask->profile && from_shared(p, ask, profile, err) < 0)
		return -1;
	if (ask->profile && !*p->access_key)
		return error_set(err, ERR_NOT_FOUND, "profile '%.60s' has no aws_access_key_id and aws_secret_access_key in the shared "
		                 "credentials file", ask->profile);
	if (from_env(p, ask, err) < 0)
		return -1;
	bool nowhere = !*p->endpoint;
	if (nowhere && from_folder(p, ask->default_data, false, !*p->access_key, err) < 0)
		return -1;
	if (from_shared(p, ask, profile, err) < 0)
		return -1;
	if (!nowhere && !*p->access_key && from_folder(p, ask->default_data, false, true, err) < 0)
		return -1;
	return finish(p, err);
}

int profile_need_key(const struct profile *p, struct error *err)
{
	if (*p->access_key)
		return 0;
	if (p->data_unreadable)
		return error_set(err, ERR_ACCESS_DENIED, "no access key: %s/credentials belongs to root; as root run mayfly env, or set "
		                 "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a folder with --data", PROFILE_DEFAULT_DATA);
	return error_set(err, ERR_ACCESS_DENIED, "no access key: name the server's data folder with --data DIR, or set AWS_ACCESS_KEY_ID "
	                 "and AWS_SECRET_ACCESS_KEY; mayfly server makes a key when it first starts");
}
