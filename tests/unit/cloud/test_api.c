/* Calls against a scripted control plane. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/mem.h"
#include "cloud/api.h"
#include "cloud/documents.h"
#include "server.h"

static sd_event *event;
static struct dg_cloud *cloud;
static struct dg_cloud_channel *channel;
static struct server server;
static struct {
	unsigned done;
	int cls, http;
	unsigned tries;
	dg_usec wait;
	enum dg_outcome outcome;
	char text[512], body[512];
	struct dg_buf stream;
} seen;

static void
begin(const struct step *steps, size_t n)
{
	struct dg_settings *s = dg_settings_new();
	auto_free char *url = NULL;

	cr_assert_geq(sd_event_new(&event), 0);
	server_start(&server, event, steps, n);
	url = dg_xasprintf("http://127.0.0.1:%u", server.port);
	dg_settings_set(s, ~0u, "dagster_cloud_api.url", url);
	dg_settings_set(s, ~0u, "dagster_cloud_api.agent_token", "agent:o:t");
	dg_settings_set(s, ~0u, "dagster_cloud_api.timeout", "1");
	dg_settings_set(s, ~0u, "dagster_cloud_api.retries", "2");
	dg_settings_set(s, ~0u, "dagster_cloud_api.backoff_factor", "0.01");
	dg_settings_add(s, ~0u, "dagster_cloud_api.headers", "X-Mine", "yes");
	dg_settings_add(s, ~0u, "dagster_cloud_api.headers", "python-version", "2.7");
	dg_settings_add(s, ~0u, "dagster_cloud_api.cookies", "c", "k");
	cr_assert_eq(dg_cloud_new(&cloud, event, s, NULL), 0);
	cr_assert_eq(dg_cloud_channel_new(&channel, cloud, 64, NULL), 0);
	dg_settings_free(s);
}

static void
end(void)
{
	dg_cloud_freep(&cloud);
	server_stop(&server);
	sd_event_unref(event);
	dg_buf_clear(&seen.stream);
}

static void
on_done(struct dg_cloud_result *r, void *arg)
{
	(void)arg;
	seen.done++;
	seen.cls = r->cls;
	seen.http = r->http;
	seen.tries = r->tries;
	seen.wait = r->wait;
	seen.outcome = r->outcome;
	snprintf(seen.text, sizeof(seen.text), "%s", r->text);
	snprintf(seen.body, sizeof(seen.body), "%s", r->body.n ? r->body.p : "");
}

static int
on_limit(sd_event_source *src, uint64_t usec, void *arg)
{
	(void)src;
	(void)usec;
	*(bool *)arg = true;
	return 0;
}

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

#define ANSWER(status, body) "HTTP/1.1 " status "\r\nContent-Length: 13\r\n\r\n" body
#define OK ANSWER("200 OK", "{\"data\": 123}")
#define BEGIN(...)                                                                       \
	begin(((const struct step[]){__VA_ARGS__}),                                      \
		DG_N(((const struct step[]){__VA_ARGS__})))

static const struct dg_cloud_spec pop = {.how = DG_CALL_GRAPHQL,
	.document = dg_doc_deployment_info,
	.body = {DG_STR("{\"a\": "), DG_STR("1}")},
	.body_n = 2,
	.policy = DG_RETRY_GRAPHQL,
	.done = on_done};

TestSuite(api, .fini = end);

Test(api, graphql_on_the_wire)
{
	struct dg_cloud_spec s = pop;

	BEGIN({STEP_KEEP, OK});
	dg_cloud_start(channel, &s);
	cr_assert(run_until(1, 5 * DG_SEC));
	cr_assert_eq(seen.cls, 0, "%s", seen.text);
	cr_assert_str_eq(seen.body, "{\"data\": 123}");
	cr_assert(strstr(server.last.p, "POST /graphql HTTP/1.1\r\n"));
	cr_assert(strstr(server.last.p, "\r\nDagster-Cloud-Api-Token: agent:o:t\r\n"));
	cr_assert(strstr(server.last.p, "\r\npython-version: 2.7\r\n"));
	cr_assert_null(strstr(server.last.p, "Python-Version"));
	cr_assert(strstr(server.last.p, "\r\nDagster-Cloud-Version: 1.13."));
	cr_assert(strstr(server.last.p, "\r\nDagster-Cloud-Scope: organization\r\n"));
	cr_assert_null(strstr(server.last.p, "Dagster-Cloud-Deployment"));
	cr_assert(strstr(server.last.p, "\r\nX-Mine: yes\r\n"));
	cr_assert(strstr(server.last.p, "\r\nCookie: c=k\r\n"));
	cr_assert(strstr(server.last.p, "\r\nUser-Agent: daglet/"));
	cr_assert(strstr(server.last.p, "\r\nContent-Type: application/json\r\n"));
	cr_assert(strstr(server.last.p,
		"\r\n\r\n{\"query\": \"query DeploymentInfo { deploymentInfo { "
		"deploymentName } }\", \"variables\": {\"a\": 1}}"));
	s.scope = DG_SCOPE_DEPLOYMENT;
	s.deployment = DG_STR("prod");
	s.key = "the-key";
	dg_cloud_start(channel, &s);
	cr_assert(run_until(2, 5 * DG_SEC));
	cr_assert(strstr(server.last.p, "\r\nDagster-Cloud-Scope: deployment\r\n"));
	cr_assert(strstr(server.last.p, "\r\nDagster-Cloud-Deployment: prod\r\n"));
	cr_assert(strstr(server.last.p, "\r\nIdempotency-Key: the-key\r\n"));
	cr_assert(strstr(server.last.p, "\r\nX-Event-Write: true\r\n"));
}

Test(api, rest_on_the_wire)
{
	struct dg_cloud_spec s = {.how = DG_CALL_GET,
		.scope = DG_SCOPE_DEPLOYMENT,
		.deployment = DG_STR("prod"),
		.path = "/check_snapshot",
		.query = DG_STR("type=job&size=3"),
		.policy = DG_RETRY_REST,
		.idempotent = true,
		.done = on_done};
	auto_free char *big = dg_xcalloc(1, 1000001), *url = NULL;

	BEGIN({STEP_KEEP, OK});
	dg_cloud_start(channel, &s);
	cr_assert(run_until(1, 5 * DG_SEC));
	cr_assert(strstr(
		server.last.p, "GET /check_snapshot?type=job&size=3 HTTP/1.1\r\n"));
	cr_assert_null(strstr(server.last.p, "Cookie"));
	s.how = DG_CALL_JSON;
	s.path = "/confirm_upload";
	s.body[0] = DG_STR("{}");
	s.body_n = 1;
	dg_cloud_start(channel, &s);
	cr_assert(run_until(2, 5 * DG_SEC));
	cr_assert(strstr(server.last.p, "PUT /confirm_upload HTTP/1.1\r\n"));
	cr_assert(strstr(server.last.p, "\r\nContent-Type: application/json\r\n"));
	cr_assert(strstr(server.last.p, "\r\n\r\n{}"));
	s.how = DG_CALL_MULTIPART;
	s.path = "/upload_api_response";
	s.file = "api_response.tmp";
	memset(big, 'x', 1000000);
	s.body[0] = dg_str(big); /* in several steps */
	dg_cloud_start(channel, &s);
	cr_assert(run_until(3, 5 * DG_SEC));
	cr_assert(strstr(
		server.last.p, "\r\nContent-Type: multipart/form-data; boundary="));
	cr_assert(strstr(server.last.p,
		"\r\nContent-Disposition: form-data; name=\"api_response.tmp\"; "
		"filename=\"api_response.tmp\"\r\n\r\n\x78\x9c"));
	cr_assert_eq(memcmp(server.last.p + server.last.n - 4, "--\r\n", 4), 0);
	s.how = DG_CALL_PUT;
	url = dg_xasprintf("http://localhost:%u/bucket?sig=1", server.port);
	s.path = url;
	s.body[0] = DG_STR("raw");
	s.policy = DG_RETRY_PRESIGNED;
	dg_cloud_start(channel, &s);
	cr_assert(run_until(4, 5 * DG_SEC));
	cr_assert(strstr(server.last.p, "PUT /bucket?sig=1 HTTP/1.1\r\n"));
	cr_assert(strstr(server.last.p, "\r\nContent-Length: 3\r\n"));
	cr_assert_null(strcasestr(server.last.p, "Dagster"));
	cr_assert_null(strcasestr(server.last.p, "Content-Type"));
	cr_assert_null(strcasestr(server.last.p, "X-Mine"));
}

Test(api, tries_again_and_gives_up)
{
	struct dg_cloud_spec s = pop;

	BEGIN({STEP_KEEP, ANSWER("503 No", "             ")}, {STEP_RESET, NULL},
		{STEP_KEEP, OK}, {STEP_KEEP, ANSWER("502 No", "0123456789abc")});
	dg_cloud_start(channel, &s);
	cr_assert(run_until(1, 5 * DG_SEC));
	cr_assert_eq(seen.cls, 0, "%s", seen.text);
	cr_assert_eq(seen.tries, 3);
	dg_cloud_start(channel, &s);
	cr_assert(run_until(2, 5 * DG_SEC));
	cr_assert_eq(seen.cls, DG_TRANSPORT);
	cr_assert_eq(seen.tries, 3);
	cr_assert_eq(seen.http, 502);
	cr_assert_str_eq(seen.text,
		"the control plane answered HTTP 502: 0123456789abc (after 3 tries)");
	cr_assert_eq(dg_cloud_channel_open(channel), 0);
}

Test(api, graphql_errors_are_told_at_once)
{
	struct dg_cloud_spec s = pop;

	BEGIN({STEP_KEEP, ANSWER("200 OK", "{\"errors\":[]}")});
	dg_cloud_start(channel, &s);
	cr_assert(run_until(1, 5 * DG_SEC));
	cr_assert_eq(seen.cls, DG_USER);
	cr_assert_eq(seen.outcome, DG_OUTCOME_ERRORS);
	cr_assert_eq(seen.tries, 1);
}

static void
on_data(struct dg_str bytes, void *arg)
{
	(void)arg;
	dg_buf_addstr(&seen.stream, bytes);
}

static struct dg_str
whole(void *arg)
{
	(void)arg;
	return dg_buf_str(&seen.stream);
}

Test(api, a_streamed_answer_is_judged_too)
{
	struct dg_cloud_spec s = pop;

	BEGIN({STEP_KEEP, OK}, {STEP_CLOSE, "HTTP/1.1 429 No\r\nRetry-After: "
					    "5\r\nContent-Length: 0\r\n\r\n"});
	s.policy = DG_RETRY_NONE;
	s.data = on_data;
	s.answer = whole;
	dg_cloud_start(channel, &s);
	cr_assert(run_until(1, 5 * DG_SEC));
	cr_assert_eq(seen.cls, 0, "%s", seen.text);
	cr_assert_str_eq(seen.stream.p, "{\"data\": 123}");
	dg_buf_reset(&seen.stream);
	dg_cloud_start(channel, &s);
	cr_assert(run_until(2, 5 * DG_SEC));
	cr_assert_eq(seen.cls, DG_TRANSPORT);
	cr_assert_eq(seen.wait, 5 * DG_SEC);
}

/* The promise for answers: nothing that may pass loses one. */
Test(api, delivery_outlives_everything_but_a_refusal)
{
	struct dg_cloud_spec s = {.how = DG_CALL_MULTIPART,
		.scope = DG_SCOPE_DEPLOYMENT,
		.deployment = DG_STR("prod"),
		.path = "/upload_api_response",
		.file = "f",
		.body = {DG_STR("x")},
		.body_n = 1,
		.policy = DG_RETRY_DELIVER,
		.idempotent = true,
		.done = on_done};

	BEGIN({STEP_KEEP, ANSWER("500 No", "             ")},
		{STEP_KEEP, ANSWER("401 No", "             ")}, {STEP_RESET, NULL},
		{STEP_HANG, NULL}, {STEP_KEEP, ANSWER("403 No", "             ")},
		{STEP_KEEP, OK}, {STEP_KEEP, ANSWER("422 No", "             ")});
	dg_cloud_start(channel, &s);
	cr_assert(run_until(1, 10 * DG_SEC));
	cr_assert_eq(seen.cls, 0, "%s", seen.text);
	cr_assert_eq(seen.tries, 6);
	dg_cloud_start(channel, &s);
	cr_assert(run_until(2, 5 * DG_SEC));
	cr_assert_eq(seen.cls, DG_USER);
	cr_assert_eq(seen.http, 422);
}

Test(api, nothing_after_cancel)
{
	struct dg_cloud_spec s = pop;

	BEGIN({STEP_KEEP, ANSWER("503 No", "             ")});
	dg_cloud_cancel(dg_cloud_start(channel, &s));
	s.retries = 1000;
	dg_cloud_start(channel, &s);
	cr_assert_not(run_until(1, 50 * DG_MSEC));
	cr_assert_eq(dg_cloud_channel_open(channel), 1);
	dg_cloud_cancel(NULL);
}

Test(api, the_clock_of_the_control_plane)
{
	struct dg_cloud_spec s = pop;

	BEGIN({STEP_KEEP, "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2060 00:00:00 GMT\r\n"
			  "Content-Length: 13\r\n\r\n{\"data\": 123}"});
	cr_assert_eq(dg_cloud_skew(cloud), 0);
	dg_cloud_start(channel, &s);
	cr_assert(run_until(1, 5 * DG_SEC));
	cr_assert_gt(dg_cloud_skew(cloud), (int64_t)DG_SEC * 86400 * 365);
}

Test(api, every_op_has_what_it_needs)
{
	BEGIN({STEP_KEEP, OK});
	for (unsigned op = 0; op < DG_CALL_OP_COUNT; op++) {
		const struct dg_call_row *row = dg_call_row(op);

		cr_assert_eq(row->how == DG_CALL_GRAPHQL, dg_call_document(op) != NULL);
		cr_assert_eq(row->how == DG_CALL_MULTIPART, row->file != NULL);
		cr_assert_eq(row->target != NULL,
			row->how != DG_CALL_GRAPHQL && row->how != DG_CALL_PUT);
	}
	cr_assert_null(dg_call_row(DG_CALL_OP_COUNT));
}
