/* base/sock.h: addresses and listening sockets. Non-blocking, close-on-exec. */
#ifndef DG_BASE_SOCK_H
#define DG_BASE_SOCK_H

#include <sys/types.h>

#include "base/err.h"

#define DG_SOCK_PATH_MAX 107 /* what sun_path takes */

/* A name of at most DG_SOCK_PATH_MAX bytes for the socket PATH, into BUF (108 bytes):
 * PATH itself, or, when that is too long, one through *RET_DIR, a descriptor of its
 * folder that the caller closes once the name was used (-1: none was needed). */
int dg_sock_path(const char *path, char *buf, int *ret_dir, struct dg_err *e);

/* Listen on a socket at PATH with MODE. What a dead process left there is replaced; when
 * somebody listens there it is -DG_TRANSPORT with EADDRINUSE. Returns the descriptor. */
int dg_sock_listen_unix(const char *path, mode_t mode, struct dg_err *e);

/* Listen on "address:port", "[address]:port" or "port" (loopback). Only numeric. */
int dg_sock_listen_tcp(const char *address, struct dg_err *e);

#endif
