#include "core/spec/launch.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/io.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static size_t put_strings(struct buf *out, const char *const *list)
{
	size_t n = 0;
	for (; list[n]; n++)
		buf_append(out, list[n], strlen(list[n]) + 1);
	return n;
}

int launch_encode(struct buf *out, unsigned candidates, const char *const *argv, const char *const *envp, const char *const *extensions,
                  struct error *err)
{
	static const char *const none[] = {NULL};
	struct launch_head head = {.magic = LAUNCH_MAGIC, .candidates = (uint16_t)candidates};
	buf_clear(out);
	buf_append(out, &head, sizeof head);
	size_t argc = put_strings(out, argv), envc = put_strings(out, envp), extc = put_strings(out, extensions ? extensions : none);
	if (out->overflow || out->len > LAUNCH_MAX_BYTES || argc + envc > LAUNCH_MAX_STRINGS || extc > LIMIT_EXTENSIONS)
		return error_set(err, ERR_TOO_LARGE, "command and environment of a function pass %u bytes or %u strings",
		                 LAUNCH_MAX_BYTES, LAUNCH_MAX_STRINGS);
	head.argc = (uint16_t)argc;
	head.envc = (uint16_t)envc;
	head.extensions = (uint16_t)extc;
	head.bytes = (uint32_t)out->len;
	memcpy(out->data, &head, sizeof head);
	return 0;
}

static bool is_file_name(const char *s)
{
	return *s && !strchr(s, '/') && strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}

static int split_strings(struct launch *l, const struct launch_head *head, struct error *err)
{
	char *at = l->data + sizeof *head, *end = l->data + head->bytes;
	size_t variables = (size_t)head->argc + head->envc, total = variables + head->extensions;
	for (size_t i = 0; i < total; i++) {
		char *nul = memchr(at, '\0', (size_t)(end - at));
		if (!nul)
			return error_set(err, ERR_INVALID, "launch settings end inside a string");
		if (i < head->argc)
			l->argv[i] = at;
		else if (i < variables)
			l->envp[i - head->argc] = at;
		else if (is_file_name(at))
			l->extension[i - variables] = at;
		else
			return error_set(err, ERR_INVALID, "launch settings name an extension that is no file name");
		at = nul + 1;
	}
	if (at != end)
		return error_set(err, ERR_INVALID, "launch settings have bytes after the last string");
	return 0;
}

int launch_decode(struct launch *l, const void *data, size_t n, struct error *err)
{
	struct launch_head head;
	if (n < sizeof head || n > LAUNCH_MAX_BYTES)
		return error_set(err, ERR_INVALID, "launch settings have %zu bytes", n);
	memcpy(&head, data, sizeof head);
	if (head.magic != LAUNCH_MAGIC || head.bytes != n || head.argc == 0 || head.candidates == 0 ||
	    head.candidates > head.argc || (size_t)head.argc + head.envc > LAUNCH_MAX_STRINGS || head.extensions > LIMIT_EXTENSIONS)
		return error_set(err, ERR_INVALID, "launch settings have a wrong head");
	struct launch new = {.candidates = head.candidates, .extensions = head.extensions, .data = malloc(n)};
	new.argv = calloc((size_t)head.argc + 1, sizeof(char *));
	new.envp = calloc((size_t)head.envc + 1, sizeof(char *));
	if (!new.data || !new.argv || !new.envp) {
		launch_release(&new);
		return error_set(err, ERR_NO_MEMORY, "no memory for launch settings");
	}
	memcpy(new.data, data, n);
	if (split_strings(&new, &head, err) < 0) {
		launch_release(&new);
		return -1;
	}
	*l = new;
	return 0;
}

void launch_release(struct launch *l)
{
	free(l->argv);
	free(l->envp);
	free(l->data);
	*l = (struct launch){0};
}

int launch_seal(const struct buf *bytes, struct error *err)
{
	CLEANUP_CLOSE int fd = memfd_create("launch", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || io_write_full(fd, bytes->data, bytes->len) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return error_sys(err, "cannot make a sealed memory file");
	return STEAL_FD(fd);
}

int launch_read_fd(struct launch *l, int fd, struct error *err)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 || st.st_size < 0 || st.st_size > LAUNCH_MAX_BYTES)
		return error_set(err, ERR_INVALID, "launch settings are not a small sealed memory file");
	CLEANUP_FREE char *data = malloc((size_t)st.st_size + 1);
	if (!data)
		return error_set(err, ERR_NO_MEMORY, "no memory for launch settings");
	ssize_t n = pread(fd, data, (size_t)st.st_size, 0);
	if (n != st.st_size)
		return error_sys(err, "cannot read launch settings");
	return launch_decode(l, data, (size_t)n, err);
}
