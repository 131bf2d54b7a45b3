#include "core/base/rand.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/codec.h"

/* One page a thread, for as long as the process lives. The kernel gives a forked child (also one that libc does not know
 * of) a page of zeros: `left` is then 0, and nothing of the parent's bytes is used twice. */
struct pool {
	size_t left;
	unsigned char bytes[512];
};

static _Thread_local struct pool *pool;

static struct pool *pool_get(void)
{
	if (pool)
		return pool;
	void *page = mmap(NULL, sizeof *pool, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(page != MAP_FAILED && madvise(page, sizeof *pool, MADV_WIPEONFORK) == 0);
	return pool = page;
}

static void fill(void *dst, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = getrandom((char *)dst + done, n - done, 0);
		ASSERT(r > 0);
		done += (size_t)r;
	}
}

void rand_bytes(void *dst, size_t n)
{
	struct pool *p = pool_get();
	if (n > sizeof p->bytes / 4) {
		fill(dst, n);
		return;
	}
	if (p->left < n) {
		fill(p->bytes, sizeof p->bytes);
		p->left = sizeof p->bytes;
	}
	unsigned char *at = p->bytes + sizeof p->bytes - p->left;
	memcpy(dst, at, n);
	explicit_bzero(at, n);
	p->left -= n;
}

uint64_t rand_u64(void)
{
	uint64_t v;
	rand_bytes(&v, sizeof v);
	return v;
}

void uuid4(char dst[UUID_SIZE])
{
	unsigned char b[16];
	rand_bytes(b, sizeof b);
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	static const unsigned char groups[] = {4, 2, 2, 2, 6};
	const unsigned char *at = b;
	for (size_t g = 0; g < sizeof groups; g++) {
		if (g)
			*dst++ = '-';
		hex_encode(dst, at, groups[g]);
		dst += 2 * groups[g];
		at += groups[g];
	}
}

void rand_text(char *dst, size_t n, const char *alphabet)
{
	size_t letters = strlen(alphabet);
	ASSERT(letters > 1 && letters <= 256);
	size_t limit = 256 - 256 % letters; /* bytes past it would favour the first letters */
	for (size_t i = 0; i < n;) {
		unsigned char b;
		rand_bytes(&b, 1);
		if (b < limit)
			dst[i++] = alphabet[b % letters];
	}
	dst[n] = '\0';
}
