/* All functions of the account: configurations, versions, aliases, tags, reserved concurrency, code packages.
 *
 * Held in memory, written through the kv store, loaded at start. A change is acknowledged (its callback runs) when it is
 * durable; changes of one function are made one after the other. Each function has one key that is the truth about it, and
 * is written last; keys of published versions are written before it, and those that it does not know are swept at start.
 * Version numbers are never used again, also after the function was deleted and created anew.
 *
 * Packages: the zip is a blob, its folder is code/<hex SHA-256>, made by `unpack` before a change is acknowledged, so that
 * nothing is unpacked when a function starts. Both go when the last version that uses them has gone and no environment
 * runs it.
 *
 * States, as on AWS: a new function is Pending, a changed one InProgress, for settings->settle_ms; until then invocations
 * get the old configuration, and further changes ERR_CONFLICT. A struct function_version is made when a configuration is
 * first invoked, and dropped (on_version_dropped) when it is replaced or deleted.
 *
 * All on the control loop. Callbacks come from the loop, exactly once, never from inside the call. */
#ifndef MAYFLY_FUNCTION_REGISTRY_H
#define MAYFLY_FUNCTION_REGISTRY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/function/name.h"
#include "control/function/version.h"
#include "core/base/error.h"
#include "core/base/str.h"
#include "core/ev/pool.h"
#include "core/http/pool.h"
#include "core/spec/settings.h"
#include "core/store/blob.h"
#include "core/store/kv.h"

struct registry;

typedef void registry_unpacked_cb(void *arg, uint64_t unzipped_bytes, const struct error *err);

/* Filled by the program; copied. Everything named lives longer than the registry. */
struct registry_deps {
	struct ev_loop *loop;
	struct ev_pool *pool;
	struct kv *kv;
	struct blob_store *blobs;
	int data_dirfd; /* code/ is made below it */
	const struct settings *settings;

	/* launcher_unpack has this form, but for its first parameter. ERR_TOO_LARGE: more than max_bytes; ERR_INVALID: not
	 * a zip, or one with what may not be in it. */
	void (*unpack)(void *arg, int zip_fd, int folder_fd, const unsigned char sha256[32], uint64_t max_bytes,
	               registry_unpacked_cb *cb, void *cb_arg);
	void *unpack_arg;

	/* Reports, made from the loop; any may be NULL. */
	void (*on_version_dropped)(void *arg, uint64_t version_id);
	void (*on_reserved)(void *arg, uint64_t function_id, int reserved); /* -1: none */
	void (*on_unreserved)(void *arg, unsigned unreserved);
	void *report_arg;
};

struct registry *registry_new(const struct registry_deps *deps, struct error *err);
void registry_free(struct registry *r);

/* What the start found and mended: for the program's log. */
struct registry_loaded {
	size_t functions, versions;
	size_t swept_keys, swept_packages; /* leftovers of interrupted changes */
	size_t damaged;                    /* records that cannot be read: left where they are */
};
typedef void registry_ready_cb(void *arg, const struct registry_loaded *loaded, const struct error *err);
/* Reads all records and sweeps. Once, before any other call. */
void registry_load(struct registry *r, registry_ready_cb *cb, void *arg);

/* ---- the hot path ---- */

struct registry_target {
	struct function_version *version; /* borrowed: take a reference to keep it */
	int reserved;                     /* -1: none */
};
/* The version that an invocation of (name, qualifier) runs now: an alias chooses anew each time. Errors with AWS's codes
 * and texts: unknown (404), Pending (409), Failed. */
int registry_resolve(struct registry *r, struct str name, struct str qualifier, struct registry_target *out,
                     struct error *err);

/* ---- reading ---- */

size_t registry_count(const struct registry *r);
/* Concurrency that is not reserved for a function. */
unsigned registry_unreserved(const struct registry *r);

#endif
