/* base/sock.c: see sock.h. */
#include "base/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/mem.h"

int
dg_sock_path(const char *path, char *buf, int *ret_dir, struct dg_err *e)
{
	auto_free char *dir = dg_xstrdup(path);
	auto_close int fd = -1;
	char *slash = strrchr(dir, '/');

	*ret_dir = -1;
	if (strlen(path) <= DG_SOCK_PATH_MAX) {
		memcpy(buf, path, strlen(path) + 1);
		return 0;
	}
	if (!slash || strlen(slash) > 64)
		return dg_fail(e, DG_CONFIG, ENAMETOOLONG, "socket %s", path);
	*slash = '\0';
	fd = open(slash == dir ? "/" : dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return dg_fail(e, DG_TRANSPORT, errno, "cannot open the folder %s", dir);
	snprintf(buf, DG_SOCK_PATH_MAX + 1, "/proc/self/fd/%d/%.64s", fd, slash + 1);
	*ret_dir = TAKE_FD(fd);
	return 0;
}

static bool
somebody_listens(const struct sockaddr_un *a)
{
	auto_close int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 && (connect(fd, (const struct sockaddr *)a, sizeof *a) == 0 ||
				  errno == EAGAIN);
}

int
dg_sock_listen_unix(const char *path, mode_t mode, struct dg_err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char name[DG_SOCK_PATH_MAX + 1];
	auto_close int fd = -1, dir = -1;
	struct stat st;
	mode_t old;
	int r;

	r = dg_sock_path(path, name, &dir, e);
	if (r < 0)
		return r;
	memcpy(a.sun_path, name, strlen(name) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return dg_fail(e, DG_TRANSPORT, errno, "cannot make a socket");
	if (lstat(name, &st) == 0 && S_ISSOCK(st.st_mode)) {
		if (somebody_listens(&a))
			return dg_fail(
				e, DG_TRANSPORT, EADDRINUSE, "cannot listen at %s", path);
		unlink(name);
	}
	old = umask(0777 & ~mode); /* at no moment open to more than MODE says */
	r = bind(fd, (struct sockaddr *)&a, sizeof a);
	umask(old);
	if (r < 0)
		return dg_fail(e, DG_TRANSPORT, errno, "cannot make the socket %s", path);
	if (listen(fd, SOMAXCONN) < 0)
		return dg_fail(e, DG_TRANSPORT, errno, "cannot listen at %s", path);
	return TAKE_FD(fd);
}

/* "address:port" apart, in place. */
static int
split(char *text, const char **ret_host, const char **ret_port)
{
	char *colon = strrchr(text, ':');

	if (!colon) {
		*ret_host = "127.0.0.1";
		*ret_port = text;
		return 0;
	}
	*colon = '\0';
	*ret_port = colon + 1;
	*ret_host = text;
	if (text[0] == '[') {
		if (colon == text + 1 || colon[-1] != ']')
			return -1;
		colon[-1] = '\0';
		*ret_host = text + 1;
	} else if (strchr(text, ':')) { /* an IPv6 address has to stand in brackets */
		return -1;
	}
	return **ret_host ? 0 : -1;
}

/* getaddrinfo() takes more than there is. */
static bool
is_port(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return n > 0 && n <= 5 && !s[n] && strtol(s, NULL, 10) <= 65535;
}

int
dg_sock_listen_tcp(const char *address, struct dg_err *e)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM};
	auto_free char *text = dg_xstrdup(address);
	struct addrinfo *found = NULL;
	auto_close int fd = -1;
	const char *host, *port;
	int on = 1, num = 0;

	if (split(text, &host, &port) < 0 || !is_port(port) ||
		getaddrinfo(host, port, &hints, &found) != 0)
		return dg_fail(e, DG_CONFIG, 0,
			"'%s' is no address to listen at (127.0.0.1:9090, [::1]:9090)",
			address);
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
		bind(fd, found->ai_addr, found->ai_addrlen) < 0 ||
		listen(fd, SOMAXCONN) < 0)
		num = errno;
	freeaddrinfo(found);
	if (num)
		return dg_fail(e, DG_TRANSPORT, num, "cannot listen at %s", address);
	return TAKE_FD(fd);
}
