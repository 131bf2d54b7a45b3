/* Finding an environment by the number that control gave it, or by its process: both are asked for with every message and
 * every end, and there may be thousands. */
#include "bin/mayflyd/env_priv.h"
#include "bin/mayflyd/server.h"
#include "core/base/check.h"

static unsigned place(uint64_t n)
{
	return (unsigned)(n * 0x9e3779b97f4a7c15ull >> 32) % ENV_INDEX;
}

void env_set_requested(struct env *e, bool requested)
{
	struct envs *all = &e->server->envs;
	if (e->requested == requested)
		return;
	e->requested = requested;
	if (requested) {
		all->requested++;
		list_push_back(&all->by_id[place(e->id)], &e->id_link);
	} else {
		all->requested--;
		list_remove(&e->id_link);
	}
}

struct env *env_find(struct server *s, uint64_t id)
{
	LIST_FOREACH(l, &s->envs.by_id[place(id)]) {
		struct env *e = CONTAINER_OF(l, struct env, id_link);
		if (e->id == id)
			return e;
	}
	return NULL;
}

void env_set_pid(struct env *e, pid_t pid)
{
	list_remove(&e->pid_link);
	e->pid = pid;
	if (pid)
		list_push_back(&e->server->envs.by_pid[place((uint64_t)pid)], &e->pid_link);
}

struct env *env_find_pid(struct server *s, pid_t pid)
{
	LIST_FOREACH(l, &s->envs.by_pid[place((uint64_t)pid)]) {
		struct env *e = CONTAINER_OF(l, struct env, pid_link);
		if (e->pid == pid)
			return e;
	}
	return NULL;
}

void env_index_init(struct envs *all)
{
	for (unsigned i = 0; i < ENV_INDEX; i++) {
		list_init(&all->by_id[i]);
		list_init(&all->by_pid[i]);
	}
}
