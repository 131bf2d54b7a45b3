#include "control/worker/launch_env.h"

#include <stdio.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/codec.h"
#include "core/spec/launch.h"
#include "core/spec/limits.h"

/* 512 of the shortest fit into the limit of 4 KB; ours come on top. */
#define VARIABLES_MAX 600
/* What a JVM takes beside its heap: classes, code, threads' stacks. */
#define JAVA_OWN_MB 56

/* A list of "NAME=value"; a later variable of the same name replaces the earlier one. */
struct env_list {
	struct arena arena;
	const char *items[VARIABLES_MAX + 1];
	size_t n;
};

static void put(struct env_list *l, const char *name, const char *value)
{
	size_t len = strlen(name), at = 0;
	while (at < l->n && (strncmp(l->items[at], name, len) != 0 || l->items[at][len] != '='))
		at++;
	if (at == VARIABLES_MAX) {
		l->arena.overflow = true;
		return;
	}
	l->items[at] = arena_printf(&l->arena, "%s=%s", name, value);
	l->n += at == l->n;
}

static void put_number(struct env_list *l, const char *name, unsigned value)
{
	char text[16];
	snprintf(text, sizeof text, "%u", value);
	put(l, name, text);
}

/* What a function's own variables may replace. */
static void put_defaults(struct env_list *l, const struct function_version *v)
{
	static const char *const fixed[][2] = {
		{"LANG", "en_US.UTF-8"},
		{"TZ", ":UTC"},
		{"PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin"},
		{"LD_LIBRARY_PATH", "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"},
		{"AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"},
		{"AWS_XRAY_DAEMON_ADDRESS", "169.254.79.129:2000"},
		{"HOME", "/tmp"},
	};
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		put(l, fixed[i][0], fixed[i][1]);
	if (v->runtime->family == RUNTIME_JAVA) /* it believes LANG, but few machines have that locale; Python and Node.js are UTF-8 anyway */
		put(l, "LC_ALL", "C.UTF-8");
	if (v->runtime->family == RUNTIME_NODEJS) {
		char path[160];
		snprintf(path, sizeof path, "/opt/nodejs/node%u/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task",
		         v->runtime->minor);
		put(l, "NODE_PATH", path);
	}
}

/* Reserved names: a function cannot set them. */
static void put_reserved(struct env_list *l, const struct launch_env *env)
{
	const struct function_version *v = env->version;
	const char *region = env->settings->region;
	char text[64];
	put(l, "_HANDLER", v->handler);
	put(l, "AWS_REGION", region);
	put(l, "AWS_DEFAULT_REGION", region);
	if (v->runtime->family != RUNTIME_PROVIDED) {
		snprintf(text, sizeof text, "AWS_Lambda_%s", v->runtime->id);
		put(l, "AWS_EXECUTION_ENV", text);
	}
	put(l, "AWS_LAMBDA_FUNCTION_NAME", v->name);
	put(l, "AWS_LAMBDA_FUNCTION_VERSION", v->version);
	put_number(l, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", v->memory_mb);
	/* A plain start of a SnapStart version as well: its code sees no difference but the time. */
	put(l, "AWS_LAMBDA_INITIALIZATION_TYPE", v->snap_start ? "snap-start" : "on-demand");
	put(l, "AWS_LAMBDA_LOG_GROUP_NAME", v->log_group);
	if (env->log_stream) {
		put(l, "AWS_LAMBDA_LOG_STREAM_NAME", env->log_stream);
	} else if (v->runtime->family == RUNTIME_PROVIDED) { /* nobody tells these the real one; some clients end without any */
		snprintf(text, sizeof text, "[%s]restored", v->version);
		put(l, "AWS_LAMBDA_LOG_STREAM_NAME", text);
	}
	if (v->log_format == LOG_FORMAT_JSON) {
		put(l, "AWS_LAMBDA_LOG_FORMAT", "JSON");
		put(l, "AWS_LAMBDA_LOG_LEVEL", v->app_log_level ? v->app_log_level : "INFO");
	}
	snprintf(text, sizeof text, "127.0.0.1:%d", RUNTIME_API_PORT);
	put(l, "AWS_LAMBDA_RUNTIME_API", text);
	put(l, "LAMBDA_TASK_ROOT", "/var/task");
	put(l, "LAMBDA_RUNTIME_DIR", "/var/runtime");
}

static void put_credentials(struct env_list *l, const struct launch_env *env)
{
	const struct identity *identity = env->identity;
	char text[64];
	if (identity) {
		put(l, "AWS_ACCESS_KEY_ID", identity->access_key);
		put(l, "AWS_SECRET_ACCESS_KEY", identity->secret);
		put(l, "AWS_SESSION_TOKEN", identity->session_token);
	}
	snprintf(text, sizeof text, "http://127.0.0.1:%d", ENDPOINT_PORT);
	put(l, "AWS_ENDPOINT_URL", text);
	if (!env->template)
		return;
	snprintf(text, sizeof text, "http://127.0.0.1:%d/2021-04-23/credentials", RUNTIME_API_PORT);
	put(l, "AWS_CONTAINER_CREDENTIALS_FULL_URI", text);
	if (env->version->runtime->family != RUNTIME_PROVIDED) /* our own bootstraps only: they take it away again */
		put(l, "_MAYFLY_SNAPSHOT", "1");
}

#define ARGV_MAX 12

/* Lambda gives the heap 85 %; in a small environment that would leave the JVM itself nothing. */
static unsigned java_heap_mb(unsigned memory_mb)
{
	unsigned most = memory_mb * 85 / 100, rest = memory_mb - JAVA_OWN_MB;
	return most < rest ? most : rest;
}

/* Texts made for a command line. */
struct made {
	char most[24], first[24];
};

static size_t java_command(const struct function_version *v, const struct runtime_found *found, const char *argv[ARGV_MAX],
                           struct made *made)
{
	size_t n = 0;
	unsigned heap_mb = java_heap_mb(v->memory_mb);
	snprintf(made->most, sizeof made->most, "-Xmx%um", heap_mb);
	/* It grows as needed; the machine's memory, which Java would go by, is not the function's. */
	snprintf(made->first, sizeof made->first, "-Xms%um", heap_mb / 8 > 16 ? heap_mb / 8 : 16);
	argv[n++] = found->interpreter;
	argv[n++] = made->most;
	argv[n++] = made->first;
	/* The serial collector and the first compiler alone, as on Lambda, but JAVA_TOOL_OPTIONS may choose otherwise. */
	argv[n++] = "-XX:+NeverActAsServerClassMachine";
	argv[n++] = "-XX:-UsePerfData"; /* no files in /tmp */
	/* The class library's archive at the address that it was made for: 12 ms and 10 MB of each process' own memory less. */
	argv[n++] = "-XX:+UnlockDiagnosticVMOptions";
	argv[n++] = "-XX:ArchiveRelocationMode=0";
	argv[n++] = "-cp";
	argv[n++] = "/var/runtime/java/runtime.jar";
	argv[n++] = "mayfly.runtime.Main";
	return n;
}

static unsigned command(const struct function_version *v, const struct runtime_found *found, const char *argv[ARGV_MAX],
                        struct made *made)
{
	size_t n = 0;
	switch (v->runtime->family) {
	case RUNTIME_PYTHON:
		argv[n++] = found->interpreter;
		argv[n++] = "-S";
		argv[n++] = "-X";
		argv[n++] = "utf8";
		argv[n++] = "/var/runtime/python/bootstrap.py";
		break;
	case RUNTIME_NODEJS:
		argv[n++] = found->interpreter;
		argv[n++] = "--max-http-header-size=81920";
		argv[n++] = "/var/runtime/nodejs/bootstrap.cjs";
		break;
	case RUNTIME_JAVA:
		n = java_command(v, found, argv, made);
		break;
	default:
		argv[n++] = "/var/task/bootstrap";
		argv[n++] = "/opt/bootstrap";
		argv[n] = NULL;
		return 2;
	}
	argv[n] = NULL;
	return 1;
}

/* `out` has its maximum set; the caller wipes it. */
static int encode(struct buf *out, const struct launch_env *env, struct runtime_found *found, struct error *err)
{
	const struct function_version *v = env->version;
	if (runtime_locate(v->runtime, env->settings, found, err) < 0)
		return -1;
	struct env_list list = {.n = 0};
	arena_init(&list.arena, 2 * LAUNCH_MAX_BYTES);
	put_defaults(&list, v);
	for (size_t i = 0; i < v->variable_count; i++)
		put(&list, v->variables[i].name, v->variables[i].value);
	put_credentials(&list, env);
	put_reserved(&list, env);
	list.items[list.n] = NULL;

	const char *argv[ARGV_MAX];
	struct made made;
	unsigned candidates = command(v, found, argv, &made);
	int r = list.arena.overflow ? error_set(err, ERR_TOO_LARGE, "too many environment variables")
	                            : launch_encode(out, candidates, argv, list.items, env->extensions, err);
	arena_release(&list.arena);
	return r;
}

static void wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->len);
	buf_release(b);
}

int launch_env_seal(const struct launch_env *env, struct runtime_found *found, struct error *err)
{
	struct buf out;
	buf_init(&out, LAUNCH_MAX_BYTES);
	int fd = encode(&out, env, found, err) == 0 ? launch_seal(&out, err) : -1;
	wipe(&out);
	return fd;
}

int launch_env_seal_empty(struct error *err)
{
	static const char *const none[] = {NULL};
	struct buf out;
	buf_init(&out, LAUNCH_MAX_BYTES);
	int fd = launch_encode(&out, 0, none, none, NULL, err) == 0 ? launch_seal(&out, err) : -1;
	buf_release(&out);
	return fd;
}

int launch_env_key(const struct function_version *v, const struct settings *settings, uint64_t renewal, unsigned char key[32],
                   struct error *err)
{
	struct launch_env env = {.version = v, .settings = settings, .template = true};
	struct runtime_found found;
	struct buf out;
	buf_init(&out, LAUNCH_MAX_BYTES + 2048);
	int r = encode(&out, &env, &found, err);
	if (r == 0)
		/* The role: what an init read with rights that were taken away is not handed on. */
		r = buf_printf(&out, "memory=%u tmp=%u network=%d layers=%u mode=%d renewal=%llu code=%s role=%s", v->memory_mb, v->ephemeral_mb,
		               v->outbound, v->layer_count, (int)v->snapshot, (unsigned long long)renewal, v->code_hex, v->role);
	for (unsigned i = 0; r == 0 && i < v->layer_count; i++)
		r = buf_printf(&out, " layer=%s", v->layer_hex[i]);
	if (r < 0 && out.overflow)
		error_set(err, ERR_TOO_LARGE, "the settings of %s are too long for an image", v->name);
	if (r == 0)
		sha256(key, out.data, out.len);
	wipe(&out);
	return r;
}
