/* Descriptors and sockets: whole files, replaced files, sealed memfds, listening. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sock.h"

/* A folder of the test's own, removed by sweep(). */
static char folder[64];

static void
make(void)
{
	snprintf(folder, sizeof folder, "/tmp/daglet-test.XXXXXX");
	cr_assert(mkdtemp(folder));
}

static void
sweep(void)
{
	auto_free char *cmd = dg_xasprintf("rm -rf '%s'", folder);

	cr_assert_eq(system(cmd), 0);
}

static char *
in(const char *name)
{
	return dg_xasprintf("%s/%s", folder, name);
}

Test(fd, a_replaced_file_is_the_new_one_and_nothing_else_is_left)
{
	auto_free char *path = NULL;
	auto_free char *tmp = NULL;
	auto_buf b = DG_BUF_INIT;
	struct stat st;

	make();
	path = in("f");
	tmp = in("f.tmp");
	cr_assert_eq(dg_replace_file(AT_FDCWD, path, "one", 3, 0600, NULL), 0);
	cr_assert_eq(dg_replace_file(AT_FDCWD, path, "a\0b", 3, 0600, NULL), 0);
	cr_assert_eq(dg_read_file(AT_FDCWD, path, 3, &b, NULL), 0);
	cr_assert(b.n == 3 && memcmp(b.p, "a\0b", 3) == 0);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	cr_assert_neq(stat(tmp, &st), 0);
	sweep();
}

Test(fd, what_cannot_be_replaced_says_why)
{
	struct dg_err e;

	cr_assert_eq(dg_replace_file(AT_FDCWD, "/nonexistent/f", "", 0, 0600, &e),
		-DG_TRANSPORT);
	cr_assert_eq(e.num, ENOENT);
	cr_assert(strstr(e.what, "/nonexistent/f"));
}

Test(fd, reading_stops_at_the_limit)
{
	static const struct {
		size_t size, limit;
		int r;
	} rows[] = {
		{0, 0, 0},
		{1, 0, -DG_LIMIT},
		{16384, 16384, 0},
		{16385, 16384, -DG_LIMIT},
		{100000, 1 << 20, 0},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		auto_free char *bytes = dg_xcalloc(rows[i].size, 1);
		auto_close int fd = dg_memfd_sealed("t", bytes, rows[i].size, NULL);
		auto_buf b = DG_BUF_INIT;

		lseek(fd, 0, SEEK_SET);
		cr_assert_eq(
			dg_read_fd(fd, rows[i].limit, &b, NULL), rows[i].r, "row %zu", i);
		cr_assert(rows[i].r < 0 || b.n == rows[i].size, "row %zu", i);
	}
	cr_assert_eq(dg_read_file(AT_FDCWD, "/nonexistent", 5, &DG_BUF_INIT, NULL),
		-DG_TRANSPORT);
}

Test(fd, folders_are_made_as_deep_as_asked)
{
	auto_free char *deep = NULL;
	auto_free char *file = NULL;
	auto_free char *below = NULL;
	struct dg_err e;
	struct stat st;

	make();
	deep = in("a/b//c");
	file = in("file");
	below = in("file/x");
	cr_assert_eq(dg_mkdirs(deep, 0700, &e), 0);
	cr_assert_eq(dg_mkdirs(deep, 0700, &e), 0);
	cr_assert(stat(deep, &st) == 0 && S_ISDIR(st.st_mode));
	cr_assert_eq(st.st_mode & 0777, 0700);
	cr_assert_eq(dg_replace_file(AT_FDCWD, file, "", 0, 0600, &e), 0);
	cr_assert_eq(dg_mkdirs(below, 0700, &e), -DG_TRANSPORT);
	sweep();
}

Test(fd, a_sealed_memfd_holds_its_bytes_for_good)
{
	auto_close int fd = dg_memfd_sealed("t", "hello", 5, NULL);
	auto_close int empty = dg_memfd_sealed("t", "", 0, NULL);
	struct dg_str map;
	struct dg_err e;

	cr_assert_eq(pwrite(fd, "x", 1, 0), -1);
	cr_assert_eq(errno, EPERM);
	cr_assert_eq(ftruncate(fd, 0), -1);
	cr_assert_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	cr_assert_eq(dg_map(fd, 5, &map, &e), 0);
	cr_assert(dg_str_is(map, "hello"));
	dg_unmap(map);
	cr_assert_eq(dg_map(fd, 4, &map, &e), -DG_LIMIT);
	cr_assert_eq(dg_map(empty, 0, &map, &e), 0);
	cr_assert_eq(map.n, 0);
	dg_unmap(map);
	cr_assert_eq(dg_map(-1, 5, &map, &e), -DG_TRANSPORT);
}

/* Sockets. */

static int
call(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char name[DG_SOCK_PATH_MAX + 1];
	auto_close int dir = -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(dg_sock_path(path, name, &dir, NULL), 0);
	memcpy(a.sun_path, name, strlen(name) + 1);
	if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

Test(sock, listens_with_its_mode_and_replaces_what_the_dead_left)
{
	auto_free char *path = NULL;
	struct dg_err e;
	struct stat st;
	int fd, again, client;

	make();
	path = in("s");
	fd = dg_sock_listen_unix(path, 0640, &e);
	cr_assert_geq(fd, 0, "%s", e.what);
	cr_assert(stat(path, &st) == 0 && S_ISSOCK(st.st_mode));
	cr_assert_eq(st.st_mode & 0777, 0640);
	client = call(path);
	cr_assert_geq(client, 0);
	cr_assert_eq(dg_sock_listen_unix(path, 0640, &e), -DG_TRANSPORT);
	cr_assert_eq(e.num, EADDRINUSE);
	close(client);
	close(fd);
	again = dg_sock_listen_unix(path, 0640, &e);
	cr_assert_geq(again, 0, "%s", e.what);
	close(again);
	sweep();
}

Test(sock, does_not_replace_what_is_no_socket)
{
	auto_free char *path = NULL;
	struct dg_err e;

	make();
	path = in("s");
	cr_assert_eq(dg_replace_file(AT_FDCWD, path, "mine", 4, 0600, &e), 0);
	cr_assert_eq(dg_sock_listen_unix(path, 0640, &e), -DG_TRANSPORT);
	cr_assert_eq(access(path, F_OK), 0);
	sweep();
}

Test(sock, a_path_that_is_too_long_goes_through_its_folder)
{
	auto_free char *name = dg_xcalloc(101, 1);
	auto_free char *deep = NULL;
	auto_free char *path = NULL;
	auto_free char *impossible = NULL;
	struct dg_err e;
	char buf[DG_SOCK_PATH_MAX + 1];
	int fd, client, dir;

	make();
	memset(name, 'd', 100);
	deep = in(name);
	path = dg_xasprintf("%s/s", deep);
	impossible = dg_xasprintf("%s/%s", deep, name);
	cr_assert_gt(strlen(path), DG_SOCK_PATH_MAX);
	cr_assert_eq(dg_sock_listen_unix(path, 0600, &e), -DG_TRANSPORT);
	cr_assert_eq(dg_mkdirs(deep, 0700, &e), 0);
	fd = dg_sock_listen_unix(path, 0600, &e);
	cr_assert_geq(fd, 0, "%s", e.what);
	client = call(path);
	cr_assert_geq(client, 0);
	close(client);
	close(fd);
	cr_assert_eq(dg_sock_path(impossible, buf, &dir, &e), -DG_CONFIG);
	sweep();
}

Test(sock, tcp_addresses)
{
	static const struct {
		const char *address;
		bool good;
	} rows[] = {
		{"0", true},
		{"127.0.0.1:0", true},
		{"[::1]:0", true},
		{"::1:0", false},
		{"[::1:0", false},
		{"[]:0", false},
		{":0", false},
		{"localhost:0", false},
		{"127.0.0.1:http", false},
		{"127.0.0.1:", false},
		{"127.0.0.1:99999", false},
		{"", false},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_err e;
		int fd = dg_sock_listen_tcp(rows[i].address, &e);

		if (fd < 0 && strchr(rows[i].address, '[') && e.cls == DG_TRANSPORT)
			continue; /* a machine without IPv6 */
		cr_assert_eq(fd >= 0, rows[i].good, "row %zu", i);
		cr_assert(fd >= 0 || e.cls == DG_CONFIG, "row %zu: %s", i, e.what);
		if (fd >= 0)
			close(fd);
	}
}
