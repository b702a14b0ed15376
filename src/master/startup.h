/* master/startup.h: from a command line to settings, folders and a user. */
#ifndef DG_MASTER_STARTUP_H
#define DG_MASTER_STARTUP_H

#include "config/config.h"
#include "master/cli.h"
#include "master/master.h"

/* Read and check everything. Errors for people go to ERRORS, one or many lines. */
int dg_startup_config(
	const struct dg_cli *cli, struct dg_config **ret, struct dg_buf *errors);
/* Make the folders of the settings ("daglet.state_dir", "daglet.runtime_dir") and decide
 * who the roles run as. */
int dg_startup_folders(struct dg_master *m, struct dg_settings *s, struct dg_err *e);

#endif
