/* dagster/workspace.h: the control plane's list of deployments and locations. Pure.
 *
 * Each entry is decoded by itself: what is wrong with one is that location's error and
 * nobody else's.
 */
#ifndef DG_DAGSTER_WORKSPACE_H
#define DG_DAGSTER_WORKSPACE_H

#include "dagster/metadata.h"

struct dg_workspace_entry {
	size_t deployment; /* index into deployments */
	char *location;
	bool outdated, load_error;
	double timestamp; /* seconds; the version: another one means a new server */
	struct dg_metadata metadata;
	/* Why the entry cannot be served (metadata is then empty), or cls 0. */
	struct dg_err error;
};

struct dg_workspace_deployment {
	char *name;
	bool branch;
};

struct dg_workspace {
	struct dg_workspace_deployment *deployments;
	size_t deployment_n;
	struct dg_workspace_entry *entries;
	size_t entry_n;
	size_t skipped;            /* entries and deployments without a usable name */
	struct dg_err skipped_why; /* of the last of them */
};

/* BODY: the answer of WorkspaceEntries ({"data": {"deployments": [...]}}), or its data.
 * -DG_TRANSPORT when it is none. */
int dg_workspace_parse(struct dg_str body, struct dg_workspace **ret, struct dg_err *e);
void dg_workspace_free(struct dg_workspace *w);

#endif
