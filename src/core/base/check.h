/* Programming errors: ASSERT is always on; it prints where and aborts, and the supervisor restarts the process. */
#ifndef MAYFLY_BASE_CHECK_H
#define MAYFLY_BASE_CHECK_H

_Noreturn void check_failed(const char *file, int line, const char *what);

#define ASSERT(cond) ((cond) ? (void)0 : check_failed(__FILE__, __LINE__, #cond))
#define UNREACHABLE() check_failed(__FILE__, __LINE__, "unreachable")

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - __builtin_offsetof(type, member)))

#endif
