/* Names of one's own for function URLs: a table of exact host names, each for one function or alias. Durable (keys "domain/HOST"); held in
 * memory by watching them. One loop. A name may be there before its function and after it. */
#ifndef MAYFLY_FUNCTION_DOMAIN_H
#define MAYFLY_FUNCTION_DOMAIN_H

#include <stdbool.h>

#include "control/function/name.h"
#include "core/store/kv.h"

#define DOMAIN_HOST_MAX 253
#define DOMAINS_MAX 10000u

struct domains;

struct domains *domains_new(struct kv *kv, struct error *err); /* reads what is there in the background */
void domains_free(struct domains *d); /* before the store is closed, or after; NULL is fine */

/* Views live until the next change. False: none of ours. `host` without port, in any letter case. */
bool domains_find(const struct domains *d, struct str host, struct function_ref *out);
/* In order of their names, until `each` says false. */
void domains_each(const struct domains *d, bool (*each)(void *arg, struct str host, const struct function_ref *f), void *arg);

/* `err` NULL: it is durable. ERR_THROTTLED: too many names. Hosts were checked by url_host_valid. */
typedef void domains_cb(void *arg, const struct error *err);
void domains_put(struct domains *d, struct str host, const struct function_ref *f, domains_cb *cb, void *arg);
/* ERR_NOT_FOUND when there is no such name. */
void domains_delete(struct domains *d, struct str host, domains_cb *cb, void *arg);

#endif
