/* config/config.h: from files, flags and environment to settings; the master's side.
 *
 * One call reads dagster.yaml (the Python agent's, unmodified) and daglet.yaml (ours,
 * optional), validates both by the schema tables, resolves {env: NAME}, applies defaults
 * and derives what follows (organisation, region, URL, backend). All errors are found at
 * once, each as "file:line:column: text", the line, a caret and, where it fits, "did you
 * mean". Roles see the result through config/settings.h only.
 */
#ifndef DG_CONFIG_CONFIG_H
#define DG_CONFIG_CONFIG_H

#include "base/err.h"
#include "base/str.h"
#include "config/keys.h"
#include "config/settings.h"

struct dg_config_source {
	const char *home; /* DAGSTER_HOME: holds dagster.yaml, and daglet.yaml if any */
	const char *dagster_text; /* not NULL: the document itself (ephemeral mode) */
	const char *dagster_name; /* how errors call it; NULL: the file's path */
	const char *const *env;   /* the environment, NULL-terminated */
	/* "state_dir=/x": daglet.yaml's keys from the command line, NULL-terminated or
	 * NULL; they win over the file */
	const char *const *overrides;
};

struct dg_config {
	struct dg_settings *settings;
	char *backend; /* "process", ... */
	struct dg_buf
		warnings; /* one per line: deprecated keys, keys without meaning here */
};

/* 0, or -DG_CONFIG with all errors in ERRORS, ready for the terminal. The settings hold,
 * besides what the files say:
 *   "home"               DAGSTER_HOME, absolute
 *   "backend"            as above
 *   "agent_type"         class of the user_code_launcher, for heartbeats
 *   "organization", "region", "url"   derived or given ("" where there is none)
 *   "raw.dagster_yaml"   the whole document, for the launcher's instance refs (launcher
 * only) "queues"             list: the agent's queues, NULL = the default queue
 *   "deployments"        list: the full deployments that are configured, may be empty
 * "dagster_cloud_api.url" is always there, "isolated_agents.enabled" is true for the old
 * agent_replicas too, "daglet.state_dir" is absolute. With daglet.token_file the token
 * comes from there, the raw document says {env: DAGSTER_CLOUD_AGENT_TOKEN} in its place,
 * and "token_variable" (launcher only) names that variable. */
int dg_config_load(const struct dg_config_source *src, struct dg_config **ret,
	struct dg_buf *errors);
void dg_config_free(struct dg_config *c);
void dg_config_freep(struct dg_config **c);

/* What a reload from OLD to NEW takes: FN is called for every key that differs, with what
 * its row says and the roles that have it. Returns how many there are. */
typedef void dg_config_change_fn(
	void *arg, const char *key, enum dg_key_change change, unsigned roles);
size_t dg_config_diff(const struct dg_settings *old, const struct dg_settings *new,
	dg_config_change_fn *fn, void *arg);

/* The token in TOKEN_FILE (relative to HOME) is appended to RET. */
int dg_config_token(
	const char *home, const char *token_file, struct dg_buf *ret, struct dg_err *e);

/* Ephemeral mode (protocol: `agent run` with flags instead of a DAGSTER_HOME). Any may be
 * NULL; CONFIG and LAUNCHER_CONFIG are JSON. The text is the caller's; -DG_CONFIG says
 * which flag is missing or wrong. */
struct dg_config_flags {
	const char *token, *deployment, *label, *config, *launcher, *launcher_config;
};
int dg_config_ephemeral(
	const struct dg_config_flags *f, struct dg_buf *ret_text, struct dg_err *e);

/* daglet.yaml with every key, its default and its help line. */
void dg_config_sample(struct dg_buf *out);

/* For the documentation, a line per key (key, type, default, what a change takes, help)
 * or variable (name, default, help), with tabs between the columns. */
void dg_config_list(struct dg_buf *out);
void dg_config_list_env(struct dg_buf *out);

#endif
