/* http/client.h: all of HTTP in one place: libcurl's multi interface on the event loop.
 *
 * A process has one client. A site is a peer with its rules (TLS, proxies, time-outs, how
 * many calls at once); calls over that number wait in order. A call ends in exactly one
 * done(), always from the loop and never inside dg_http_start(); after
 * dg_http_cancel() nothing comes. HTTP/1.1 with keep-alive.
 *
 * A request body is read once and cannot be rewound: where libcurl would send it a second
 * time by itself (a kept connection turned out to be dead), the call ends with
 * DG_HTTP_STALE instead, and the caller decides. Time-outs are those of Python's
 * requests: one to connect, one between two signs of life; there is no total limit.
 *
 * Used by cloud/ and by backends that speak HTTP. Knows nothing of what is said.
 */
#ifndef DG_HTTP_CLIENT_H
#define DG_HTTP_CLIENT_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/str.h"
#include "base/time.h"
#include "http/headers.h"
#include "http/proxy.h"

struct dg_http;
struct dg_http_site;
struct dg_http_call;

enum dg_http_error {
	DG_HTTP_OK, /* a whole answer: the status decides */
	DG_HTTP_DNS,
	DG_HTTP_CONNECT,
	DG_HTTP_CONNECT_TIMEOUT,
	DG_HTTP_TLS,
	DG_HTTP_RESET,        /* the connection ended before the answer began */
	DG_HTTP_STALE,        /* the same on a kept connection */
	DG_HTTP_READ_TIMEOUT, /* connected, then silence */
	DG_HTTP_CUT,          /* the answer ended too early */
	DG_HTTP_TOO_LARGE,    /* the answer is over the call's limit */
	DG_HTTP_OTHER,        /* not HTTP, a bad URL, ... */
	DG_HTTP_ERROR_COUNT
};

enum dg_http_method { DG_HTTP_GET, DG_HTTP_POST, DG_HTTP_PUT, DG_HTTP_DELETE };

struct dg_http_sockopt {
	int level, name, value;
};

struct dg_http_site_options {
	/* Paths of calls are appended as they are; NULL: calls bring whole URLs. */
	const char *base;
	const char *user_agent;
	const struct dg_http_proxies *proxies; /* NULL: none */
	bool no_verify;                        /* accept any certificate */
	const char *ca;    /* file or folder; NULL: the system's folder, or bundle */
	bool cookies;      /* what answers set is sent back, as a session does */
	const char *netrc; /* file, or NULL */
	dg_usec connect_timeout, read_timeout; /* 0: none */
	const struct dg_http_sockopt *sockopts;
	size_t sockopts_n;
	bool sockopts_given; /* the list replaces TCP_NODELAY, also when it is empty */
	unsigned inflight;   /* calls at once, at least 1 */
};

/* A piece of a request body: bytes, or (fd >= 0) N bytes of a file from OFF. */
struct dg_http_part {
	const char *p;
	size_t n;
	int fd;
	uint64_t off;
};

#define DG_HTTP_PARTS_MAX 6
#define DG_HTTP_BYTES(s) ((struct dg_http_part){(s).p, (s).n, -1, 0})

struct dg_http_result {
	enum dg_http_error error;
	int status;         /* 0 when no answer began */
	bool sent;          /* the peer may have seen the request */
	dg_usec took;       /* since it was this call's turn */
	struct dg_buf body; /* what was collected; take it, or it is freed */
	const char *retry_after, *date, *content_type; /* header values, or NULL */
	const char *text; /* for people; "" when error is DG_HTTP_OK */
};

struct dg_http_request {
	enum dg_http_method method;
	const char *path;                      /* or the whole URL */
	const struct dg_http_headers *headers; /* NULL: none; must outlive the call */
	const char *header;                    /* one more line, "Name: value", or NULL */
	const char *cookie; /* "a=b; c=d" behind those of the site, or NULL */
	/* The body; bytes and descriptors must outlive the call. */
	struct dg_http_part parts[DG_HTTP_PARTS_MAX];
	size_t parts_n;
	bool redirects; /* follow them; for calls without a body */
	size_t limit;   /* bytes of the answer, inflated */
	/* The answer as it comes; NULL: collected in the result. STATUS is known. */
	void (*data)(struct dg_http_call *c, int status, struct dg_str bytes, void *arg);
	void (*done)(struct dg_http_call *c, struct dg_http_result *r, void *arg);
	void *arg;
};

int dg_http_new(struct dg_http **ret, sd_event *event, struct dg_err *e);
/* Ends everything under way, without callbacks. Not from inside a callback. */
void dg_http_free(struct dg_http *h);
void dg_http_freep(struct dg_http **h);

/* The client owns its sites. OPTIONS are copied. */
int dg_http_site_new(struct dg_http_site **ret, struct dg_http *h,
	const struct dg_http_site_options *o, struct dg_err *e);
/* Cancels its calls. Not from inside a callback of one of them. */
void dg_http_site_free(struct dg_http_site *s);
void dg_http_site_inflight(struct dg_http_site *s, unsigned n);
unsigned dg_http_site_active(const struct dg_http_site *s);

/* R is copied; what it points to must outlive the call. Never fails: trouble comes as
 * done(). */
struct dg_http_call *dg_http_start(
	struct dg_http_site *s, const struct dg_http_request *r);
void dg_http_cancel(struct dg_http_call *c);

/* "dns", "connect", ... */
const char *dg_http_error_name(enum dg_http_error e);

#endif
