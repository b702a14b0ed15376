/* The client against a scripted server: what goes out, what comes back, how it fails. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "http/client.h"
#include "server.h"

struct seen {
	unsigned done;
	enum dg_http_error error;
	int status;
	bool sent;
	struct dg_buf body, stream;
	char retry_after[64], date[64], type[64], text[256];
	struct dg_http_call *cancel; /* on the first data */
	bool cancel_self;
};

static sd_event *event;
static struct dg_http *http;
static struct dg_http_site *site;
static struct server server;
static struct seen seen;

static void
set_up(void)
{
	cr_assert_geq(sd_event_new(&event), 0);
	cr_assert_eq(dg_http_new(&http, event, NULL), 0);
}

static void
tear_down(void)
{
	dg_http_freep(&http);
	server_stop(&server);
	sd_event_unref(event);
	dg_buf_clear(&seen.body);
	dg_buf_clear(&seen.stream);
}

static void
serve(const struct step *steps, size_t n, struct dg_http_site_options o)
{
	auto_free char *base = NULL;

	server_start(&server, event, steps, n);
	base = dg_xasprintf("http://127.0.0.1:%u", server.port);
	o.base = base;
	cr_assert_eq(dg_http_site_new(&site, http, &o, NULL), 0);
}

static void
on_done(struct dg_http_call *c, struct dg_http_result *r, void *arg)
{
	struct seen *s = arg;

	(void)c;
	s->done++;
	s->error = r->error;
	s->status = r->status;
	s->sent = r->sent;
	dg_buf_clear(&s->body);
	s->body = r->body;
	r->body = DG_BUF_INIT;
	snprintf(s->retry_after, sizeof(s->retry_after), "%s",
		r->retry_after ? r->retry_after : "-");
	snprintf(s->date, sizeof(s->date), "%s", r->date ? r->date : "-");
	snprintf(s->type, sizeof(s->type), "%s", r->content_type ? r->content_type : "-");
	snprintf(s->text, sizeof(s->text), "%s", r->text);
}

static void
on_data(struct dg_http_call *c, int status, struct dg_str bytes, void *arg)
{
	struct seen *s = arg;

	cr_assert_eq(status, 200);
	dg_buf_addstr(&s->stream, bytes);
	if (s->cancel_self)
		dg_http_cancel(c);
	if (s->cancel) {
		dg_http_cancel(s->cancel);
		s->cancel = NULL;
	}
}

static int
on_limit(sd_event_source *src, uint64_t usec, void *arg)
{
	(void)src;
	(void)usec;
	*(bool *)arg = true;
	return 0;
}

/* Turn the loop until COUNT calls are done; false after LIMIT. */
static bool
run_until(unsigned count, dg_usec limit)
{
	bool late = false;
	sd_event_source *t = NULL;

	sd_event_add_time_relative(
		event, &t, CLOCK_MONOTONIC, limit, 1000, on_limit, &late);
	while (seen.done < count && !late)
		cr_assert_geq(sd_event_run(event, UINT64_MAX), 0);
	sd_event_source_disable_unref(t);
	return seen.done >= count;
}

static struct dg_http_call *
start(enum dg_http_method m, const char *path, const char *body)
{
	struct dg_http_request r = {.method = m,
		.path = path,
		.limit = 1 << 20,
		.done = on_done,
		.arg = &seen};

	if (body) {
		r.parts[0] = DG_HTTP_BYTES(dg_str(body));
		r.parts_n = 1;
	}
	return dg_http_start(site, &r);
}

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define STEPS(...) ((const struct step[]){__VA_ARGS__})
#define SERVE(...) serve(STEPS(__VA_ARGS__), DG_N(STEPS(__VA_ARGS__)), options)

TestSuite(client, .init = set_up, .fini = tear_down);

Test(client, a_post_goes_out_whole_and_the_answer_comes_back)
{
	struct dg_http_site_options options = {.user_agent = "daglet/x"};
	struct dg_http_headers *headers = dg_http_headers_new();
	struct dg_http_request r = {.method = DG_HTTP_POST,
		.path = "/p?q=1",
		.header = "Extra: e",
		.cookie = "a=b; c=d",
		.limit = 100,
		.done = on_done,
		.arg = &seen};
	int fd = dg_memfd("x", NULL);
	const char *head;

	SERVE({STEP_KEEP, "HTTP/1.1 429 Slow\r\nRetry-After:  17 \r\nDate: now\r\n"
			  "Content-Type: text/x\r\nContent-Length: 2\r\n\r\nhi"});
	cr_assert_eq(dg_http_headers_set(headers, "One", "1", NULL), 0);
	cr_assert_eq(dg_http_headers_set(headers, "Empty", "", NULL), 0);
	cr_assert_eq(dg_http_headers_set(headers, "one", "2", NULL), 0);
	cr_assert_eq(dg_http_headers_set(headers, "empty", "", NULL), 0);
	cr_assert_eq(dg_http_headers_set(headers, "Content-Type", "t/t", NULL), 0);
	cr_assert_lt(dg_http_headers_set(headers, "a b", "", NULL), 0);
	cr_assert_lt(dg_http_headers_set(headers, "", "", NULL), 0);
	cr_assert_lt(dg_http_headers_set(headers, "a", "x\r\ny", NULL), 0);
	r.headers = headers;
	cr_assert_eq(dg_write_all(fd, "0123456789", 10, NULL), 0);
	r.parts[0] = DG_HTTP_BYTES(DG_STR("<"));
	r.parts[1] = (struct dg_http_part){NULL, 3, fd, 4};
	r.parts[2] = DG_HTTP_BYTES(DG_STR(""));
	r.parts[3] = DG_HTTP_BYTES(DG_STR(">"));
	r.parts_n = 4;
	dg_http_start(site, &r);
	cr_assert_eq(seen.done, 0);
	cr_assert(run_until(1, 5 * DG_SEC));
	cr_assert_eq(seen.error, DG_HTTP_OK, "%s", seen.text);
	cr_assert_eq(seen.status, 429);
	cr_assert_str_eq(seen.body.p, "hi");
	cr_assert_str_eq(seen.retry_after, "17");
	cr_assert_str_eq(seen.date, "now");
	cr_assert_str_eq(seen.type, "text/x");
	cr_assert_str_eq(seen.text, "");
	cr_assert(seen.sent);
	head = server.last.p;
	cr_assert(strstr(head, "POST /p?q=1 HTTP/1.1\r\n") == head);
	cr_assert(strstr(head, "\r\none: 2\r\n"));
	cr_assert_null(strstr(head, "One: 1"));
	cr_assert(strstr(head, "\r\nempty:\r\n"));
	cr_assert(strstr(head, "\r\nExtra: e\r\n"));
	cr_assert(strstr(head, "\r\nCookie: a=b; c=d\r\n"));
	cr_assert(strstr(head, "\r\nUser-Agent: daglet/x\r\n"));
	cr_assert(strstr(head, "\r\nAccept-Encoding: gzip, deflate\r\n"));
	cr_assert(strstr(head, "\r\nContent-Length: 5\r\n"));
	cr_assert_null(strcasestr(head, "Expect"));
	cr_assert(strstr(head, "\r\n\r\n<456>"));
	dg_http_headers_freep(&headers);
	close(fd);
}

Test(client, cookies_are_sent_back_where_wanted)
{
	static const struct {
		bool kept;
		const char *own, *second;
	} rows[] = {
		{false, NULL, NULL},
		{true, NULL, "\r\nCookie: s=1\r\n"},
		{false, "c=k", "\r\nCookie: c=k\r\n"},
		{true, "c=k", "\r\nCookie: s=1; c=k\r\n"},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_http_site_options options = {.cookies = rows[i].kept};
		struct dg_http_request r = {.method = DG_HTTP_GET,
			.path = "/",
			.cookie = rows[i].own,
			.limit = 100,
			.done = on_done,
			.arg = &seen};

		if (i)
			server_stop(&server);
		SERVE({STEP_KEEP, "HTTP/1.1 200 OK\r\nSet-Cookie: s=1; Path=/\r\n"
				  "Content-Length: 2\r\n\r\nhi"},
			{STEP_KEEP, OK});
		for (unsigned n = 0; n < 2; n++) {
			seen.done = 0;
			dg_http_start(site, &r);
			cr_assert(run_until(1, 5 * DG_SEC));
			cr_assert_eq(seen.error, DG_HTTP_OK, "%s", seen.text);
		}
		if (rows[i].second)
			cr_assert(strstr(server.last.p, rows[i].second), "%zu: %s", i,
				server.last.p);
		else
			cr_assert_null(strstr(server.last.p, "Cookie:"));
		dg_http_site_free(site);
	}
}

Test(client, methods_alternate_on_one_kept_connection)
{
	struct dg_http_site_options options = {.inflight = 1};
	auto_free char *big = dg_xcalloc(1, 3000001);

	SERVE({STEP_KEEP, OK});
	memset(big, 'x', 3000000);
	start(DG_HTTP_GET, "/1", NULL);
	start(DG_HTTP_PUT, "/2", "put");
	start(DG_HTTP_POST, "/3", "post");
	start(DG_HTTP_PUT, "/4", NULL);
	start(DG_HTTP_DELETE, "/5", NULL);
	start(DG_HTTP_POST, "/6", "again");
	start(DG_HTTP_GET, "/7", NULL);
	cr_assert(run_until(7, 5 * DG_SEC));
	cr_assert_eq(seen.error, DG_HTTP_OK);
	cr_assert_eq(server.connections, 1);
	cr_assert(strstr(server.all.p, "GET /1 HTTP/1.1\r\n"));
	cr_assert(strstr(server.all.p, "\r\n\r\nputPOST /3 "));
	cr_assert(strstr(server.all.p, "\r\n\r\npostPUT /4 "));
	cr_assert(strstr(server.all.p, "\r\n\r\nDELETE /5 "));
	cr_assert(strstr(server.all.p, "\r\n\r\nagainGET /7 "));
	start(DG_HTTP_PUT, "/8", big); /* no "Expect: 100-continue" */
	cr_assert(run_until(8, 5 * DG_SEC));
	cr_assert_eq(seen.error, DG_HTTP_OK);
	cr_assert_null(strcasestr(server.last.p, "Expect"));
	cr_assert_eq(dg_http_site_active(site), 0);
}

Test(client, no_more_than_allowed_at_once_and_in_order)
{
	struct dg_http_site_options options = {.inflight = 2};

	SERVE({STEP_HANG, NULL});
	for (int i = 0; i < 5; i++)
		start(DG_HTTP_GET, "/", NULL);
	cr_assert_not(run_until(1, 200 * DG_MSEC));
	cr_assert_eq(server.requests, 2);
	dg_http_site_inflight(site, 4);
	cr_assert_not(run_until(1, 200 * DG_MSEC));
	cr_assert_eq(server.requests, 4);
	cr_assert_eq(dg_http_site_active(site), 4);
	dg_http_site_free(site); /* and no callback ever */
	cr_assert_not(run_until(1, 50 * DG_MSEC));
}

/* The promise for which bodies cannot be rewound. */
Test(client, a_dead_kept_connection_never_means_a_second_post)
{
	struct dg_http_site_options options = {.inflight = 1};

	SERVE({STEP_KEEP, OK}, {STEP_RESET, NULL}, {STEP_KEEP, OK});
	start(DG_HTTP_POST, "/", "one");
	cr_assert(run_until(1, 5 * DG_SEC));
	start(DG_HTTP_POST, "/", "two");
	cr_assert(run_until(2, 5 * DG_SEC));
	cr_assert_eq(seen.error, DG_HTTP_STALE, "%d %s", seen.error, seen.text);
	cr_assert(seen.sent);
	cr_assert_eq(server.requests, 2);
	start(DG_HTTP_PUT, "/", "three");
	cr_assert(run_until(3, 5 * DG_SEC));
	cr_assert_eq(seen.error, DG_HTTP_OK);
	cr_assert_eq(server.requests, 3);
}

Test(client, a_connection_that_the_server_closed_while_idle_is_not_used)
{
	struct dg_http_site_options options = {.inflight = 1};

	SERVE({STEP_KEEP, OK});
	start(DG_HTTP_POST, "/", "one");
	cr_assert(run_until(1, 5 * DG_SEC));
	server_hang_up(&server, false);
	cr_assert_not(run_until(2, 20 * DG_MSEC));
	start(DG_HTTP_POST, "/", "two");
	cr_assert(run_until(2, 5 * DG_SEC));
	cr_assert_eq(seen.error, DG_HTTP_OK);
	cr_assert_eq(server.connections, 2);
}

Test(client, every_way_to_fail_has_its_name)
{
	static const struct {
		struct step step;
		enum dg_http_error want;
		int status;
	} rows[] = {
		{{STEP_RESET, NULL}, DG_HTTP_RESET, 0},
		{{STEP_CLOSE, NULL}, DG_HTTP_RESET, 0},
		{{STEP_CLOSE, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"},
			DG_HTTP_CUT, 200},
		{{STEP_CLOSE,
			 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi"},
			DG_HTTP_CUT, 200},
		{{STEP_CLOSE, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
			      "Content-Length: 4\r\n\r\nabcd"},
			DG_HTTP_CUT, 200},
		{{STEP_HANG, NULL}, DG_HTTP_READ_TIMEOUT, 0},
		{{STEP_HANG, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"},
			DG_HTTP_READ_TIMEOUT, 200},
		{{STEP_KEEP, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n"
			     "01234567890123456789"},
			DG_HTTP_TOO_LARGE, 200},
		{{STEP_CLOSE, "SSH-2.0-nobody\r\n"}, DG_HTTP_OTHER, 0},
	};
	struct step steps[DG_N(rows)];
	struct dg_http_site_options options = {
		.connect_timeout = DG_SEC, .read_timeout = 150 * DG_MSEC};

	for (size_t i = 0; i < DG_N(rows); i++)
		steps[i] = rows[i].step;
	serve(steps, DG_N(steps), options);
	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_http_request r = {.method = DG_HTTP_POST,
			.path = "/",
			.limit = 15,
			.parts = {DG_HTTP_BYTES(DG_STR("b"))},
			.parts_n = 1,
			.done = on_done,
			.arg = &seen};

		dg_http_start(site, &r);
		cr_assert(run_until((unsigned)i + 1, 5 * DG_SEC));
		cr_assert_eq(seen.error, rows[i].want, "row %zu: %s: %s", i,
			dg_http_error_name(seen.error), seen.text);
		cr_assert_eq(seen.status, rows[i].status, "row %zu: %d", i, seen.status);
		cr_assert(*seen.text, "row %zu", i);
	}
	cr_assert_eq(server.requests, DG_N(rows));
}

Test(client, no_server_no_name_no_url)
{
	struct dg_http_site_options options = {.connect_timeout = DG_SEC};
	struct dg_http_request r = {
		.method = DG_HTTP_GET, .limit = 15, .done = on_done, .arg = &seen};
	struct dg_err e;

	SERVE({STEP_KEEP, OK});
	server_stop(&server);
	start(DG_HTTP_GET, "/", NULL);
	cr_assert(run_until(1, 5 * DG_SEC));
	cr_assert_eq(seen.error, DG_HTTP_CONNECT, "%s", seen.text);
	cr_assert_not(seen.sent);
	dg_http_site_free(site);
	options.base = NULL;
	cr_assert_eq(dg_http_site_new(&site, http, &options, NULL), 0);
	r.path = "http://nobody.invalid/";
	dg_http_start(site, &r);
	cr_assert(run_until(2, 20 * DG_SEC));
	cr_assert(seen.error == DG_HTTP_DNS || seen.error == DG_HTTP_CONNECT_TIMEOUT,
		"%s", seen.text);
	r.path = "::";
	dg_http_start(site, &r);
	cr_assert(run_until(3, 5 * DG_SEC));
	cr_assert_neq(seen.error, DG_HTTP_OK);
	dg_http_site_free(site);
	options.base = "http:// /";
	cr_assert_eq(dg_http_site_new(&site, http, &options, &e), -DG_CONFIG);
	options.base = "http://localhost";
	options.ca = "/nonexistent/ca";
	cr_assert_eq(dg_http_site_new(&site, http, &options, &e), -DG_CONFIG);
	server_start(&server, event, NULL, 0); /* for tear_down */
}

Test(client, streams_what_comes_and_can_be_cancelled_from_there)
{
	struct dg_http_site_options options = {.inflight = 8};
	struct dg_http_request r = {.method = DG_HTTP_GET,
		.path = "/",
		.limit = 100,
		.data = on_data,
		.done = on_done,
		.arg = &seen};

	SERVE({STEP_KEEP, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			  "2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"},
		{STEP_HANG, NULL}, {STEP_KEEP, OK}, {STEP_KEEP, OK}, {STEP_KEEP, OK});
	dg_http_start(site, &r);
	cr_assert(run_until(1, 5 * DG_SEC));
	cr_assert_str_eq(seen.stream.p, "abcde");
	cr_assert_eq(seen.body.n, 0);
	seen.cancel =
		dg_http_start(site, &r); /* hangs; cancelled by the next one's data */
	cr_assert_not(run_until(2, 50 * DG_MSEC));
	dg_http_start(site, &r);
	cr_assert(run_until(2, 5 * DG_SEC));
	cr_assert_not(run_until(3, 50 * DG_MSEC));
	cr_assert_eq(dg_http_site_active(site), 0);
	seen.cancel_self = true;
	dg_http_start(site, &r);
	cr_assert_not(run_until(3, 100 * DG_MSEC));
	cr_assert_eq(dg_http_site_active(site), 0);
	seen.cancel_self = false;
	dg_http_cancel(dg_http_start(site, &r)); /* before it began */
	dg_http_cancel(NULL);
	cr_assert_not(run_until(3, 50 * DG_MSEC));
}

Test(client, redirects_are_followed_where_asked)
{
	struct dg_http_site_options options = {.inflight = 1};
	struct dg_http_request r = {.method = DG_HTTP_GET,
		.path = "/",
		.limit = 100,
		.redirects = true,
		.done = on_done,
		.arg = &seen};

	SERVE({STEP_KEEP, "HTTP/1.1 302 F\r\nRetry-After: 9\r\nLocation: /b\r\n"
			  "Content-Length: 2\r\n\r\nno"},
		{STEP_KEEP, OK},
		{STEP_KEEP, "HTTP/1.1 302 F\r\nLocation: /b\r\n"
			    "Content-Length: 2\r\n\r\nno"});
	dg_http_start(site, &r);
	cr_assert(run_until(1, 5 * DG_SEC));
	cr_assert_eq(seen.status, 200);
	cr_assert_str_eq(seen.body.p, "hi");
	cr_assert_str_eq(seen.retry_after, "-");
	cr_assert(strstr(server.last.p, "GET /b "));
	r.redirects = false;
	dg_http_start(site, &r);
	cr_assert(run_until(2, 5 * DG_SEC));
	cr_assert_eq(seen.status, 302);
	cr_assert_str_eq(seen.body.p, "no");
}

Test(client, a_proxy_is_asked_and_its_refusal_told)
{
	struct dg_http_proxies p = DG_HTTP_PROXIES_INIT;
	struct dg_http_site_options options = {.proxies = &p};
	struct dg_http_request r = {
		.method = DG_HTTP_GET, .limit = 100, .done = on_done, .arg = &seen};
	auto_free char *url = NULL;

	server_start(&server, event,
		STEPS({STEP_KEEP, OK}, {STEP_CLOSE, "HTTP/1.1 407 No\r\n"
						    "Content-Length: 0\r\n\r\n"}),
		2);
	url = dg_xasprintf("127.0.0.1:%u", server.port);
	dg_http_proxies_add(&p, "all", url);
	cr_assert_eq(dg_http_site_new(&site, http, &options, NULL), 0);
	r.path = "http://nobody.invalid/x";
	dg_http_start(site, &r);
	cr_assert(run_until(1, 5 * DG_SEC));
	cr_assert_eq(seen.status, 200, "%s", seen.text);
	cr_assert(strstr(server.last.p, "GET http://nobody.invalid/x HTTP/1.1\r\n"));
	r.path = "https://nobody.invalid/x";
	dg_http_start(site, &r);
	cr_assert(run_until(2, 5 * DG_SEC));
	cr_assert_eq(seen.error, DG_HTTP_CONNECT, "%s", seen.text);
	cr_assert(strstr(server.last.p, "CONNECT nobody.invalid:443 HTTP/1.1\r\n"));
	dg_http_proxies_clear(&p);
}

Test(client, socket_options_are_set)
{
	static const struct dg_http_sockopt good = {SOL_SOCKET, SO_KEEPALIVE, 1};
	static const struct dg_http_sockopt bad = {SOL_SOCKET, 9999, 1};
	struct dg_http_site_options options = {
		.sockopts = &good, .sockopts_n = 1, .sockopts_given = true};

	SERVE({STEP_KEEP, OK});
	start(DG_HTTP_GET, "/", NULL);
	cr_assert(run_until(1, 5 * DG_SEC));
	cr_assert_eq(seen.error, DG_HTTP_OK);
	dg_http_site_free(site);
	server_stop(&server);
	options.sockopts = &bad;
	SERVE({STEP_KEEP, OK});
	start(DG_HTTP_GET, "/", NULL);
	cr_assert(run_until(2, 5 * DG_SEC));
	cr_assert_eq(seen.error, DG_HTTP_CONNECT, "%s", seen.text);
}
