/* core/sigv4 against AWS's published vectors, requests signed by botocore, and everything that may be wrong with one. */
#include "core/sigv4/sigv4.h"

#include <stdlib.h>

#include "tests/unit/test.h"
#include "tests/unit/test_sigv4_vectors.h"

#define MAX_HEADERS 32

struct fixture {
	struct arena arena;
	struct sigv4_keys *keys;
	struct sigv4_header headers[MAX_HEADERS];
	struct sigv4_request req;
	struct sigv4_auth auth;
	struct error err;
};

static void setup(struct fixture *f)
{
	*f = (struct fixture){.keys = sigv4_keys_new()};
	arena_init(&f->arena, 1 << 20);
	f->req.headers = f->headers;
}

static void teardown(struct fixture *f)
{
	sigv4_keys_free(f->keys);
	arena_release(&f->arena);
}

#define FIXTURE __attribute__((cleanup(teardown))) struct fixture

static void add_header(struct fixture *f, const char *name, const char *value)
{
	f->headers[f->req.header_count++] = (struct sigv4_header){str_from(name), str_from(value)};
}

/* "Name:value\n" lines, kept by reference. */
static void set_headers(struct fixture *f, const char *lines)
{
	struct str rest = str_from(lines), line;
	f->req.header_count = 0;
	while (str_split(&rest, '\n', &line)) {
		size_t colon = str_find(line, ':');
		if (line.n)
			f->headers[f->req.header_count++] = (struct sigv4_header){str_sub(line, 0, colon), str_sub(line, colon + 1, line.n)};
	}
}

static void set_vector(struct fixture *f, const struct vector *v)
{
	f->req.method = str_from(v->method);
	f->req.path = str_from(v->path);
	f->req.query = str_from(v->query);
	set_headers(f, v->headers);
}

static const struct vector *find_vector(const char *name)
{
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
		if (strcmp(vectors[i].name, name) == 0)
			return &vectors[i];
	printf("no vector %s\n", name);
	abort();
}

static struct sigv4_expect expect_at(int64_t now_s, const char *service)
{
	return (struct sigv4_expect){STR("us-east-1"), str_from(service), now_s};
}

/* All steps as the server takes them. */
static int check_all(struct fixture *f, const char *service, const char *body, size_t body_len)
{
	unsigned char sum[SHA256_SIZE];
	struct sigv4_expect expect = expect_at(VECTOR_NOW, service);
	sha256(sum, body, body_len);
	if (sigv4_parse(&f->auth, &f->req, &f->arena, &f->err) < 0 || sigv4_check(&f->auth, &expect, &f->arena, &f->err) < 0)
		return -1;
	if (sigv4_verify(&f->auth, f->keys, STR(VECTOR_SECRET), sigv4_needs_body(&f->auth) ? sum : NULL, &f->arena, &f->err) < 0)
		return -1;
	return sigv4_check_body(&f->auth, sum, &f->arena, &f->err);
}

TEST(botocore_requests_verify)
{
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		FIXTURE f;
		setup(&f);
		set_vector(&f, &vectors[i]);
		if (check_all(&f, vectors[i].service, vectors[i].body, vectors[i].body_len) < 0) {
			printf("vector \"%s\": %s\n", vectors[i].name, f.auth.message);
			CHECK(!"verifies");
		}
		CHECK(str_eqz(f.auth.access_key, VECTOR_KEY));
		CHECK(str_eqz(f.auth.service, vectors[i].service));
		CHECK_INT(f.auth.time_s, VECTOR_NOW);
	}
}

/* One changed byte in any signed part must be noticed. */
TEST(any_change_is_noticed)
{
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		const struct vector *v = &vectors[i];
		FIXTURE f;
		setup(&f);
		set_vector(&f, v);
		f.req.method = STR("PATCH");
		CHECK_INT(check_all(&f, v->service, v->body, v->body_len), -1);
		CHECK_INT(f.err.code, ERR_BAD_SIGNATURE);

		char path[512];
		snprintf(path, sizeof path, "%s0", v->path);
		set_vector(&f, v);
		f.req.path = str_from(path);
		CHECK_INT(check_all(&f, v->service, v->body, v->body_len), -1);

		char query[2048];
		snprintf(query, sizeof query, "%s&zz=1", v->query);
		set_vector(&f, v);
		f.req.query = str_from(query);
		CHECK_INT(check_all(&f, v->service, v->body, v->body_len), -1);

		set_vector(&f, v);
		for (size_t k = 0; k < f.req.header_count; k++)
			if (str_case_eq(f.headers[k].name, STR("host")))
				f.headers[k].value = STR("127.0.0.1:4567");
		CHECK_INT(check_all(&f, v->service, v->body, v->body_len), -1);

		set_vector(&f, v);
		if (sigv4_parse(&f.auth, &f.req, &f.arena, &f.err) < 0 || f.auth.payload == SIGV4_PAYLOAD_UNSIGNED)
			continue;
		CHECK_INT(check_all(&f, v->service, "other body", 10), -1);
		CHECK_INT(f.err.code, ERR_BAD_SIGNATURE);
		CHECK(strstr(f.auth.message, "The Canonical String for this request should have been\n'"));
	}
}

TEST(wrong_secret)
{
	FIXTURE f;
	setup(&f);
	set_vector(&f, find_vector("list"));
	CHECK_INT(check_all(&f, "lambda", "", 0), 0);
	unsigned char sum[SHA256_SIZE];
	sha256(sum, "", 0);
	CHECK_INT(sigv4_verify(&f.auth, f.keys, STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEX"), sum, &f.arena, &f.err), -1);
	CHECK_INT(f.err.code, ERR_BAD_SIGNATURE);
	CHECK(strstr(f.auth.message, "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
	                             "Access Key and signing method. Consult the service documentation for details.\n\nThe Canonical String "
	                             "for this request should have been\n'GET\n/2015-03-31/functions\n\nhost:127.0.0.1:4566\nx-amz-date:"
	                             "20260131T123456Z\n\nhost;x-amz-date\n" SIGV4_EMPTY_SHA256 "'\n\nThe String-to-Sign should have been\n'"
	                             "AWS4-HMAC-SHA256\n20260131T123456Z\n20260131/us-east-1/lambda/aws4_request\n"));
	CHECK_INT(sigv4_verify(&f.auth, f.keys, STR(""), sum, &f.arena, &f.err), -1);
	CHECK_INT(sigv4_verify(&f.auth, f.keys, STR(VECTOR_SECRET), sum, &f.arena, &f.err), 0);
}

TEST(session_token)
{
	FIXTURE f;
	setup(&f);
	set_vector(&f, find_vector("invoke with session token"));
	CHECK_INT(check_all(&f, "lambda", "{}", 2), 0);
	CHECK(str_eqz(f.auth.session_token, VECTOR_TOKEN));
	set_vector(&f, find_vector("presigned with token"));
	CHECK_INT(check_all(&f, "lambda", "", 0), 0);
	CHECK_INT(f.auth.form, SIGV4_FORM_QUERY);
	CHECK(str_eqz(f.auth.session_token, VECTOR_TOKEN));
	set_vector(&f, find_vector("list"));
	CHECK_INT(check_all(&f, "lambda", "", 0), 0);
	CHECK(f.auth.session_token.p == NULL);
}

/* The auth must not depend on the request's memory once it is parsed. */
TEST(request_may_go_away)
{
	FIXTURE f;
	setup(&f);
	const struct vector *v = find_vector("invoke by arn and qualifier");
	char *copy[3] = {strdup(v->path), strdup(v->query), strdup(v->headers)};
	set_headers(&f, copy[2]);
	f.req.method = str_from(v->method);
	f.req.path = str_from(copy[0]);
	f.req.query = str_from(copy[1]);
	int r = sigv4_parse(&f.auth, &f.req, &f.arena, &f.err);
	for (size_t i = 0; i < 3; i++)
		free(copy[i]);
	CHECK_INT(r, 0);
	struct sigv4_expect expect = expect_at(VECTOR_NOW, "lambda");
	unsigned char sum[SHA256_SIZE];
	sha256(sum, v->body, v->body_len);
	CHECK_INT(sigv4_check(&f.auth, &expect, &f.arena, &f.err), 0);
	CHECK_INT(sigv4_verify(&f.auth, f.keys, STR(VECTOR_SECRET), sum, &f.arena, &f.err), 0);
}

struct text_case {
	const char *name, *query, *headers;
	enum error_code code;
	const char *message;
};

#define AUTH "Authorization:AWS4-HMAC-SHA256 Credential=AK/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=ab\n"
#define DATE "X-Amz-Date:20260131T123456Z\n"
#define QUERY "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20260131%2Fus-east-1%2Flambda%2Faws4_request&X-Amz-Date=20260131T123456Z"

static const struct text_case text_cases[] = {
	{"nothing", "", "Host:h\n", ERR_MISSING_TOKEN, "Missing Authentication Token"},
	{"empty header", "", "Host:h\nAuthorization: \n", ERR_MISSING_TOKEN, "Missing Authentication Token"},
	{"both forms", "X-Amz-Algorithm=AWS4-HMAC-SHA256", "Host:h\n" AUTH DATE, ERR_BAD_SIGNATURE,
	 "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."},
	{"bare", "", "Host:h\nAuthorization:AWS4-HMAC-SHA256\n", ERR_INCOMPLETE_SIGNATURE,
	 "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization "
	 "header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' "
	 "header. Authorization=AWS4-HMAC-SHA256"},
	{"no signature", "", "Host:h\n" DATE "Authorization:AWS4-HMAC-SHA256 Credential=a/b/c/d/e,SignedHeaders=host\n",
	 ERR_INCOMPLETE_SIGNATURE,
	 "Authorization header requires 'Signature' parameter. Authorization=AWS4-HMAC-SHA256 Credential=a/b/c/d/e,SignedHeaders=host"},
	{"bearer", "", "Host:h\nAuthorization:Bearer abc\n", ERR_INCOMPLETE_SIGNATURE,
	 "'abc' not a valid key=value pair (missing equal-sign) in Authorization header: 'Bearer abc'."},
	{"twice", "", "Host:h\n" AUTH AUTH DATE, ERR_INCOMPLETE_SIGNATURE, "The request has more than one Authorization header."},
	{"bad date", "", "Host:h\nX-Amz-Date:201\n" AUTH, ERR_INCOMPLETE_SIGNATURE,
	 "Date must be in ISO-8601 'basic format'. Got '201'. See http://en.wikipedia.org/wiki/ISO_8601"},
	{"no such day", "", "Host:h\nX-Amz-Date:20260231T000000Z\n" AUTH, ERR_INCOMPLETE_SIGNATURE,
	 "Date must be in ISO-8601 'basic format'. Got '20260231T000000Z'. See http://en.wikipedia.org/wiki/ISO_8601"},
	{"host not signed", "", "Host:h\n" DATE "Authorization:AWS4-HMAC-SHA256 Credential=a/b/c/d/e,SignedHeaders=x-amz-date,Signature=a\n",
	 ERR_BAD_SIGNATURE, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."},
	{"algorithm", "", "Host:h\n" DATE "Authorization:AWS4-HMAC-SHA25 Credential=a/b/c/d/e,SignedHeaders=host,Signature=a\n",
	 ERR_INCOMPLETE_SIGNATURE, "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA25' (only AWS4-HMAC-SHA256 for now). "},
	{"credential", "", "Host:h\n" DATE "Authorization:AWS4-HMAC-SHA256 Credential=a/b/c/d,SignedHeaders=host;x-amz-date,Signature=a\n",
	 ERR_INCOMPLETE_SIGNATURE,
	 "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'a/b/c/d'"},
	{"payload constant", "", "Host:h\n" DATE AUTH "x-amz-content-sha256:nonsense\n", ERR_INCOMPLETE_SIGNATURE,
	 "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
	 "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value."},
	{"unsigned x-amz", "", "Host:h\n" DATE AUTH "X-Amz-Target:a\n", ERR_BAD_SIGNATURE,
	 "'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization."},
	{"query incomplete", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260131T123456Z", "Host:h\n", ERR_INCOMPLETE_SIGNATURE,
	 "AWS query-string parameters must include 'X-Amz-Credential'. AWS query-string parameters must include 'X-Amz-Signature'. AWS "
	 "query-string parameters must include 'X-Amz-SignedHeaders'. Re-examine the query-string parameters."},
	{"expires", QUERY "&X-Amz-SignedHeaders=host&X-Amz-Signature=a&X-Amz-Expires=x", "Host:h\n", ERR_INCOMPLETE_SIGNATURE,
	 "X-Amz-Expires should be a number"},
	{"expires late", QUERY "&X-Amz-SignedHeaders=host&X-Amz-Signature=a&X-Amz-Expires=604801", "Host:h\n", ERR_INCOMPLETE_SIGNATURE,
	 "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"},
	{"scope", "",
	 "Host:h\n" DATE "Authorization:AWS4-HMAC-SHA256 Credential=a/b/c/d/e,SignedHeaders=host;x-amz-date,Signature=a\n", ERR_BAD_SIGNATURE,
	 "Credential should be scoped to a valid region. Credential should be scoped to correct service: 'lambda'. Credential should be "
	 "scoped with a valid terminator: 'aws4_request', not 'e'. Date in Credential scope does not match YYYYMMDD from ISO-8601 "
	 "version of date from HTTP: 'b' != '20260131', from '20260131T123456Z'."},
};

TEST(texts)
{
	for (size_t i = 0; i < sizeof text_cases / sizeof text_cases[0]; i++) {
		const struct text_case *c = &text_cases[i];
		FIXTURE f;
		setup(&f);
		f.req.method = STR("GET");
		f.req.path = STR("/");
		f.req.query = str_from(c->query);
		set_headers(&f, c->headers);
		struct sigv4_expect expect = expect_at(VECTOR_NOW, "lambda");
		int r = sigv4_parse(&f.auth, &f.req, &f.arena, &f.err);
		if (r == 0)
			r = sigv4_check(&f.auth, &expect, &f.arena, &f.err);
		if (r != -1 || strcmp(f.auth.message, c->message) != 0 || f.err.code != c->code)
			printf("case \"%s\"\n", c->name);
		CHECK_INT(r, -1);
		CHECK_STR(f.auth.message, c->message);
		CHECK_INT(f.err.code, c->code);
	}
}

struct time_case {
	const char *vector;
	int64_t offset_s; /* the server's clock minus the request's */
	const char *message; /* NULL: fine */
};

static const struct time_case time_cases[] = {
	{"list", 300, NULL},
	{"list", -300, NULL},
	{"list", 301, "Signature expired: 20260131T123456Z is now earlier than 20260131T123457Z (20260131T123957Z - 5 min.)"},
	{"list", -301, "Signature not yet current: 20260131T123456Z is still later than 20260131T123455Z (20260131T122955Z + 5 min.)"},
	{"presigned get", 900, NULL},
	{"presigned get", 901, "Signature expired: 20260131T123456Z is now earlier than 20260131T123457Z (20260131T124957Z - 15 min.)"},
	{"presigned get", -301, "Signature not yet current: 20260131T123456Z is still later than 20260131T123455Z (20260131T122955Z + 5 min.)"},
	{"presigned short", 61, NULL},
	{"presigned short", 62, "Signature expired: 20260131T123456Z is now earlier than 20260131T123457Z (20260131T123558Z - 61 sec.)"},
};

TEST(clock)
{
	for (size_t i = 0; i < sizeof time_cases / sizeof time_cases[0]; i++) {
		const struct time_case *c = &time_cases[i];
		FIXTURE f;
		setup(&f);
		set_vector(&f, find_vector(c->vector));
		CHECK_INT(sigv4_parse(&f.auth, &f.req, &f.arena, &f.err), 0);
		struct sigv4_expect expect = expect_at(VECTOR_NOW + c->offset_s, "lambda");
		CHECK_INT(sigv4_check(&f.auth, &expect, &f.arena, &f.err), c->message ? -1 : 0);
		if (c->message)
			CHECK_STR(f.auth.message, c->message);
	}
}

TEST(times)
{
	int64_t t = 0;
	char text[SIGV4_DATE_SIZE];
	CHECK_INT(sigv4_parse_time(STR("20240229T235959Z"), &t), 0);
	CHECK_INT(t, 1709251199);
	sigv4_format_time(text, t);
	CHECK_STR(text, "20240229T235959Z");
	CHECK_INT(sigv4_parse_time(STR("20230229T235959Z"), &t), -1);
	CHECK_INT(sigv4_parse_time(STR("20240229T240000Z"), &t), -1);
	CHECK_INT(sigv4_parse_time(STR("20240229T2359-9Z"), &t), -1);
	CHECK_INT(sigv4_parse_time(STR("20240229t235959Z"), &t), -1);
}

/* AWS's published suite: service "service", 2015-08-30T12:36:00Z. */
static const struct {
	const char *method, *path, *query, *headers, *body, *signature;
} suite[] = {
	{"GET", "/", "", "", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	{"GET", "/", "Param2=value2&Param1=value1", "", "", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
	{"GET", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "", "", "",
	 "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
	{"GET", "/\xe1\x88\xb4", "", "", "", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
	{"GET", "/", "", "My-Header1: value1\nMy-Header2: \"a   b   c\"\n", "",
	 "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
	{"GET", "/", "", "My-Header1:value2\nMy-Header1:value2\nMy-Header1:value1\n", "",
	 "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
	{"POST", "/", "", "", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
	{"POST", "/", "", "Content-Type:application/x-www-form-urlencoded\n", "Param1=value1",
	 "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
};

TEST(published_suite)
{
	for (size_t i = 0; i < sizeof suite / sizeof suite[0]; i++) {
		FIXTURE f;
		setup(&f);
		set_headers(&f, suite[i].headers);
		add_header(&f, "Host", "example.amazonaws.com");
		f.req.method = str_from(suite[i].method);
		f.req.path = str_from(suite[i].path);
		f.req.query = str_from(suite[i].query);
		char hash[SHA256_HEX_SIZE];
		sha256_hex(hash, suite[i].body, strlen(suite[i].body));
		struct sigv4_signer signer = {STR("AKIDEXAMPLE"), STR(VECTOR_SECRET), STR_NULL, STR("us-east-1"), STR("service"), 1440938160, str_from(hash), false};
		struct sigv4_signed out;
		CHECK_INT(sigv4_sign(&out, &f.req, &signer, &f.arena, &f.err), 0);
		struct str auth = out.headers[out.header_count - 1].value;
		CHECK(auth.n > 64);
		CHECK_STR(auth.p + auth.n - 64, suite[i].signature);
	}
}

/* What we sign ourselves, in either form, verifies and says the same as what botocore signs. */
TEST(own_signatures_verify)
{
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		const struct vector *v = &vectors[i];
		FIXTURE f;
		setup(&f);
		add_header(&f, "Host", "h:1");
		add_header(&f, "Content-Type", " application/json  x ");
		f.req.method = str_from(v->method);
		f.req.path = str_from(v->path);
		f.req.query = strstr(v->query, "X-Amz") ? STR("") : str_from(v->query);
		char hash[SHA256_HEX_SIZE];
		sha256_hex(hash, v->body, v->body_len);
		struct sigv4_signer signer = {STR(VECTOR_KEY), STR(VECTOR_SECRET), i % 2 ? STR(VECTOR_TOKEN) : STR_NULL, STR("us-east-1"),
		                              str_from(v->service), VECTOR_NOW, str_from(hash), i % 3 == 0};
		const char *query = sigv4_presign(&f.req, &(struct sigv4_signer){signer.access_key, signer.secret, signer.session_token, signer.region, signer.service, VECTOR_NOW, STR_NULL, false}, 60, &f.arena, &f.err);
		CHECK(query != NULL);
		struct sigv4_signed out;
		CHECK_INT(sigv4_sign(&out, &f.req, &signer, &f.arena, &f.err), 0);
		for (size_t k = 0; k < out.header_count; k++)
			f.headers[f.req.header_count++] = out.headers[k];
		CHECK_INT(check_all(&f, v->service, v->body, v->body_len), 0);
		CHECK_INT(f.auth.session_token.p != NULL, i % 2);
		f.req.header_count = 2;
		f.req.query = str_from(query);
		CHECK_INT(check_all(&f, v->service, "", 0), 0);
		CHECK_INT(f.auth.expires_s, 60);
	}
}

/* More identities than are remembered, in turn: each keeps its own key. */
TEST(many_keys)
{
	FIXTURE f;
	setup(&f);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 100; i++) {
			char key[32], secret[400];
			snprintf(key, sizeof key, "KEY%d", i);
			memset(secret, 'a' + i % 26, sizeof secret);
			size_t secret_len = 1 + (size_t)i * 2;
			f.req = (struct sigv4_request){STR("GET"), STR("/"), STR(""), f.headers, 0};
			add_header(&f, "Host", "h");
			struct sigv4_signer signer = {str_from(key), {secret, secret_len}, STR_NULL, STR("us-east-1"), STR("lambda"), VECTOR_NOW, STR_NULL, true};
			struct sigv4_signed out;
			arena_reset(&f.arena);
			CHECK_INT(sigv4_sign(&out, &f.req, &signer, &f.arena, &f.err), 0);
			for (size_t k = 0; k < out.header_count; k++)
				f.headers[f.req.header_count++] = out.headers[k];
			CHECK_INT(sigv4_parse(&f.auth, &f.req, &f.arena, &f.err), 0);
			CHECK_INT(sigv4_verify(&f.auth, f.keys, (struct str){secret, secret_len}, NULL, &f.arena, &f.err), 0);
			CHECK_INT(sigv4_verify(&f.auth, f.keys, (struct str){secret, secret_len + 1}, NULL, &f.arena, &f.err), -1);
		}
}

TEST(limits)
{
	static struct sigv4_header many[SIGV4_MAX_HEADERS + 1];
	static char big[SIGV4_MAX_QUERY + 1];
	FIXTURE f;
	setup(&f);
	f.req = (struct sigv4_request){STR("GET"), STR("/"), STR(""), many, SIGV4_MAX_HEADERS + 1};
	for (size_t i = 0; i <= SIGV4_MAX_HEADERS; i++)
		many[i] = (struct sigv4_header){STR("a"), STR("b")};
	CHECK_INT(sigv4_parse(&f.auth, &f.req, &f.arena, &f.err), -1);
	CHECK_INT(f.err.code, ERR_TOO_LARGE);
	memset(big, '&', sizeof big);
	f.req.header_count = 1;
	f.req.query = (struct str){big, SIGV4_MAX_QUERY};
	CHECK_INT(sigv4_parse(&f.auth, &f.req, &f.arena, &f.err), -1);
	CHECK_INT(f.err.code, ERR_TOO_LARGE);
	f.req.query.n++;
	CHECK_INT(sigv4_parse(&f.auth, &f.req, &f.arena, &f.err), -1);
	CHECK_INT(f.err.code, ERR_TOO_LARGE);
	struct arena tiny;
	arena_init(&tiny, 300);
	set_vector(&f, find_vector("create"));
	f.req.headers = f.headers;
	CHECK_INT(sigv4_parse(&f.auth, &f.req, &tiny, &f.err), -1);
	CHECK(f.auth.message != NULL);
	arena_release(&tiny);
}

TEST(present)
{
	FIXTURE f;
	setup(&f);
	f.req.query = STR("a=b");
	CHECK(!sigv4_present(&f.req));
	f.req.query = STR("a=b&X-Amz-Signature=x");
	CHECK(sigv4_present(&f.req));
	f.req.query = STR("");
	add_header(&f, "authorization", "x");
	CHECK(sigv4_present(&f.req));
}

TESTS(T(botocore_requests_verify), T(any_change_is_noticed), T(wrong_secret), T(session_token), T(request_may_go_away), T(texts), T(clock),
      T(times), T(published_suite), T(own_signatures_verify), T(many_keys), T(limits), T(present))
