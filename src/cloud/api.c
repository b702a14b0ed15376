/* cloud/api.c: see api.h. A call's way: pack (what is deflated), start (one try), and at
 * its end judge(): done, or a timer and the next try. */
#include "cloud/api.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/rand.h"
#include "cloud/access.h"
#include "cloud/pack.h"
#include "cloud/reply.h"
#include "daglet/limits.h"
#include "json/write.h"

/* When answers come again after trouble, those who wait try within this time. */
#define WAKE_SPREAD (500 * DG_MSEC)
/* Calls per second that a channel's connections should allow: more connections than that
 * takes only cost memory, and put more answers in doubt when this process dies. */
#define RATE 4000
/* Kept sets of headers, one per deployment and kind of call. */
#define HEADERS_MAX 512
#define DOCUMENTS_MAX 16

struct document {
	const char *text;
	char *prefix; /* {"query": "...", "variables": */
	size_t n;
};

struct dg_cloud {
	sd_event *event;
	struct dg_http *http;
	struct dg_access access;
	struct dg_map headers;
	struct document documents[DOCUMENTS_MAX];
	char boundary[33], multipart_type[80];
	int64_t skew;
	LIST_HEAD(, dg_cloud_channel) channels;
	TAILQ_HEAD(, dg_cloud_call) packing;
	sd_event_source *packer;
	void (*on_trouble)(const char *why, void *arg);
	void *trouble_arg;
};

struct dg_cloud_channel {
	struct dg_cloud *cloud;
	LIST_ENTRY(dg_cloud_channel) link;
	struct dg_http_site *site, *out;
	unsigned min, window, max; /* calls at once: fewest, now, most */
	bool trouble;              /* the last try failed for want of a peer */
	char why[256];             /* ... in words */
	dg_usec took;              /* by a call, smoothed */
	LIST_HEAD(, dg_cloud_call) calls;
	size_t open;
};

struct dg_cloud_call {
	struct dg_cloud_channel *ch;
	LIST_ENTRY(dg_cloud_call) link;
	TAILQ_ENTRY(dg_cloud_call) packing;
	struct dg_cloud_spec s;
	struct dg_http_call *http; /* a try is under way */
	sd_event_source *timer;    /* waits for the next */
	bool asked;                /* the control plane named the time */
	struct dg_pack *pack;
	bool in_packing, packed;
	struct dg_http_headers *own; /* headers that are not kept */
	char *header, *url;
	struct dg_buf head;
	char tail[48];
	unsigned tries;
	dg_usec begun;
};

int64_t
dg_cloud_skew(const struct dg_cloud *c)
{
	return c->skew;
}

static void
call_free(struct dg_cloud_call *c)
{
	struct dg_cloud_channel *ch = c->ch;

	LIST_REMOVE(c, link);
	ch->open--;
	if (c->in_packing)
		TAILQ_REMOVE(&ch->cloud->packing, c, packing);
	dg_http_cancel(c->http);
	sd_event_source_disable_unref(c->timer);
	dg_pack_free(c->pack);
	dg_http_headers_free(c->own);
	dg_buf_clear(&c->head);
	free(c->header);
	free(c->url);
	free(c);
}

void
dg_cloud_cancel(struct dg_cloud_call *c)
{
	if (c)
		call_free(c);
}

/* Headers are made once per (kind, scope, deployment). */
static const struct dg_http_headers *
headers_of(struct dg_cloud_call *c)
{
	struct dg_cloud *cloud = c->ch->cloud;
	const struct dg_cloud_spec *s = &c->s;
	const char *scope =
		s->scope == DG_SCOPE_ORGANIZATION ? "organization" : "deployment";
	bool event = s->key != NULL;
	struct dg_http_headers *h;
	auto_buf key = DG_BUF_INIT;

	if (c->own)
		return c->own;
	dg_buf_addf(&key, "%d %d %d ", (int)s->how, (int)s->scope, event);
	dg_buf_addstr(&key, s->deployment);
	h = dg_map_get(&cloud->headers, dg_buf_str(&key));
	if (h)
		return h;
	h = dg_access_headers(&cloud->access, scope, s->deployment,
		s->how == DG_CALL_JSON        ? "application/json"
		: s->how == DG_CALL_MULTIPART ? cloud->multipart_type
					      : NULL);
	if (s->how == DG_CALL_GRAPHQL)
		dg_http_headers_set(h, "Content-Type", "application/json", NULL);
	if (event)
		dg_http_headers_set(h, "X-Event-Write", "true", NULL);
	if (dg_map_count(&cloud->headers) < HEADERS_MAX)
		dg_map_put(&cloud->headers, dg_buf_str(&key), h);
	else
		c->own = h;
	return h;
}

static const struct document *
document_of(struct dg_cloud *cloud, const char *text)
{
	struct document *d = cloud->documents;
	struct dg_buf b = DG_BUF_INIT;

	while (d->text && d->text != text)
		d++;
	DG_ASSERT(d < cloud->documents + DOCUMENTS_MAX - 1);
	if (d->text)
		return d;
	dg_buf_adds(&b, "{\"query\": ");
	dg_json_add_str(&b, dg_str(text));
	dg_buf_adds(&b, ", \"variables\": ");
	d->text = text;
	d->n = b.n;
	d->prefix = dg_buf_take(&b);
	return d;
}

static void
part(struct dg_http_request *r, struct dg_http_part p)
{
	r->parts[r->parts_n++] = p;
}

static void on_http(struct dg_http_call *h, struct dg_http_result *r, void *arg);

static void
on_http_data(struct dg_http_call *h, int status, struct dg_str bytes, void *arg)
{
	struct dg_cloud_call *c = arg;

	(void)h;
	(void)status;
	c->s.data(bytes, c->s.arg);
}

/* One try. */
static void
start(struct dg_cloud_call *c)
{
	struct dg_cloud_channel *ch = c->ch;
	const struct dg_cloud_spec *s = &c->s;
	struct dg_http_request r = {.limit = s->limit ? s->limit : DG_HTTP_BODY_MAX,
		.path = s->path,
		.header = c->header,
		.data = s->data ? on_http_data : NULL,
		.done = on_http,
		.arg = c};
	struct dg_http_site *site = ch->site;

	switch (s->how) {
	case DG_CALL_GRAPHQL: {
		const struct document *d = document_of(ch->cloud, s->document);

		r.method = DG_HTTP_POST;
		r.path = "/graphql";
		r.cookie = ch->cloud->access.cookie;
		part(&r, (struct dg_http_part){d->prefix, d->n, -1, 0});
		for (size_t i = 0; i < s->body_n; i++)
			part(&r, DG_HTTP_BYTES(s->body[i]));
		part(&r, DG_HTTP_BYTES(DG_STR("}")));
		break;
	}
	case DG_CALL_GET:
		r.method = DG_HTTP_GET;
		r.redirects = true;
		r.path = c->url;
		break;
	case DG_CALL_JSON:
		r.method = DG_HTTP_PUT;
		for (size_t i = 0; i < s->body_n; i++)
			part(&r, DG_HTTP_BYTES(s->body[i]));
		break;
	case DG_CALL_MULTIPART:
		r.method = DG_HTTP_PUT;
		part(&r, DG_HTTP_BYTES(dg_buf_str(&c->head)));
		part(&r, dg_pack_part(c->pack));
		part(&r, DG_HTTP_BYTES(dg_str(c->tail)));
		break;
	case DG_CALL_PUT:
		r.method = DG_HTTP_PUT;
		for (size_t i = 0; i < s->body_n; i++)
			part(&r, DG_HTTP_BYTES(s->body[i]));
		site = ch->out;
		break;
	}
	if (s->how != DG_CALL_PUT)
		r.headers = headers_of(c);
	c->tries++;
	c->http = dg_http_start(site, &r);
}

/* Deflate a piece per turn of the loop, then start. */
static void
pack_later(struct dg_cloud_call *c)
{
	if (!c->pack)
		c->pack = dg_pack_new(c->s.body, c->s.body_n);
	c->in_packing = true;
	TAILQ_INSERT_TAIL(&c->ch->cloud->packing, c, packing);
	sd_event_source_set_enabled(c->ch->cloud->packer, SD_EVENT_ON);
}

static int
on_timer(sd_event_source *src, uint64_t usec, void *arg)
{
	struct dg_cloud_call *c = arg;

	(void)src;
	(void)usec;
	c->timer = sd_event_source_disable_unref(c->timer);
	if (c->s.how == DG_CALL_MULTIPART && !c->packed)
		pack_later(c);
	else
		start(c);
	return 0;
}

static void
sleep_for(struct dg_cloud_call *c, dg_usec wait, bool asked)
{
	sd_event_source_disable_unref(c->timer);
	c->timer = NULL;
	c->asked = asked;
	if (sd_event_add_time_relative(c->ch->cloud->event, &c->timer, CLOCK_MONOTONIC,
		    wait, 10 * DG_MSEC, on_timer, c) < 0)
		dg_bug(__FILE__, __LINE__, "no timer");
}

static void
set_window(struct dg_cloud_channel *ch, unsigned n)
{
	if (n == ch->window)
		return;
	ch->window = n;
	dg_http_site_inflight(ch->site, n);
	if (ch->out)
		dg_http_site_inflight(ch->out, n);
}

/* As many as the rate takes at this distance. */
static unsigned
enough(const struct dg_cloud_channel *ch)
{
	dg_usec n = ch->took * RATE / DG_SEC + 1;

	return n < ch->min ? ch->min : n > ch->max ? ch->max : (unsigned)n;
}

/* More connections while calls wait and answers come, the fewest in trouble; and when
 * the trouble is over, nobody sleeps on. */
static void
learn(struct dg_cloud_channel *ch, bool trouble, dg_usec took)
{
	struct dg_cloud_call *c;

	if (trouble) {
		ch->trouble = true;
		set_window(ch, ch->min);
		return;
	}
	ch->took = ch->took ? (ch->took * 7 + took) / 8 : took;
	if (ch->open > ch->window && ch->window < enough(ch))
		set_window(ch, ch->window * 2 < enough(ch) ? ch->window * 2 : enough(ch));
	else if (ch->open < ch->min && ch->window > ch->min)
		set_window(ch, ch->min);
	if (!ch->trouble)
		return;
	ch->trouble = false;
	LIST_FOREACH (c, &ch->calls, link)
		if (c->timer && !c->asked)
			sleep_for(c, dg_random_below(WAKE_SPREAD), false);
}

static void
tell_trouble(struct dg_cloud *c)
{
	const struct dg_cloud_channel *ch;
	const char *why = NULL;

	LIST_FOREACH (ch, &c->channels, link)
		if (ch->trouble)
			why = ch->why;
	if (c->on_trouble)
		c->on_trouble(why, c->trouble_arg);
}

void
dg_cloud_on_trouble(struct dg_cloud *c, void (*fn)(const char *why, void *arg), void *arg)
{
	c->on_trouble = fn;
	c->trouble_arg = arg;
}

static void
finish(struct dg_cloud_call *c, struct dg_cloud_result *r)
{
	struct dg_cloud_spec s = c->s;

	call_free(c);
	s.done(r, s.arg);
	dg_buf_clear(&r->body);
}

static void
note_date(struct dg_cloud *cloud, const char *date)
{
	int64_t there, skew;

	if (!date || (there = (int64_t)curl_getdate(date, NULL)) < 0)
		return;
	skew = there * (int64_t)DG_SEC - dg_wall_usec();
	cloud->skew =
		skew > -2 * (int64_t)DG_SEC && skew < 2 * (int64_t)DG_SEC ? 0 : skew;
}

static void
judge(struct dg_cloud_call *c, struct dg_http_result *r)
{
	struct dg_cloud_channel *ch = c->ch;
	const struct dg_cloud_spec *s = &c->s;
	struct dg_str body = s->data ? s->answer(s->arg) : dg_buf_str(&r->body);
	struct dg_reply reply = {DG_OUTCOME_TRANSPORT, 0, 0, DG_STR_NULL};
	struct dg_cloud_result result = {0};
	struct dg_retry_ask ask;
	struct dg_retry_answer answer;
	auto_buf text = DG_BUF_INIT;
	bool was_trouble;

	if (r->error == DG_HTTP_OK)
		reply = s->how == DG_CALL_GRAPHQL ? dg_reply_graphql(r->status, body)
						  : dg_reply_rest(r->status, body);
	if (r->error == DG_HTTP_OK && s->how != DG_CALL_PUT)
		note_date(ch->cloud, r->date);
	ask = (struct dg_retry_ask){.policy = s->policy,
		.outcome = reply.outcome,
		.error = r->error,
		.status = r->status,
		.idempotent = s->idempotent,
		.tries = c->tries,
		.retries = s->retries ? s->retries : ch->cloud->access.retries,
		.backoff_factor = ch->cloud->access.backoff_factor,
		.retry_after = r->retry_after,
		.interval = reply.interval,
		.timeout = reply.timeout,
		.elapsed = dg_now() - c->begun,
		.patience = s->patience,
		.wall = dg_wall_usec(),
		.give_up = s->give_up,
		.random = (uint32_t)dg_random_below(UINT32_MAX)};
	answer = dg_retry(&ask);
	result.cls = dg_reply_class(&reply, r->error, r->status);
	dg_reply_text(&reply, r->error, r->text, r->status, &text);
	was_trouble = ch->trouble;
	learn(ch, result.cls == DG_TRANSPORT || result.cls == DG_DENIED, r->took);
	if (ch->trouble)
		snprintf(ch->why, sizeof(ch->why), "%s", text.n ? text.p : "");
	if (ch->trouble || was_trouble)
		tell_trouble(ch->cloud);
	if (answer.act == DG_RETRY_AGAIN) {
		sleep_for(c, answer.wait, answer.asked);
		return;
	}
	if (c->tries > 1 && result.cls)
		dg_buf_addf(&text, " (after %u tries)", c->tries);
	result.outcome = reply.outcome;
	result.error = r->error;
	result.http = r->status;
	result.tries = c->tries;
	result.wait = answer.wait;
	result.text = text.n ? text.p : "";
	result.body = r->body;
	r->body = DG_BUF_INIT;
	finish(c, &result);
}

static void
on_http(struct dg_http_call *h, struct dg_http_result *r, void *arg)
{
	struct dg_cloud_call *c = arg;

	(void)h;
	c->http = NULL;
	judge(c, r);
}

static void
pack_step(struct dg_cloud_call *c)
{
	struct dg_err e = {0};
	int r = dg_pack_step(c->pack, &e);
	struct dg_http_result trouble = {.error = DG_HTTP_OTHER, .text = e.what};

	if (r == 0)
		return;
	TAILQ_REMOVE(&c->ch->cloud->packing, c, packing);
	c->in_packing = false;
	if (r > 0) {
		c->packed = true;
		start(c);
		return;
	}
	dg_pack_free(c->pack);
	c->pack = NULL;
	c->tries++;
	judge(c, &trouble);
}

static int
on_pack(sd_event_source *src, void *arg)
{
	struct dg_cloud *cloud = arg;
	struct dg_cloud_call *c = TAILQ_FIRST(&cloud->packing);

	if (c)
		pack_step(c);
	if (TAILQ_EMPTY(&cloud->packing))
		sd_event_source_set_enabled(src, SD_EVENT_OFF);
	return 0;
}

static void
begin_multipart(struct dg_cloud_call *c)
{
	struct dg_cloud *cloud = c->ch->cloud;
	size_t total = 0;

	for (size_t i = 0; i < c->s.body_n; i++)
		total += c->s.body[i].n;
	dg_buf_addf(&c->head,
		"--%s\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"%s\""
		"\r\n\r\n",
		cloud->boundary, c->s.file, c->s.file);
	snprintf(c->tail, sizeof(c->tail), "\r\n--%s--\r\n", cloud->boundary);
	c->pack = dg_pack_new(c->s.body, c->s.body_n);
	c->packed = total < DG_PACK_STEP && dg_pack_step(c->pack, NULL) == 1;
	if (c->packed)
		start(c);
	else
		pack_later(c);
}

struct dg_cloud_call *
dg_cloud_start(struct dg_cloud_channel *ch, const struct dg_cloud_spec *s)
{
	struct dg_cloud_call *c = dg_new(struct dg_cloud_call);

	c->ch = ch;
	c->s = *s;
	c->begun = dg_now();
	LIST_INSERT_HEAD(&ch->calls, c, link);
	ch->open++;
	if (s->key)
		c->header = dg_xasprintf("Idempotency-Key: %s", s->key);
	if (s->how == DG_CALL_GET)
		c->url = dg_xasprintf(
			"%s%s%.*s", s->path, s->query.n ? "?" : "", DG_FMT(s->query));
	if (s->how == DG_CALL_MULTIPART)
		begin_multipart(c);
	else
		start(c);
	return c;
}

int
dg_cloud_channel_new(
	struct dg_cloud_channel **ret, struct dg_cloud *c, unsigned max, struct dg_err *e)
{
	struct dg_cloud_channel *ch = dg_new(struct dg_cloud_channel);
	struct dg_http_site_options o = c->access.site;
	int r;

	ch->cloud = c;
	ch->max = max;
	ch->min = ch->window = max < 8 ? max : max / 8 < 4 ? 4 : max / 8;
	o.inflight = ch->window;
	o.cookies = true;
	LIST_INSERT_HEAD(&c->channels, ch, link);
	r = dg_http_site_new(&ch->site, c->http, &o, e);
	if (r < 0)
		return r;
	o = c->access.out;
	o.inflight = ch->window;
	r = dg_http_site_new(&ch->out, c->http, &o, e);
	if (r < 0)
		return r;
	*ret = ch;
	return 0;
}

void
dg_cloud_channel_widen(struct dg_cloud_channel *ch)
{
	ch->min = ch->max;
	set_window(ch, ch->max);
}

size_t
dg_cloud_channel_open(const struct dg_cloud_channel *ch)
{
	return ch->open;
}

int
dg_cloud_check(const struct dg_settings *settings, struct dg_err *e)
{
	struct dg_access a;
	int r = dg_access_read(&a, settings, e);

	dg_access_clear(&a);
	return r;
}

int
dg_cloud_new(struct dg_cloud **ret, sd_event *event, const struct dg_settings *settings,
	struct dg_err *e)
{
	struct dg_cloud *c = dg_new(struct dg_cloud);
	int r;

	c->event = sd_event_ref(event);
	c->headers = DG_MAP_INIT;
	TAILQ_INIT(&c->packing);
	dg_random_hex(c->boundary, 32);
	snprintf(c->multipart_type, sizeof(c->multipart_type),
		"multipart/form-data; boundary=%s", c->boundary);
	if ((r = dg_access_read(&c->access, settings, e)) < 0 ||
		(r = dg_http_new(&c->http, event, e)) < 0) {
		dg_cloud_free(c);
		return r;
	}
	if (sd_event_add_defer(event, &c->packer, on_pack, c) < 0 ||
		sd_event_source_set_enabled(c->packer, SD_EVENT_OFF) < 0) {
		dg_cloud_free(c);
		return dg_fail(e, DG_TRANSPORT, 0, "no event source for uploads");
	}
	*ret = c;
	return 0;
}

void
dg_cloud_free(struct dg_cloud *c)
{
	struct dg_cloud_channel *ch;

	if (!c)
		return;
	while ((ch = LIST_FIRST(&c->channels))) {
		while (!LIST_EMPTY(&ch->calls))
			call_free(LIST_FIRST(&ch->calls));
		LIST_REMOVE(ch, link);
		free(ch);
	}
	dg_http_free(c->http);
	sd_event_source_disable_unref(c->packer);
	DG_MAP_EACH(&c->headers, s)
	dg_http_headers_free(s->value);
	dg_map_clear(&c->headers);
	for (size_t i = 0; i < DOCUMENTS_MAX; i++)
		free(c->documents[i].prefix);
	dg_access_clear(&c->access);
	sd_event_unref(c->event);
	free(c);
}

void
dg_cloud_freep(struct dg_cloud **c)
{
	dg_cloud_free(*c);
	*c = NULL;
}
