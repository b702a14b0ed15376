/* config/keys_agent.c: the keys of dagster.yaml that belong to the agent. */
#include "base/mem.h"
#include "config/keys.h"

#define API "dagster_cloud_api."
#define NET DG_KEYS_FOR_NET
#define LAUNCHER DG_KEYS_FOR_LAUNCHER

/* clang-format off */
static const struct dg_key rows[] = {
	/* path                       type                flags             default  range  roles            change            help */
	{"instance_class",            DG_KEY_SHAPE,       DG_KEY_REQUIRED,  NULL,    NULL,  0,               DG_CHANGE_AGENT,  "dagster_cloud.instance and DagsterCloudAgentInstance"},
	{"instance_class.module",     DG_KEY_STR,         DG_KEY_REQUIRED,  NULL,    NULL,  0,               DG_CHANGE_AGENT,  "dagster_cloud.instance or dagster_cloud"},
	{"instance_class.class",      DG_KEY_STR,         DG_KEY_REQUIRED,  NULL,    NULL,  0,               DG_CHANGE_AGENT,  "DagsterCloudAgentInstance"},
	{"instance_class.config",     DG_KEY_OPEN,        0,                NULL,    NULL,  0,               DG_CHANGE_NONE,   "not read"},

	{"dagster_cloud_api",         DG_KEY_SHAPE,       DG_KEY_REQUIRED,  NULL,    NULL,  0,               DG_CHANGE_ROLE,   "how the agent reaches the control plane"},
	{API "agent_token",           DG_KEY_STR_SRC,     DG_KEY_REQUIRED,  NULL,    NULL,  NET | LAUNCHER,  DG_CHANGE_RELOAD, "the agent's token, agent:ORGANISATION:UUID"},
	{API "url",                   DG_KEY_STR_SRC,     0,                NULL,    NULL,  NET | LAUNCHER,  DG_CHANGE_ROLE,   "base URL; derived from the token where absent"},
	{API "agent_label",           DG_KEY_STR_SRC,     0,                NULL,    NULL,  DG_KEYS_FOR_ALL, DG_CHANGE_RELOAD, "name shown beside the agent's id"},
	{API "deployment",            DG_KEY_STR_OR_LIST, 0,                NULL,    NULL,  NET | LAUNCHER,  DG_CHANGE_RELOAD, "the one full deployment to serve"},
	{API "deployment[]",          DG_KEY_STR,         0,                NULL,    NULL,  0,               DG_CHANGE_NONE,   NULL},
	{API "deployments",           DG_KEY_LIST,        0,                NULL,    NULL,  NET | LAUNCHER,  DG_CHANGE_RELOAD, "several full deployments to serve"},
	{API "deployments[]",         DG_KEY_STR_SRC,     0,                NULL,    NULL,  0,               DG_CHANGE_NONE,   NULL},
	{API "branch_deployments",    DG_KEY_BOOL_SRC,    0,                "false", NULL,  NET | LAUNCHER,  DG_CHANGE_RELOAD, "serve all branch deployments too"},
	{API "all_serverless_deployments", DG_KEY_BOOL_SRC, 0,              "false", NULL,  NET,             DG_CHANGE_RELOAD, "not for hybrid agents; passed on as it is"},
	{API "timeout",               DG_KEY_INT_SRC,     DG_KEY_NULL,      "60",    NULL,  NET,             DG_CHANGE_RELOAD, "seconds to connect, and between two pieces of an answer; null: no limit"},
	{API "retries",               DG_KEY_INT_SRC,     0,                "6",     NULL,  NET,             DG_CHANGE_RELOAD, "how often a call is repeated"},
	{API "backoff_factor",        DG_KEY_FLOAT,       0,                "0.5",   NULL,  NET,             DG_CHANGE_RELOAD, "grows the wait between repetitions"},
	{API "method",                DG_KEY_STR_SRC,     DG_KEY_UNUSED,    "POST",  NULL,  0,               DG_CHANGE_NONE,   "the agent has never read it"},
	{API "verify",                DG_KEY_BOOL,        0,                "true",  NULL,  NET,             DG_CHANGE_RELOAD, "false: certificates are not checked"},
	{API "headers",               DG_KEY_OPEN,        0,                NULL,    NULL,  NET,             DG_CHANGE_RELOAD, "further request headers; they win over the agent's own"},
	{API "cookies",               DG_KEY_OPEN,        0,                NULL,    NULL,  NET,             DG_CHANGE_RELOAD, "cookies for GraphQL calls"},
	{API "proxies",               DG_KEY_MAP,         0,                NULL,    NULL,  NET,             DG_CHANGE_RELOAD, "proxies by scheme: http, https, all, or scheme://host"},
	{API "proxies.*",             DG_KEY_STR,         0,                NULL,    NULL,  0,               DG_CHANGE_NONE,   NULL},
	{API "socket_options",        DG_KEY_LIST,        DG_KEY_NULL,      NULL,    NULL,  NET,             DG_CHANGE_RELOAD, "[level, option, value] by number or name, in place of TCP_NODELAY"},
	{API "socket_options[]",      DG_KEY_LIST,        0,                NULL,    NULL,  0,               DG_CHANGE_NONE,   NULL},
	{API "socket_options[][]",    DG_KEY_ANY,         0,                NULL,    NULL,  0,               DG_CHANGE_NONE,   NULL},

	{"user_code_launcher",        DG_KEY_SHAPE,       DG_KEY_REQUIRED,  NULL,    NULL,  0,               DG_CHANGE_AGENT,  "which backend starts code servers and runs"},
	{"user_code_launcher.module", DG_KEY_STR,         DG_KEY_REQUIRED,  NULL,    NULL,  0,               DG_CHANGE_AGENT,  "dagster_cloud.workspace.user_code_launcher, ..."},
	{"user_code_launcher.class",  DG_KEY_STR,         DG_KEY_REQUIRED,  NULL,    NULL,  0,               DG_CHANGE_AGENT,  "ProcessUserCodeLauncher, ..."},

	{"isolated_agents",           DG_KEY_SHAPE,       0,                NULL,    NULL,  0,               DG_CHANGE_ROLE,   "agents that cannot reach each other's code servers"},
	{"isolated_agents.enabled",   DG_KEY_BOOL,        0,                "false", NULL,  NET | LAUNCHER,  DG_CHANGE_ROLE,   "terminate and watch only this agent's runs"},
	{"agent_replicas",            DG_KEY_SHAPE,       DG_KEY_DEPRECATED, NULL,   NULL,  0,               DG_CHANGE_ROLE,   "use isolated_agents"},
	{"agent_replicas.enabled",    DG_KEY_BOOL,        0,                "false", NULL,  0,               DG_CHANGE_ROLE,   "use isolated_agents.enabled"},

	{"agent_queues",              DG_KEY_SHAPE,       0,                NULL,    NULL,  0,               DG_CHANGE_AGENT,  "which agent queues to serve"},
	{"agent_queues.include_default_queue", DG_KEY_BOOL, 0,              "true",  NULL,  0,               DG_CHANGE_AGENT,  "serve what names no queue"},
	{"agent_queues.additional_queues", DG_KEY_LIST,   0,                NULL,    NULL,  NET,             DG_CHANGE_AGENT,  "named queues"},
	{"agent_queues.additional_queues[]", DG_KEY_STR,  0,                NULL,    NULL,  0,               DG_CHANGE_NONE,   NULL},

	{"allowed_full_deployment_locations", DG_KEY_MAP, 0,                NULL,    NULL,  NET | LAUNCHER,  DG_CHANGE_RELOAD, "per full deployment the locations that may be served; others: all"},
	{"allowed_full_deployment_locations.*", DG_KEY_LIST, 0,             NULL,    NULL,  0,               DG_CHANGE_NONE,   NULL},
	{"allowed_full_deployment_locations.*[]", DG_KEY_STR, 0,            NULL,    NULL,  0,               DG_CHANGE_NONE,   NULL},
	{"allowed_branch_deployment_locations", DG_KEY_LIST, 0,             NULL,    NULL,  NET | LAUNCHER,  DG_CHANGE_RELOAD, "locations that may be served in branch deployments"},
	{"allowed_branch_deployment_locations[]", DG_KEY_STR, 0,            NULL,    NULL,  0,               DG_CHANGE_NONE,   NULL},
};
/* clang-format on */

const struct dg_key_table dg_keys_agent = {rows, DG_N(rows)};
