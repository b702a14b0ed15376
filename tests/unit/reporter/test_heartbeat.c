/* Heartbeats, byte for byte: `full` and `small` are what release 1.13.27 packs for the
 * same facts (its AgentHeartbeat and without_messages_and_errors()). */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "reporter/heartbeat.h"
#include "json/json.h"

static const char full[] =
	"{\"__class__\": \"AgentHeartbeat\", \"agent_id\": \"u\", \"agent_labe"
	"l\": \"l\\u00e4\", \"agent_queues_config\": {\"__class__\": \"AgentQu"
	"euesConfig\", \"additional_queues\": [\"gpu\"], \"include_default_"
	"queue\": true}, \"agent_type\": \"ProcessUserCodeLauncher\", \"cod"
	"e_server_heartbeats\": [{\"__class__\": \"CloudCodeServerHeartbe"
	"at\", \"error\": {\"__class__\": \"SerializableErrorInfo\", \"cause\""
	": null, \"cls_name\": \"C\", \"context\": null, \"message\": \"msg\\n\""
	", \"stack\": []}, \"location_name\": \"loc\", \"metadata\": {\"utiliz"
	"ation_metrics\": {\"a\": {\"b\": 2, \"q\": 1}, \"z\": 1}}, \"server_st"
	"atus\": {\"__enum__\": \"CloudCodeServerStatus.FAILED\"}}], \"erro"
	"rs\": null, \"metadata\": {\"allowed_branch_deployment_locations"
	"\": [\"x\"], \"allowed_full_deployment_locations\": {\"prod\": [\"b\""
	", \"a\"]}, \"image_tag\": \"t\", \"utilization_metrics\": {\"containe"
	"r_utilization\": {\"cgroup_version\": null, \"cpu_cfs_period_us\""
	": null, \"cpu_cfs_quota_us\": null, \"cpu_usage\": 1.5, \"measure"
	"ment_timestamp\": 1.0, \"memory_limit\": null, \"memory_usage\": "
	"null, \"num_allocated_cores\": 2, \"previous_cpu_usage\": null, "
	"\"previous_measurement_timestamp\": null}, \"request_utilizatio"
	"n\": {\"max_concurrent_requests\": null, \"num_queued_requests\":"
	" null, \"num_running_requests\": null}, \"resource_limits\": {\"k"
	"8s\": {\"cpu_limit\": 2000.0, \"cpu_request\": \"1\", \"memory_limit"
	"\": 5}}}, \"version\": \"1.13.27\"}, \"run_worker_statuses\": {\"__c"
	"lass__\": \"CloudRunWorkerStatuses\", \"run_worker_monitoring_su"
	"pported\": true, \"run_worker_monitoring_thread_alive\": true, "
	"\"statuses\": [{\"__class__\": \"CloudRunWorkerStatus\", \"message\""
	": \"m\", \"run_id\": \"r1\", \"run_worker_id\": null, \"status_type\":"
	" {\"__enum__\": \"WorkerStatus.FAILED\"}, \"transient\": true}]}, "
	"\"timestamp\": 1700000000.5}";
static const char small[] =
	"{\"__class__\": \"AgentHeartbeat\", \"agent_id\": \"u\", \"agent_labe"
	"l\": \"l\\u00e4\", \"agent_queues_config\": {\"__class__\": \"AgentQu"
	"euesConfig\", \"additional_queues\": [\"gpu\"], \"include_default_"
	"queue\": true}, \"agent_type\": \"ProcessUserCodeLauncher\", \"cod"
	"e_server_heartbeats\": [{\"__class__\": \"CloudCodeServerHeartbe"
	"at\", \"error\": null, \"location_name\": \"loc\", \"metadata\": {}, "
	"\"server_status\": {\"__enum__\": \"CloudCodeServerStatus.FAILED\""
	"}}], \"errors\": [], \"metadata\": {\"allowed_branch_deployment_l"
	"ocations\": [\"x\"], \"allowed_full_deployment_locations\": {\"pro"
	"d\": [\"b\", \"a\"]}, \"image_tag\": \"t\", \"version\": \"1.13.27\"}, \"r"
	"un_worker_statuses\": {\"__class__\": \"CloudRunWorkerStatuses\","
	" \"run_worker_monitoring_supported\": true, \"run_worker_monito"
	"ring_thread_alive\": true, \"statuses\": [{\"__class__\": \"CloudR"
	"unWorkerStatus\", \"message\": \"\", \"run_id\": \"r1\", \"run_worker_"
	"id\": null, \"status_type\": {\"__enum__\": \"WorkerStatus.FAILED\""
	"}, \"transient\": true}]}, \"timestamp\": 1700000000.5}";
static const char utilization[] =
	"{\"container_utilization\": {\"cgroup_version\": null, \"cpu_cfs_"
	"period_us\": null, \"cpu_cfs_quota_us\": null, \"cpu_usage\": 1.5"
	", \"measurement_timestamp\": 1.0, \"memory_limit\": null, \"memor"
	"y_usage\": null, \"num_allocated_cores\": 2, \"previous_cpu_usag"
	"e\": null, \"previous_measurement_timestamp\": null}, \"request_"
	"utilization\": {\"max_concurrent_requests\": null, \"num_queued_"
	"requests\": null, \"num_running_requests\": null}, \"resource_li"
	"mits\": {\"k8s\": {\"cpu_limit\": 2000.0, \"cpu_request\": \"1\", \"me"
	"mory_limit\": 5}}}";

static struct dg_view v;
static struct dg_troubles t;
static struct dg_heartbeat h;

static void
set(enum dg_state_kind k, const char *key, const char *body)
{
	struct dg_msg_state m = {
		.kind = k, .key = dg_str(key), .body = {body, strlen(body), -1}};

	cr_assert(dg_view_set(&v, &m));
}

static void
set_up(void)
{
	dg_view_init(&v);
	dg_troubles_init(&t, 10000);
	h = (struct dg_heartbeat){.agent_id = "u",
		.agent_label = "l\xc3\xa4",
		.agent_type = "ProcessUserCodeLauncher",
		.image_tag = "t",
		.queues = DG_STR("{\"__class__\": \"AgentQueuesConfig\", "
				 "\"additional_queues\": [\"gpu\"], "
				 "\"include_default_queue\": true}"),
		.allowed_full = DG_STR("{\"prod\": [\"b\", \"a\"]}"),
		.allowed_branch = DG_STR("[\"x\"]"),
		.utilization = dg_str(utilization),
		.view = &v,
		.troubles = &t,
		.server_error_limit = 5000,
		.message_limit = 1000,
		.wall = 1700000000500000};
	set(DG_STATE_DEPLOYMENT, "prod", "{\"branch\": false}");
	set(DG_STATE_LOCATION, "prod\nloc",
		"{\"deployment\": \"prod\", \"location\": \"loc\", \"status\": "
		"\"FAILED\", "
		"\"error\": {\"__class__\": \"SerializableErrorInfo\", \"cause\": null, "
		"\"cls_name\": \"C\", \"context\": null, \"message\": \"msg\\n\", "
		"\"stack\": []}, \"metrics\": {\"a\": {\"b\": 2, \"q\": 1}, \"z\": 1}}");
	set(DG_STATE_LOCATION, "other\nloc",
		"{\"deployment\": \"other\", \"location\": \"loc\", \"status\": "
		"\"RUNNING\"}");
	set(DG_STATE_RUN, "r1",
		"{\"deployment\": \"prod\", \"status\": \"FAILED\", \"message\": \"m\", "
		"\"transient\": true}");
	set(DG_STATE_RUN, "r2", "{\"deployment\": \"other\", \"status\": \"RUNNING\"}");
	set(DG_STATE_ROLE, "launcher:process", "{\"supported\": true}");
}

static void
tear_down(void)
{
	dg_view_clear(&v);
	dg_troubles_clear(&t);
}

TestSuite(heartbeat, .init = set_up, .fini = tear_down);

/* The first heartbeat of the variables; ERRORS is the list of errors. */
static char *
first(struct dg_buf *errors)
{
	auto_buf b = DG_BUF_INIT;
	struct dg_str list, item, v1;
	struct dg_json_iter it;
	char *text;

	dg_heartbeat_variables(&h, &b);
	cr_assert_eq(dg_json_check(dg_buf_str(&b), 100, NULL), 0);
	cr_assert(dg_json_member(dg_buf_str(&b), "serializedErrors", &list));
	dg_buf_addstr(errors, list);
	cr_assert(dg_json_member(dg_buf_str(&b), "serializedAgentHeartbeats", &list));
	it = dg_json_iter(list);
	cr_assert(dg_json_next_item(&it, &item));
	cr_assert(dg_json_member(item, "deploymentName", &v1));
	cr_assert(dg_json_is(v1, "prod"));
	text = dg_json_member_dup(item, "serializedAgentHeartbeat");
	cr_assert_not(dg_json_next_item(&it, &item));
	return text;
}

Test(heartbeat, as_the_python_agent_packs_it)
{
	auto_buf errors = DG_BUF_INIT;
	auto_free char *text = first(&errors);

	cr_assert_str_eq(text, full);
	cr_assert_str_eq(errors.p, "[]");
}

Test(heartbeat, the_small_one_after_413)
{
	auto_buf errors = DG_BUF_INIT;
	auto_free char *text = NULL;

	dg_troubles_add(&t, 1500000,
		DG_STR("{\"__class__\": \"SerializableErrorInfo\", \"message\": \"x\"}"));
	h.small = true;
	text = first(&errors);
	cr_assert_str_eq(text, small);
	cr_assert(strstr(errors.p, "Request with 2 heartbeat bytes and "));
	cr_assert(strstr(errors.p,
		" error bytes was too large, submitting a smaller heartbeat without "
		"messages and stack traces."));
	cr_assert(strstr(errors.p, "\\\"cls_name\\\": null"));
	cr_assert(strstr(errors.p, "\\\"timestamp\\\": 1700000000.5}\"]"));
}

Test(heartbeat, without_monitoring_limits_label_and_tag)
{
	auto_buf errors = DG_BUF_INIT;
	auto_free char *text = NULL;

	set(DG_STATE_ROLE, "launcher:process", "{\"supported\": false}");
	h.agent_label = h.image_tag = NULL;
	h.allowed_full = h.utilization = DG_STR("{}");
	h.allowed_branch = DG_STR("[]");
	text = first(&errors);
	cr_assert(strstr(text, "\"agent_label\": null"));
	cr_assert(strstr(text,
		"\"metadata\": {\"allowed_branch_deployment_locations\": [], "
		"\"allowed_full_deployment_locations\": {}, \"utilization_metrics\": {}, "
		"\"version\": \"1.13.27\"}"));
	cr_assert(strstr(text, "\"run_worker_monitoring_supported\": false, "
			       "\"run_worker_monitoring_thread_alive\": null, "
			       "\"statuses\": []}"));
}

Test(heartbeat, a_healthy_server_says_no_error_and_long_messages_are_cut)
{
	auto_buf errors = DG_BUF_INIT;
	auto_free char *text = NULL;

	h.message_limit = 2;
	set(DG_STATE_LOCATION, "prod\nloc",
		"{\"deployment\": \"prod\", \"location\": \"loc\", \"status\": "
		"\"RUNNING\", \"error\": {\"__class__\": \"SerializableErrorInfo\"}, "
		"\"metrics\": null}");
	set(DG_STATE_RUN, "r1",
		"{\"deployment\": \"prod\", \"status\": \"UNKNOWN\", \"message\": "
		"\"\xc3\xa4\xc3\xb6\xc3\xbc\"}");
	text = first(&errors);
	cr_assert(
		strstr(text, "\"error\": null, \"location_name\": \"loc\", \"metadata\": "
			     "{}, \"server_status\": {\"__enum__\": "
			     "\"CloudCodeServerStatus.RUNNING\"}}"));
	cr_assert(strstr(text, "\"message\": \"\\u00e4\\u00f6\", \"run_id\": \"r1\""));
	cr_assert(strstr(text, "\"WorkerStatus.UNKNOWN\"}, \"transient\": false}"));
}

Test(heartbeat, no_deployment_is_an_empty_list)
{
	auto_buf b = DG_BUF_INIT;

	dg_view_clear(&v);
	dg_view_init(&v);
	dg_heartbeat_variables(&h, &b);
	cr_assert_str_eq(
		b.p, "{\"serializedAgentHeartbeats\": [], \"serializedErrors\": []}");
}
