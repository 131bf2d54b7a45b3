/* The head parser and the chunk decoder: the same verdict and the same values however the bytes are split, views inside the
 * input, and nothing accepted that framing must not accept. First byte: what is parsed; second: seed of the splits. */
#include <stdlib.h>
#include <string.h>

#include "core/http/chunk.h"
#include "core/http/request.h"
#include "tests/fuzz/fuzz.h"

static const struct http_limits limits = {.head_max_bytes = 2048, .target_max_bytes = 512, .headers_max = 16};

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 16 & 0x7fff;
}

struct verdict {
	long result;
	struct http_request req;
	struct http_header headers[16];
	char *bytes;
};

static void check_view(const struct verdict *v, size_t n, struct str s)
{
	bool inside = s.p >= v->bytes && s.p + s.n <= v->bytes + n;
	ASSERT(!s.p || inside || str_eqz(s, "/"));
	ASSERT(!s.n || http_find_control(s.p, s.n) == s.n);
}

/* Every growth of the input is a move of the buffer, so that stale views show. */
static void parse_split(struct verdict *v, const uint8_t *data, size_t n, unsigned seed, bool whole)
{
	struct http_parser p;
	http_parser_init(&p);
	*v = (struct verdict){0};
	for (size_t len = whole ? n : 0; v->result == 0;) {
		char *bytes = malloc(len + 1);
		ASSERT(bytes);
		memcpy(bytes, data, len);
		v->result = http_parse_head(&p, &limits, bytes, len, &v->req, v->headers);
		free(v->bytes);
		v->bytes = bytes;
		if (len == n)
			break;
		size_t step = 1 + next_random(&seed) % (seed & 1 ? 3 : 97);
		len = step > n - len ? n : len + step;
	}
}

static void check_accepted(const struct verdict *v, size_t n)
{
	const struct http_request *req = &v->req;
	ASSERT((size_t)v->result <= n && v->result <= (long)limits.head_max_bytes);
	ASSERT(req->header_count <= limits.headers_max && req->target.n <= limits.target_max_bytes);
	ASSERT(req->minor == 0 || req->host.n > 0);
	ASSERT(memcmp(v->bytes + v->result - 4, "\r\n\r\n", 4) == 0);
	unsigned lengths = 0, codings = 0, hosts = 0;
	for (unsigned i = 0; i < req->header_count; i++) {
		check_view(v, n, req->headers[i].name);
		check_view(v, n, req->headers[i].value);
		lengths += str_case_eq(req->headers[i].name, STR("Content-Length"));
		codings += str_case_eq(req->headers[i].name, STR("Transfer-Encoding"));
		hosts += str_case_eq(req->headers[i].name, STR("Host"));
	}
	ASSERT(lengths + codings <= 1 && hosts <= 1);
	ASSERT(req->framing == (lengths ? HTTP_LENGTH : codings ? HTTP_CHUNKED : HTTP_NO_BODY));
	check_view(v, n, req->path);
	check_view(v, n, req->query);
	check_view(v, n, req->host);
}

static bool same(const struct verdict *a, const struct verdict *b)
{
	if (a->result != b->result)
		return false;
	if (a->result <= 0)
		return true;
	bool r = str_eq(a->req.path, b->req.path) && str_eq(a->req.query, b->req.query) && str_eq(a->req.host, b->req.host) &&
	         a->req.method == b->req.method && a->req.content_length == b->req.content_length &&
	         a->req.keep_alive == b->req.keep_alive && a->req.header_count == b->req.header_count;
	for (unsigned i = 0; r && i < a->req.header_count; i++)
		r = str_eq(a->headers[i].name, b->headers[i].name) && str_eq(a->headers[i].value, b->headers[i].value);
	return r;
}

static void fuzz_head(const uint8_t *data, size_t n, unsigned seed)
{
	static struct verdict whole, split; /* large; filled anew each time */
	parse_split(&whole, data, n, seed, true);
	parse_split(&split, data, n, seed, false);
	ASSERT(same(&whole, &split));
	if (whole.result > 0) {
		check_accepted(&whole, n);
		check_accepted(&split, n);
	}
	free(whole.bytes);
	free(split.bytes);
}

struct decoded {
	enum http_chunk_step end;
	struct buf body, trailers;
	size_t used;
};

static void decode(struct decoded *d, const uint8_t *data, size_t n, unsigned seed, bool whole)
{
	struct http_chunks c = {0};
	*d = (struct decoded){.end = HTTP_CHUNK_MORE};
	buf_init(&d->body, 1 << 20);
	buf_init(&d->trailers, 256);
	while (d->used < n && d->end < HTTP_CHUNK_END) {
		size_t step = whole ? n : 1 + next_random(&seed) % 5;
		size_t len = step > n - d->used ? n - d->used : step, used = 0;
		struct str piece = STR_NULL;
		d->end = http_chunk_next(&c, (struct str){(const char *)data + d->used, len}, &d->trailers, &used, &piece);
		if (d->end == HTTP_CHUNK_BAD)
			return;
		ASSERT(used <= len && (used > 0 || d->end == HTTP_CHUNK_END));
		ASSERT(d->end != HTTP_CHUNK_MORE || used == len);
		d->used += used;
		if (d->end == HTTP_CHUNK_DATA)
			buf_put(&d->body, piece);
	}
	if (d->end == HTTP_CHUNK_DATA)
		d->end = HTTP_CHUNK_MORE;
}

static void fuzz_chunks(const uint8_t *data, size_t n, unsigned seed)
{
	struct decoded whole, split;
	decode(&whole, data, n, seed, true);
	decode(&split, data, n, seed, false);
	ASSERT(whole.end == split.end);
	ASSERT(whole.end == HTTP_CHUNK_BAD || whole.used == split.used);
	ASSERT(str_eq(buf_str(&whole.body), buf_str(&split.body)));
	ASSERT(whole.end == HTTP_CHUNK_BAD || str_eq(buf_str(&whole.trailers), buf_str(&split.trailers)));
	struct decoded *both[] = {&whole, &split};
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		buf_release(&both[i]->body);
		buf_release(&both[i]->trailers);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 2 || n > 16384)
		return 0;
	if (data[0] & 1)
		fuzz_chunks(data + 2, n - 2, data[1]);
	else
		fuzz_head(data + 2, n - 2, data[1]);
	return 0;
}
