#include "control/invoke/tenants.h"

#include <stdlib.h>
#include <string.h>

static struct str id_key(const uint64_t *id)
{
	return (struct str){(const char *)id, sizeof *id};
}

void tenants_init(struct tenants *t)
{
	hash_init(&t->by_name);
	hash_init(&t->by_id);
	t->last_id = 0;
}

static struct tenant *tenant_new(struct tenants *t, struct str name)
{
	struct tenant *tenant = calloc(1, sizeof *tenant + name.n);
	ASSERT(tenant);
	tenant->id = ++t->last_id;
	tenant->name_len = name.n;
	memcpy(tenant->name, name.p, name.n);
	ASSERT(hash_put(&t->by_name, &tenant->by_name, (struct str){tenant->name, name.n}) == 0);
	ASSERT(hash_put(&t->by_id, &tenant->by_id, id_key(&tenant->id)) == 0);
	return tenant;
}

struct tenant *tenants_ref(struct tenants *t, struct str name)
{
	struct tenant *tenant = HASH_ENTRY(hash_get(&t->by_name, name), struct tenant, by_name);
	if (!tenant)
		tenant = tenant_new(t, name);
	tenant->refs++;
	return tenant;
}

struct tenant *tenants_find(struct tenants *t, uint64_t id)
{
	struct tenant *tenant = id ? HASH_ENTRY(hash_get(&t->by_id, id_key(&id)), struct tenant, by_id) : NULL;
	if (tenant)
		tenant->refs++;
	return tenant;
}

void tenants_unref(struct tenants *t, struct tenant *tenant)
{
	if (!tenant)
		return;
	ASSERT(tenant->refs > 0);
	if (--tenant->refs > 0)
		return;
	hash_remove(&t->by_name, &tenant->by_name);
	hash_remove(&t->by_id, &tenant->by_id);
	free(tenant);
}

void tenants_release(struct tenants *t)
{
	HASH_FOREACH(node, &t->by_id)
		free(HASH_ENTRY(node, struct tenant, by_id));
	hash_release(&t->by_name);
	hash_release(&t->by_id);
}
