#include "sign.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#define SCOPE_FORMAT "%s/%s/%s/aws4_request"
#define SIGNED_HEADERS "amz-sdk-invocation-id;content-type;host;x-amz-date"

enum { HASH_LEN = SHA256_DIGEST_LENGTH, HEX_LEN = 2 * HASH_LEN + 1 };

static void hex(const unsigned char hash[HASH_LEN], char out[HEX_LEN])
{
    for (int i = 0; i < HASH_LEN; i++)
        snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

static void sha256_hex(const char *data, size_t len, char out[HEX_LEN])
{
    unsigned char hash[HASH_LEN];
    SHA256((const unsigned char *)data, len, hash);
    hex(hash, out);
}

static void hmac(const void *key, size_t key_len, const char *text, unsigned char out[HASH_LEN])
{
    unsigned int len = HASH_LEN;
    HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), out, &len);
}

static void derive(struct sign_key *k, const char *day)
{
    if (!strcmp(k->day, day))
        return;
    char first[160];
    int first_len = snprintf(first, sizeof first, "AWS4%s", k->secret);
    hmac(first, (size_t)first_len, day, k->key);
    hmac(k->key, HASH_LEN, k->region, k->key);
    hmac(k->key, HASH_LEN, k->call.service, k->key);
    hmac(k->key, HASH_LEN, "aws4_request", k->key);
    snprintf(k->day, sizeof k->day, "%s", day);
}

int sign_key_load(struct sign_key *k, const char *path, const char *region)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    char line[256];
    while (fgets(line, sizeof line, file)) {
        char value[132];
        if (!k->access_key[0] && sscanf(line, " aws_access_key_id = %131s", value) == 1)
            snprintf(k->access_key, sizeof k->access_key, "%s", value);
        if (!k->secret[0] && sscanf(line, " aws_secret_access_key = %131s", value) == 1)
            snprintf(k->secret, sizeof k->secret, "%s", value);
    }
    fclose(file);
    snprintf(k->region, sizeof k->region, "%s", region);
    return k->access_key[0] && k->secret[0] ? 0 : -1;
}

int sign_post(struct sign_key *k, struct wire_buf *out, const char *path, uint16_t port, uint64_t call_id,
              const char *body, size_t body_len, time_t now)
{
    char time_text[20], day[9], id[40], hash[HEX_LEN], scope[96], text[2048];
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(time_text, sizeof time_text, "%Y%m%dT%H%M%SZ", &utc);
    strftime(day, sizeof day, "%Y%m%d", &utc);
    derive(k, day);
    snprintf(id, sizeof id, "00000000-0000-4000-8000-%012llx", (unsigned long long)call_id & 0xffffffffffffu);
    snprintf(scope, sizeof scope, SCOPE_FORMAT, day, k->region, k->call.service);

    sha256_hex(body, body_len, hash);
    const struct sign_call *c = &k->call;
    char extra[256] = "", more[160] = "";
    if (c->name) {
        snprintf(extra, sizeof extra, "%s:%s\n", c->name, c->value);
        snprintf(more, sizeof more, ";%s", c->name);
    }
    int len = snprintf(text, sizeof text,
                       "POST\n%s\n\namz-sdk-invocation-id:%s\ncontent-type:%s\nhost:127.0.0.1:%d\n"
                       "x-amz-date:%s\n%s\n" SIGNED_HEADERS "%s\n%s",
                       path, id, c->type, port, time_text, extra, more, hash);
    if (len < 0 || (size_t)len >= sizeof text)
        return -1;
    sha256_hex(text, (size_t)len, hash);
    snprintf(text, sizeof text, "AWS4-HMAC-SHA256\n%s\n%s\n%s", time_text, scope, hash);
    unsigned char signature[HASH_LEN];
    hmac(k->key, HASH_LEN, text, signature);
    hex(signature, hash);

    if (wire_buf_printf(out,
                        "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: %s\r\n"
                        "X-Amz-Date: %s\r\namz-sdk-invocation-id: %s\r\n%s%s%s%s"
                        "Authorization: AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=" SIGNED_HEADERS
                        "%s, Signature=%s\r\nContent-Length: %zu\r\n\r\n",
                        path, port, c->type, time_text, id, c->name ? c->name : "", c->name ? ": " : "", c->name ? c->value : "",
                        c->name ? "\r\n" : "", k->access_key, scope, more, hash, body_len) < 0)
        return -1;
    return wire_buf_append(out, body, body_len);
}
