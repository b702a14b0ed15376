/* config/keys_launcher.c: the keys of user_code_launcher.config that every backend has.
 */
#include "base/mem.h"
#include "config/keys.h"

#define C "user_code_launcher.config."
#define TTL C "server_ttl."
#define LAUNCHER DG_KEYS_FOR_LAUNCHER
#define RELOAD DG_CHANGE_RELOAD

/* clang-format off */
static const struct dg_key rows[] = {
	/* path                                type             flags              default  range  roles     change          help */
	{"user_code_launcher.config",          DG_KEY_SHAPE,    0,                 NULL,    NULL,  0,        DG_CHANGE_ROLE, "the backend's own keys"},
	{C "server_ttl",                       DG_KEY_SHAPE,    0,                 NULL,    NULL,  0,        RELOAD,         "stopping code servers that are idle"},
	{TTL "full_deployments",               DG_KEY_SHAPE,    0,                 NULL,    NULL,  0,        RELOAD,         "code servers of full deployments"},
	{TTL "full_deployments.enabled",       DG_KEY_BOOL_SRC, DG_KEY_REQUIRED,   NULL,    NULL,  LAUNCHER, RELOAD,         "stop them when idle"},
	{TTL "full_deployments.ttl_seconds",   DG_KEY_INT_SRC,  0,                 "86400", NULL,  LAUNCHER, RELOAD,         "seconds since the last request"},
	{TTL "branch_deployments",             DG_KEY_SHAPE,    0,                 NULL,    NULL,  0,        RELOAD,         "code servers of branch deployments: always stopped when idle"},
	{TTL "branch_deployments.ttl_seconds", DG_KEY_INT_SRC,  0,                 "86400", NULL,  LAUNCHER, RELOAD,         "seconds since the last request"},
	{TTL "max_servers",                    DG_KEY_INT_SRC,  0,                 "25",    NULL,  LAUNCHER, RELOAD,         "how many servers with a time to live may be up without work"},
	{TTL "enabled",                        DG_KEY_BOOL_SRC, DG_KEY_DEPRECATED, NULL,    NULL,  LAUNCHER, RELOAD,         "use server_ttl.full_deployments.enabled"},
	{TTL "ttl_seconds",                    DG_KEY_INT_SRC,  DG_KEY_DEPRECATED, NULL,    NULL,  LAUNCHER, RELOAD,         "use server_ttl.full_deployments.ttl_seconds"},
	{C "defer_job_snapshots",              DG_KEY_BOOL_SRC, DG_KEY_UNUSED,     "true",  NULL,  0,        DG_CHANGE_NONE, "the agent reads it no longer"},
	{C "direct_snapshot_uploads",          DG_KEY_BOOL_SRC, 0,                 "true",  NULL,  LAUNCHER | DG_ROLE_BIT(DG_ROLE_REPORTER), RELOAD, "upload definitions piece by piece (false: as one document)"},
	{C "upload_snapshots_on_startup",      DG_KEY_BOOL_SRC, 0,                 "true",  NULL,  LAUNCHER, RELOAD,         "at start upload the locations that the control plane calls outdated"},
	{C "requires_healthcheck",             DG_KEY_BOOL_SRC, 0,                 "false", NULL,  DG_KEYS_FOR_ALL, RELOAD,  "write the readiness file once all locations are up"},
	{C "server_process_startup_timeout",   DG_KEY_INT_SRC,  0,                 "180",   NULL,  LAUNCHER, RELOAD,         "seconds until a new code server must answer"},
};
/* Where the backend is not known nothing can be said about its keys. */
static const struct dg_key unknown[] = {
	{"user_code_launcher.config",          DG_KEY_OPEN,     0,                 NULL,    NULL,  0,        DG_CHANGE_ROLE, "the backend's own keys"},
};
/* clang-format on */

const struct dg_key_table dg_keys_launcher = {rows, DG_N(rows)};
const struct dg_key_table dg_keys_no_backend = {unknown, DG_N(unknown)};
