#include "core/http/pool.h"

#include <stdlib.h>

#include "core/http/conn_priv.h"

#define KEEP_EXCHANGES 64u
#define KEEP_NODES 128u
#define KEEP_LARGE_NODES 16u /* a megabyte: without them a stream's pieces come from the kernel, page by page, and go back */

void http_pool_init(struct http_pool *pool, size_t max_bytes)
{
	*pool = (struct http_pool){.max_bytes = max_bytes};
}

static void free_nodes(struct http_node **list)
{
	while (*list) {
		struct http_node *node = *list;
		*list = node->next;
		free(node);
	}
}

void http_pool_release(struct http_pool *pool)
{
	while (pool->free_exchanges) {
		struct http_exchange *x = pool->free_exchanges;
		pool->free_exchanges = x->next;
		arena_release(&x->arena);
		free(x);
	}
	free_nodes(&pool->free_nodes);
	free_nodes(&pool->free_large_nodes);
	pool->free_exchange_count = pool->free_node_count = pool->free_large_count = 0;
}

void http_pool_force(struct http_pool *pool, size_t n)
{
	pool->used_bytes += n;
}

bool http_pool_charge(struct http_pool *pool, size_t n)
{
	if (pool->used_bytes > pool->max_bytes || n > pool->max_bytes - pool->used_bytes)
		return false;
	pool->used_bytes += n;
	return true;
}

void http_pool_credit(struct http_pool *pool, size_t n)
{
	ASSERT(n <= pool->used_bytes);
	pool->used_bytes -= n;
}

void http_blob_release(struct http_blob *blob)
{
	if (blob->pool)
		http_pool_credit(blob->pool, blob->charged_bytes);
	free(blob->data);
	*blob = (struct http_blob){0};
}

struct http_exchange *http_exchange_get(struct http_pool *pool, const struct http_config *config)
{
	struct http_exchange *x = pool->free_exchanges;
	if (x) {
		pool->free_exchanges = x->next;
		pool->free_exchange_count--;
	} else {
		x = malloc(sizeof *x);
		if (!x)
			return NULL;
		arena_init(&x->arena, 0);
		buf_init(&x->trailers, 0);
		x->body = (struct http_blob){0};
	}
	x->arena.max_bytes = config->arena_max_bytes;
	x->trailers.max = config->trailers_max_bytes;
	x->req.arena = &x->arena;
	http_parser_init(&x->parser);
	x->data = x->small;
	x->head_data = NULL;
	x->start = x->len = x->charged_bytes = 0;
	x->cap = INPUT_BYTES;
	http_pool_force(pool, sizeof *x);
	return x;
}

void http_exchange_put(struct http_pool *pool, struct http_exchange *x)
{
	http_pool_credit(pool, sizeof *x + x->charged_bytes);
	if (x->data != x->small)
		free(x->data);
	if (x->head_data && x->head_data != x->small)
		free(x->head_data);
	buf_release(&x->trailers);
	http_blob_release(&x->body);
	if (pool->free_exchange_count >= KEEP_EXCHANGES) {
		arena_release(&x->arena);
		free(x);
		return;
	}
	if (x->arena.used_bytes > INPUT_BYTES)
		arena_release(&x->arena);
	else
		arena_reset(&x->arena);
	x->next = pool->free_exchanges;
	pool->free_exchanges = x;
	pool->free_exchange_count++;
}

/* The kept ones of this size, or NULL. */
static struct http_node **kept_nodes(struct http_pool *pool, size_t cap, unsigned **count)
{
	*count = cap == LARGE_NODE_BYTES ? &pool->free_large_count : &pool->free_node_count;
	return cap == NODE_DATA_BYTES ? &pool->free_nodes : cap == LARGE_NODE_BYTES ? &pool->free_large_nodes : NULL;
}

struct http_node *http_node_get(struct http_pool *pool, size_t cap)
{
	unsigned *count;
	struct http_node **kept = kept_nodes(pool, cap, &count), *node = kept ? *kept : NULL;
	if (node) {
		*kept = node->next;
		--*count;
	} else {
		node = malloc(sizeof *node + cap);
		if (!node)
			return NULL;
	}
	*node = (struct http_node){.p = node->data, .cap = cap};
	http_pool_force(pool, sizeof *node + cap);
	return node;
}

void http_node_put(struct http_pool *pool, struct http_node *node)
{
	http_pool_credit(pool, sizeof *node + node->cap);
	if (node->release)
		node->release(node->arg);
	http_blob_release(&node->blob);
	unsigned *count;
	struct http_node **kept = kept_nodes(pool, node->cap, &count);
	if (!kept || *count >= (node->cap == LARGE_NODE_BYTES ? KEEP_LARGE_NODES : KEEP_NODES)) {
		free(node);
		return;
	}
	node->next = *kept;
	*kept = node;
	++*count;
}
