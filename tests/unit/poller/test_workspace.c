/* daglet-poller as "workspace", under a hand-made ledger and control plane. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/mem.h"
#include "harness.h"

static sd_event *event;
static struct server server;
static struct harness h;
static struct step steps[6];
static char *replies[6];

static struct step
answer(size_t i, const char *body)
{
	replies[i] = dg_xasprintf(
		"HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
	return (struct step){STEP_KEEP, replies[i]};
}

static struct dg_settings *s;

static void
start(size_t n, const char *deployment, const char *branch)
{
	auto_free char *url = NULL;

	s = dg_settings_new();

	cr_assert_geq(sd_event_new(&event), 0);
	server_start(&server, event, steps, n);
	url = dg_xasprintf("http://127.0.0.1:%u", server.port);
	dg_settings_set(s, ~0u, "dagster_cloud_api.url", url);
	dg_settings_set(s, ~0u, "dagster_cloud_api.agent_token", "agent:o:t");
	dg_settings_set(s, ~0u, "dagster_cloud_api.timeout", "60");
	dg_settings_set(s, ~0u, "dagster_cloud_api.branch_deployments", branch);
	if (deployment)
		dg_settings_add(s, ~0u, "deployments", NULL, deployment);
	dg_settings_add(s, ~0u, "queues", NULL, "gpu");
	dg_settings_add(s, ~0u, "queues", NULL, NULL);
	harness_start(&h, event, DG_ROLE_POLLER, "daglet-poller", "workspace", s);
}

static void
end(int code)
{
	cr_assert_eq(harness_stop(&h), code);
	server_stop(&server);
	dg_settings_free(s);
	sd_event_unref(event);
	for (size_t i = 0; i < DG_N(replies); i++)
		free(replies[i]);
}

#define LIST(items) "{\"data\": {\"deployments\": [" items "]}}"
#define PROD "{\"deploymentName\": \"prod\", \"isBranchDeployment\": false}"
#define BRANCH "{\"deploymentName\": \"br\", \"isBranchDeployment\": true}"

Test(workspace, checks_the_names_and_tells_the_workspace_to_every_ledger)
{
	const struct heard *m;

	steps[0] = answer(0, LIST(PROD));
	steps[1] = answer(1, LIST(PROD ", " BRANCH));
	start(2, "prod", "false");
	harness_link(&h);
	m = harness_expect(&h, DG_MSG_SCOPE);
	cr_assert_str_eq(m->text, "names=prod\n");
	m = harness_expect(&h, DG_MSG_WORKSPACE);
	cr_assert(strstr(m->text, "body=" LIST(PROD ", " BRANCH)), "%s", m->text);
	cr_assert(strstr(server.all.p, "query Deployments("));
	cr_assert(strstr(
		server.all.p, "\"variables\": {\"deploymentNames\": [\"prod\"]}}"));
	cr_assert(
		strstr(server.last.p, "\"variables\": {\"deploymentNames\": [\"prod\"], "
				      "\"includeAllServerlessDeployments\": false, "
				      "\"agentQueues\": [\"gpu\", null]}}"));
	cr_assert(strstr(server.last.p, "\r\nDagster-Cloud-Scope: organization\r\n"));
	harness_link(&h);
	harness_expect(&h, DG_MSG_SCOPE);
	harness_expect(&h, DG_MSG_WORKSPACE);
	harness_expect(&h, DG_MSG_HAVE_END);
	end(0);
}

Test(workspace, an_unknown_deployment_is_fatal)
{
	steps[0] = answer(0, LIST(""));
	start(1, "prod", "false");
	harness_run(&h, 100 * DG_MSEC);
	end(78);
}

static const struct step denied = {
	STEP_KEEP, "HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno"};

Test(workspace, a_token_that_was_never_taken_is_fatal)
{
	struct dg_msg_credit m = {100, 1 << 20};

	steps[0] = steps[1] = denied;
	start(2, "prod", "false");
	harness_link(&h);
	harness_expect(&h, DG_MSG_HAVE_END);
	harness_send(&h, DG_MSG_CREDIT, 0, &m);
	harness_run(&h, 3500 * DG_MSEC);
	end(78);
}

Test(workspace, where_there_was_a_workspace_a_refused_token_is_trouble)
{
	struct dg_msg_scope scope = {DG_BODY("prod\n", 5)};
	struct dg_msg_credit m = {100, 1 << 20};

	steps[0] = steps[1] = denied;
	steps[2] = answer(2, LIST(PROD));
	start(3, "prod", "false");
	harness_link(&h);
	harness_expect(&h, DG_MSG_HAVE_END);
	harness_send(&h, DG_MSG_SCOPE, 0, &scope);
	harness_send(&h, DG_MSG_CREDIT, 0, &m);
	harness_expect(&h, DG_MSG_WORKSPACE);
	end(0);
}

Test(workspace, beside_a_silent_query_another_one_is_made)
{
	steps[0] = answer(0, LIST(PROD));
	steps[1] = (struct step){STEP_HANG, ""};
	steps[2] = answer(2, LIST(PROD));
	start(3, "prod", "false");
	harness_link(&h);
	harness_expect(&h, DG_MSG_WORKSPACE);
	end(0);
}

Test(workspace, silence_is_not)
{
	steps[0] = (struct step){STEP_RESET, NULL};
	steps[1] = answer(
		1, "{\"data\": {\"deploymentInfo\": {\"deploymentName\": \"d\"}}}");
	steps[2] = answer(2, LIST(PROD));
	start(3, NULL, "false");
	harness_link(&h);
	harness_expect(&h, DG_MSG_WORKSPACE);
	cr_assert(strstr(server.all.p, "query DeploymentInfo "));
	cr_assert(strstr(server.all.p, "\r\nDagster-Cloud-Scope: deployment\r\n"));
	cr_assert(strstr(server.last.p, "{\"deploymentNames\": [\"d\"], "));
	end(0);
}

Test(workspace, nothing_to_ask_about_until_a_branch_is_named)
{
	struct dg_msg_ttl_deployments m = {DG_BODY("br\n", 3)};

	steps[0] = answer(0, LIST(BRANCH));
	start(1, NULL, "true");
	harness_link(&h);
	cr_assert_str_eq(harness_expect(&h, DG_MSG_SCOPE)->text, "names=\n");
	cr_assert(strstr(harness_expect(&h, DG_MSG_WORKSPACE)->text, LIST("")));
	cr_assert_eq(server.requests, 0);
	harness_send(&h, DG_MSG_TTL_DEPLOYMENTS, 0, &m);
	cr_assert(strstr(harness_expect(&h, DG_MSG_WORKSPACE)->text, LIST(BRANCH)));
	cr_assert(strstr(server.last.p, "{\"deploymentNames\": [\"br\"], "));
	end(0);
}

Test(workspace, unchanged_is_said_and_a_failure_changes_nothing)
{
	steps[0] = answer(0, LIST(PROD));
	steps[1] = answer(1, LIST(PROD));
	steps[2] = answer(2, "{\"data\": {\"deployments\": null}}");
	steps[3] = answer(3, LIST(PROD));
	start(4, "prod", "false");
	harness_link(&h);
	harness_expect(&h, DG_MSG_WORKSPACE);
	/* the third query says nonsense; the fourth is the same again */
	harness_run(&h, 5500 * DG_MSEC);
	harness_expect(&h, DG_MSG_UNCHANGED);
	for (size_t i = h.read; i < h.n; i++)
		cr_assert_neq(h.heard[i].type, DG_MSG_WORKSPACE);
	cr_assert_eq(server.requests, 4);
	end(0);
}

Test(workspace, a_reload_asks_again_with_the_new_names)
{
	steps[0] = answer(0, LIST(PROD));
	steps[1] = answer(1, LIST(PROD));
	steps[2] = answer(2, LIST(PROD ", {\"deploymentName\": \"dev\"}"));
	start(3, "prod", "false");
	harness_link(&h);
	harness_expect(&h, DG_MSG_WORKSPACE);
	dg_settings_add(s, ~0u, "deployments", NULL, "dev");
	cr_assert(harness_reload(&h, s));
	cr_assert_str_eq(harness_expect(&h, DG_MSG_SCOPE)->text, "names=prod\ndev\n");
	harness_expect(&h, DG_MSG_WORKSPACE);
	cr_assert(strstr(server.last.p, "{\"deploymentNames\": [\"prod\", \"dev\"], "));
	end(0);
}
