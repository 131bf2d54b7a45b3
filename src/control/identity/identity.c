#include "control/identity/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/codec.h"
#include "core/base/io.h"
#include "core/base/rand.h"

#define FILE_MAX_BYTES 65536
#define KEY_ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
#define SECRET_ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#define ISSUED_KEY_LENGTH 20 /* ASIA and 16 more */
#define ISSUED_SECRET_LENGTH 40

struct identities {
	char account[16];
	struct hash by_key;
	struct identity *root;
};

/* What an unmanaged role may do: a row ending in '*' stands for all that begin so. Services that are added later and hold
 * nothing of other functions (queues, buckets, tables) get a row. */
static const char *const unmanaged_may[] = {
	"lambda:InvokeFunction", "lambda:InvokeFunctionUrl", "lambda:InvokeAsync", "lambda:SendDurableExecutionCallback*",
	"lambda:CheckpointDurableExecution",
	"lambda:GetDurableExecutionState", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents",
	"sts:GetCallerIdentity", "sqs:*", "events:*", "scheduler:*",
};

bool identity_may(const struct identity *id, struct str action)
{
	if (id->kind == IDENTITY_ROOT)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(unmanaged_may); i++) {
		struct str row = str_from(unmanaged_may[i]);
		bool prefix = row.p[row.n - 1] == '*';
		if (prefix ? str_starts(action, str_sub(row, 0, row.n - 1)) : str_eq(action, row))
			return true;
	}
	return false;
}

/* The identity and its two texts in one piece of memory. */
static struct identity *new_identity(enum identity_kind kind, const char *arn, const char *user_id, struct error *err)
{
	size_t arn_size = strlen(arn) + 1, user_size = strlen(user_id) + 1;
	struct identity *id = calloc(1, sizeof *id + arn_size + user_size);
	if (!id) {
		error_set(err, ERR_NO_MEMORY, "no memory for credentials");
		return NULL;
	}
	id->kind = kind;
	char *text = (char *)(id + 1);
	id->arn = memcpy(text, arn, arn_size);
	id->user_id = memcpy(text + arn_size, user_id, user_size);
	return id;
}

struct identities *identities_new(const char *account, struct error *err)
{
	struct identities *ids = calloc(1, sizeof *ids);
	if (!ids || str_copy(ids->account, sizeof ids->account, str_from(account)) < 0) {
		error_set(err, ids ? ERR_USAGE : ERR_NO_MEMORY, "account \"%s\" has no 12 digits", account);
		free(ids);
		return NULL;
	}
	hash_init(&ids->by_key);
	return ids;
}

void identities_free(struct identities *ids)
{
	if (!ids)
		return;
	HASH_FOREACH(n, &ids->by_key)
		identities_revoke(ids, HASH_ENTRY(n, struct identity, by_key));
	hash_release(&ids->by_key);
	free(ids);
}

static int add(struct identities *ids, struct identity *id, struct error *err)
{
	if (hash_put(&ids->by_key, &id->by_key, str_from(id->access_key)) < 0)
		return error_set(err, ERR_NO_MEMORY, "no memory for credentials");
	return 0;
}

void identities_revoke(struct identities *ids, const struct identity *id)
{
	if (!id)
		return;
	struct identity *mine = CONTAINER_OF(hash_get(&ids->by_key, str_from(id->access_key)), struct identity, by_key);
	ASSERT(mine == id);
	hash_remove(&ids->by_key, &mine->by_key);
	explicit_bzero(mine->secret, sizeof mine->secret);
	free(mine);
}

/* One line of the file: "[default]" opens the profile, "name = value" inside it counts. */
static void read_line(struct str line, bool *in_default, struct identity *id, struct error *err)
{
	line = str_trim(line);
	if (line.n == 0 || *line.p == '#' || *line.p == ';')
		return;
	if (*line.p == '[') {
		*in_default = str_eqz(line, "[default]");
		return;
	}
	size_t eq = str_find(line, '=');
	if (!*in_default || eq == line.n)
		return;
	struct str name = str_trim(str_sub(line, 0, eq)), value = str_trim(str_sub(line, eq + 1, line.n));
	int rc = 0;
	if (str_eqz(name, "aws_access_key_id"))
		rc = str_copy(id->access_key, sizeof id->access_key, value);
	else if (str_eqz(name, "aws_secret_access_key"))
		rc = str_copy(id->secret, sizeof id->secret, value);
	if (rc < 0)
		error_set(err, ERR_INVALID, STR_FMT " in the file " IDENTITY_FILE " of the data folder is too long", STR_ARG(name));
}

static int read_file(int data_dirfd, struct identity *id, struct error *err)
{
	size_t n;
	CLEANUP_FREE char *text = io_read_file(data_dirfd, IDENTITY_FILE, FILE_MAX_BYTES, &n, err);
	if (!text)
		return error_wrap(err, "access key");
	struct str rest = {text, n}, line;
	struct error bad = {0};
	bool in_default = false;
	while (str_split(&rest, '\n', &line)) {
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		read_line(line, &in_default, id, &bad);
	}
	explicit_bzero(text, n);
	if (bad.code)
		return error_set(err, bad.code, "%s", bad.msg);
	if (!*id->access_key || !*id->secret)
		return error_set(err, ERR_INVALID, "the file " IDENTITY_FILE " of the data folder has no aws_access_key_id and "
		                 "aws_secret_access_key under [default]; mend it, or remove it to get a new key");
	return 0;
}

int identities_load(struct identities *ids, int data_dirfd, struct error *err)
{
	char arn[64];
	snprintf(arn, sizeof arn, "arn:aws:iam::%s:root", ids->account);
	struct identity *id = new_identity(IDENTITY_ROOT, arn, ids->account, err);
	if (!id)
		return -1;
	if (read_file(data_dirfd, id, err) < 0) {
		free(id);
		return -1;
	}
	struct identity *old = ids->root;
	if (old && strcmp(old->access_key, id->access_key) == 0) {
		identities_revoke(ids, old);
		old = ids->root = NULL;
	}
	if (add(ids, id, err) < 0) {
		free(id);
		return -1;
	}
	identities_revoke(ids, old);
	ids->root = id;
	return 0;
}

/* A role's unique id, the same each time it is seen. */
static void role_id(char dst[22], const char *role)
{
	unsigned char sum[SHA256_SIZE];
	sha256(sum, role, strlen(role));
	memcpy(dst, "AROA", 4);
	for (size_t i = 0; i < 17; i++)
		dst[4 + i] = KEY_ALPHABET[sum[i] % 32];
	dst[21] = '\0';
}

const struct identity *identities_issue(struct identities *ids, const struct function_version *version, struct error *err)
{
	const char *slash = strrchr(version->role, '/');
	const char *role = slash ? slash + 1 : version->role;
	char id_of_role[22];
	role_id(id_of_role, version->role);
	CLEANUP_FREE char *arn = NULL, *user_id = NULL;
	if (asprintf(&arn, "arn:aws:sts::%s:assumed-role/%s/%s", ids->account, role, version->name) < 0)
		arn = NULL;
	if (asprintf(&user_id, "%s:%s", id_of_role, version->name) < 0)
		user_id = NULL;
	struct identity *id = arn && user_id ? new_identity(IDENTITY_FUNCTION, arn, user_id, err) : NULL;
	if (!id) {
		error_set(err, ERR_NO_MEMORY, "no memory for credentials");
		return NULL;
	}
	memcpy(id->access_key, "ASIA", 4);
	rand_text(id->access_key + 4, ISSUED_KEY_LENGTH - 4, KEY_ALPHABET);
	rand_text(id->secret, ISSUED_SECRET_LENGTH, SECRET_ALPHABET);
	rand_text(id->session_token, IDENTITY_TOKEN_SIZE - 1, SECRET_ALPHABET);
	if (add(ids, id, err) < 0) {
		free(id);
		return NULL;
	}
	return id;
}

const struct identity *identities_find(const struct identities *ids, struct str access_key)
{
	return HASH_ENTRY(hash_get(&ids->by_key, access_key), struct identity, by_key);
}

const char *identities_account(const struct identities *ids)
{
	return ids->account;
}

const struct identity *identities_root(const struct identities *ids)
{
	return ids->root;
}
