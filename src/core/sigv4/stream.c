#include "core/sigv4/stream.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/sigv4/sigv4_priv.h"

enum step { STEP_HEADER, STEP_DATA, STEP_DATA_END, STEP_TRAILER, STEP_DONE, STEP_FAILED };

struct sigv4_stream {
	enum step step;
	bool is_signed, has_trailers, has_length;
	struct sigv4_keys *keys;
	struct sha256 *hash; /* of the chunk's data so far */
	uint64_t left;       /* of the chunk */
	uint64_t decoded, length, max_bytes;
	char signature[SHA256_HEX_SIZE]; /* the chunk's, as sent */
	char previous[SHA256_HEX_SIZE];
	char time[SIGV4_DATE_SIZE];
	size_t line_len, trailers_len;
	bool trailer_signed;
	char trailer_signature[SHA256_HEX_SIZE];
	char line[SIGV4_STREAM_MAX_LINE];
	char trailers[SIGV4_STREAM_MAX_TRAILERS];
	struct sigv4_auth id; /* access key and scope, pointing into text[] */
	struct str secret;
	char text[];
};

static char *copy_in(char *at, struct str *dst, struct str src)
{
	if (src.n)
		memcpy(at, src.p, src.n);
	*dst = (struct str){at, src.n};
	return at + src.n;
}

struct sigv4_stream *sigv4_stream_new(const struct sigv4_auth *auth, struct sigv4_keys *keys, struct str secret,
                                      uint64_t max_bytes, struct error *err)
{
	ASSERT(auth->payload >= SIGV4_PAYLOAD_STREAM);
	if (auth->has_decoded_length && auth->decoded_length > max_bytes) {
		error_set(err, ERR_TOO_LARGE, "the decoded content is larger than %llu bytes", (unsigned long long)max_bytes);
		return NULL;
	}
	struct sigv4_stream *s = calloc(1, sizeof *s + auth->access_key.n + auth->scope.n + secret.n + 1);
	if (!s || !(s->hash = sha256_new())) {
		free(s);
		error_set(err, ERR_NO_MEMORY, "out of memory");
		return NULL;
	}
	s->is_signed = auth->payload != SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER;
	s->has_trailers = auth->payload != SIGV4_PAYLOAD_STREAM;
	s->has_length = auth->has_decoded_length;
	s->length = auth->decoded_length;
	s->max_bytes = max_bytes;
	s->keys = keys;
	memcpy(s->previous, auth->signature, sizeof s->previous);
	memcpy(s->time, auth->time, sizeof s->time);
	char *at = copy_in(s->text, &s->id.access_key, auth->access_key);
	at = copy_in(at, &s->id.scope, auth->scope);
	copy_in(at, &s->secret, secret);
	s->id.date = str_sub(s->id.scope, 0, auth->date.n);
	s->id.region = str_sub(s->id.scope, auth->date.n + 1, auth->date.n + 1 + auth->region.n);
	s->id.service = str_sub(s->id.scope, auth->date.n + auth->region.n + 2, auth->date.n + auth->region.n + 2 + auth->service.n);
	return s;
}

void sigv4_stream_free(struct sigv4_stream *s)
{
	if (!s)
		return;
	sha256_free(s->hash);
	free(s);
}

bool sigv4_stream_done(const struct sigv4_stream *s)
{
	return s->step == STEP_DONE;
}

struct str sigv4_stream_trailers(const struct sigv4_stream *s)
{
	return (struct str){s->trailers, s->trailers_len};
}

static int bad(struct sigv4_stream *s, struct error *err, enum error_code code, const char *what)
{
	s->step = STEP_FAILED;
	return error_set(err, code, "%s", what);
}

/* One line up to CR LF into s->line; 1: complete, 0: needs more. */
static int take_line(struct sigv4_stream *s, struct str *in, struct error *err)
{
	size_t n = str_find(*in, '\n');
	bool ends = n < in->n;
	if (n > sizeof s->line - s->line_len)
		return bad(s, err, ERR_TOO_LARGE, "a line of the aws-chunked body is too long");
	if (n)
		memcpy(s->line + s->line_len, in->p, n);
	s->line_len += n;
	*in = str_sub(*in, n + ends, in->n);
	if (!ends)
		return 0;
	if (s->line_len == 0 || s->line[s->line_len - 1] != '\r')
		return bad(s, err, ERR_INVALID, "a line of the aws-chunked body does not end in CR LF");
	s->line_len--;
	return 1;
}

static int hex_size(struct str s, uint64_t *out)
{
	uint64_t v = 0;
	if (s.n == 0 || s.n > 15)
		return -1;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
		if (d < 0)
			return -1;
		v = v << 4 | (uint64_t)d;
	}
	*out = v;
	return 0;
}

static int sign_and_compare(struct sigv4_stream *s, const char *algorithm, const char *middle, const char *hash, char *given,
                            struct error *err)
{
	struct arena arena;
	char want[SHA256_HEX_SIZE];
	arena_init(&arena, 4096);
	char *text = arena_printf(&arena, "%s\n%s\n" STR_FMT "\n%s\n%s%s", algorithm, s->time, STR_ARG(s->id.scope), s->previous, middle, hash);
	int r = text ? sigv4_keys_hmac(s->keys, &s->id, s->secret, str_from(text), want) : -1;
	arena_release(&arena);
	if (r < 0)
		return bad(s, err, ERR_NO_MEMORY, "out of memory");
	if (!sigv4_same(str_from(want), (struct str){given, SHA256_HEX_SIZE - 1}))
		return bad(s, err, ERR_BAD_SIGNATURE,
		           "The chunk signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and "
		           "signing method. Consult the service documentation for details.");
	memcpy(s->previous, want, sizeof want);
	return 0;
}

static int end_chunk(struct sigv4_stream *s, struct error *err)
{
	unsigned char sum[SHA256_SIZE];
	char hex[SHA256_HEX_SIZE];
	if (!s->is_signed)
		return 0;
	sha256_done(s->hash, sum);
	s->hash = sha256_new();
	hex_encode(hex, sum, sizeof sum);
	return sign_and_compare(s, ALGORITHM "-PAYLOAD", SIGV4_EMPTY_SHA256 "\n", hex, s->signature, err);
}

static int begin_chunk(struct sigv4_stream *s, struct error *err)
{
	struct str line = {s->line, s->line_len};
	size_t semi = str_find(line, ';');
	struct str ext = str_sub(line, semi, line.n);
	uint64_t size;
	s->line_len = 0;
	if (hex_size(str_sub(line, 0, semi), &size) < 0)
		return bad(s, err, ERR_INVALID, "a chunk of the aws-chunked body has no valid size");
	if (size > s->max_bytes - s->decoded)
		return bad(s, err, ERR_TOO_LARGE, "the decoded content is too large");
	if (s->has_length && size > s->length - s->decoded)
		return bad(s, err, ERR_INVALID, "the content is longer than x-amz-decoded-content-length says");
	if (s->is_signed) {
		if (!str_starts(ext, STR(";chunk-signature=")) || ext.n != 17 + SHA256_HEX_SIZE - 1)
			return bad(s, err, ERR_INVALID, "a chunk of the aws-chunked body has no signature");
		memcpy(s->signature, ext.p + 17, SHA256_HEX_SIZE - 1);
	}
	s->decoded += size;
	s->left = size;
	s->step = STEP_DATA;
	if (size)
		return 0;
	if (s->has_length && s->decoded != s->length)
		return bad(s, err, ERR_INVALID, "the content is shorter than x-amz-decoded-content-length says");
	s->step = STEP_TRAILER;
	return end_chunk(s, err);
}

static int take_data(struct sigv4_stream *s, struct str *in, struct str *data)
{
	size_t n = in->n < s->left ? in->n : (size_t)s->left;
	*data = str_sub(*in, 0, n);
	*in = str_sub(*in, n, in->n);
	if (s->is_signed)
		sha256_update(s->hash, data->p, n);
	s->left -= n;
	if (s->left == 0)
		s->step = STEP_DATA_END;
	return 1;
}

static int end_trailers(struct sigv4_stream *s, struct error *err)
{
	char hex[SHA256_HEX_SIZE];
	s->step = STEP_DONE;
	if (!s->is_signed || !s->has_trailers)
		return 0;
	if (!s->trailer_signed)
		return bad(s, err, ERR_BAD_SIGNATURE, "the trailer of the aws-chunked body has no x-amz-trailer-signature");
	sha256_hex(hex, s->trailers, s->trailers_len);
	return sign_and_compare(s, ALGORITHM "-TRAILER", "", hex, s->trailer_signature, err);
}

static int take_trailer(struct sigv4_stream *s, struct error *err)
{
	struct str line = {s->line, s->line_len};
	s->line_len = 0;
	if (line.n == 0)
		return end_trailers(s, err);
	size_t colon = str_find(line, ':');
	struct str name = str_sub(line, 0, colon), value = str_trim(str_sub(line, colon + 1, line.n));
	if (!s->has_trailers || colon == line.n || colon == 0 || s->trailer_signed)
		return bad(s, err, ERR_INVALID, "the aws-chunked body has a malformed trailer");
	if (str_case_eq(name, STR("x-amz-trailer-signature"))) {
		if (value.n != SHA256_HEX_SIZE - 1)
			return bad(s, err, ERR_INVALID, "x-amz-trailer-signature is malformed");
		memcpy(s->trailer_signature, value.p, value.n);
		s->trailer_signed = true;
		return 0;
	}
	if (name.n + value.n + 2 > sizeof s->trailers - s->trailers_len)
		return bad(s, err, ERR_TOO_LARGE, "the trailers of the aws-chunked body are too large");
	char *at = s->trailers + s->trailers_len;
	for (size_t i = 0; i < name.n; i++)
		*at++ = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] + 32) : name.p[i];
	*at++ = ':';
	memcpy(at, value.p, value.n);
	at[value.n] = '\n';
	s->trailers_len += name.n + value.n + 2;
	return 0;
}

/* A step that needs a whole line, once it has one. */
static int use_line(struct sigv4_stream *s, struct error *err)
{
	if (s->step == STEP_HEADER)
		return begin_chunk(s, err);
	if (s->step == STEP_TRAILER)
		return take_trailer(s, err);
	if (s->line_len)
		return bad(s, err, ERR_INVALID, "a chunk of the aws-chunked body is longer than its size says");
	s->step = STEP_HEADER;
	return end_chunk(s, err);
}

int sigv4_stream_next(struct sigv4_stream *s, struct str *in, struct str *data, struct error *err)
{
	while (in->n && s->step != STEP_DONE) {
		if (s->step == STEP_FAILED)
			break;
		if (s->step == STEP_DATA)
			return take_data(s, in, data);
		int r = take_line(s, in, err);
		if (r <= 0)
			return r;
		if (use_line(s, err) < 0)
			return -1;
	}
	return s->step == STEP_FAILED ? error_set(err, ERR_INVALID, "the aws-chunked body was refused before") : 0;
}
