#include "core/base/md5.h"

#include <openssl/evp.h>

#include "core/base/check.h"
#include "core/base/codec.h"

void md5(unsigned char dst[MD5_SIZE], const void *src, size_t n)
{
	ASSERT(EVP_Digest(src, n, dst, NULL, EVP_md5(), NULL) == 1);
}

void md5_hex(char dst[MD5_HEX_SIZE], const void *src, size_t n)
{
	unsigned char sum[MD5_SIZE];
	md5(sum, src, n);
	hex_encode(dst, sum, sizeof sum);
}
