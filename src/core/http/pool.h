/* What all HTTP servers of one loop share: reused buffers, and the count of buffered bytes against one limit.
 *
 * Counted: request heads and bodies that are held in memory, and replies copied for sending; a stolen body stays counted
 * until http_blob_release. Callers that refuse work early (429) look at used_bytes and max_bytes. One thread. */
#ifndef MAYFLY_HTTP_POOL_H
#define MAYFLY_HTTP_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/list.h"

struct http_exchange;
struct http_node;

struct http_stats {
	uint64_t accepted, requests, gone, timed_out;
	uint64_t refused;   /* malformed or over a limit, answered by the server itself */
	uint64_t no_room;   /* bodies refused because of max_bytes */
	uint64_t evicted;   /* idle connections closed to make room for new ones */
	uint64_t bytes_in, bytes_out;
	uint64_t handshakes, handshakes_failed; /* of TLS */
};

struct http_pool {
	size_t used_bytes, max_bytes;
	struct http_stats stats;
	struct http_exchange *free_exchanges; /* kept for reuse, bounded */
	struct http_node *free_nodes, *free_large_nodes;
	unsigned free_exchange_count, free_node_count, free_large_count;
	int64_t date_s; /* the second that `date` was made for */
	char date[48];
};

void http_pool_init(struct http_pool *pool, size_t max_bytes);
void http_pool_release(struct http_pool *pool); /* after all servers and blobs */
/* Counts n bytes; false, and nothing counted, when that would pass the limit. */
bool http_pool_charge(struct http_pool *pool, size_t n);
void http_pool_credit(struct http_pool *pool, size_t n);

/* A heap buffer that is counted: a body that changes hands without being copied. A zeroed one is empty. */
struct http_blob {
	char *data; /* malloc'd, a NUL follows the last byte; NULL when empty */
	size_t len;
	struct http_pool *pool;
	size_t charged_bytes;
};

void http_blob_release(struct http_blob *blob); /* also fine on a zeroed one; leaves it zeroed */

#endif
