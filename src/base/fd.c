/* base/fd.c: see fd.h. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/mem.h"

int
dg_write_all(int fd, const void *p, size_t n, struct dg_err *e)
{
	const char *at = p;

	while (n) {
		ssize_t w = write(fd, at, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return dg_fail(e, DG_TRANSPORT, errno, "cannot write");
		at += w;
		n -= (size_t)w;
	}
	return 0;
}

int
dg_read_fd(int fd, size_t limit, struct dg_buf *out, struct dg_err *e)
{
	size_t start = out->n;

	for (;;) {
		ssize_t r;

		dg_buf_reserve(out, 16384);
		r = read(fd, out->p + out->n, 16384);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return dg_fail(e, DG_TRANSPORT, errno, "cannot read");
		if (r == 0)
			break;
		out->n += (size_t)r;
		if (out->n - start > limit)
			return dg_fail(e, DG_LIMIT, 0, "larger than %zu bytes", limit);
	}
	dg_buf_reserve(out, 0);
	out->p[out->n] = '\0';
	return 0;
}

int
dg_read_file(
	int dirfd, const char *path, size_t limit, struct dg_buf *out, struct dg_err *e)
{
	auto_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0) {
		dg_fail(e, DG_TRANSPORT, errno, "cannot open %s", path);
		return -DG_TRANSPORT;
	}
	r = dg_read_fd(fd, limit, out, e);
	return r < 0 ? (dg_err_wrap(e, "%s", path), r) : 0;
}

int
dg_replace_file(int dirfd, const char *path, const void *p, size_t n, mode_t mode,
	struct dg_err *e)
{
	auto_free char *tmp = dg_xasprintf("%s.tmp", path);
	auto_free char *dir = NULL;
	char *slash;
	auto_close int fd = -1, dfd = -1;

	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return dg_fail(e, DG_TRANSPORT, errno, "cannot create %s", tmp);
	if (dg_write_all(fd, p, n, e) < 0 || fsync(fd) < 0) {
		int num = errno;

		unlinkat(dirfd, tmp, 0);
		return dg_fail(e, DG_TRANSPORT, num, "cannot write %s", tmp);
	}
	if (renameat(dirfd, tmp, dirfd, path) < 0)
		return dg_fail(e, DG_TRANSPORT, errno, "cannot rename %s", tmp);
	dir = dg_xstrdup(path);
	slash = strrchr(dir, '/');
	if (slash && slash != dir)
		*slash = '\0';
	dfd = openat(dirfd, slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dfd >= 0)
		(void)fsync(dfd);
	return 0;
}

int
dg_mkdirs(const char *path, mode_t mode, struct dg_err *e)
{
	auto_free char *copy = dg_xstrdup(path);

	for (char *s = copy + 1;; s++) {
		char c = *s;

		if (c != '/' && c != '\0')
			continue;
		*s = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return dg_fail(e, DG_TRANSPORT, errno,
				"cannot make the folder %s", copy);
		if (c == '\0')
			return 0;
		*s = c;
	}
}

int
dg_memfd(const char *name, struct dg_err *e)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return dg_fail(e, DG_TRANSPORT, errno, "cannot make a memfd");
	return fd;
}

int
dg_memfd_seal(int fd, struct dg_err *e)
{
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return dg_fail(e, DG_TRANSPORT, errno, "cannot seal a memfd");
	return 0;
}

int
dg_memfd_sealed(const char *name, const void *p, size_t n, struct dg_err *e)
{
	auto_close int fd = dg_memfd(name, e);
	int r;

	if (fd < 0)
		return fd;
	r = dg_write_all(fd, p, n, e);
	if (r < 0)
		return r;
	r = dg_memfd_seal(fd, e);
	if (r < 0)
		return r;
	return TAKE_FD(fd);
}

int
dg_map(int fd, size_t limit, struct dg_str *ret, struct dg_err *e)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0)
		return dg_fail(e, DG_TRANSPORT, errno, "cannot look at a descriptor");
	if ((size_t)st.st_size > limit)
		return dg_fail(e, DG_LIMIT, 0, "%zu bytes, more than %zu",
			(size_t)st.st_size, limit);
	if (st.st_size == 0) {
		*ret = DG_STR("");
		return 0;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return dg_fail(e, DG_TRANSPORT, errno, "cannot map a descriptor");
	*ret = (struct dg_str){p, (size_t)st.st_size};
	return 0;
}

void
dg_unmap(struct dg_str m)
{
	if (m.n)
		munmap((void *)(uintptr_t)m.p, m.n);
}
