#include "control/function/domain.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/hash.h"

#define PREFIX "domain/"
#define TARGET_SIZE (FUNCTION_NAME_MAX + FUNCTION_QUALIFIER_MAX + 2)

struct domain {
	struct hash_node by_host;
	struct function_ref target; /* views into text */
	char text[TARGET_SIZE], host[DOMAIN_HOST_MAX + 1];
};

struct domains {
	struct kv *kv;
	struct kv_watch *watch;
	struct hash table;
};

struct change {
	domains_cb *cb;
	void *arg;
};

static struct domain *find(const struct domains *d, struct str host)
{
	return HASH_ENTRY(hash_get(&d->table, host), struct domain, by_host);
}

static void forget(struct domains *d, struct str host)
{
	struct domain *old = find(d, host);
	if (!old)
		return;
	hash_remove(&d->table, &old->by_host);
	free(old);
}

/* A record that cannot be read is as if it were not there. */
static void keep(struct domains *d, struct str host, struct str target)
{
	struct domain *one = calloc(1, sizeof *one);
	ASSERT(one);
	forget(d, host);
	if (str_copy(one->host, sizeof one->host, host) < 0 || str_copy(one->text, sizeof one->text, target) < 0 ||
	    !function_ref_parse(&one->target, str_from(one->text)) || hash_put(&d->table, &one->by_host, str_from(one->host)) < 0)
		free(one);
}

static void on_event(void *arg, enum kv_event event, const struct kv_entry *entry, const struct error *err)
{
	struct domains *d = arg;
	if (event == KV_EVENT_FAILED)
		d->watch = NULL;
	if (event != KV_EVENT_PUT && event != KV_EVENT_DELETE)
		return;
	struct str host = str_sub(entry->key, strlen(PREFIX), entry->key.n);
	if (event == KV_EVENT_PUT)
		keep(d, host, entry->value);
	else
		forget(d, host);
}

struct domains *domains_new(struct kv *kv, struct error *err)
{
	struct domains *d = calloc(1, sizeof *d);
	if (!d) {
		error_set(err, ERR_NO_MEMORY, "no memory for the table of host names");
		return NULL;
	}
	d->kv = kv;
	hash_init(&d->table);
	d->watch = kv_watch(kv, STR(PREFIX), on_event, d, err);
	if (d->watch)
		return d;
	domains_free(d);
	return NULL;
}

void domains_free(struct domains *d)
{
	if (!d)
		return;
	if (d->watch)
		kv_watch_stop(d->kv, d->watch);
	HASH_FOREACH(n, &d->table) {
		hash_remove(&d->table, n);
		free(HASH_ENTRY(n, struct domain, by_host));
	}
	hash_release(&d->table);
	free(d);
}

/* ---- looking ---- */

bool domains_find(const struct domains *d, struct str host, struct function_ref *out)
{
	char lower[DOMAIN_HOST_MAX + 1];
	if (!d || d->table.count == 0 || host.n == 0 || host.n > DOMAIN_HOST_MAX)
		return false;
	for (size_t i = 0; i < host.n; i++)
		lower[i] = (char)tolower((unsigned char)host.p[i]);
	const struct domain *one = find(d, (struct str){lower, host.n});
	if (one)
		*out = one->target;
	return one != NULL;
}

static int by_name(const void *a, const void *b)
{
	const struct domain *const *x = a, *const *y = b;
	return strcmp((*x)->host, (*y)->host);
}

void domains_each(const struct domains *d, bool (*each)(void *arg, struct str host, const struct function_ref *f), void *arg)
{
	size_t n = 0;
	const struct domain **sorted = calloc(d->table.count + 1, sizeof *sorted);
	ASSERT(sorted);
	HASH_FOREACH(node, &d->table)
		sorted[n++] = HASH_ENTRY(node, struct domain, by_host);
	qsort(sorted, n, sizeof *sorted, by_name);
	for (size_t i = 0; i < n && each(arg, str_from(sorted[i]->host), &sorted[i]->target); i++)
		;
	free(sorted);
}

/* ---- changing ---- */

static void on_changed(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct change *c = arg;
	c->cb(c->arg, err);
	free(c);
}

static struct change *change_new(domains_cb *cb, void *arg)
{
	struct change *c = calloc(1, sizeof *c);
	ASSERT(c);
	*c = (struct change){cb, arg};
	return c;
}

static void refuse(struct change *c, const struct error *err)
{
	c->cb(c->arg, err);
	free(c);
}

static void make_key(char key[DOMAIN_HOST_MAX + sizeof PREFIX], struct str host)
{
	ASSERT(host.n <= DOMAIN_HOST_MAX);
	memcpy(key, PREFIX, sizeof PREFIX - 1);
	memcpy(key + sizeof PREFIX - 1, host.p, host.n);
	key[sizeof PREFIX - 1 + host.n] = '\0';
}

void domains_put(struct domains *d, struct str host, const struct function_ref *f, domains_cb *cb, void *arg)
{
	char key[DOMAIN_HOST_MAX + sizeof PREFIX], text[TARGET_SIZE];
	struct change *c = change_new(cb, arg);
	struct error err = {0};
	int n = snprintf(text, sizeof text, STR_FMT "%s" STR_FMT, STR_ARG(f->name), f->qualifier.n ? ":" : "", STR_ARG(f->qualifier));
	make_key(key, host);
	if (n >= (int)sizeof text)
		error_set(&err, ERR_INVALID, "The name of the function is too long.");
	else if (!find(d, host) && d->table.count >= DOMAINS_MAX)
		error_set(&err, ERR_THROTTLED, "There are %u host names already.", DOMAINS_MAX);
	else
		kv_put(d->kv, str_from(key), (struct str){text, (size_t)n}, KV_ANY, on_changed, c, &err);
	if (err.code)
		refuse(c, &err);
}

void domains_delete(struct domains *d, struct str host, domains_cb *cb, void *arg)
{
	char key[DOMAIN_HOST_MAX + sizeof PREFIX];
	struct change *c = change_new(cb, arg);
	struct error err = {0};
	make_key(key, host);
	if (!find(d, host))
		error_set(&err, ERR_NOT_FOUND, "There is no host name " STR_FMT " in the table.", STR_ARG(host));
	else
		kv_delete(d->kv, str_from(key), KV_ANY, on_changed, c, &err);
	if (err.code)
		refuse(c, &err);
}
