#include "bin/mayfly/client.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "bin/mayfly/term.h"
#include "core/base/check.h"
#include "core/base/codec.h"
#include "core/sigv4/sigv4.h"

#define CONNECT_SECONDS 5L
#define SIGN_ARENA_BYTES (256u << 10)
#define LINE_MAX_BYTES 8192

extern char **environ;

struct client {
	struct profile profile;
	CURL *curl;
	char host[PROFILE_TEXT_MAX]; /* as the Host header says it */
	bool loopback;
	char why[CURL_ERROR_SIZE];   /* of the last call, when there was no answer */
};

static int read_url(struct client *client, struct error *err)
{
	char *host = NULL, *port = NULL;
	CURLU *url = curl_url();
	bool good = url && curl_url_set(url, CURLUPART_URL, client->profile.endpoint, 0) == CURLUE_OK &&
	            curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK;
	if (good && curl_url_get(url, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT) != CURLUE_OK)
		port = NULL;
	if (good) {
		snprintf(client->host, sizeof client->host, "%s%s%s", host, port ? ":" : "", port ? port : "");
		client->loopback = strncmp(host, "127.", 4) == 0 || strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0;
	}
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(url);
	return good ? 0 : error_set(err, ERR_USAGE, "the endpoint '%.100s' (from %.60s) is no URL", client->profile.endpoint,
	                            client->profile.endpoint_source);
}

/* MAYFLY_DATA, as for the server; else what ./run made beside a program that is not installed; else the service's. */
static const char *default_data(char beside[PROFILE_TEXT_MAX])
{
	static const char folder[] = "/data";
	const char *set = getenv("MAYFLY_DATA");
	ssize_t n = readlink("/proc/self/exe", beside, PROFILE_TEXT_MAX - sizeof folder);
	char *slash = n > 0 ? memrchr(beside, '/', (size_t)n) : NULL;
	if (slash)
		memcpy(slash, folder, sizeof folder);
	if (set && *set)
		return set;
	return slash && access(beside, F_OK) == 0 ? beside : PROFILE_DEFAULT_DATA;
}

static struct client *client_get(struct cli *cli)
{
	if (cli->client)
		return cli->client;
	char beside[PROFILE_TEXT_MAX];
	struct error err = {0};
	struct client *client = calloc(1, sizeof *client);
	ASSERT(client);
	struct profile_ask ask = {
		.endpoint = args_text(&cli->args, "endpoint"),
		.data = args_text(&cli->args, "data"),
		.profile = args_text(&cli->args, "profile"),
		.region = args_text(&cli->args, "region"),
		.default_data = default_data(beside),
		.env = environ,
	};
	if (profile_find(&client->profile, &ask, &err) < 0 || read_url(client, &err) < 0) {
		free(client);
		cli_fail_error(cli, &err);
		return NULL;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	client->curl = curl_easy_init();
	ASSERT(client->curl);
	return cli->client = client;
}

const struct profile *client_profile(struct cli *cli)
{
	struct client *client = client_get(cli);
	return client ? &client->profile : NULL;
}

void client_free(struct client *client)
{
	if (!client)
		return;
	curl_easy_cleanup(client->curl);
	curl_global_cleanup();
	explicit_bzero(&client->profile, sizeof client->profile);
	free(client);
}

void client_answer_release(struct client_answer *answer)
{
	json_decref(answer->json);
	free(answer->log_result);
	buf_release(&answer->body);
	*answer = (struct client_answer){0};
}

char *client_path(const char *fmt, ...)
{
	char *path = NULL, *part;
	size_t size = 0;
	va_list ap;
	FILE *out = open_memstream(&path, &size);
	ASSERT(out);
	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		if (fmt[0] != '%' || fmt[1] != 's') {
			fputc(*fmt, out);
			continue;
		}
		part = curl_easy_escape(NULL, va_arg(ap, const char *), 0);
		fputs(part ? part : "", out);
		curl_free(part);
		fmt++;
	}
	va_end(ap);
	fclose(out);
	return path;
}

/* Where the bytes of an answer go. */
struct taking {
	CURL *curl;
	const struct client_call *call;
	struct client_answer *answer;
};

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	const struct taking *t = arg;
	long status = 0;
	if (t->call->on_piece)
		curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	bool taken = status == 200 ? t->call->on_piece(t->call->arg, (struct str){data, size * n})
	                           : buf_append(&t->answer->body, data, size * n) == 0;
	return taken ? size * n : 0;
}

static void take_log(struct client_answer *answer, struct str value)
{
	size_t n;
	free(answer->log_result);
	answer->log_result = malloc(value.n / 4 * 3 + 1);
	if (answer->log_result && base64_decode(answer->log_result, &n, value) == 0) {
		answer->log_result[n] = '\0';
		return;
	}
	free(STEAL_PTR(answer->log_result));
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	struct client_answer *answer = arg;
	struct str line = {data, size * n}, name = str_sub(line, 0, str_find(line, ':'));
	struct str value = str_sub(line, name.n + 1, line.n);
	while (value.n && (value.p[value.n - 1] == '\r' || value.p[value.n - 1] == '\n'))
		value.n--;
	value = str_trim(value);
	struct {
		struct str name;
		char *dst;
		size_t size;
	} wanted[] = {
		{STR("x-amzn-errortype"), answer->error_type, sizeof answer->error_type},
		{STR("x-amz-function-error"), answer->function_error, sizeof answer->function_error},
		{STR("x-amz-executed-version"), answer->version, sizeof answer->version},
		{STR("x-amzn-requestid"), answer->request_id, sizeof answer->request_id},
	};
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		if (str_case_eq(name, wanted[i].name))
			(void)str_copy(wanted[i].dst, wanted[i].size, value);
	}
	if (str_case_eq(name, STR("x-amz-log-result")))
		take_log(answer, value);
	return size * n;
}

static struct curl_slist *add_line(struct curl_slist *list, const char *name, struct str value)
{
	char line[LINE_MAX_BYTES];
	snprintf(line, sizeof line, "%s: " STR_FMT, name, STR_ARG(value));
	struct curl_slist *more = curl_slist_append(list, line);
	ASSERT(more);
	return more;
}

/* Signs what is sent: Host, Content-Type and the call's own headers. */
static int sign(struct client *client, const struct client_call *call, struct curl_slist **lines, struct error *err)
{
	struct sigv4_header headers[CLIENT_HEADERS_MAX + 2] = {{STR("host"), str_from(client->host)}};
	size_t count = 1;
	if (call->type)
		headers[count++] = (struct sigv4_header){STR("content-type"), str_from(call->type)};
	for (size_t i = 0; i < CLIENT_HEADERS_MAX && call->headers[i].name; i++)
		headers[count++] = (struct sigv4_header){str_from(call->headers[i].name), str_from(call->headers[i].value)};
	struct str whole = str_from(call->path), path = str_sub(whole, 0, str_find(whole, '?'));
	char hash[SHA256_HEX_SIZE];
	sha256_hex(hash, call->body ? call->body : "", call->body_len);
	struct sigv4_request req = {.method = str_from(call->method), .path = path, .query = str_sub(whole, path.n + 1, whole.n),
	                            .headers = headers, .header_count = count};
	struct sigv4_signer signer = {
		.access_key = str_from(client->profile.access_key), .secret = str_from(client->profile.secret),
		.session_token = str_from(client->profile.session_token), .region = str_from(client->profile.region),
		.service = str_from(call->service), .now_s = time(NULL), .payload = str_from(hash),
	};
	struct sigv4_signed out = {0};
	struct arena arena;
	arena_init(&arena, SIGN_ARENA_BYTES);
	int r = sigv4_sign(&out, &req, &signer, &arena, err);
	for (size_t i = 0; r == 0 && i < out.header_count; i++) {
		char name[80];
		ASSERT(str_copy(name, sizeof name, out.headers[i].name) == 0);
		*lines = add_line(*lines, name, out.headers[i].value);
	}
	arena_release(&arena);
	return r;
}

static void set_up(struct client *client, const char *url, struct curl_slist *lines, struct taking *taking)
{
	const struct client_call *call = taking->call;
	CURL *curl = client->curl;
	curl_easy_reset(curl); /* keeps the connection */
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
	if (call->body || strcmp(call->method, "POST") == 0 || strcmp(call->method, "PUT") == 0) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body ? call->body : "");
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
	}
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, lines);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, taking);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, taking->answer);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->why);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "mayfly/" MAYFLY_VERSION);
	const char *authorities = getenv("AWS_CA_BUNDLE");
	if (authorities && *authorities) /* as AWS's own tools */
		curl_easy_setopt(curl, CURLOPT_CAINFO, authorities);
	if (client->loopback) /* a proxy for the world is none for this machine */
		curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
}

static int no_answer(struct cli *cli, CURLcode code, const char *url)
{
	const struct client *client = cli->client;
	const struct profile *p = &client->profile;
	if (code == CURLE_COULDNT_CONNECT)
		return cli_fail(cli, "nothing answers at %s (from %s).\nStart the server, as root: mayfly server%s\nor name another one "
		                "with --endpoint URL, --data DIR or AWS_ENDPOINT_URL.", p->endpoint, p->endpoint_source,
		                strcmp(p->endpoint, PROFILE_DEFAULT_ENDPOINT) == 0 ? "" : " --listen ADDR:PORT");
	if (code == CURLE_COULDNT_RESOLVE_HOST)
		return cli_fail(cli, "the host of %s (from %s) is not known; correct it with --endpoint URL or AWS_ENDPOINT_URL", p->endpoint,
		                p->endpoint_source);
	if (code == CURLE_PEER_FAILED_VERIFICATION)
		return cli_fail(cli, "the certificate of %s is not trusted: %s.\nName the file of its issuer (or the certificate itself, when it "
		                "signed itself) in AWS_CA_BUNDLE.", p->endpoint, client->why);
	if (code == CURLE_SSL_CACERT_BADFILE)
		return cli_fail(cli, "AWS_CA_BUNDLE names %s, which holds no certificates", getenv("AWS_CA_BUNDLE"));
	return cli_fail(cli, "no answer from %s: %s", url, curl_easy_strerror(code));
}

static int refused(struct cli *cli, const struct client_answer *answer)
{
	const char *reason = cli_json_text(answer->json, "reason", NULL); /* of an unwell server */
	const char *text = cli_json_text(answer->json, "message", cli_json_text(answer->json, "Message", reason));
	const char *type = *answer->error_type ? answer->error_type : cli_json_text(answer->json, "__type", NULL);
	const struct profile *p = &cli->client->profile;
	if (answer->status == 403 && *p->key_source && type && strcmp(type, "AccessDeniedException") != 0)
		return cli_fail(cli, "%s\nThe server at %s refused the access key from %s; --data DIR takes the one of that server.",
		                text ? text : "access denied", p->endpoint, p->key_source);
	struct str rest = buf_str(&answer->body), line;
	if (!text && !answer->json && str_split(&rest, '\n', &line) && line.n < 200) /* said below the API: this port speaks HTTPS */
		return cli_fail(cli, "the server at %s answered with status %ld: " STR_FMT, p->endpoint, answer->status, STR_ARG(line));
	if (!text)
		return cli_fail(cli, "the server at %s answered with status %ld%s%s", p->endpoint, answer->status, type ? " " : "",
		                type ? type : "");
	return cli_fail(cli, "%s%s%s%s", text, type ? " (" : "", type ? type : "", type ? ")" : "");
}

static void cut_error_type(struct client_answer *answer)
{
	char *colon = strchr(answer->error_type, ':');
	if (colon)
		*colon = '\0';
}

static struct curl_slist *plain_headers(struct client *client, const struct client_call *call)
{
	/* Nothing that curl adds by itself may differ from what was signed. */
	struct curl_slist *lines = curl_slist_append(NULL, "Expect:");
	bool own_host = strstr(call->path, "://") != NULL;
	if (!own_host)
		lines = add_line(lines, "Host", str_from(client->host));
	lines = call->type ? add_line(lines, "Content-Type", str_from(call->type)) : curl_slist_append(lines, "Content-Type:");
	for (size_t i = 0; i < CLIENT_HEADERS_MAX && call->headers[i].name; i++)
		lines = add_line(lines, call->headers[i].name, str_from(call->headers[i].value));
	return lines;
}

static CURLcode perform(struct client *client, const struct client_call *call, const char *url, struct curl_slist *lines,
                        struct client_answer *answer)
{
	buf_init(&answer->body, CLIENT_ANSWER_MAX);
	struct taking taking = {client->curl, call, answer};
	set_up(client, url, lines, &taking);
	CURLcode code = curl_easy_perform(client->curl);
	if (code == CURLE_OK)
		curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	if (code == CURLE_OK && answer->body.len)
		answer->json = json_loadb(answer->body.data, answer->body.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	cut_error_type(answer);
	return code;
}

int client_call(struct cli *cli, const struct client_call *call, struct client_answer *answer)
{
	struct client *client = client_get(cli);
	struct error err = {0};
	if (!client)
		return -1;
	struct curl_slist *lines = plain_headers(client, call);
	if (call->service && (profile_need_key(&client->profile, &err) < 0 || sign(client, call, &lines, &err) < 0)) {
		curl_slist_free_all(lines);
		return cli_fail_error(cli, &err);
	}
	CLEANUP_FREE char *url = NULL;
	if (strstr(call->path, "://"))
		url = strdup(call->path);
	else if (asprintf(&url, "%s%s", client->profile.endpoint, call->path) < 0)
		url = NULL;
	ASSERT(url);
	CURLcode code = perform(client, call, url, lines, answer);
	curl_slist_free_all(lines);
	if (code != CURLE_OK)
		return no_answer(cli, code, url);
	return answer->status < 400 ? 0 : refused(cli, answer);
}

int client_lambda(struct cli *cli, const char *method, const char *path, const json_t *body, struct client_answer *answer)
{
	CLEANUP_FREE char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct client_call call = {.method = method, .service = "lambda", .path = path, .body = text, .body_len = text ? strlen(text) : 0,
	                           .type = text ? "application/json" : NULL};
	return client_call(cli, &call, answer);
}

/* X-Amz-Target calls: `target` is "Logs_20140328.FilterLogEvents". */
static int call_target(struct cli *cli, const char *service, const char *type, const char *target, const json_t *body,
                       struct client_answer *answer)
{
	CLEANUP_FREE char *text = json_dumps(body, JSON_COMPACT);
	struct client_call call = {.method = "POST", .service = service, .path = "/", .type = type, .headers = {{"X-Amz-Target", target}},
	                           .body = text, .body_len = strlen(text)};
	return client_call(cli, &call, answer);
}

int client_logs(struct cli *cli, const char *operation, const json_t *body, struct client_answer *answer)
{
	char target[100];
	snprintf(target, sizeof target, "Logs_20140328.%s", operation);
	return call_target(cli, "logs", "application/x-amz-json-1.1", target, body, answer);
}

int client_sqs(struct cli *cli, const char *operation, const json_t *body, struct client_answer *answer)
{
	char target[100];
	snprintf(target, sizeof target, "AmazonSQS.%s", operation);
	return call_target(cli, "sqs", "application/x-amz-json-1.0", target, body, answer);
}

int client_page(struct cli *cli, const char *path, const char *token, struct client_answer *answer)
{
	struct client_call call = {.method = "GET", .path = path};
	CLEANUP_FREE char *bearer = NULL;
	token = token ? token : getenv("MAYFLY_METRICS_TOKEN");
	if (token && asprintf(&bearer, "Bearer %s", token) > 0)
		call.headers[0] = (struct client_header){"Authorization", bearer};
	return client_call(cli, &call, answer);
}
