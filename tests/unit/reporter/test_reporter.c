/* daglet-reporter under a hand-made ledger and control plane. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/mem.h"
#include "daglet/call.h"
#include "harness.h"

static sd_event *event;
static struct server server;
static struct harness h;
static struct dg_settings *settings;

static void
set_up(void)
{
	settings = dg_settings_new();
}

static void
start(const struct step *steps, size_t n)
{
	auto_free char *url = NULL;

	cr_assert_geq(sd_event_new(&event), 0);
	server_start(&server, event, steps, n);
	url = dg_xasprintf("http://127.0.0.1:%u", server.port);
	dg_settings_set(settings, ~0u, "dagster_cloud_api.url", url);
	dg_settings_set(settings, ~0u, "dagster_cloud_api.agent_token", "agent:o:t");
	dg_settings_set(settings, ~0u, "dagster_cloud_api.timeout", "5");
	dg_settings_set(settings, ~0u, "dagster_cloud_api.retries", "1");
	dg_settings_set(settings, ~0u, "dagster_cloud_api.backoff_factor", "0.01");
	dg_settings_set(settings, ~0u, "agent_type", "ProcessUserCodeLauncher");
	dg_settings_add(settings, ~0u, "queues", NULL, NULL);
	harness_start(&h, event, DG_ROLE_REPORTER, "daglet-reporter", NULL, settings);
	harness_expect(&h, DG_MSG_READY);
	harness_link(&h);
	harness_expect(&h, DG_MSG_HAVE_END);
}

static void
end(void)
{
	cr_assert_eq(harness_stop(&h), 0);
	server_stop(&server);
	sd_event_unref(event);
	dg_settings_free(settings);
}

static void
deliver(uint64_t id, const char *request)
{
	struct dg_msg_deliver m = {.expire = 0,
		.request_id = dg_str(request),
		.api = DG_STR("PING_LOCATION"),
		.deployment = DG_STR("prod"),
		.response = DG_BODY("{\"a\": 1}", 8)};

	harness_send(&h, DG_MSG_DELIVER, id, &m);
}

static void
call(uint64_t id, enum dg_call_op op, const char *subject, const char *key,
	const char *body)
{
	struct dg_msg_call m = {.op = op,
		.deployment = DG_STR("prod"),
		.subject = dg_str(subject),
		.args = DG_STR(""),
		.key = dg_str(key),
		.body = {body, strlen(body), -1}};

	harness_send(&h, DG_MSG_CALL, id, &m);
}

static bool
requests_are(void *arg)
{
	return server.requests >= *(size_t *)arg;
}

static void
wait_for_requests(size_t n)
{
	cr_assert(harness_until(&h, requests_are, &n), "%zu requests", server.requests);
}

#define REPLY(status, body) "HTTP/1.1 " status "\r\nContent-Length: 12\r\n\r\n" body
#define OK                                                                               \
	{                                                                                \
		STEP_KEEP, REPLY("200 OK", "{\"data\": {}}")                             \
	}
#define NO(status)                                                                       \
	{                                                                                \
		STEP_KEEP, REPLY(status, "why-not-12ch")                                 \
	}
#define START(...)                                                                       \
	start(((const struct step[]){__VA_ARGS__}),                                      \
		DG_N(((const struct step[]){__VA_ARGS__})))

TestSuite(reporter, .init = set_up);

Test(reporter, a_large_answer_is_whole_and_holds_up_no_small_one)
{
	static const struct step steps[] = {OK};
	size_t n = 20 * 1000 * 1000;
	auto_free char *big = dg_xcalloc(1, n + 1);
	struct dg_msg_deliver m = {.request_id = DG_STR("big"),
		.api = DG_STR("PING_LOCATION"),
		.deployment = DG_STR("prod"),
		.response = {big, n, -1}};
	auto_free char *got = dg_xcalloc(1, n + 200);
	uLongf len = n + 200;
	const char *p;

	for (size_t i = 0; i < n; i++)
		big[i] = (char)('a' + i % 7 + i / 1000 % 11);
	start(steps, 1);
	harness_send(&h, DG_MSG_DELIVER, 1, &m);
	deliver(2, "small");
	cr_assert_eq(harness_expect(&h, DG_MSG_DELIVERED)->id, 2);
	cr_assert_eq(harness_expect(&h, DG_MSG_DELIVERED)->id, 1);
	p = strstr(strstr(server.last.p, "\r\n\r\n") + 4, "\r\n\r\n") + 4;
	cr_assert_eq(uncompress((Bytef *)got, &len, (const Bytef *)p,
			     server.last.n - (size_t)(p - server.last.p)),
		Z_OK);
	p = strstr(got, "\"response\": ");
	cr_assert(p);
	cr_assert_eq(memcmp(p + 12, big, n), 0);
	cr_assert_str_eq(p + 12 + n, "}");
	end();
}

Test(reporter, an_answer_is_uploaded_until_it_is_taken)
{
	static const struct step steps[] = {NO("500 No"), {STEP_RESET, NULL}, OK};

	start(steps, 3);
	deliver(7, "req-1");
	cr_assert_eq(harness_expect(&h, DG_MSG_DELIVERED)->id, 7);
	cr_assert_str_eq(h.heard[h.read - 1].text, "attempts=3 ");
	cr_assert(strstr(server.last.p, "PUT /upload_api_response HTTP/1.1\r\n"));
	cr_assert(strstr(server.last.p, "\r\nDagster-Cloud-Scope: deployment\r\n"));
	cr_assert(strstr(server.last.p, "\r\nDagster-Cloud-Deployment: prod\r\n"));
	cr_assert(strstr(server.last.p, "name=\"api_response.tmp\""));
	end();
}

Test(reporter, a_refusal_is_told)
{
	static const struct step steps[] = {NO("422 No"), OK};
	const struct heard *m;

	start(steps, 2);
	deliver(8, "req-1");
	m = harness_expect(&h, DG_MSG_REFUSED);
	cr_assert_eq(m->id, 8);
	cr_assert_str_eq(m->text, "http=422 text=the control plane answered HTTP 422: "
				  "why-not-12ch ");
	end();
}

Test(reporter, a_batch_is_collected_and_a_refused_one_taken_apart)
{
	static const struct step steps[] = {NO("400 No"), OK, NO("400 No"), OK, OK};

	dg_settings_set(settings, ~0u,
		"env.DAGSTER_CLOUD_AGENT_UPLOAD_API_RESPONSE_BATCHING_ENABLED", "true");
	dg_settings_set(settings, ~0u,
		"env.DAGSTER_BATCHING__UPLOAD_API_RESPONSE__MAX_BATCH_SIZE", "2");
	start(steps, 5);
	deliver(1, "req-1");
	deliver(2, "req-2");
	harness_expect(&h, DG_MSG_DELIVERED);
	wait_for_requests(3);
	h.read = 0;
	harness_expect(&h, DG_MSG_REFUSED);
	cr_assert(strstr(server.all.p, "name=\"api_response_batch.tmp\""));
	cr_assert(strstr(server.last.p, "name=\"api_response.tmp\""));
	h.read = h.n;
	deliver(3, "req-3"); /* alone: after 50 ms */
	cr_assert_eq(harness_expect(&h, DG_MSG_DELIVERED)->id, 3);
	cr_assert(strstr(server.last.p, "name=\"api_response_batch.tmp\""));
	end();
}

Test(reporter, a_new_ledger_hears_what_is_held_and_what_was_done_meanwhile)
{
	static const struct step steps[] = {{STEP_HANG, NULL}, OK};

	start(steps, 2);
	deliver(1, "hangs");
	wait_for_requests(1);
	deliver(2, "taken");
	harness_expect(&h, DG_MSG_DELIVERED);
	harness_unlink(&h);
	harness_link(&h);
	cr_assert_eq(harness_expect(&h, DG_MSG_HAVE)->id, 1);
	harness_expect(&h, DG_MSG_HAVE_END);
	for (size_t i = h.read; i < h.n; i++)
		cr_assert_neq(h.heard[i].type, DG_MSG_HAVE);
	end();
}

Test(reporter, what_was_done_without_a_ledger_is_told_to_the_next)
{
	static const struct step steps[] = {NO("500 No"), OK};
	size_t twice = 2;

	start(steps, 2);
	deliver(5, "req");
	wait_for_requests(1);
	harness_unlink(&h);
	cr_assert(harness_until(&h, requests_are, &twice));
	harness_run(&h, 50 * DG_MSEC);
	harness_link(&h);
	cr_assert_eq(harness_expect(&h, DG_MSG_DELIVERED)->id, 5);
	end();
}

Test(reporter, what_was_told_is_told_to_the_next_ledger_too)
{
	static const struct step steps[] = {OK};

	start(steps, 1);
	deliver(5, "req");
	harness_expect(&h, DG_MSG_DELIVERED);
	harness_unlink(&h);
	harness_link(&h);
	cr_assert_eq(harness_expect(&h, DG_MSG_DELIVERED)->id, 5);
	harness_expect(&h, DG_MSG_HAVE_END);
	end();
}

Test(reporter, events_of_a_run_are_a_line_and_other_runs_do_not_wait)
{
	static const struct step steps[] = {{STEP_HANG, NULL}, OK};

	start(steps, 2);
	call(1, DG_CALL_OP_STORE_EVENT, "run-a", "key-1", "{\"n\": 1}");
	wait_for_requests(1);
	call(2, DG_CALL_OP_ADD_RUN_TAGS, "run-a", "", "{\"n\": 2}");
	call(3, DG_CALL_OP_STORE_EVENT, "run-b", "key-3", "{\"n\": 3}");
	call(4, DG_CALL_OP_GET_RUN_RECORDS, "run-a", "", "{\"n\": 4}");
	harness_expect(&h, DG_MSG_CALL_DONE);
	harness_expect(&h, DG_MSG_CALL_DONE);
	cr_assert_eq(server.requests, 3);
	cr_assert(strstr(server.all.p, "\r\nIdempotency-Key: key-1\r\n"));
	cr_assert(strstr(server.all.p, "\r\nIdempotency-Key: key-3\r\n"));
	cr_assert(strstr(server.all.p, "\"variables\": {\"n\": 4}}"));
	cr_assert_null(strstr(server.all.p, "\"variables\": {\"n\": 2}}"));
	server_hang_up(&server, true); /* the first is tried again, then the second */
	harness_expect(&h, DG_MSG_CALL_DONE);
	cr_assert_eq(harness_expect(&h, DG_MSG_CALL_DONE)->id, 2);
	end();
}

Test(reporter, calls_end_with_what_came_of_them)
{
	static const struct step steps[] = {
		NO("404 No"), {STEP_KEEP, REPLY("200 OK", "{\"errors\":1}")}, OK};
	const struct heard *m;

	start(steps, 3);
	call(1, DG_CALL_OP_CONFIRM_UPLOAD, "", "", "{}");
	m = harness_expect(&h, DG_MSG_CALL_DONE);
	cr_assert_str_eq(m->text,
		"cls=2 http=404 text=the control plane answered HTTP 404: "
		"why-not-12ch body=why-not-12ch");
	call(2, DG_CALL_OP_AGENTS, "", "", "{}");
	m = harness_expect(&h, DG_MSG_CALL_DONE);
	cr_assert_str_eq(m->text, "cls=2 http=200 text=Error in GraphQL response: 1 "
				  "body={\"errors\":1}");
	cr_assert(strstr(server.last.p, "\r\nDagster-Cloud-Scope: organization\r\n"));
	call(3, DG_CALL_OP_STORE_EVENT, "", "", "{}");
	m = harness_expect(&h, DG_MSG_CALL_DONE);
	cr_assert_str_eq(m->text, "cls=6 http=0 text=the call needs a key body=");
	call(4, DG_CALL_OP_COUNT, "", "", "{}");
	m = harness_expect(&h, DG_MSG_CALL_DONE);
	cr_assert_str_eq(m->text, "cls=6 http=0 text=no such call body=");
	call(5, DG_CALL_OP_UPLOAD_JOB, "", "", "text");
	m = harness_expect(&h, DG_MSG_CALL_DONE);
	cr_assert_str_eq(m->text, "cls=0 http=200 text= body={\"data\": {}}");
	cr_assert(strstr(server.last.p, "name=\"job.tmp\""));
	end();
}

static void
state(enum dg_state_kind k, const char *key, const char *body)
{
	struct dg_msg_state m = {
		.kind = k, .key = dg_str(key), .body = {body, strlen(body), -1}};

	harness_send(&h, DG_MSG_STATE, 0, &m);
}

static void
identity(void)
{
	struct dg_msg_identity m = {
		.agent_id = DG_STR("the-id"), .installation = DG_STR("i")};

	harness_send(&h, DG_MSG_IDENTITY, 0, &m);
}

Test(reporter, the_first_heartbeat_comes_with_the_first_deployment)
{
	static const struct step steps[] = {NO("413 Large"), OK};
	struct dg_msg_trouble t = {.wall = (uint64_t)dg_wall_usec(),
		.error = DG_BODY_STR(DG_STR("{\"__class__\": \"SerializableErrorInfo\", "
					    "\"message\": \"bad\"}"))};

	start(steps, 2);
	identity();
	harness_send(&h, DG_MSG_TROUBLE, 1, &t);
	harness_run(&h, 100 * DG_MSEC);
	cr_assert_eq(server.requests, 0);
	state(DG_STATE_DEPLOYMENT, "prod", "{\"branch\": false}");
	wait_for_requests(2);
	cr_assert(strstr(server.all.p, "AddAgentHeartbeats"));
	cr_assert(strstr(server.all.p, "\\\"agent_id\\\": \\\"the-id\\\""));
	cr_assert(strstr(server.all.p, "\\\"message\\\": \\\"bad\\\""));
	cr_assert(strstr(server.last.p, "was too large, submitting a smaller heartbeat"));
	cr_assert(strstr(server.last.p, "\\\"errors\\\": []"));
	end();
}

Test(reporter, sentinel_files)
{
	static const struct step steps[] = {OK};
	char folder[] = "/tmp/daglet-sentinel.XXXXXX";
	auto_free char *live = NULL, *ready = NULL;
	struct stat st;

	cr_assert(mkdtemp(folder));
	live = dg_xasprintf("%s/liveness_sentinel.txt", folder);
	ready = dg_xasprintf("%s/finished_initial_reconciliation_sentinel.txt", folder);
	dg_settings_set(settings, ~0u, "env.DAGSTER_CLOUD_AGENT_SENTINEL_DIR", folder);
	dg_settings_set(
		settings, ~0u, "user_code_launcher.config.requires_healthcheck", "true");
	start(steps, 1);
	harness_run(&h, 300 * DG_MSEC);
	cr_assert_eq(stat(live, &st), 0);
	cr_assert_neq(stat(ready, &st), 0);
	state(DG_STATE_ROLE, "launcher:process", "{\"ready\": false}");
	state(DG_STATE_ROLE, "launcher:process", "{\"ready\": true}");
	harness_run(&h, 100 * DG_MSEC);
	cr_assert_eq(stat(ready, &st), 0);
	unlink(live);
	unlink(ready);
	rmdir(folder);
	end();
}

Test(reporter, drains_what_it_holds)
{
	static const struct step steps[] = {NO("503 No"), OK};
	struct dg_msg_quiesce m = {.limit = 10 * DG_SEC};

	start(steps, 2);
	deliver(1, "req");
	cr_assert_eq(dg_link_send(h.control, DG_MSG_QUIESCE, 0, &m, NULL), 0);
	harness_expect(&h, DG_MSG_DELIVERED);
	h.read = 0;
	harness_expect(&h, DG_MSG_DRAINED);
	end();
}

/* A rotated token: what is tried again and again with the old one goes on with the new.
 */
Test(reporter, a_reload_takes_what_is_under_way_along)
{
	static const struct step steps[] = {{STEP_HANG, NULL}, {STEP_HANG, NULL}, OK};

	start(steps, 3);
	deliver(1, "req");
	call(2, DG_CALL_OP_STORE_EVENT, "run-a", "key-1", "{\"n\": 1}");
	call(3, DG_CALL_OP_ADD_RUN_TAGS, "run-a", "", "{\"n\": 2}");
	wait_for_requests(2);
	dg_settings_set(settings, ~0u, "dagster_cloud_api.agent_token", "agent:o:\n");
	cr_assert_not(harness_reload(&h, settings));
	dg_settings_set(settings, ~0u, "dagster_cloud_api.agent_token", "agent:o:new");
	cr_assert(harness_reload(&h, settings));
	h.read = 0;
	cr_assert_eq(harness_expect(&h, DG_MSG_DELIVERED)->id, 1);
	h.read = 0;
	cr_assert_eq(harness_expect(&h, DG_MSG_CALL_DONE)->id, 2);
	cr_assert_eq(harness_expect(&h, DG_MSG_CALL_DONE)->id, 3);
	cr_assert_eq(server.requests, 5);
	cr_assert(strstr(server.last.p, "\r\nDagster-Cloud-Api-Token: agent:o:new\r\n"));
	state(DG_STATE_DEPLOYMENT, "prod", "{\"branch\": false}");
	identity();
	wait_for_requests(6);
	end();
}
