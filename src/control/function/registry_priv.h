/* Private to control/function.
 *
 * A function's *truth* is what its key in the store says. A change copies the truth into a draft, alters the draft, writes
 * it, and when that is durable the draft becomes the truth. What a draft shares with the truth it was made from is told
 * apart by comparing pointers. */
#ifndef MAYFLY_FUNCTION_REGISTRY_PRIV_H
#define MAYFLY_FUNCTION_REGISTRY_PRIV_H

#include "control/function/registry.h"
#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/list.h"
#include "core/base/rand.h"
#include "core/spec/limits.h"

#define RECORD_LIMIT_BYTES (900u * 1024) /* of a function's key: below KV_VALUE_MAX */
#define UNRESERVED_MIN 100u

struct function;
struct layer;
struct op;

/* One package: counted by the configurations and function_versions that need it. */
enum code_state { CODE_NEW, CODE_MAKING, CODE_READY, CODE_DELETING };
struct code {
	struct hash_node by_hex;
	struct registry *registry;
	char hex[SHA256_HEX_SIZE];
	struct blob_id id;
	enum code_state state;
	unsigned refs;
	bool measured;           /* unzipped_bytes is known */
	uint64_t unzipped_bytes;
	struct ev_job removal;
	struct list waiting; /* struct package, until it is ready or deleted */
};

/* What the layers of a configuration hold, in their order: references. */
struct layer_set {
	struct code *codes[LIMIT_LAYERS];
	unsigned count;
};

enum config_state { CONFIG_ACTIVE, CONFIG_PENDING, CONFIG_FAILED };

/* $LATEST, or a published version. */
struct config {
	struct function *function;
	unsigned number; /* 0: $LATEST */
	char *json;      /* compact text of what is stored */
	size_t len;
	struct code *code;
	struct layer_set layers;
	uint64_t code_bytes;
	struct function_version *version; /* made when first wanted */
	bool snap_start;          /* a published version whose image is taken when it is published */
	enum config_state state;  /* of a version with SnapStart; others are always active */
	bool restoring;           /* pending, and was so when the program started */
};

/* Immutable, in one piece of memory. */
struct alias {
	const char *name, *description;
	char revision[UUID_SIZE];
	unsigned number, extra_number; /* 0 of number: $LATEST; extra_number 0: no second version */
	double extra_weight;
};

struct truth {
	unsigned last; /* highest version number ever used */
	struct config *latest;
	struct alias **aliases; /* sorted by name */
	size_t alias_count;
	json_t *tags; /* NULL: none */
	int reserved;
	/* By qualifier; NULL: none. Never changed in place: a change makes a new object. */
	json_t *events;   /* event-invoke-configs: "$LATEST", version numbers, aliases (event_invoke.c) */
	json_t *policies; /* {"RevisionId", "Statement"}; the function's own under "" (permission.c) */
	json_t *kept;     /* settings that nothing here acts on: "KIND/QUALIFIER" (keep.c) */
	bool recursion;   /* allowed */
	json_t *urls;     /* function URLs (url.c); the function's own under "" */
};

enum function_state { FUNCTION_ACTIVE, FUNCTION_PENDING, FUNCTION_UPDATING };

struct function {
	struct hash_node by_name;
	struct registry *registry;
	uint64_t id;
	struct truth truth;
	struct config *serving;   /* what invocations of $LATEST get; NULL while pending; else truth.latest or its predecessor */
	struct config **versions; /* sorted by number */
	size_t version_count;
	enum function_state state;
	struct list urls;         /* struct url_entry (url.c) */
	struct list compiled;     /* policies that were asked, until they change (permission.c) */
	struct ev_timer settle;
	char incarnation[17];
	char name[];
};

/* Remembers the last version number of a deleted function. */
struct tombstone {
	struct hash_node by_name;
	unsigned last;
	char name[];
};

/* Changes of one name, one after the other. */
struct name_lock {
	struct hash_node by_name;
	struct list ops; /* the first is at work */
	char name[];
};

struct registry {
	struct registry_deps deps;
	int code_dirfd;
	struct hash functions, tombstones, locks, codes;
	struct hash urls;         /* struct url_entry, by id */
	struct function **sorted; /* by name */
	size_t count, sorted_cap;
	struct layer **layers;    /* by name (layer_priv.h) */
	size_t layer_count;
	uint64_t layer_bytes;     /* zipped, of all their versions */
	uint64_t last_id;         /* of functions and versions */
	unsigned reserved_sum;
	struct list image_waits;  /* struct image_wait, one for each pending version */
	bool closing;
	bool loading;             /* nothing is deleted: a damaged record may be of what others do not name */
};

/* ---- registry.c ---- */
struct function *function_find(const struct registry *r, struct str name);
struct function *function_new(struct registry *r, struct str name, struct error *err);
int function_add(struct registry *r, struct function *f, struct error *err); /* into hash and order */
void function_remove(struct function *f);                                    /* takes it out; not freed */
void function_free(struct function *f);                                      /* with all it has; drops its versions */
struct config *function_version_config(const struct function *f, unsigned number);
int function_version_insert(struct function *f, struct config *c, struct error *err);
void function_version_delete(struct function *f, unsigned number);
struct alias *function_alias(const struct function *f, struct str name);
void function_settle_later(struct function *f, enum function_state state);
struct config *function_config(const struct function *f, struct str qualifier, struct error *err); /* as shown */
/* Frees what `drop` has and `keep` has not; `serving` stays too. */
void truth_dispose(struct truth *drop, const struct truth *keep, const struct config *serving);
int function_not_found(const struct registry *r, struct str name, struct str qualifier, struct error *err);
void registry_report_unreserved(struct registry *r);
void registry_report_async(struct registry *r, const struct function *f);

/* ---- config.c ---- */
struct config *config_new(struct function *f, unsigned number, const json_t *json, struct code *code, struct error *err);
void config_free(struct config *c); /* drops its version; NULL is fine */
void config_drop_version(struct config *c);
json_t *config_load(const struct config *c, struct error *err);
json_t *config_show(const struct config *c, struct str qualifier, struct error *err);
struct function_version *config_version(struct config *c, struct error *err); /* borrowed, made when missing */
bool config_fits_tags(const struct config *c); /* its version, if it has one, is as the function's tags say now */
int config_set_text(struct config *c, const json_t *json, struct error *err); /* in place; the version stays */
void config_stamp(json_t *json); /* new RevisionId and LastModified */
int config_set_code(json_t *json, const struct code *code, uint64_t bytes);

/* ---- alias.c ---- */
struct alias *alias_new(const char *name, const char *description, unsigned number, unsigned extra, double weight,
                        const char *revision);
json_t *alias_store(const struct alias *a);
struct alias *alias_restore(const char *name, const json_t *json);
json_t *alias_show(const struct function *f, const struct alias *a);
unsigned alias_choose(const struct alias *a); /* a version number, by weight */

/* ---- snap_start.c ---- */
void snap_start_mark(const struct registry *r, json_t *version); /* as it is stored when it is published: Pending, if need be */
enum config_state snap_start_state(const json_t *version);
bool snap_start_wanted(const json_t *config);
/* Begins to take the image of a version that was just published; nothing when none is wanted. */
void snap_start_begin(struct config *c);
/* -1 and ERR_CONFLICT or ERR_SNAP_START_NOT_READY for a version that cannot be invoked. */
int snap_start_check(const struct config *c, struct error *err);
void snap_start_show(const struct config *c, json_t *shown); /* state members beyond the stored ones */
void snap_start_strip(json_t *json); /* takes out all that publishing and taking images change */
void snap_start_release(struct registry *r);

/* ---- event_invoke.c ---- */
/* Whether the configuration, version or alias is there that a row of `events` and `policies` is about. */
bool function_has_qualifier(const struct function *f, struct str qualifier);
/* The draft without what belongs to a version or alias that goes with this change; true: there was something. */
bool draft_forget(struct op *op, struct str qualifier);

/* ---- keep.c ---- */
/* The draft without what is kept for a version or alias that goes; true: there was something. */
bool draft_forget_kept(struct op *op, struct str qualifier);

/* ---- permission.c ---- */
void function_forget_policies(struct function *f); /* compiled ones */
/* Of a row {"RevisionId", "Statement": [...]}: new text of the whole policy, as the API shows it (NULL: no memory); place of the
 * statement with that id, SIZE_MAX: none. */
char *policy_row_text(json_t *row);
size_t policy_row_find(const json_t *statements, struct str sid);

/* ---- url.c ---- */
void function_urls_sync(struct function *f); /* the table of ids follows truth.urls */
void function_urls_drop(struct function *f);

/* ---- record.c: the text of a function's key ---- */
int record_write(struct buf *out, const struct function *f, const struct truth *truth, struct error *err);
int record_write_tombstone(struct buf *out, unsigned last);
int record_key(char *dst, size_t size, const struct function *f); /* "function/<name>" */
int record_version_key(char *dst, size_t size, const struct function *f, unsigned number);
#define RECORD_PREFIX "function/"
#define RECORD_VERSION_PREFIX "version/"
#define RECORD_KEY_SIZE 160

/* ---- package.c ---- */
struct package;
typedef void package_cb(void *arg, struct code *code, uint64_t zip_bytes, const struct error *err);
/* `zip` is moved in. On success the callee has a reference of `code`. */
void package_prepare(struct registry *r, struct http_blob *zip, package_cb *cb, void *arg);
/* Fills code->unzipped_bytes of one that is ready. */
typedef void package_measured_cb(void *arg, const struct error *err);
void package_measure(struct registry *r, struct code *code, package_measured_cb *cb, void *arg);
struct code *code_hold(struct registry *r, const char *hex, struct error *err); /* for loading: ready */
/* The same, by the base64 text that the API shows. NULL: it is none, or no memory. */
struct code *code_of_sum(struct registry *r, const json_t *sum);
struct code *code_ref(struct code *c);
void code_unref(struct code *c); /* the last one deletes; NULL is fine */
/* Deletes blobs and folders that no code names; counts them. Blocks: at start only. */
size_t code_sweep(struct registry *r, struct error *err);
void code_free_all(struct registry *r);

/* ---- layer_use.c ---- */
/* Member Layers of *config, texts, becomes what is stored, in a copy that takes its place, and `set` holds their contents. -1:
 * one of them is not there (`set` holds what came before it). */
int layer_set_take(struct registry *r, json_t **config, struct layer_set *set, struct error *err);
int layer_set_load(struct registry *r, const json_t *config, struct layer_set *set); /* from what is stored; -1: damaged */
void layer_set_release(struct layer_set *set);
void layer_set_show(json_t *shown); /* takes out what the API does not show */
/* ERR_INVALID with AWS's text when code and layers together are too large. May call back at once. */
typedef void layer_sized_cb(void *arg, const struct error *err);
void layer_set_size(struct registry *r, const struct layer_set *set, struct code *code, layer_sized_cb *cb, void *arg);
void layers_free_all(struct registry *r);

/* ---- op.c: one change of one function ---- */
struct op {
	struct list link;
	struct registry *r;
	struct name_lock *lock;
	struct ev_defer defer;
	void (*start)(struct op *op);   /* fills the draft and calls op_write, or op_finish */
	void (*applied)(struct op *op); /* the draft has become the truth; NULL: nothing to add. op_finish follows */
	void (*release)(struct op *op); /* what the embedding struct owns; NULL: nothing */
	registry_done_cb *cb;
	void *arg;
	struct function *f; /* set by start; not yet added when `fresh` */
	bool fresh;
	struct truth draft;
	struct config *publish; /* written before the truth; NULL: none */
	struct buf text;
	json_t *result;
	struct error failure;
};

/* `op` is the first member of a zeroed malloc'd struct, which op_finish frees. Queues behind other changes of that name. */
void op_submit(struct op *op, struct registry *r, struct str name, registry_done_cb *cb, void *arg);
struct str op_name(const struct op *op);
/* Finds the function, copies its truth into the draft; false: op was finished with an error (404). */
bool op_begin(struct op *op);
/* Moreover nothing may be in progress (409) and the revision must be the latest (412; p NULL: any). */
bool op_begin_change(struct op *op, struct str revision);
/* Writes `publish`, then the draft; then the draft is the truth, `applied` runs and the op is finished. */
void op_write(struct op *op);
/* Success with NULL (then op->result goes to the callback). What the draft has and the truth has not is freed. */
void op_finish(struct op *op, const struct error *err);
void op_fail(struct op *op, enum error_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
