/* Flags of `agent run` become a dagster.yaml. */
#include "load.h"

Test(ephemeral, flags_win_over_config_which_wins_over_the_base)
{
	static const struct {
		struct dg_config_flags f;
		const char *want;
	} rows[] = {
		{{.token = "agent:acme:x", .deployment = "prod"},
			"dagster_cloud_api:\n  agent_token: agent:acme:x\n  deployment: "
			"prod\n"
			"instance_class:\n  class: DagsterCloudAgentInstance\n  module: "
			"dagster_cloud.instance\n"
			"user_code_launcher:\n  class: ProcessUserCodeLauncher\n  "
			"module: "
			"dagster_cloud.workspace.user_code_launcher\n"},
		{{.token = "t",
			 .deployment = "prod",
			 .label = "12",
			 .launcher = "my.pkg.Launcher",
			 .launcher_config = "{\"a\": [1, 2.5, null]}"},
			"dagster_cloud_api:\n  agent_label: '12'\n  agent_token: t\n  "
			"deployment: "
			"prod\n"
			"instance_class:\n  class: DagsterCloudAgentInstance\n  module: "
			"dagster_cloud.instance\n"
			"user_code_launcher:\n  class: Launcher\n  config:\n    a:\n    "
			"- 1\n    - "
			"2.5\n    - null\n  module: my.pkg\n"},
		{{.config = "{\"dagster_cloud_api\": {\"agent_token\": \"c\", "
			    "\"retries\": 2}, "
			    "\"agent_queues\": {\"additional_queues\": [\"q\"]}}",
			 .deployment = "dev",
			 .launcher = "Other"},
			"agent_queues:\n  additional_queues:\n  - q\n"
			"dagster_cloud_api:\n  agent_token: c\n  deployment: dev\n  "
			"retries: 2\n"
			"instance_class:\n  class: DagsterCloudAgentInstance\n  module: "
			"dagster_cloud.instance\n"
			"user_code_launcher:\n  class: Other\n  module: "
			"dagster_cloud.workspace.user_code_launcher\n"},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		auto_buf text = DG_BUF_INIT;
		struct dg_err e = {0};

		cr_assert_eq(dg_config_ephemeral(&rows[i].f, &text, &e), 0, "%s", e.what);
		cr_assert_str_eq(text.p, rows[i].want, "row %zu:\n%s", i, text.p);
	}
}

Test(ephemeral, what_cannot_be_is_told)
{
	static const struct {
		struct dg_config_flags f;
		const char *what;
	} rows[] = {
		{{.token = "t"}, "to run without a DAGSTER_HOME both --agent-token and "
				 "--deployment are needed"},
		{{.config = "{"}, "--config: JSON: expected a string as key at byte 1"},
		{{.config = "[]"}, "--config must be a JSON object"},
		{{.config = "{\"dagster_cloud_api\": 5}"},
			"--config: dagster_cloud_api and user_code_launcher must be "
			"objects"},
		{{.token = "t", .deployment = "d", .launcher_config = "x"},
			"--user-code-launcher-config: JSON: expected a value at byte 0"},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		auto_buf text = DG_BUF_INIT;
		struct dg_err e = {0};

		cr_assert_eq(dg_config_ephemeral(&rows[i].f, &text, &e), -DG_CONFIG);
		cr_assert_str_eq(e.what, rows[i].what, "row %zu", i);
		cr_assert_eq(text.n, 0);
	}
}

Test(ephemeral, the_text_is_a_configuration)
{
	static const struct dg_config_flags f = {
		.token = "agent:acme:x", .deployment = "prod"};
	DG_CLEANUP(dg_config_freep) struct dg_config *c = NULL;
	auto_buf text = DG_BUF_INIT;

	cr_assert_eq(dg_config_ephemeral(&f, &text, NULL), 0);
	c = load_text(text.p, NULL);
	cr_assert_str_eq(
		dg_settings_str(c->settings, "url"), "https://acme.agent.dagster.cloud");
}
