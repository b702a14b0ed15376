/* http/call.c: one exchange: what libcurl asks for and hands over, and how it ended. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/private.h"

/* No header of the caller's: still no "Expect: 100-continue" for large bodies. */
static struct curl_slist no_expect = {(char[]){"Expect:"}, NULL};

static void
alive(struct dg_http_call *c)
{
	c->alive = dg_http_clock(c->site->h);
}

static size_t
on_read(char *buf, size_t size, size_t n, void *arg)
{
	struct dg_http_slot *slot = arg;
	struct dg_http_call *c = slot->call;
	size_t room = size * n, done = 0;

	if (c->cancelled)
		return CURL_READFUNC_ABORT;
	alive(c);
	while (done < room && c->part < c->r.parts_n) {
		const struct dg_http_part *p = &c->r.parts[c->part];
		size_t want = p->n - c->part_off;

		if (want == 0) {
			c->part++;
			c->part_off = 0;
			continue;
		}
		if (want > room - done)
			want = room - done;
		if (p->fd >= 0) {
			ssize_t got = pread(
				p->fd, buf + done, want, (off_t)(p->off + c->part_off));

			if (got <= 0)
				return CURL_READFUNC_ABORT;
			want = (size_t)got;
		} else {
			memcpy(buf + done, p->p + c->part_off, want);
		}
		c->part_off += want;
		done += want;
	}
	c->sent += done;
	return done;
}

static size_t
on_data(char *p, size_t size, size_t n, void *arg)
{
	struct dg_http_slot *slot = arg;
	struct dg_http_call *c = slot->call;

	n *= size;
	if (c->cancelled)
		return 0;
	alive(c);
	if (n > c->r.limit - c->received) {
		c->too_large = true;
		return 0;
	}
	c->received += n;
	if (c->r.data)
		c->r.data(c, c->status, dg_strn(p, n), c->r.arg);
	else
		dg_buf_add(&c->body, p, n);
	return c->cancelled ? 0 : n;
}

static void
keep(char **where, const char *p, size_t n)
{
	while (n && (*p == ' ' || *p == '\t')) {
		p++;
		n--;
	}
	while (n && strchr(" \t\r\n", p[n - 1]))
		n--;
	free(*where);
	*where = dg_xstrndup(p, n < 256 ? n : 256);
}

static bool
header_is(const char *p, size_t n, const char *name, size_t *value)
{
	size_t len = strlen(name);

	*value = len + 1;
	return n > len && p[len] == ':' && strncasecmp(p, name, len) == 0;
}

static size_t
on_header(char *p, size_t size, size_t n, void *arg)
{
	struct dg_http_slot *slot = arg;
	struct dg_http_call *c = slot->call;
	size_t v;

	n *= size;
	if (c->cancelled)
		return 0;
	alive(c);
	c->begun = true;
	if (n > 5 && memcmp(p, "HTTP/", 5) == 0) { /* also after a redirect */
		long status = 0;

		curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
		c->status = (int)status;
		keep(&c->retry_after, "", 0);
	} else if (header_is(p, n, "retry-after", &v)) {
		keep(&c->retry_after, p + v, n - v);
	} else if (header_is(p, n, "date", &v)) {
		keep(&c->date, p + v, n - v);
	} else if (header_is(p, n, "content-type", &v)) {
		keep(&c->content_type, p + v, n - v);
	}
	return n;
}

/* Connected, and about to send the request. */
static int
on_connected(void *arg, char *ip, char *local_ip, int port, int local_port)
{
	struct dg_http_slot *slot = arg;

	(void)ip;
	(void)local_ip;
	(void)port;
	(void)local_port;
	slot->call->connected = true;
	alive(slot->call);
	return CURL_PREREQFUNC_OK;
}

void
dg_http_call_options(struct dg_http_slot *slot)
{
	CURL *easy = slot->easy;

	curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(easy, CURLOPT_READDATA, slot);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, slot);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, slot);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, slot);
}

static void
set_method(struct dg_http_call *c, struct dg_http_slot *slot)
{
	CURL *easy = slot->easy;
	enum dg_http_method m = c->r.method;

	if (slot->method != (int)m) {
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, NULL);
		if (m == DG_HTTP_POST) {
			curl_easy_setopt(easy, CURLOPT_UPLOAD, 0L);
			curl_easy_setopt(easy, CURLOPT_POST, 1L);
		} else if (m == DG_HTTP_PUT) {
			curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		} else {
			curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
			if (m == DG_HTTP_DELETE)
				curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "DELETE");
		}
		slot->method = (int)m;
	}
	if (m == DG_HTTP_POST)
		curl_easy_setopt(
			easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->length);
	else if (m == DG_HTTP_PUT)
		curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)c->length);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, c->r.redirects ? 1L : 0L);
}

/* The slot is the call's; libcurl starts with it at the next turn. */
void
dg_http_call_begin(struct dg_http_call *c, struct dg_http_slot *slot)
{
	struct dg_http *h = c->site->h;
	struct curl_slist *headers = c->head.data   ? &c->head
				     : c->r.headers ? c->r.headers->list
						    : &no_expect;
	dg_usec limit = c->site->connect_timeout;

	c->slot = slot;
	slot->call = c;
	slot->error[0] = '\0';
	set_method(c, slot);
	curl_easy_setopt(slot->easy, CURLOPT_URL, c->url);
	curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(slot->easy, CURLOPT_COOKIE, c->r.cookie);
	alive(c);
	c->began = c->alive;
	LIST_INSERT_HEAD(&h->active, c, active);
	curl_multi_add_handle(h->multi, slot->easy);
	if (limit == 0 || (c->site->read_timeout && c->site->read_timeout < limit))
		limit = c->site->read_timeout;
	if (limit && c->alive + limit < h->idle_at) {
		h->idle_at = c->alive + limit;
		dg_http_arm(h);
	}
}

struct dg_http_call *
dg_http_start(struct dg_http_site *s, const struct dg_http_request *r)
{
	struct dg_http_call *c = dg_new(struct dg_http_call);

	DG_ASSERT(r->parts_n <= DG_HTTP_PARTS_MAX);
	c->site = s;
	c->r = *r;
	for (size_t i = 0; i < r->parts_n; i++)
		c->length += r->parts[i].n;
	c->url = s->base ? dg_xasprintf("%s%s", s->base, r->path) : dg_xstrdup(r->path);
	if (r->header) {
		c->head.data = dg_xstrdup(r->header);
		c->head.next = r->headers ? r->headers->list : &no_expect;
	}
	TAILQ_INSERT_TAIL(&s->waiting, c, link);
	if (s->h->in_curl)
		dg_http_kick(s->h);
	else
		dg_http_site_next(s);
	return c;
}

static void
call_free(struct dg_http_call *c)
{
	dg_buf_clear(&c->body);
	free(c->url);
	free(c->head.data);
	free(c->retry_after);
	free(c->date);
	free(c->content_type);
	free(c);
}

/* Out of libcurl, back into the site. A handle whose exchange was broken off is not used
 * again: libcurl may have more to say about it. */
static void
release(struct dg_http_call *c, bool keep_slot)
{
	if (c->slot) {
		curl_multi_remove_handle(c->site->h->multi, c->slot->easy);
		LIST_REMOVE(c, active);
		dg_http_slot_give_back(c->site, c->slot, keep_slot);
		c->slot = NULL;
	} else {
		TAILQ_REMOVE(&c->site->waiting, c, link);
	}
}

void
dg_http_call_end(struct dg_http_call *c, enum dg_http_error error, const char *text)
{
	struct dg_http_site *s = c->site;
	struct dg_http_result r = {.error = error, .status = c->status};
	char why[CURL_ERROR_SIZE + 64];

	snprintf(why, sizeof(why), "%s", error == DG_HTTP_OK ? "" : text ? text : "");
	if (error == DG_HTTP_READ_TIMEOUT)
		snprintf(why, sizeof(why), "nothing was heard for %.0f s",
			(double)s->read_timeout / DG_SEC);
	else if (error == DG_HTTP_CONNECT_TIMEOUT)
		snprintf(why, sizeof(why), "no connection within %.0f s",
			(double)s->connect_timeout / DG_SEC);
	else if (error == DG_HTTP_TOO_LARGE)
		snprintf(why, sizeof(why), "the answer is larger than %zu bytes",
			c->r.limit);
	r.text = why;
	r.sent = c->connected;
	r.took = c->slot ? dg_http_clock(s->h) - c->began : 0;
	r.body = c->body;
	c->body = DG_BUF_INIT;
	r.retry_after = c->retry_after && *c->retry_after ? c->retry_after : NULL;
	r.date = c->date;
	r.content_type = c->content_type;
	release(c, error == DG_HTTP_OK);
	if (!c->cancelled)
		c->r.done(c, &r, c->r.arg);
	dg_buf_clear(&r.body);
	call_free(c);
	dg_http_site_next(s);
}

static enum dg_http_error
classify(const struct dg_http_call *c, CURLcode code)
{
	if (c->too_large)
		return DG_HTTP_TOO_LARGE;
	switch (code) {
	case CURLE_OK:
		return DG_HTTP_OK;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return DG_HTTP_DNS;
	case CURLE_COULDNT_CONNECT:
	case CURLE_PROXY:
		return DG_HTTP_CONNECT;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_ENGINE_NOTFOUND:
	case CURLE_SSL_ENGINE_INITFAILED:
		return DG_HTTP_TLS;
	case CURLE_SEND_FAIL_REWIND:
		return DG_HTTP_STALE;
	case CURLE_OPERATION_TIMEDOUT:
		return c->connected ? DG_HTTP_READ_TIMEOUT : DG_HTTP_CONNECT_TIMEOUT;
	case CURLE_PARTIAL_FILE:
		return DG_HTTP_CUT;
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		return !c->connected ? DG_HTTP_CONNECT
		       : c->begun    ? DG_HTTP_CUT
				     : DG_HTTP_RESET;
	case CURLE_WRITE_ERROR: /* a chunked or deflated answer that broke off */
	case CURLE_BAD_CONTENT_ENCODING:
		return DG_HTTP_CUT;
	default:
		return c->connected || c->begun ? DG_HTTP_OTHER : DG_HTTP_CONNECT;
	}
}

void
dg_http_call_finished(struct dg_http_call *c, CURLcode code)
{
	const char *text = c->slot->error[0] ? c->slot->error : curl_easy_strerror(code);

	dg_http_call_end(c, classify(c, code), text);
}

void
dg_http_cancel(struct dg_http_call *c)
{
	struct dg_http_site *s;

	if (!c)
		return;
	s = c->site;
	c->cancelled = true;
	if (c->slot && s->h->in_curl) { /* libcurl must be left first */
		dg_http_kick(s->h);
		return;
	}
	release(c, false);
	call_free(c);
	dg_http_kick(s->h);
}
