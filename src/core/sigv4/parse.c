/* From the Authorization header or the query to struct sigv4_auth. Texts are the ones that AWS's front ends send. */
#include "core/sigv4/sigv4_priv.h"

#include <string.h>

struct parse {
	struct sigv4_auth *auth;
	const struct sigv4_request *req;
	struct arena *arena;
	struct error *err;
	struct sigv4_param *params;
	size_t param_count;
	struct str credential, signature, date_text; /* p NULL: not given */
	struct str expires;
};

#define FAIL(ps, code, ...) sigv4_fail((ps)->auth, (ps)->arena, (ps)->err, (code), __VA_ARGS__)

/* Looks for X-Amz-Algorithm or X-Amz-Signature at the beginning of a parameter; names may not be escaped here. */
static bool query_present(struct str query)
{
	struct str rest = query, piece;
	while (query.n && str_split(&rest, '&', &piece))
		if (str_starts(piece, STR("X-Amz-Algorithm=")) || str_starts(piece, STR("X-Amz-Signature=")) ||
		    str_starts(piece, STR("X-Amz-Credential=")))
			return true;
	return false;
}

bool sigv4_present(const struct sigv4_request *req)
{
	return sigv4_find(req, "authorization").p || query_present(req->query);
}

static int check_limits(struct parse *ps)
{
	const struct sigv4_request *req = ps->req;
	size_t bytes = 0;
	if (req->header_count > SIGV4_MAX_HEADERS)
		return FAIL(ps, ERR_TOO_LARGE, "The request has more than %d headers.", SIGV4_MAX_HEADERS);
	for (size_t i = 0; i < req->header_count; i++)
		bytes += req->headers[i].name.n + req->headers[i].value.n;
	if (bytes > SIGV4_MAX_HEADER_BYTES)
		return FAIL(ps, ERR_TOO_LARGE, "The request's headers are larger than %d bytes.", SIGV4_MAX_HEADER_BYTES);
	if (req->path.n > SIGV4_MAX_PATH || req->query.n > SIGV4_MAX_QUERY || req->method.n > 64)
		return FAIL(ps, ERR_TOO_LARGE, "The request's target is too long.");
	return 0;
}

/* Copies into the arena, since the request may go away. */
static struct str keep(struct parse *ps, struct str s)
{
	char *z = arena_strdup(ps->arena, s);
	return z ? (struct str){z, s.n} : STR_NULL;
}

/* "key=value" pieces, separated by commas or blanks. */
static int header_pieces(struct parse *ps, struct str header, struct str rest)
{
	const struct {
		const char *key;
		struct str *to;
	} keys[] = {{"Credential", &ps->credential}, {"Signature", &ps->signature}, {"SignedHeaders", &ps->auth->signed_headers}};
	while (rest.n) {
		size_t end = 0;
		while (end < rest.n && rest.p[end] != ',' && rest.p[end] != ' ' && rest.p[end] != '\t')
			end++;
		struct str piece = str_sub(rest, 0, end);
		rest = str_sub(rest, end + 1, rest.n);
		if (piece.n == 0)
			continue;
		size_t eq = str_find(piece, '=');
		if (eq == piece.n)
			return FAIL(ps, ERR_INCOMPLETE_SIGNATURE,
			            "'" STR_FMT "' not a valid key=value pair (missing equal-sign) in Authorization header: '" STR_FMT "'.",
			            STR_ARG(piece), STR_ARG(header));
		for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
			if (str_eqz(str_sub(piece, 0, eq), keys[i].key))
				*keys[i].to = str_sub(piece, eq + 1, piece.n);
	}
	return 0;
}

static int parse_header(struct parse *ps, struct str header)
{
	struct sigv4_auth *auth = ps->auth;
	if (header.n > SIGV4_MAX_AUTHORIZATION)
		return FAIL(ps, ERR_TOO_LARGE, "The Authorization header is longer than %d bytes.", SIGV4_MAX_AUTHORIZATION);
	header = keep(ps, header);
	if (!header.p)
		return FAIL(ps, ERR_NO_MEMORY, "out of memory");
	size_t blank = str_find(header, ' ');
	auth->form = SIGV4_FORM_HEADER;
	auth->algorithm = str_sub(header, 0, blank);
	if (header_pieces(ps, header, str_sub(header, blank, header.n)) < 0)
		return -1;
	ps->date_text = keep(ps, sigv4_find(ps->req, "x-amz-date"));
	auth->date_is_iso = sigv4_find(ps->req, "x-amz-date").p;
	struct str plain_date = sigv4_find(ps->req, "date");
	bool has_date = auth->date_is_iso || plain_date.p;
	if (!auth->date_is_iso)
		ps->date_text = keep(ps, plain_date);
	struct str token = sigv4_find(ps->req, "x-amz-security-token");
	auth->session_token = token.p ? keep(ps, token) : STR_NULL;
	if (ps->credential.n && ps->signature.n && auth->signed_headers.p && has_date)
		return 0;
	return FAIL(ps, ERR_INCOMPLETE_SIGNATURE, "%s%s%s%sAuthorization=" STR_FMT,
	            ps->credential.n ? "" : "Authorization header requires 'Credential' parameter. ",
	            ps->signature.n ? "" : "Authorization header requires 'Signature' parameter. ",
	            auth->signed_headers.p ? "" : "Authorization header requires 'SignedHeaders' parameter. ",
	            has_date ? "" : "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ",
	            STR_ARG(header));
}

static struct str param(struct parse *ps, const char *name)
{
	for (size_t i = 0; i < ps->param_count; i++)
		if (str_eqz(ps->params[i].name, name))
			return sigv4_decode(ps->params[i].value, ps->arena);
	return STR_NULL;
}

static int parse_query(struct parse *ps)
{
	struct sigv4_auth *auth = ps->auth;
	auth->form = SIGV4_FORM_QUERY;
	auth->date_is_iso = true;
	struct {
		const char *name;
		struct str *to;
		bool needed;
	} rows[] = {
		{"X-Amz-Algorithm", &auth->algorithm, true},        {"X-Amz-Credential", &ps->credential, true},
		{"X-Amz-Signature", &ps->signature, true},          {"X-Amz-SignedHeaders", &auth->signed_headers, true},
		{"X-Amz-Date", &ps->date_text, true},               {"X-Amz-Expires", &ps->expires, false},
		{"X-Amz-Security-Token", &auth->session_token, false},
	};
	struct text missing;
	text_init(&missing, ps->arena, 512);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		*rows[i].to = param(ps, rows[i].name);
		if (rows[i].to->n || !rows[i].needed)
			continue;
		text_put(&missing, STR("AWS query-string parameters must include '"));
		text_put(&missing, str_from(rows[i].name));
		text_put(&missing, STR("'. "));
	}
	if (missing.len == 0 && !missing.failed)
		return 0;
	return FAIL(ps, ERR_INCOMPLETE_SIGNATURE, STR_FMT "Re-examine the query-string parameters.", STR_ARG(text_str(&missing)));
}

static int parse_date(struct parse *ps)
{
	struct sigv4_auth *auth = ps->auth;
	bool ok = sigv4_parse_time(ps->date_text, &auth->time_s) == 0 ||
	          (!auth->date_is_iso && sigv4_parse_http_time(ps->date_text, &auth->time_s) == 0);
	if (!ok)
		return FAIL(ps, ERR_INCOMPLETE_SIGNATURE,
		            "Date must be in ISO-8601 'basic format'. Got '" STR_FMT "'. See http://en.wikipedia.org/wiki/ISO_8601",
		            STR_ARG(ps->date_text));
	if (str_copy(auth->time, sizeof auth->time, ps->date_text) < 0)
		sigv4_format_time(auth->time, auth->time_s); /* came as an HTTP date */
	if (auth->form != SIGV4_FORM_QUERY || !ps->expires.p)
		return 0;
	if (str_to_u64(ps->expires, UINT64_MAX, &auth->expires_s) < 0)
		return FAIL(ps, ERR_INCOMPLETE_SIGNATURE, "X-Amz-Expires should be a number");
	if (auth->expires_s > SIGV4_MAX_EXPIRES_S)
		return FAIL(ps, ERR_INCOMPLETE_SIGNATURE, "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than %d seconds", SIGV4_MAX_EXPIRES_S);
	auth->has_expires = true;
	return 0;
}

static int parse_credential(struct parse *ps)
{
	struct sigv4_auth *auth = ps->auth;
	struct str *parts[] = {&auth->access_key, &auth->date, &auth->region, &auth->service, &auth->terminator};
	struct str rest = ps->credential, piece;
	size_t n = 0;
	while (rest.n && rest.p[rest.n - 1] == '/')
		rest.n--;
	while (str_split(&rest, '/', &piece)) {
		if (n < 5)
			*parts[n] = piece;
		n++;
	}
	if (n != 5)
		return FAIL(ps, ERR_INCOMPLETE_SIGNATURE,
		            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '" STR_FMT "'",
		            STR_ARG(ps->credential));
	auth->scope = (struct str){auth->date.p, (size_t)(auth->terminator.p + auth->terminator.n - auth->date.p)};
	return 0;
}

static int parse_payload(struct parse *ps)
{
	static const struct {
		const char *text;
		enum sigv4_payload kind;
	} rows[] = {
		{"UNSIGNED-PAYLOAD", SIGV4_PAYLOAD_UNSIGNED},
		{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", SIGV4_PAYLOAD_STREAM},
		{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", SIGV4_PAYLOAD_STREAM_TRAILER},
		{"STREAMING-UNSIGNED-PAYLOAD-TRAILER", SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER},
	};
	struct sigv4_auth *auth = ps->auth;
	struct str text = sigv4_find(ps->req, "x-amz-content-sha256");
	if (!text.p && auth->form == SIGV4_FORM_QUERY)
		text = param(ps, "X-Amz-Content-Sha256");
	if (!text.p && auth->form == SIGV4_FORM_QUERY && str_eqz(auth->service, "s3"))
		text = STR("UNSIGNED-PAYLOAD");
	auth->payload = SIGV4_PAYLOAD_BODY;
	if (!text.p)
		return 0;
	auth->payload_text = keep(ps, text);
	auth->payload = SIGV4_PAYLOAD_HASH;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (str_eqz(text, rows[i].text))
			auth->payload = rows[i].kind;
	if (auth->payload == SIGV4_PAYLOAD_HASH && hex_decode(auth->body_sha256, SHA256_SIZE, text) < 0)
		return FAIL(ps, ERR_INCOMPLETE_SIGNATURE,
		            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
		            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.");
	struct str length = sigv4_find(ps->req, "x-amz-decoded-content-length");
	auth->has_decoded_length = length.p;
	if (length.p && str_to_u64(length, UINT64_MAX, &auth->decoded_length) < 0)
		return FAIL(ps, ERR_INCOMPLETE_SIGNATURE, "x-amz-decoded-content-length must be a number.");
	return 0;
}

static bool is_signed(struct str list, struct str name)
{
	struct str rest = list, piece;
	while (str_split(&rest, ';', &piece))
		if (str_case_eq(piece, name))
			return true;
	return false;
}

/* Host and every x-amz-* header that is there have to be signed; what a CDN in front adds is none of the client's. */
static void note_unsigned(struct parse *ps)
{
	struct sigv4_auth *auth = ps->auth;
	auth->host_signed = is_signed(auth->signed_headers, STR("host")) || is_signed(auth->signed_headers, STR(":authority"));
	for (size_t i = 0; i < ps->req->header_count && !auth->unsigned_header.p; i++) {
		struct str name = ps->req->headers[i].name;
		if (name.n > 6 && str_case_eq(str_sub(name, 0, 6), STR("x-amz-")) && !str_case_eq(name, STR("x-amz-cf-id")) &&
		    !is_signed(auth->signed_headers, name))
			auth->unsigned_header = keep(ps, name);
	}
}

static int parse_form(struct parse *ps)
{
	struct str header = sigv4_find(ps->req, "authorization");
	bool query = query_present(ps->req->query);
	size_t headers = 0;
	for (size_t i = 0; i < ps->req->header_count; i++)
		headers += str_case_eq(ps->req->headers[i].name, STR("authorization"));
	if (header.p && query)
		return FAIL(ps, ERR_BAD_SIGNATURE, "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.");
	if (headers > 1)
		return FAIL(ps, ERR_INCOMPLETE_SIGNATURE, "The request has more than one Authorization header.");
	if (!query && header.n == 0)
		return FAIL(ps, ERR_MISSING_TOKEN, "Missing Authentication Token");
	return query ? parse_query(ps) : parse_header(ps, header);
}

int sigv4_parse(struct sigv4_auth *auth, const struct sigv4_request *req, struct arena *arena, struct error *err)
{
	struct parse ps = {.auth = auth, .req = req, .arena = arena, .err = err};
	*auth = (struct sigv4_auth){.message = ""};
	if (check_limits(&ps) < 0)
		return -1;
	if (sigv4_params(req->query, &ps.params, &ps.param_count, arena) < 0)
		return FAIL(&ps, ERR_TOO_LARGE, "The request has more than %d query parameters.", SIGV4_MAX_QUERY_PARTS);
	if (parse_form(&ps) < 0 || parse_date(&ps) < 0)
		return -1;
	note_unsigned(&ps);
	if (!auth->host_signed)
		return FAIL(&ps, ERR_BAD_SIGNATURE, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
	if (!str_eqz(auth->algorithm, ALGORITHM))
		return FAIL(&ps, ERR_INCOMPLETE_SIGNATURE, "Unsupported AWS 'algorithm': '" STR_FMT "' (only " ALGORITHM " for now). ",
		            STR_ARG(auth->algorithm));
	if (parse_credential(&ps) < 0 || parse_payload(&ps) < 0)
		return -1;
	/* A signature of another length cannot match; it stays empty. */
	if (ps.signature.n == SHA256_HEX_SIZE - 1)
		memcpy(auth->signature, ps.signature.p, ps.signature.n);
	auth->canonical = sigv4_canonical(req, !str_eqz(auth->service, "s3"), ps.params, ps.param_count, auth->signed_headers, arena);
	if (!auth->canonical.p || arena->overflow)
		return FAIL(&ps, ERR_TOO_LARGE, "The request is too large to check its signature.");
	return 0;
}
