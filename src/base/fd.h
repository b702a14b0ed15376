/* base/fd.h: descriptors: whole writes, whole reads with a limit, sealed memfds.
 * Everything opened here is close-on-exec. */
#ifndef DG_BASE_FD_H
#define DG_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/* Write all of it to a blocking descriptor (file, memfd). */
int dg_write_all(int fd, const void *p, size_t n, struct dg_err *e);

/* Append the file to OUT; more than LIMIT bytes is DG_LIMIT. */
int dg_read_file(
	int dirfd, const char *path, size_t limit, struct dg_buf *out, struct dg_err *e);
int dg_read_fd(int fd, size_t limit, struct dg_buf *out, struct dg_err *e);

/* Replace PATH by the bytes: temporary file beside it, fsync, rename, fsync of the
 * folder. */
int dg_replace_file(int dirfd, const char *path, const void *p, size_t n, mode_t mode,
	struct dg_err *e);

/* mkdir -p with MODE for what has to be made. */
int dg_mkdirs(const char *path, mode_t mode, struct dg_err *e);

/* A memfd; _sealed holds the bytes and can no longer change. */
int dg_memfd(const char *name, struct dg_err *e);
int dg_memfd_sealed(const char *name, const void *p, size_t n, struct dg_err *e);
int dg_memfd_seal(int fd, struct dg_err *e);

/* Map the whole descriptor read-only. An empty one gives an empty slice. The caller
 * unmaps with dg_unmap. */
int dg_map(int fd, size_t limit, struct dg_str *ret, struct dg_err *e);
void dg_unmap(struct dg_str m);

#endif
