/* Certificate and key of the public endpoint (--tls-cert, --tls-key): opened by root, who alone needs to be able to read them, and
 * handed to control as sealed copies in memory. Nothing here looks into them: control says whether a pair is good.
 *
 * The last good copies are kept, so that a control which is started again never depends on what the files hold at that moment. */
#ifndef MAYFLYD_TLS_H
#define MAYFLYD_TLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "core/ev/ev.h"
#include "core/ipc/ipc.h"

struct server;

enum { TLS_CERT, TLS_KEY, TLS_FILE_COUNT };

/* Another stamp, another file. */
struct tls_stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
};

struct tls_files {
	bool on;
	int good[TLS_FILE_COUNT], offered[TLS_FILE_COUNT]; /* -1: none */
	struct tls_stamp seen[TLS_FILE_COUNT], tried[TLS_FILE_COUNT];
	uint32_t generation; /* of what is offered */
	struct ev_timer look;
};

/* Reads both files, where the settings name them. */
int tls_open(struct server *s, struct error *err);
/* Looks at them now and then; after the loop was made. */
void tls_watch(struct server *s);
/* Reads them now (SIGHUP); nothing without TLS. What cannot be read or used is logged, and the pair in use stays. */
void tls_reload(struct server *s);
/* Said to a new control after HELLO: what the last one was offered and did not answer. */
void tls_tell(struct server *s);
int tls_on_done(struct server *s, struct ipc_message *m, struct error *err);
void tls_release(struct server *s);

#endif
