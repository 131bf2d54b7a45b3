#include "bin/mayfly-restore/sys.h"

#include <linux/time.h>

void *memcpy(void *to, const void *from, size_t n)
{
	void *result = to;
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	return result;
}

void *memset(void *to, int value, size_t n)
{
	void *result = to;
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
	return result;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;
	for (; n && *x == *y; n--, x++, y++)
		__asm__ volatile("");
	return n ? *x - *y : 0;
}

void *memmove(void *to, const void *from, size_t n)
{
	unsigned char *d = to;
	const unsigned char *s = from;
	if (d <= s)
		return memcpy(to, from, n);
	for (; n; n--) {
		__asm__ volatile("");
		d[n - 1] = s[n - 1];
	}
	return to;
}

size_t text_length(const char *text)
{
	size_t n = 0;
	for (; text[n]; n++)
		__asm__ volatile("");
	return n;
}

bool text_starts(const char *text, const char *with)
{
	for (; *with; text++, with++) {
		if (*text != *with)
			return false;
	}
	return true;
}

long sys_spawn(const struct sys_key *key, struct clone_args *args, void (*run)(void *), void *argument)
{
	/* Both survive the call in registers, so the child needs nothing from a stack. */
	register void (*run_kept)(void *) __asm__("r12") = run;
	register void *argument_kept __asm__("r13") = argument;
	long result;
	__asm__ volatile("mov (%[key]), %%r8\n\t"
					 "mov 8(%[key]), %%r9\n\t"
					 "syscall\n\t"
					 "xor %%r8d, %%r8d\n\t"
					 "xor %%r9d, %%r9d\n\t"
					 "test %%rax, %%rax\n\t"
					 "jnz 1f\n\t"
					 "xor %%ebp, %%ebp\n\t"
					 "mov %[argument], %%rdi\n\t"
					 "call *%[run]\n\t"
					 "ud2\n\t"
					 "1:"
					 : "=a"(result)
					 : "a"(__NR_clone3), "D"(args),
					   "S"(sizeof *args), [key] "r"(key), [run] "r"(run_kept), [argument] "r"(argument_kept)
					 : "rcx", "r8", "r9", "r11", "memory");
	return result;
}

uint64_t sys_now_ns(void)
{
	struct __kernel_timespec now = {0};
	SYS(clock_gettime, CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
