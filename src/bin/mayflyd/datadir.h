/* The data folder: made, checked, locked.
 *
 *   format        version of what is below; another one is refused
 *   lock          held for the server's life: one server a folder
 *   credentials   AWS format, profile [default]: the all-powerful key, made once (0600, control's user)
 *   config        AWS format: region and endpoint
 *   run/          empty; mayflyd mounts on it, in its own namespace
 *   images/       root's alone: images.h
 *   store/ code/ blobs/ logs/ spool/   control's, 0700 */
#ifndef MAYFLYD_DATADIR_H
#define MAYFLYD_DATADIR_H

#include "core/base/error.h"

struct server;

/* Fills data_path, data_fd and lock_fd of the server. */
int datadir_open(struct server *s, struct error *err);
/* From here on an end without datadir_close is one that the next server cleans up after. */
int datadir_mark(struct server *s, struct error *err);
/* The last act of an orderly end. */
void datadir_close(struct server *s);
/* Needs the real port. */
int datadir_write_config(struct server *s, struct error *err);

#endif
