/* dagster/code_server.h: how a code server is started: its arguments and its environment.
 * Pure. What depends on the backend (address, heartbeat) is the backend's to add. */
#ifndef DG_DAGSTER_CODE_SERVER_H
#define DG_DAGSTER_CODE_SERVER_H

#include "dagster/metadata.h"

/* [executable -m] dagster api grpc [--enable-metrics] [--defs-state-info INFO] */
void dg_code_server_argv(const struct dg_metadata *m, bool metrics, struct dg_strv *argv);

/* What a process server's environment has besides the agent's own: cloud_context_env, and
 * over it the variables that say what to load. REF is the user-code instance ref. */
void dg_code_server_env(const struct dg_metadata *m, const char *location,
	struct dg_str ref, struct dg_strv *env);

/* The threads the server will have. Where the user has not said it (in ENV, which was
 * made above, or in USER, the agent's own variable or NULL), it is said now: Python's
 * default for so many CPUs. */
unsigned dg_code_server_pool(struct dg_strv *env, const char *user, unsigned cpus);

#define DG_POOL_ENV "DAGSTER_GRPC_MAX_WORKERS"

#endif
