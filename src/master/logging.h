/* master/logging.h: what `--agent-logging-config-*` says, as far as it has a meaning
 * here.
 *
 * It is the body of a Python logging configuration: the level of the root logger (or of
 * the logger dagster_cloud) and whether a formatter speaks JSON are used; everything else
 * is named as not used.
 */
#ifndef DG_MASTER_LOGGING_H
#define DG_MASTER_LOGGING_H

#include "config/settings.h"
#include "master/cli.h"

/* Sets daglet.log_level and daglet.log_format, and this process's own. */
int dg_logging_apply(const struct dg_cli *cli, struct dg_settings *s, struct dg_err *e);

#endif
