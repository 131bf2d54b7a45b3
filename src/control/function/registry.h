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
 * get the old configuration, and further changes ERR_CONFLICT. A version that is published with SnapStart is Pending until
 * its image is taken (deps.take_image), then Active, or Failed when its init failed; what is Pending at the end of the program
 * is taken up again by the next (registry_resume_images). A struct function_version is made when a configuration is first
 * invoked, and dropped (on_version_dropped) when it is replaced or deleted, or when tags change how it is run.
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

/* Tags that say how a function is run; other tags are only kept. Values: registry_tag_check. */
#define FUNCTION_TAG_NETWORK "mayfly:network"
#define FUNCTION_TAG_SNAPSHOT "mayfly:snapshot"
#define FUNCTION_TAG_ISOLATION "mayfly:isolation"
#define FUNCTION_TAGS_MAX 50

struct registry;

/* ERR_INVALID when there are too many, or one of those above has a value that is none. */
int registry_tag_check(const json_t *tags, struct error *err);

typedef void registry_unpacked_cb(void *arg, uint64_t unzipped_bytes, const struct error *err);

/* What came of an image that was asked for. */
enum registry_image_outcome {
	REGISTRY_IMAGE_READY,
	REGISTRY_IMAGE_NONE,       /* there can be none: plain starts have to do */
	REGISTRY_IMAGE_INIT_FAILED /* by the function's fault */
};
struct registry_image {
	enum registry_image_outcome outcome;
	struct str answer;  /* INIT_FAILED: the error object that the runtime sent; p NULL: none, then */
	const char *reason; /* what the platform saw; may be NULL */
};
typedef void registry_image_cb(void *arg, struct function_version *v, const struct registry_image *image);

/* Filled by the program; copied. Everything named lives longer than the registry. */
struct registry_deps {
	struct ev_loop *loop;
	struct ev_pool *pool;
	struct kv *kv;
	struct blob_store *blobs;
	int data_dirfd; /* code/ is made below it */
	uint64_t code_storage_bytes; /* of all packages, zipped; 0: AWS's limit */
	const struct settings *settings;

	/* launcher_unpack has this form, but for its first parameter. ERR_TOO_LARGE: more than max_bytes; ERR_INVALID: not
	 * a zip, or one with what may not be in it. */
	void (*unpack)(void *arg, int zip_fd, int folder_fd, const unsigned char sha256[32], uint64_t max_bytes,
	               registry_unpacked_cb *cb, void *cb_arg);
	void *unpack_arg;

	/* SnapStart: takes an image of v (borrowed). `cb` comes once, later, from the loop; for a version that is dropped meanwhile
	 * too, whatever it says. NULL: versions are Active at once, without. */
	void (*take_image)(void *arg, struct function_version *v, registry_image_cb *cb, void *cb_arg);
	void *take_image_arg;

	/* Reports, made from the loop; any may be NULL. */
	void (*on_version_dropped)(void *arg, uint64_t version_id);
	void (*on_reserved)(void *arg, uint64_t function_id, int reserved); /* -1: none */
	void (*on_unreserved)(void *arg, unsigned unreserved);
	void (*on_deleted)(void *arg, struct str name);       /* the whole function, durably */
	void (*on_async_changed)(void *arg, struct str name); /* reservation or event-invoke-config */
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
/* After registry_load, as soon as images can be taken: goes on with versions that the end of the program found Pending. */
void registry_resume_images(struct registry *r);

/* ---- the hot path ---- */

struct registry_target {
	struct function_version *version; /* borrowed: take a reference to keep it */
	int reserved;                     /* -1: none */
};
/* The version that an invocation of (name, qualifier) runs now: an alias chooses anew each time. Errors with AWS's codes
 * and texts: unknown (404), Pending or Failed (409). */
int registry_resolve(struct registry *r, struct str name, struct str qualifier, struct registry_target *out,
                     struct error *err);

/* ---- reading; all at once, from memory ---- */

size_t registry_count(const struct registry *r);
/* Concurrency that is not reserved for a function. */
unsigned registry_unreserved(const struct registry *r);
struct registry_totals {
	size_t functions;
	uint64_t code_bytes; /* zipped, each version of functions and layers counted */
};
void registry_total(const struct registry *r, struct registry_totals *out);
/* arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER] */
void registry_arn(const struct registry *r, char dst[FUNCTION_ARN_MAX], struct str name, struct str qualifier);
bool registry_exists(const struct registry *r, struct str name);
/* Process-wide id of a function, 0 when there is none: what the scheduler and metrics call it by. */
uint64_t registry_function_id(const struct registry *r, struct str name);

/* FunctionConfiguration as the API shows it; a qualifier makes the ARN a qualified one. New reference, or NULL: 404 with
 * AWS's text. */
json_t *registry_show(struct registry *r, struct str name, struct str qualifier, struct error *err);
/* The package of that configuration; its name as a blob and folder. */
int registry_package(struct registry *r, struct str name, struct str qualifier, struct blob_id *id, struct error *err);
/* A member of registry_create's and registry_update's config that registry_show does not show: the key that the package was sent
 * with, as a text; NULL: none, or no such function. New reference. */
#define REGISTRY_SOURCE_KEY "CodeSourceKMSKeyArn"
json_t *registry_source_key(const struct registry *r, struct str name, struct str qualifier);
/* New reference: an object, empty when there are none. NULL: 404. */
json_t *registry_tags(struct registry *r, struct str name, struct error *err);
/* -1 for none; *found tells whether the function exists. */
int registry_reserved(struct registry *r, struct str name, bool *found);

/* A page of a list: at most `max` rows after `marker` (p NULL: from the start), put into `rows`; the marker of the next
 * page goes into `next` (at most next_size bytes; "" at the end). Markers are opaque; one that is no longer there is fine. */
struct registry_page {
	struct str marker;
	size_t max;
	json_t *rows;
	char *next;
	size_t next_size;
};
int registry_list(struct registry *r, bool all_versions, struct registry_page *page, struct error *err);
int registry_list_versions(struct registry *r, struct str name, struct registry_page *page, struct error *err);
/* `version` with p NULL: aliases of all. */
int registry_list_aliases(struct registry *r, struct str name, struct str version, struct registry_page *page,
                          struct error *err);
json_t *registry_alias(struct registry *r, struct str name, struct str alias, struct error *err);

/* ---- changing ---- */

/* `result` (borrowed) is what the operation answers, NULL when that is nothing. */
typedef void registry_done_cb(void *arg, json_t *result, const struct error *err);

/* json_t arguments are borrowed and may be kept (never changed) until the callback; texts are copied. */
struct registry_create {
	struct str name;
	json_t *config;       /* members as FunctionConfiguration has them, defaults filled in */
	json_t *tags;         /* or NULL */
	struct http_blob zip; /* moved in */
	bool publish;
};
void registry_create(struct registry *r, struct registry_create *what, registry_done_cb *cb, void *arg);

struct registry_update {
	struct str name;
	struct str revision;  /* p NULL: any */
	json_t *config;       /* members that replace those that are there, null removes one; or NULL */
	bool has_code;
	struct http_blob zip; /* moved in, with has_code */
	bool publish, dry_run;
};
void registry_update(struct registry *r, struct registry_update *what, registry_done_cb *cb, void *arg);

struct registry_publish {
	struct str name;
	struct str code_sha256, revision; /* p NULL: any */
	struct str description;           /* p NULL: that of $LATEST */
};
void registry_publish(struct registry *r, const struct registry_publish *what, registry_done_cb *cb, void *arg);
/* `qualifier` p NULL: the function with all its versions; else one version. */
void registry_delete(struct registry *r, struct str name, struct str qualifier, registry_done_cb *cb, void *arg);

struct registry_alias_change {
	struct str name, alias;
	struct str version;     /* p NULL in an update: as it is */
	struct str description; /* p NULL: "" or as it is */
	struct str revision;    /* p NULL: any */
	json_t *weights;        /* AdditionalVersionWeights; NULL: none, or as they are */
};
void registry_alias_create(struct registry *r, const struct registry_alias_change *what, registry_done_cb *cb, void *arg);
void registry_alias_update(struct registry *r, const struct registry_alias_change *what, registry_done_cb *cb, void *arg);
void registry_alias_delete(struct registry *r, struct str name, struct str alias, registry_done_cb *cb, void *arg);

void registry_tag(struct registry *r, struct str name, json_t *tags, registry_done_cb *cb, void *arg);
void registry_untag(struct registry *r, struct str name, json_t *keys, registry_done_cb *cb, void *arg);
/* -1 removes the reservation. */
void registry_reserve(struct registry *r, struct str name, int reserved, registry_done_cb *cb, void *arg);

/* ---- events: kept in the function's own record ("Events", "Policies", "Recursion": see record.c), gone with it ---- */

/* What an asynchronous event's end is decided by. Texts live until the next change of the function. */
struct registry_async {
	unsigned max_retries;      /* 2 unless configured */
	unsigned max_age_s;        /* 21600 unless configured */
	struct str on_success, on_failure; /* ARNs; p NULL: none */
	struct str dead_letter;    /* DeadLetterConfig.TargetArn of the version; p NULL: none */
	int reserved;              /* -1: none */
	struct str incarnation;    /* other than that in the event's head: the function was deleted and made again */
};
/* At once, from memory. `qualifier` p NULL: $LATEST's. -1: ERR_NOT_FOUND. */
int registry_async(struct registry *r, struct str name, struct str qualifier, struct registry_async *out, struct error *err);

/* EventInvokeConfig, as the API shows it. NULL, 0 of max_retries and such: see the model. `config`: members MaximumRetryAttempts,
 * MaximumEventAgeInSeconds, DestinationConfig, checked; `replace`: Put, else Update. `result`: what Get shows. */
void registry_event_invoke_put(struct registry *r, struct str name, struct str qualifier, json_t *config, bool replace,
                               registry_done_cb *cb, void *arg);
void registry_event_invoke_delete(struct registry *r, struct str name, struct str qualifier, registry_done_cb *cb, void *arg);
json_t *registry_event_invoke(struct registry *r, struct str name, struct str qualifier, struct error *err); /* new reference; NULL: 404 */
int registry_event_invoke_list(struct registry *r, struct str name, struct registry_page *page, struct error *err);

/* Resource-based policies, one for each qualifier (p NULL: the function itself). A statement is JSON as the policy language has it, made by the
 * API from AddPermission. ERR_EXISTS: the Sid is there; ERR_POLICY_LENGTH: more than LIMIT_POLICY_BYTES; ERR_REVISION; ERR_NOT_FOUND. */
void registry_permission_add(struct registry *r, struct str name, struct str qualifier, struct str revision, json_t *statement,
                             registry_done_cb *cb, void *arg);
void registry_permission_remove(struct registry *r, struct str name, struct str qualifier, struct str sid, struct str revision,
                                registry_done_cb *cb, void *arg);
/* {"Policy": text, "RevisionId"}: new reference; NULL: 404 with AWS's text. */
json_t *registry_policy(struct registry *r, struct str name, struct str qualifier, struct error *err);
/* May a service do `action` ("lambda:InvokeFunction") there? source_arn, source_account: p NULL when not known. Compiled policies are kept in memory. */
bool registry_permits(struct registry *r, struct str name, struct str qualifier, struct str action, struct str service,
                      struct str source_arn, struct str source_account);

/* Settings of a version ("$LATEST", a number) that are kept for their owners, and that nothing here acts on; they go with it. */
enum registry_kept { KEPT_RUNTIME, KEPT_SCALING, KEPT_KINDS };
/* `row` NULL: none any more. `result` is the row. ERR_NOT_FOUND. */
void registry_keep(struct registry *r, struct str name, struct str qualifier, enum registry_kept kind, json_t *row, registry_done_cb *cb,
                   void *arg);
/* Borrowed, until the next change of the function; NULL: none, also where there is no such function. */
const json_t *registry_kept(const struct registry *r, struct str name, struct str qualifier, enum registry_kept kind);

/* Recursion config: true Allow, false Terminate (the default). */
void registry_recursion_put(struct registry *r, struct str name, bool allow, registry_done_cb *cb, void *arg);
int registry_recursion(struct registry *r, struct str name, bool *allow, struct error *err);

#endif
