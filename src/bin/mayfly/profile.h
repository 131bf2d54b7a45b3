/* Where the server is and with which key to sign: what options, environment, shared AWS files and a data folder say.
 *
 * Endpoint: --endpoint; --data DIR (its config); AWS_ENDPOINT_URL_LAMBDA, AWS_ENDPOINT_URL; the profile's endpoint_url; the
 * default data folder's config; http://127.0.0.1:4566.
 * Key: --data DIR; --profile; AWS_ACCESS_KEY_ID and its companions; the default data folder where the endpoint came from
 * there too; the shared credentials file; the default data folder.
 * Pure but for reading those files; the caller gives the environment, so that tests can. */
#ifndef MAYFLY_BIN_PROFILE_H
#define MAYFLY_BIN_PROFILE_H

#include <stdbool.h>

#include "core/base/error.h"
#include "core/base/str.h"

#define PROFILE_TEXT_MAX 2048
#define PROFILE_FILE_MAX 262144
#define PROFILE_DEFAULT_DATA "/var/lib/mayfly"
#define PROFILE_DEFAULT_ENDPOINT "http://127.0.0.1:4566"

struct profile {
	char endpoint[PROFILE_TEXT_MAX], region[PROFILE_TEXT_MAX];
	char access_key[PROFILE_TEXT_MAX], secret[PROFILE_TEXT_MAX], session_token[PROFILE_TEXT_MAX];
	char key_source[PROFILE_TEXT_MAX];      /* what --help would call it: a path, or "the environment" */
	char endpoint_source[PROFILE_TEXT_MAX];
	bool data_unreadable;                   /* the default data folder is there, and not for us */
};

/* What was asked for; NULL: nothing. */
struct profile_ask {
	const char *endpoint, *data, *profile, *region;
	const char *default_data; /* MAYFLY_DATA, build/data or PROFILE_DEFAULT_DATA: see client.c */
	char *const *env;
};

/* Fills all it can find; a missing key is no failure here (health needs none): see profile_need_key. -1 for a folder or
 * profile that was named and cannot be used. */
int profile_find(struct profile *p, const struct profile_ask *ask, struct error *err);
/* -1 with what to do when there is no key. */
int profile_need_key(const struct profile *p, struct error *err);

/* Value of `name` in section `section` of an AWS configuration file's text; STR_NULL when it is not there. The last one
 * counts; comments ("#", ";" at the start of a line) and blanks around are skipped. In `config` files sections are called
 * "profile NAME", but for the default one. */
struct str profile_ini_get(struct str text, struct str section, const char *name);

#endif
