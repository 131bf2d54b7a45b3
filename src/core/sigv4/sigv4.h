/* AWS Signature Version 4: verification, signing and presigned queries. Pure: no I/O, no clock, no HTTP types.
 *
 * Verifying goes in three steps, so that a request can be refused before its body arrives:
 *
 *   sigv4_parse    header or query form -> struct sigv4_auth; also builds the canonical request
 *   sigv4_check    time, expiry, signed headers and credential scope (needs no secret)
 *   sigv4_verify   the signature. When sigv4_needs_body() the SHA-256 of the whole body must be given, so it is called
 *                  after the body; otherwise it is called at once, and sigv4_check_body() compares the body later.
 *
 * Between check and verify the caller looks auth.access_key up; for an unknown key, a wrong session token and an expired
 * one it uses the SIGV4_* texts below.
 *
 * Memory: everything an auth points at lives in the arena given to sigv4_parse, nothing in the request: the request's
 * bytes may go away after sigv4_parse. Errors: -1, the code in err->code, the message in err->msg; texts may be longer
 * than that holds, so auth->message has the whole of it (arena; never NULL after a failure). Codes: ERR_MISSING_TOKEN,
 * ERR_INCOMPLETE_SIGNATURE, ERR_BAD_SIGNATURE, ERR_TOO_LARGE (a limit below), ERR_NO_MEMORY. Threads: auth and keys belong
 * to one thread. */
#ifndef MAYFLY_SIGV4_SIGV4_H
#define MAYFLY_SIGV4_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/codec.h"
#include "core/base/error.h"
#include "core/base/str.h"

/* More than this is refused (ERR_TOO_LARGE); the HTTP side normally has lower limits. */
#define SIGV4_MAX_HEADERS 256
#define SIGV4_MAX_QUERY_PARTS 512
#define SIGV4_MAX_PATH 8192
#define SIGV4_MAX_QUERY 32768
#define SIGV4_MAX_AUTHORIZATION 16384
#define SIGV4_MAX_HEADER_BYTES 262144 /* names and values together */

#define SIGV4_EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SIGV4_DATE_SIZE 17 /* 20260131T235959Z and NUL */

/* Texts for what only the caller can find out. */
#define SIGV4_UNKNOWN_KEY "The security token included in the request is invalid." /* ERR_UNKNOWN_CLIENT */
#define SIGV4_EXPIRED_TOKEN "The security token included in the request is expired" /* ERR_EXPIRED_TOKEN */

struct sigv4_header {
	struct str name, value; /* value as received; blanks around it are allowed */
};

/* A request as it stands on the wire: path and query percent-encoded as sent, query without '?'. */
struct sigv4_request {
	struct str method, path, query;
	const struct sigv4_header *headers;
	size_t header_count;
};

enum sigv4_form { SIGV4_FORM_HEADER, SIGV4_FORM_QUERY };

enum sigv4_payload {
	SIGV4_PAYLOAD_BODY,                   /* no x-amz-content-sha256: the body's hash is in the signature */
	SIGV4_PAYLOAD_HASH,                   /* the header names the hash that the body must have */
	SIGV4_PAYLOAD_UNSIGNED,               /* UNSIGNED-PAYLOAD */
	SIGV4_PAYLOAD_STREAM,                 /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD: see stream.h */
	SIGV4_PAYLOAD_STREAM_TRAILER,         /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER */
	SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER /* STREAMING-UNSIGNED-PAYLOAD-TRAILER */
};

struct sigv4_auth {
	enum sigv4_form form;
	enum sigv4_payload payload;
	struct str access_key;
	struct str date, region, service; /* of the credential scope; date is YYYYMMDD */
	struct str scope;                 /* "date/region/service/aws4_request" */
	struct str session_token;         /* p is NULL when there is none */
	struct str signed_headers;        /* "host;x-amz-date" */
	char time[SIGV4_DATE_SIZE];       /* of the request */
	int64_t time_s;                   /* the same, since 1970 */
	uint64_t expires_s;               /* query form, 0 when not given */
	bool has_decoded_length;
	uint64_t decoded_length;          /* x-amz-decoded-content-length, for streaming payloads */
	char signature[SHA256_HEX_SIZE];  /* as sent */
	unsigned char body_sha256[SHA256_SIZE]; /* SIGV4_PAYLOAD_HASH */

	const char *message; /* whole text of the last error */

	/* Private to the folder. */
	struct str canonical;    /* canonical request up to the payload hash */
	struct str payload_text; /* value of x-amz-content-sha256 */
	struct str algorithm, terminator;
	bool host_signed, date_is_iso;
	bool has_expires;
	struct str unsigned_header; /* first x-amz-* header that is there and not signed */
};

/* Is there anything that looks like a signature (header or query)? For routes that also work unsigned. */
bool sigv4_present(const struct sigv4_request *req);

int sigv4_parse(struct sigv4_auth *auth, const struct sigv4_request *req, struct arena *arena, struct error *err);

/* What the endpoint stands for. Empty region or service: any will do. */
struct sigv4_expect {
	struct str region, service;
	int64_t now_s;
};

#define SIGV4_SKEW_S 300
#define SIGV4_MAX_EXPIRES_S 604800

int sigv4_check(struct sigv4_auth *auth, const struct sigv4_expect *expect, struct arena *arena, struct error *err);

/* Derived signing keys, remembered per (access key, secret, date, region, service); the oldest is forgotten. */
struct sigv4_keys;
struct sigv4_keys *sigv4_keys_new(void); /* NULL when out of memory */
void sigv4_keys_free(struct sigv4_keys *keys);

bool sigv4_needs_body(const struct sigv4_auth *auth);
/* body_sha256 is used (and must be there) only when sigv4_needs_body. */
int sigv4_verify(struct sigv4_auth *auth, struct sigv4_keys *keys, struct str secret,
                 const unsigned char body_sha256[SHA256_SIZE], struct arena *arena, struct error *err);
/* The body's hash against x-amz-content-sha256; 0 at once when the request does not name one. */
int sigv4_check_body(struct sigv4_auth *auth, const unsigned char sha256[SHA256_SIZE], struct arena *arena,
                     struct error *err);

/* Signing, for the CLI, for tests and for links that the server hands out. */
struct sigv4_signer {
	struct str access_key, secret;
	struct str session_token; /* empty: none */
	struct str region, service;
	int64_t now_s;
	struct str payload; /* hex SHA-256 of the body, or a constant such as UNSIGNED-PAYLOAD */
	bool send_payload;  /* also as x-amz-content-sha256 (needed for constants in the header form) */
};

#define SIGV4_SIGNED_HEADERS_MAX 4
/* The headers to add to the request; strings live in the arena. */
struct sigv4_signed {
	struct sigv4_header headers[SIGV4_SIGNED_HEADERS_MAX];
	size_t header_count;
};

/* Signs all headers of req; a Host header must be among them, and none that this function adds. */
int sigv4_sign(struct sigv4_signed *out, const struct sigv4_request *req, const struct sigv4_signer *signer,
               struct arena *arena, struct error *err);
/* The complete query string (without '?'), req's own parameters first, good for expires_s. signer->payload empty means
 * the empty body's hash; for s3 it is UNSIGNED-PAYLOAD. NULL on failure. */
const char *sigv4_presign(const struct sigv4_request *req, const struct sigv4_signer *signer, uint64_t expires_s,
                          struct arena *arena, struct error *err);

/* "20260131T235959Z" and back; -1 when malformed. */
void sigv4_format_time(char dst[SIGV4_DATE_SIZE], int64_t time_s);
int sigv4_parse_time(struct str text, int64_t *time_s);

#endif
