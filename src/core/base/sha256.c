#include <openssl/evp.h>
#include <openssl/sha.h>

#include "core/base/check.h"
#include "core/base/codec.h"

void sha256(unsigned char dst[SHA256_SIZE], const void *src, size_t n)
{
	SHA256(src, n, dst);
}

void sha256_hex(char dst[SHA256_HEX_SIZE], const void *src, size_t n)
{
	unsigned char sum[SHA256_SIZE];
	sha256(sum, src, n);
	hex_encode(dst, sum, sizeof sum);
}

struct sha256 *sha256_new(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	ASSERT(ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1);
	return (struct sha256 *)(void *)ctx;
}

void sha256_update(struct sha256 *s, const void *src, size_t n)
{
	ASSERT(EVP_DigestUpdate((EVP_MD_CTX *)(void *)s, src, n) == 1);
}

void sha256_done(struct sha256 *s, unsigned char dst[SHA256_SIZE])
{
	ASSERT(EVP_DigestFinal_ex((EVP_MD_CTX *)(void *)s, dst, NULL) == 1);
	sha256_free(s);
}

void sha256_free(struct sha256 *s)
{
	EVP_MD_CTX_free((EVP_MD_CTX *)(void *)s);
}
