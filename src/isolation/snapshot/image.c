/* What image files are compared by: sums, and the identity of the machine. */
#include <cpuid.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/io.h"
#include "isolation/snapshot/image_open.h"

/* The construction of XXH64: four independent lanes, so that the multiplier's latency hides; about 10 GB/s. */
#define PRIME1 0x9e3779b185ebca87ull
#define PRIME2 0xc2b2ae3d27d4eb4full
#define PRIME3 0x165667b19e3779f9ull

static uint64_t rotate(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static uint64_t load64(const unsigned char *p)
{
	uint64_t x;
	memcpy(&x, p, sizeof x);
	return x;
}

static uint64_t lane_step(uint64_t lane, uint64_t x)
{
	return rotate(lane + x * PRIME2, 31) * PRIME1;
}

static uint64_t mix(uint64_t sum, uint64_t x)
{
	return rotate(sum ^ lane_step(0, x), 27) * PRIME1 + PRIME3;
}

uint64_t image_sum(uint64_t seed, const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t a = seed + PRIME1 + PRIME2, b = seed + PRIME2, c = seed, d = seed - PRIME1, sum = seed + n;
	for (; n >= 32; n -= 32, p += 32) {
		a = lane_step(a, load64(p));
		b = lane_step(b, load64(p + 8));
		c = lane_step(c, load64(p + 16));
		d = lane_step(d, load64(p + 24));
	}
	sum = mix(mix(mix(mix(sum, a), b), c), d);
	for (; n >= 8; n -= 8, p += 8)
		sum = mix(sum, load64(p));
	for (; n; n--, p++)
		sum = mix(sum, *p);
	sum ^= sum >> 33;
	sum *= PRIME2;
	return sum ^ sum >> 29;
}

static uint64_t sum_cpuid(uint64_t sum, unsigned leaf, unsigned sub, const unsigned mask[4])
{
	unsigned r[4] = {0};
	if (!__get_cpuid_count(leaf, sub, &r[0], &r[1], &r[2], &r[3]))
		return image_sum(sum, &leaf, sizeof leaf);
	for (int i = 0; i < 4; i++)
		r[i] &= mask[i];
	return image_sum(sum, r, sizeof r);
}

static uint64_t cpu_identity(void)
{
	/* Leaf 1's EBX names the processor that answers, the rest of it its model. */
	static const unsigned all[4] = {~0u, ~0u, ~0u, ~0u}, model[4] = {~0u, 0, ~0u, ~0u};
	static const struct {
		unsigned leaf, sub;
		const unsigned *mask;
	} leaves[] = {{1, 0, model},         {7, 0, all},           {7, 1, all},          {0xd, 0, all},
		      {0xd, 1, all},         {0x80000001u, 0, all}, {0x80000007u, 0, all}, {0x80000008u, 0, all}};
	uint64_t sum = 0;
	unsigned a = 0, b = 0, c = 0, d = 0;
	for (size_t i = 0; i < ARRAY_LEN(leaves); i++)
		sum = sum_cpuid(sum, leaves[i].leaf, leaves[i].sub, leaves[i].mask);
	if (__get_cpuid(1, &a, &b, &c, &d) && (c & bit_OSXSAVE)) {
		uint32_t low, high;
		__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
		sum = image_sum(sum, &low, sizeof low);
		sum = image_sum(sum, &high, sizeof high);
	}
	return sum;
}

/* Of what is written and read: a format that changed without its number is noticed too. */
static uint64_t build_identity(void)
{
	static const char version[] = MAYFLY_VERSION;
	static const uint32_t sizes[] = {IMAGE_FORMAT, sizeof(struct image_head), sizeof(struct image_process), sizeof(struct image_thread),
		sizeof(struct image_vma), sizeof(struct image_run), sizeof(struct image_file), sizeof(struct image_object),
		sizeof(struct image_fd), sizeof(struct image_watch), OBJECT_KINDS};
	return image_sum(image_sum(0, version, sizeof version), sizes, sizeof sizes);
}

static int read_boot_id(uint8_t id[16], struct error *err)
{
	size_t n;
	CLEANUP_FREE char *text = io_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &n, err);
	if (!text)
		return -1;
	const char *p = text;
	for (int i = 0; i < 16; i++) {
		unsigned byte;
		while (*p == '-')
			p++;
		if (sscanf(p, "%2x", &byte) != 1)
			return error_set(err, ERR_SYSTEM, "/proc/sys/kernel/random/boot_id is not understood");
		id[i] = (uint8_t)byte;
		p += 2;
	}
	return 0;
}

int image_machine_now(struct image_machine *machine, struct error *err)
{
	struct utsname name;
	struct image_machine now = {.cpu = cpu_identity(), .build = build_identity()};
	if (uname(&name) < 0)
		return error_sys(err, "cannot ask for the kernel's version");
	now.kernel = image_sum(image_sum(0, name.release, strlen(name.release)), name.version, strlen(name.version));
	if (read_boot_id(now.boot_id, err) < 0)
		return -1;
	*machine = now;
	return 0;
}
