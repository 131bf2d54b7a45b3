/*
 * sign: AWS Signature Version 4 for the load generator's calls, header form, as the SDKs send it.
 *
 * One thread. The key for a day is derived once and kept in the struct.
 */
#ifndef BENCH_SIGN_H
#define BENCH_SIGN_H

#include "wire.h"

#include <time.h>

/* What is signed besides the address: constant over a run. */
struct sign_call {
    const char *service; /* of the signature: "lambda" */
    const char *type;    /* Content-Type */
    const char *name;    /* one more header, lower case, behind "x-amz-date" in the alphabet; NULL: none */
    const char *value;
};

struct sign_key {
    char access_key[132];
    char secret[132];
    char region[32];
    char day[9]; /* of the derived key; empty until the first signature */
    struct sign_call call;
    unsigned char key[32];
};

/* Reads the first access key of a file in the AWS shared-credentials format. */
int sign_key_load(struct sign_key *k, const char *path, const char *region);

/* Appends a signed POST to *out. `path` holds only characters that need no escaping and no query; `call_id` makes
 * the signatures of one second differ, as an SDK's own invocation id does. */
int sign_post(struct sign_key *k, struct wire_buf *out, const char *path, uint16_t port, uint64_t call_id,
              const char *body, size_t body_len, time_t now);

#endif
