/* MD5: not for secrets; SDKs compare it with what they sent. */
#ifndef MAYFLY_BASE_MD5_H
#define MAYFLY_BASE_MD5_H

#include <stddef.h>

#define MD5_SIZE 16
#define MD5_HEX_SIZE 33
void md5(unsigned char dst[MD5_SIZE], const void *src, size_t n);
void md5_hex(char dst[MD5_HEX_SIZE], const void *src, size_t n);

#endif
