/* master/cli.h: the command line, pure: words in, one struct out.
 *
 * daglet is also what people are used to type: called as `dagster-cloud` or
 * `dagster-plus` (a link), or as `daglet agent run`, it takes `agent run [DAGSTER_HOME]`
 * with all options of the Python agent.
 */
#ifndef DG_MASTER_CLI_H
#define DG_MASTER_CLI_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "config/config.h"

enum dg_command {
	DG_CMD_RUN,
	DG_CMD_CHECK_CONFIG,
	DG_CMD_SAMPLE_CONFIG,
	DG_CMD_CRASHPOINTS,
	DG_CMD_HELP,
	DG_CMD_VERSION,
};

struct dg_cli {
	enum dg_command command;
	const char *home;      /* positional DAGSTER_HOME, or NULL */
	const char *state_dir; /* --state-dir */
	const char *log_level, *log_format;
	bool ephemeral; /* one of flags is given */
	struct dg_config_flags flags;
	const char *logging_path, *logging_text; /* --agent-logging-config-* */
};

/* Arguments live as long as ARGV. -DG_CONFIG: not understood. */
int dg_cli_parse(int argc, char **argv, struct dg_cli *ret, struct dg_err *e);
extern const char dg_cli_help[];

#endif
