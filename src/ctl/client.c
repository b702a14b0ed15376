/* ctl/client.c: see client.h. */
#include "ctl/client.h"

#include <curl/curl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/mem.h"
#include "base/sock.h"

#define ANSWER_MAX ((size_t)256 << 20)
#define CONNECT_SECS 3L
#define ANSWER_SECS 20L

static bool
listens(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char name[DG_SOCK_PATH_MAX + 1];
	auto_close int dir = -1;
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || dg_sock_path(path, name, &dir, NULL) < 0)
		return false;
	memcpy(a.sun_path, name, strlen(name) + 1);
	return connect(fd, (struct sockaddr *)&a, sizeof a) == 0 || errno == EACCES;
}

/* Every listening socket that the pattern finds goes into RET, a line each. */
static size_t
look(const char *dir, const char *pattern, struct dg_buf *tried, struct dg_buf *ret)
{
	auto_free char *full = dg_xasprintf("%s%s", dir, pattern);
	size_t n = 0;
	glob_t g;

	dg_buf_addf(tried, "%s%s", tried->n ? ", " : "", full);
	if (glob(full, 0, NULL, &g) != 0)
		return 0;
	for (size_t i = 0; i < g.gl_pathc; i++)
		if (listens(g.gl_pathv[i])) {
			dg_buf_addf(ret, "%s\n", g.gl_pathv[i]);
			n++;
		}
	globfree(&g);
	return n;
}

int
dg_client_find(const char *socket, const char *home, struct dg_buf *ret, struct dg_err *e)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	const char *below = home ? home : getenv("DAGSTER_HOME");
	auto_buf tried = DG_BUF_INIT;
	auto_buf found = DG_BUF_INIT;
	size_t n = 0;

	if (socket) {
		dg_buf_adds(ret, socket);
		return 0;
	}
	if (below && *below) {
		n += look(below, "/.daglet/status.sock", &tried, &found);
		n += look(below, "/.daglet/replica-*/status.sock", &tried, &found);
	}
	if (!home && !n) {
		n += look("/run", "/daglet/status.sock", &tried, &found);
		if (runtime && *runtime)
			n += look(runtime, "/daglet/status.sock", &tried, &found);
	}
	if (n == 1) {
		dg_buf_add(ret, found.p, found.n - 1);
		return 0;
	}
	if (n == 0) {
		dg_fail(e, DG_TRANSPORT, 0, "no daglet listens at %s", tried.p);
		return dg_err_next(e, "is it running? start it with \"daglet run\", or "
				      "name its socket with --socket");
	}
	for (size_t i = 0; i + 1 < found.n; i++)
		if (found.p[i] == '\n')
			found.p[i] = ' ';
	dg_fail(e, DG_CONFIG, 0, "several agents listen: %.*s", (int)found.n - 1,
		found.p);
	return dg_err_next(e, "name one with --socket");
}

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct dg_buf *b = arg;

	if (b->n + size * n > ANSWER_MAX)
		return 0;
	dg_buf_add(b, p, size * n);
	return size * n;
}

static CURL *
prepare(const char *name, const char *url, struct dg_answer *ret)
{
	CURL *c = curl_easy_init();

	if (!c)
		return NULL;
	curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, name);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_SECS);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, ANSWER_SECS);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &ret->body);
	return c;
}

static int
transfer(const char *socket, const char *target, bool post, struct dg_answer *ret,
	struct dg_err *e)
{
	auto_free char *url = dg_xasprintf("http://daglet/%s", target);
	char name[DG_SOCK_PATH_MAX + 1];
	auto_close int dir = -1;
	CURLcode r = CURLE_FAILED_INIT;
	CURL *c;

	if (dg_sock_path(socket, name, &dir, e) < 0)
		return -DG_TRANSPORT;
	c = prepare(name, url, ret);
	if (c && post)
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, "");
	if (c)
		r = curl_easy_perform(c);
	if (r == CURLE_OK)
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &ret->code);
	curl_easy_cleanup(c);
	if (r == CURLE_OK)
		return 0;
	if (r == CURLE_COULDNT_CONNECT) {
		dg_fail(e, DG_TRANSPORT, 0, "no daglet listens at %s", socket);
		return dg_err_next(e, "is it running? start it with \"daglet run\"; may "
				      "you open that socket?");
	}
	return dg_fail(e, DG_TRANSPORT, 0, "%s: %s", socket, curl_easy_strerror(r));
}

int
dg_client_get(
	const char *socket, const char *target, struct dg_answer *ret, struct dg_err *e)
{
	return transfer(socket, target, false, ret, e);
}

int
dg_client_post(
	const char *socket, const char *target, struct dg_answer *ret, struct dg_err *e)
{
	return transfer(socket, target, true, ret, e);
}

void
dg_client_escape(struct dg_buf *out, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~";

	for (; *text; text++)
		if (strchr(plain, *text))
			dg_buf_addc(out, *text);
		else
			dg_buf_addf(out, "%%%02X", (unsigned char)*text);
}
