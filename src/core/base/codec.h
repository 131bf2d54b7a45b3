/* Hexadecimal, base64, URL percent coding and SHA-256. */
#ifndef MAYFLY_BASE_CODEC_H
#define MAYFLY_BASE_CODEC_H

#include <stddef.h>

#include "core/base/str.h"

/* Lower case, 2n characters and NUL. */
void hex_encode(char *dst, const void *src, size_t n);
/* Exactly n bytes from 2n digits; -1 when a character is not a hex digit or the length differs. */
int hex_decode(void *dst, size_t n, struct str src);

#define BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)
/* Standard alphabet with padding; dst has BASE64_SIZE(n) bytes. Returns the length without NUL. */
size_t base64_encode(char *dst, const void *src, size_t n);
/* Strict (padding needed, no white space, no other characters); dst has at least src.n / 4 * 3 bytes. -1 when malformed. */
int base64_decode(void *dst, size_t *n, struct str src);

/* Decodes %XX (and '+' to blank when `plus`); dst has at least src.n bytes. -1 on a bad escape. */
int percent_decode(char *dst, size_t *n, struct str src, bool plus);

#define SHA256_SIZE 32
#define SHA256_HEX_SIZE 65
void sha256(unsigned char dst[SHA256_SIZE], const void *src, size_t n);
void sha256_hex(char dst[SHA256_HEX_SIZE], const void *src, size_t n);

/* Incremental form. `free` takes NULL; `done` frees too. */
struct sha256;
struct sha256 *sha256_new(void);
void sha256_update(struct sha256 *s, const void *src, size_t n);
void sha256_done(struct sha256 *s, unsigned char dst[SHA256_SIZE]);
void sha256_free(struct sha256 *s);

#endif
