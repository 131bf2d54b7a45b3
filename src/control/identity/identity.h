/* Who may sign: the root key of the data folder, and the session credentials of environments; and what each may do.
 *
 * Root may do everything. An environment signs as the assumed role of its function. A role that was never created in IAM
 * is *unmanaged*: it may invoke functions and use services, but neither change nor read functions, logs or identities,
 * which hold what other functions keep secret. One event loop. */
#ifndef MAYFLY_IDENTITY_IDENTITY_H
#define MAYFLY_IDENTITY_IDENTITY_H

#include <stdbool.h>

#include "control/function/version.h"
#include "core/base/error.h"
#include "core/base/hash.h"
#include "core/base/str.h"

#define IDENTITY_KEY_SIZE 129  /* of a root key found in a file; issued ones have 20 characters */
#define IDENTITY_SECRET_SIZE 129
#define IDENTITY_TOKEN_SIZE 65
#define IDENTITY_FILE "credentials" /* below the data folder; AWS shared-credentials format, profile default */

enum identity_kind { IDENTITY_ROOT, IDENTITY_FUNCTION };

struct identities;

/* Constant while it lives. */
struct identity {
	enum identity_kind kind;
	char access_key[IDENTITY_KEY_SIZE];
	char secret[IDENTITY_SECRET_SIZE];
	char session_token[IDENTITY_TOKEN_SIZE]; /* "" for root: then a request must not need one */
	const char *arn;     /* arn:aws:iam::ACCOUNT:root, or arn:aws:sts::ACCOUNT:assumed-role/ROLE/FUNCTION */
	const char *user_id; /* as GetCallerIdentity shows it: the account, or AROA...:FUNCTION */
	struct hash_node by_key; /* private */
};

struct identities *identities_new(const char *account, struct error *err);
void identities_free(struct identities *ids);
/* The root key out of `data_dirfd`/credentials. What was there before stays on error. */
int identities_load(struct identities *ids, int data_dirfd, struct error *err);
/* Credentials of one environment of `version`, good until revoked. NULL: no memory. */
const struct identity *identities_issue(struct identities *ids, const struct function_version *version, struct error *err);
void identities_revoke(struct identities *ids, const struct identity *id); /* and frees; NULL is fine */

/* NULL when nobody has that key. */
const struct identity *identities_find(const struct identities *ids, struct str access_key);
const struct identity *identities_root(const struct identities *ids); /* NULL before identities_load */
const char *identities_account(const struct identities *ids);

/* May it do `action`, written as IAM writes it ("lambda:CreateFunction")? */
bool identity_may(const struct identity *id, struct str action);

#endif
