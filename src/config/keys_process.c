/* config/keys_process.c: the keys of user_code_launcher.config of the process backend. */
#include "base/mem.h"
#include "config/keys.h"

#define C "user_code_launcher.config."
#define LAUNCHER DG_KEYS_FOR_LAUNCHER

/* clang-format off */
static const struct dg_key rows[] = {
	/* path                          type             flags default  range  roles     change            help */
	{C "wait_for_processes",         DG_KEY_BOOL_SRC, 0,    "false", NULL,  LAUNCHER, DG_CHANGE_RELOAD, "when a code server is removed, wait up to 30 s for its end"},
	{C "code_server_metrics",        DG_KEY_SHAPE,    0,    NULL,    NULL,  0,        DG_CHANGE_RELOAD, "metrics of code servers in heartbeats"},
	{C "code_server_metrics.enabled", DG_KEY_BOOL,    0,    "false", NULL,  LAUNCHER | DG_ROLE_BIT(DG_ROLE_REPORTER), DG_CHANGE_RELOAD, "collect them"},
	{C "agent_metrics",              DG_KEY_SHAPE,    0,    NULL,    NULL,  0,        DG_CHANGE_RELOAD, "metrics of the agent in heartbeats"},
	{C "agent_metrics.enabled",      DG_KEY_BOOL,     0,    "false", NULL,  LAUNCHER | DG_ROLE_BIT(DG_ROLE_REPORTER), DG_CHANGE_RELOAD, "collect them"},
};
/* clang-format on */

const struct dg_key_table dg_keys_process = {rows, DG_N(rows)};
