/* Intrusive doubly linked ring. A head and every member is a `struct list`; an unlinked member points at itself. */
#ifndef MAYFLY_BASE_LIST_H
#define MAYFLY_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/check.h"

struct list {
	struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_remove(struct list *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

static inline void list_insert_(struct list *l, struct list *prev, struct list *next)
{
	ASSERT(list_empty(l));
	l->prev = prev;
	l->next = next;
	prev->next = next->prev = l;
}

static inline void list_push_front(struct list *head, struct list *l)
{
	list_insert_(l, head, head->next);
}

static inline void list_push_back(struct list *head, struct list *l)
{
	list_insert_(l, head->prev, head);
}

/* First member, unlinked; NULL when empty. */
static inline struct list *list_pop_front(struct list *head)
{
	struct list *l = head->next;
	if (l == head)
		return NULL;
	list_remove(l);
	return l;
}

#define LIST_FIRST(head, type, member) (list_empty(head) ? NULL : CONTAINER_OF((head)->next, type, member))
#define LIST_LAST(head, type, member) (list_empty(head) ? NULL : CONTAINER_OF((head)->prev, type, member))
/* The body may remove the current member. */
#define LIST_FOREACH(pos, head) \
	for (struct list *pos = (head)->next, *pos##_next = pos->next; pos != (head); pos = pos##_next, pos##_next = pos->next)

#endif
