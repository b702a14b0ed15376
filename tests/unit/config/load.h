/* A dagster.yaml from a few lines, for the tests of this room. */
#ifndef TEST_CONFIG_LOAD_H
#define TEST_CONFIG_LOAD_H

#include <criterion/criterion.h>

#include "base/mem.h"
#include "config/config.h"

#define TEST_CLASS                                                                       \
	"instance_class: {module: dagster_cloud, class: DagsterCloudAgentInstance}\n"
#define TEST_LAUNCHER                                                                    \
	"user_code_launcher: {module: dagster_cloud.workspace.user_code_launcher, "      \
	"class: ProcessUserCodeLauncher}\n"
#define TEST_API "dagster_cloud_api: {agent_token: 'agent:acme:x', deployment: prod}\n"

static inline struct dg_config *
load_text(const char *text, const char *const *env)
{
	const struct dg_config_source src = {
		.dagster_text = text, .dagster_name = "dagster.yaml", .env = env};
	struct dg_config *c = NULL;
	auto_buf errors = DG_BUF_INIT;

	cr_assert_eq(dg_config_load(&src, &c, &errors), 0, "%s", errors.p);
	cr_assert_eq(errors.n, 0);
	return c;
}

/* The errors of a text that is refused. */
static inline char *
refused(const char *text, const char *const *env)
{
	const struct dg_config_source src = {
		.dagster_text = text, .dagster_name = "dagster.yaml", .env = env};
	struct dg_config *c = NULL;
	struct dg_buf errors = DG_BUF_INIT;

	cr_assert_eq(dg_config_load(&src, &c, &errors), -DG_CONFIG);
	cr_assert_null(c);
	return dg_buf_take(&errors);
}

#endif
