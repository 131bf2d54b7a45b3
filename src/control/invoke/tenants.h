/* Tenants' ids by name: one id as long as anything of the tenant is there (an invocation that is not done, an environment), and a
 * new one afterwards; an id is never used again. Two functions' tenants of one name share an id: the scheduler keeps versions apart.
 * Private to control/invoke, on the control loop. */
#ifndef MAYFLY_INVOKE_TENANTS_H
#define MAYFLY_INVOKE_TENANTS_H

#include <stdint.h>

#include "core/base/hash.h"

struct tenant {
	struct hash_node by_name, by_id;
	uint64_t id; /* never 0 */
	unsigned refs;
	size_t name_len;
	char name[];
};

struct tenants {
	struct hash by_name, by_id;
	uint64_t last_id;
};

void tenants_init(struct tenants *t);
void tenants_release(struct tenants *t); /* whoever still has references must not use them */
struct tenant *tenants_ref(struct tenants *t, struct str name); /* a new reference */
/* A new reference; NULL for id 0, and for one that is gone. */
struct tenant *tenants_find(struct tenants *t, uint64_t id);
void tenants_unref(struct tenants *t, struct tenant *tenant); /* NULL is fine */

#endif
