#include "bin/mayfly-control/tls.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/log.h"

#define SOON_S (14 * 86400L)

struct secret {
	char *data;
	size_t len, size;
};

static void wipe(struct secret *text)
{
	if (text->data)
		explicit_bzero(text->data, text->size);
	free(text->data);
}

/* A sealed memory file; its offset is shared with whoever wrote it, so it is read by position. */
static int read_copy(int fd, struct secret *text, struct error *err)
{
	struct stat st;
	if (fstat(fd, &st) < 0 || st.st_size > (off_t)HTTP_TLS_FILE_MAX)
		return error_set(err, ERR_TOO_LARGE, "a certificate or key is too large");
	text->size = (size_t)st.st_size + 1;
	text->data = malloc(text->size);
	if (!text->data)
		return error_set(err, ERR_NO_MEMORY, "no memory for a certificate");
	ssize_t n = pread(fd, text->data, text->size, 0);
	if (n < 0)
		return error_sys(err, "cannot read what mayflyd sent");
	text->len = (size_t)n;
	return 0;
}

static void tell(const struct http_tls *tls)
{
	char text[HTTP_TLS_TEXT];
	long left_s = http_tls_left_s(tls);
	http_tls_describe(tls, text);
	if (left_s < SOON_S)
		log_warn("TLS certificate %s: %s", text, left_s < 0 ? "it has expired; clients will refuse it" : "it expires soon");
	else
		log_info("TLS certificate %s", text);
}

static int use(struct front_tls *t, int cert_fd, int key_fd, struct error *err)
{
	CLEANUP(wipe) struct secret cert = {0};
	CLEANUP(wipe) struct secret key = {0};
	if (read_copy(cert_fd, &cert, err) < 0 || read_copy(key_fd, &key, err) < 0)
		return -1;
	struct http_tls *tls = http_tls_new((struct str){cert.data, cert.len}, (struct str){key.data, key.len}, err);
	if (!tls)
		return -1;
	http_server_use_tls(t->front, tls);
	http_tls_free(t->tls);
	t->tls = tls;
	tell(tls);
	return 0;
}

static bool on_files(void *arg, int cert_fd, int key_fd)
{
	struct error err = {0};
	if (use(arg, cert_fd, key_fd, &err) == 0)
		return true;
	log_warn("--tls-cert, --tls-key: %s; the certificate in use stays", err.msg);
	return false;
}

int front_tls_init(struct front_tls *t, struct http_server *front, struct launcher *launcher, const int fds[HELLO_FDS], struct error *err)
{
	*t = (struct front_tls){.front = front};
	if (fds[HELLO_TLS_CERT] < 0)
		return 0;
	if (use(t, fds[HELLO_TLS_CERT], fds[HELLO_TLS_KEY], err) < 0)
		return error_wrap(err, "--tls-cert, --tls-key");
	launcher_set_tls_event(launcher, on_files, t);
	return 0;
}

uint64_t front_tls_left_s(const struct front_tls *t)
{
	long left_s = t->tls ? http_tls_left_s(t->tls) : 0;
	return left_s > 0 ? (uint64_t)left_s : 0;
}

void front_tls_release(struct front_tls *t)
{
	http_tls_free(t->tls);
	t->tls = NULL;
}
