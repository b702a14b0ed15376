/* daglet-poller for a queue, under a hand-made ledger and control plane. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "harness.h"

#define ITEM(id)                                                                         \
	"{\"requestId\": \"" id "\", \"requestApi\": \"PING_LOCATION\", "                \
	"\"requestBody\": \"{\\\"__class__\\\": \\\"DagsterCloudApiRequest\\\", "        \
	"\\\"request_api\\\": {\\\"__enum__\\\": "                                       \
	"\\\"DagsterCloudApi.PING_LOCATION\\\"}, "                                       \
	"\\\"expire_at\\\": 1999999999.0, \\\"request_id\\\": \\\"" id                   \
	"\\\", \\\"request_args\\\": {\\\"__class__\\\": \\\"PingLocationArgs\\\", "     \
	"\\\"location_name\\\": \\\"loc\\\"}}\", "                                       \
	"\"deploymentName\": \"prod\", \"isBranchDeployment\": false}"
#define HEAD "{\"data\": {\"userCloudAgent\": {\"popUserCloudAgentRequests\": ["

static sd_event *event;
static struct server server;
static struct harness h;
static struct step steps[4];
static char *replies[4];

/* An answer with length LEN (0: the right one). */
static struct step
answer(size_t i, enum step_how how, const char *body, size_t len)
{
	free(replies[i]);
	replies[i] = dg_xasprintf("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
		len ? len : strlen(body), body);
	return (struct step){how, replies[i]};
}

static struct dg_settings *s;

static void
start(size_t n, const char *inst)
{
	auto_free char *url = NULL;

	s = dg_settings_new();

	steps[n] = answer(n, STEP_KEEP, HEAD "]}}}", 0); /* and then nothing more */
	cr_assert_geq(sd_event_new(&event), 0);
	server_start(&server, event, steps, n + 1);
	url = dg_xasprintf("http://127.0.0.1:%u", server.port);
	dg_settings_set(s, ~0u, "dagster_cloud_api.url", url);
	dg_settings_set(s, ~0u, "dagster_cloud_api.agent_token", "agent:o:t");
	dg_settings_set(s, ~0u, "dagster_cloud_api.timeout", "5");
	dg_settings_set(s, ~0u, "env.DAGSTER_CLOUD_AGENT_SLEEP_INTERVAL_SECONDS", "0.03");
	harness_start(&h, event, DG_ROLE_POLLER, "daglet-poller", inst, s);
	harness_expect(&h, DG_MSG_READY);
}

static void
link_up(uint64_t credit)
{
	struct dg_msg_scope scope = {DG_BODY("prod\n", 5)};
	struct dg_msg_credit m = {credit, 1 << 20};

	harness_link(&h);
	harness_expect(&h, DG_MSG_HAVE_END);
	harness_send(&h, DG_MSG_SCOPE, 0, &scope);
	harness_send(&h, DG_MSG_CREDIT, 0, &m);
}

static void
tear_down(void)
{
	cr_assert_eq(harness_stop(&h), 0);
	server_stop(&server);
	dg_settings_free(s);
	sd_event_unref(event);
	for (size_t i = 0; i < DG_N(replies); i++)
		free(replies[i]);
}

static size_t
raw_size(void)
{
	struct stat st;

	cr_assert_eq(fstat(h.raw[0], &st), 0);
	return (size_t)st.st_size;
}

static bool
raw_is_empty(void *arg)
{
	(void)arg;
	return raw_size() == 0;
}

Test(queue, nothing_is_popped_before_scope_and_credit)
{
	struct dg_msg_credit m = {100, 1 << 20};
	struct dg_msg_scope none = {DG_BODY("\n", 1)};

	start(0, "queue");
	harness_run(&h, 50 * DG_MSEC);
	harness_link(&h);
	harness_expect(&h, DG_MSG_HAVE_END);
	harness_send(&h, DG_MSG_CREDIT, 0, &m);
	harness_run(&h, 50 * DG_MSEC);
	harness_send(&h, DG_MSG_SCOPE, 0, &none);
	harness_run(&h, 50 * DG_MSEC);
	cr_assert_eq(server.requests, 0);
	link_up(0);
	harness_run(&h, 50 * DG_MSEC);
	cr_assert_eq(server.requests, 0);
	tear_down();
}

Test(queue, requests_are_passed_on_and_the_slot_is_emptied_when_they_are_recorded)
{
	const struct heard *r;

	steps[0] = answer(0, STEP_KEEP, HEAD ITEM("r1") ", " ITEM("r2") "]}}}", 0);
	start(1, "queue/gpu");
	link_up(100);
	harness_expect(&h, DG_MSG_POP_RAW);
	r = harness_expect(&h, DG_MSG_REQUEST);
	cr_assert_eq(r->id, 1);
	cr_assert(strstr(r->text, "request_id=r1 api=PING_LOCATION deployment=prod "
				  "location=loc error= "),
		"%s", r->text);
	cr_assert(strstr(r->text, "expire=1999999999000000 "));
	cr_assert(strstr(server.all.p,
		"\"variables\": {\"forBranchDeployments\": false, "
		"\"forFullDeployments\": [\"prod\"], \"agentQueues\": [\"gpu\"]}}"));
	cr_assert_eq(harness_expect(&h, DG_MSG_REQUEST)->id, 2);
	r = harness_expect(&h, DG_MSG_POP_END);
	cr_assert_str_eq(r->text, "slot=0 count=2 cut=0 ");
	cr_assert_gt(raw_size(), 0);
	harness_send(&h, DG_MSG_RECORDED, 1, NULL);
	harness_run(&h, 30 * DG_MSEC);
	cr_assert_gt(raw_size(), 0);
	harness_send(&h, DG_MSG_RECORDED, 2, NULL);
	cr_assert(harness_until(&h, raw_is_empty, NULL));
	cr_assert_gt(server.requests, 1);
	tear_down();
}

Test(queue, what_arrived_whole_of_a_cut_answer_is_served)
{
	steps[0] = answer(0, STEP_CLOSE, HEAD ITEM("r1") ", {\"requestId\": \"r", 9999);
	start(1, "queue");
	link_up(100);
	harness_expect(&h, DG_MSG_REQUEST);
	cr_assert_str_eq(
		harness_expect(&h, DG_MSG_POP_END)->text, "slot=0 count=1 cut=1 ");
	cr_assert(strstr(server.all.p, "\"agentQueues\": [null]}}"));
	tear_down();
}

Test(queue, a_new_ledger_is_told_again_what_was_not_recorded)
{
	steps[0] = answer(0, STEP_HANG, HEAD ITEM("r1") ", " ITEM("r2"), 9999);
	start(1, "queue");
	link_up(100);
	harness_expect(&h, DG_MSG_REQUEST);
	harness_expect(&h, DG_MSG_REQUEST);
	harness_send(&h, DG_MSG_RECORDED, 1, NULL);
	harness_link(&h);
	harness_expect(&h, DG_MSG_POP_RAW);
	cr_assert_eq(harness_expect(&h, DG_MSG_REQUEST)->id, 1);
	cr_assert_eq(harness_expect(&h, DG_MSG_REQUEST)->id, 2);
	harness_expect(&h, DG_MSG_HAVE_END);
	tear_down();
}

Test(queue, what_was_recorded_is_not_told_to_the_next_ledger)
{
	steps[0] = answer(0, STEP_HANG, HEAD ITEM("r1") ", " ITEM("r2"), 9999);
	start(1, "queue");
	link_up(100);
	harness_expect(&h, DG_MSG_REQUEST);
	harness_expect(&h, DG_MSG_REQUEST);
	harness_send(&h, DG_MSG_RECORDED, 1, NULL);
	harness_run(&h, 30 * DG_MSEC);
	for (int i = 0; i < 2; i++) { /* by the first link, and by the second */
		const struct heard *r;

		harness_link(&h);
		harness_expect(&h, DG_MSG_POP_RAW);
		r = harness_expect(&h, DG_MSG_REQUEST);
		cr_assert_eq(r->id, 1);
		cr_assert(strstr(r->text, "request_id=r2 "));
		harness_expect(&h, DG_MSG_HAVE_END);
	}
	tear_down();
}

Test(queue, no_pop_without_a_ledger_and_no_more_than_the_credit)
{
	size_t before;

	steps[0] = answer(0, STEP_KEEP, HEAD ITEM("r1") ", " ITEM("r2") "]}}}", 0);
	start(1, "queue");
	link_up(2);
	harness_expect(&h, DG_MSG_POP_END);
	harness_run(&h, 100 * DG_MSEC);
	cr_assert_eq(server.requests, 1);
	harness_unlink(&h);
	harness_run(&h, 100 * DG_MSEC);
	before = server.requests;
	harness_run(&h, 100 * DG_MSEC);
	cr_assert_eq(server.requests, before);
	tear_down();
}

Test(queue, drains_what_is_under_way)
{
	struct dg_msg_quiesce m = {0};

	steps[0] = answer(0, STEP_KEEP, HEAD ITEM("r1") "]}}}", 0);
	start(1, "queue");
	link_up(100);
	harness_expect(&h, DG_MSG_REQUEST);
	cr_assert_eq(dg_link_send(h.control, DG_MSG_QUIESCE, 0, &m, NULL), 0);
	harness_run(&h, 100 * DG_MSEC);
	for (size_t i = 0; i < h.n; i++)
		cr_assert_neq(h.heard[i].type, DG_MSG_DRAINED);
	harness_send(&h, DG_MSG_RECORDED, 1, NULL);
	harness_expect(&h, DG_MSG_DRAINED);
	tear_down();
}

Test(queue, trouble_is_told_once)
{
	steps[0] = (struct step){
		STEP_KEEP, "HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno"};
	steps[1] = steps[0];
	start(2, "queue");
	link_up(100);
	cr_assert(strstr(harness_expect(&h, DG_MSG_TROUBLE)->text,
		"DagsterCloudAgentServerError: the control plane answered HTTP 401: no"));
	harness_run(&h, 500 * DG_MSEC);
	cr_assert_gt(server.requests, 2);
	for (size_t i = h.read; i < h.n; i++)
		cr_assert_neq(h.heard[i].type, DG_MSG_TROUBLE);
	tear_down();
}

Test(queue, a_reload_waits_for_the_pop_under_way)
{
	steps[0] = answer(0, STEP_HANG, HEAD ITEM("r1"), 9999);
	start(1, "queue");
	link_up(100);
	harness_expect(&h, DG_MSG_REQUEST);
	dg_settings_set(s, ~0u, "dagster_cloud_api.agent_token", "agent:o:new");
	cr_assert(harness_reload(&h, s));
	harness_run(&h, 50 * DG_MSEC);
	cr_assert_eq(server.requests, 1);
	server_hang_up(&server, false);
	harness_expect(&h, DG_MSG_POP_END);
	harness_run(&h, 300 * DG_MSEC);
	cr_assert_gt(server.requests, 1);
	cr_assert(strstr(server.last.p, "\r\nDagster-Cloud-Api-Token: agent:o:new\r\n"));
	tear_down();
}

static bool
two_pops(void *arg)
{
	static const char variable[] = "\"forFullDeployments\": [";
	const char *first = server.all.n ? strstr(server.all.p, variable) : NULL;

	(void)arg;
	return first && strstr(first + 1, variable);
}

Test(queue, beside_a_silent_pop_the_next_begins_when_others_are_answered)
{
	steps[0] = (struct step){STEP_HANG, ""};
	steps[1] = answer(1, STEP_KEEP, "{\"data\": {\"deployments\": []}}", 0);
	steps[2] = answer(2, STEP_KEEP, HEAD ITEM("r1") "]}}}", 0);
	start(3, "queue");
	link_up(100);
	cr_assert(strstr(harness_expect(&h, DG_MSG_TROUBLE)->text, "no answer for 4 s"));
	cr_assert(harness_until(&h, two_pops, NULL));
	cr_assert(strstr(server.all.p, "query Deployments("));
	cr_assert(strstr(harness_expect(&h, DG_MSG_REQUEST)->text, "request_id=r1 "));
	tear_down();
}
