/* Signing keys are derived by four HMACs; a key serves a whole day, so the last ones are kept, as the two digest states
 * that every HMAC with the key starts from. The digest is fetched once: OpenSSL's lookups cost more than the hashing. */
#include "core/sigv4/sigv4_priv.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/rand.h"

#define ROWS 64
#define ID_MAX 768 /* longer identities work, unremembered */
#define BLOCK 64

struct row {
	uint64_t sum, used;
	size_t id_len;
	char id[ID_MAX];
	EVP_MD_CTX *inner, *outer;
};

struct sigv4_keys {
	EVP_MD *md;
	EVP_MD_CTX *work;
	uint64_t seed, tick;
	struct row rows[ROWS + 1]; /* the last one is for identities too long to remember */
};

struct sigv4_keys *sigv4_keys_new(void)
{
	struct sigv4_keys *k = calloc(1, sizeof *k);
	if (!k)
		return NULL;
	k->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	k->work = EVP_MD_CTX_new();
	k->seed = rand_u64();
	if (!k->md || !k->work) {
		sigv4_keys_free(k);
		return NULL;
	}
	return k;
}

void sigv4_keys_free(struct sigv4_keys *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < ARRAY_LEN(k->rows); i++) {
		EVP_MD_CTX_free(k->rows[i].inner);
		EVP_MD_CTX_free(k->rows[i].outer);
	}
	EVP_MD_CTX_free(k->work);
	EVP_MD_free(k->md);
	OPENSSL_cleanse(k, sizeof *k);
	free(k);
}

static void hmac(unsigned char out[SHA256_SIZE], const void *key, size_t key_n, struct str data)
{
	unsigned n = SHA256_SIZE;
	ASSERT(HMAC(EVP_sha256(), key, (int)key_n, (const unsigned char *)data.p, data.n, out, &n));
}

void sigv4_derive(unsigned char key[SHA256_SIZE], struct str secret, struct str date, struct str region, struct str service)
{
	unsigned char first[4 + SIGV4_MAX_SECRET] = "AWS4";
	size_t n = secret.n < SIGV4_MAX_SECRET ? secret.n : SIGV4_MAX_SECRET;
	if (n)
		memcpy(first + 4, secret.p, n);
	hmac(key, first, 4 + n, date);
	hmac(key, key, SHA256_SIZE, region);
	hmac(key, key, SHA256_SIZE, service);
	hmac(key, key, SHA256_SIZE, STR(TERMINATOR));
	OPENSSL_cleanse(first, sizeof first);
}

static bool start_state(EVP_MD_CTX **ctx, const EVP_MD *md, const unsigned char key[SHA256_SIZE], unsigned char pad)
{
	unsigned char block[BLOCK];
	for (size_t i = 0; i < BLOCK; i++)
		block[i] = (unsigned char)((i < SHA256_SIZE ? key[i] : 0) ^ pad);
	if (!*ctx)
		*ctx = EVP_MD_CTX_new();
	bool ok = *ctx && EVP_DigestInit_ex2(*ctx, md, NULL) == 1 && EVP_DigestUpdate(*ctx, block, BLOCK) == 1;
	OPENSSL_cleanse(block, sizeof block);
	return ok;
}

static bool fill_row(struct sigv4_keys *k, struct row *r, const struct sigv4_auth *auth, struct str secret)
{
	unsigned char key[SHA256_SIZE];
	sigv4_derive(key, secret, auth->date, auth->region, auth->service);
	bool ok = start_state(&r->inner, k->md, key, 0x36) && start_state(&r->outer, k->md, key, 0x5c);
	OPENSSL_cleanse(key, sizeof key);
	return ok;
}

/* Lengths are part of the identity, so that no two (access key, secret, scope) read the same. 0: too long to remember. */
static size_t make_id(char id[ID_MAX], const struct sigv4_auth *auth, struct str secret)
{
	const struct str parts[] = {auth->access_key, secret, auth->scope};
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		uint32_t len = (uint32_t)parts[i].n;
		if (parts[i].n > ID_MAX || n + sizeof len + len > ID_MAX)
			return 0;
		memcpy(id + n, &len, sizeof len);
		if (len)
			memcpy(id + n + sizeof len, parts[i].p, len);
		n += sizeof len + len;
	}
	return n;
}

static struct row *find_row(struct sigv4_keys *k, const struct sigv4_auth *auth, struct str secret)
{
	char id[ID_MAX];
	size_t n = make_id(id, auth, secret);
	struct row *oldest = &k->rows[0];
	if (n == 0)
		return fill_row(k, &k->rows[ROWS], auth, secret) ? &k->rows[ROWS] : NULL;
	uint64_t sum = hash_bytes(k->seed, (struct str){id, n});
	for (size_t i = 0; i < ROWS; i++) {
		struct row *r = &k->rows[i];
		if (r->sum == sum && r->id_len == n && memcmp(r->id, id, n) == 0) {
			r->used = ++k->tick;
			return r;
		}
		if (r->used < oldest->used)
			oldest = r;
	}
	oldest->id_len = 0;
	if (!fill_row(k, oldest, auth, secret))
		return NULL;
	memcpy(oldest->id, id, n);
	oldest->id_len = n;
	oldest->sum = sum;
	oldest->used = ++k->tick;
	return oldest;
}

int sigv4_keys_hmac(struct sigv4_keys *k, const struct sigv4_auth *auth, struct str secret, struct str data, char hex[SHA256_HEX_SIZE])
{
	unsigned char sum[SHA256_SIZE];
	struct row *r = find_row(k, auth, secret);
	if (!r || EVP_MD_CTX_copy_ex(k->work, r->inner) != 1 || EVP_DigestUpdate(k->work, data.p, data.n) != 1 ||
	    EVP_DigestFinal_ex(k->work, sum, NULL) != 1)
		return -1;
	if (EVP_MD_CTX_copy_ex(k->work, r->outer) != 1 || EVP_DigestUpdate(k->work, sum, sizeof sum) != 1 ||
	    EVP_DigestFinal_ex(k->work, sum, NULL) != 1)
		return -1;
	hex_encode(hex, sum, sizeof sum);
	return 0;
}

void sigv4_keys_sha256(struct sigv4_keys *k, struct str a, struct str b, char hex[SHA256_HEX_SIZE])
{
	unsigned char sum[SHA256_SIZE];
	ASSERT(EVP_DigestInit_ex2(k->work, k->md, NULL) == 1 && EVP_DigestUpdate(k->work, a.p, a.n) == 1 &&
	       EVP_DigestUpdate(k->work, b.p, b.n) == 1 && EVP_DigestFinal_ex(k->work, sum, NULL) == 1);
	hex_encode(hex, sum, sizeof sum);
}
