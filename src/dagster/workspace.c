/* dagster/workspace.c: see workspace.h. */
#include "dagster/workspace.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "daglet/limits.h"
#include "json/json.h"

void
dg_workspace_free(struct dg_workspace *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->deployment_n; i++)
		free(w->deployments[i].name);
	for (size_t i = 0; i < w->entry_n; i++) {
		free(w->entries[i].location);
		dg_metadata_clear(&w->entries[i].metadata);
	}
	free(w->deployments);
	free(w->entries);
	free(w);
}

/* A name that can become part of ours, or NULL. */
static char *
name_of(struct dg_str object, const char *key)
{
	auto_buf b = DG_BUF_INIT;
	struct dg_str v;

	if (!dg_json_member(object, key, &v) || !dg_json_decode(v, &b) || !b.n ||
		b.n > DG_NAME_MAX || memchr(b.p, 0, b.n))
		return NULL;
	return dg_buf_take(&b);
}

/* float() of a number or of a string that holds one. */
static bool
timestamp(struct dg_str v, double *ret)
{
	auto_buf b = DG_BUF_INIT;
	char *end;

	if (dg_json_double(v, ret))
		return isfinite(*ret);
	if (!dg_json_decode(v, &b) || !b.n)
		return false;
	*ret = strtod(b.p, &end);
	return end != b.p && !*end && isfinite(*ret);
}

static void
read_metadata(struct dg_str item, struct dg_workspace_entry *en)
{
	auto_buf text = DG_BUF_INIT;
	struct dg_str v;

	if (!dg_json_member(item, "metadataTimestamp", &v) ||
		!timestamp(v, &en->timestamp))
		dg_fail(&en->error, DG_USER, 0, "metadataTimestamp is no number");
	else if (!dg_json_member(item, "serializedDeploymentMetadata", &v) ||
		 !dg_json_decode(v, &text))
		dg_fail(&en->error, DG_USER, 0,
			"serializedDeploymentMetadata is no string");
	else if (dg_metadata_parse(dg_buf_str(&text), &en->metadata, &en->error) < 0)
		dg_err_wrap(&en->error, "serializedDeploymentMetadata");
	if (en->error.cls)
		dg_err_where(&en->error, "location %s", en->location);
}

static void
read_entry(struct dg_workspace *w, size_t deployment, struct dg_str item)
{
	char *location = name_of(item, "locationName");
	struct dg_workspace_entry *en;

	if (!location) {
		w->skipped++;
		dg_fail(&w->skipped_why, DG_USER, 0,
			"a workspace entry of %s has no usable locationName",
			w->deployments[deployment].name);
		return;
	}
	w->entries = dg_xrealloc(w->entries, w->entry_n + 1, sizeof *w->entries);
	en = &w->entries[w->entry_n++];
	*en = (struct dg_workspace_entry){.deployment = deployment, .location = location};
	(void)dg_json_member_bool(item, "hasOutdatedData", &en->outdated);
	(void)dg_json_member_bool(item, "hasLoadError", &en->load_error);
	read_metadata(item, en);
}

static void
read_deployment(struct dg_workspace *w, struct dg_str item)
{
	char *name = name_of(item, "deploymentName");
	struct dg_workspace_deployment *d;
	struct dg_json_iter it;
	struct dg_str list;

	if (!name) {
		w->skipped++;
		dg_fail(&w->skipped_why, DG_USER, 0,
			"a deployment has no usable deploymentName");
		return;
	}
	w->deployments =
		dg_xrealloc(w->deployments, w->deployment_n + 1, sizeof *w->deployments);
	d = &w->deployments[w->deployment_n++];
	*d = (struct dg_workspace_deployment){.name = name};
	(void)dg_json_member_bool(item, "isBranchDeployment", &d->branch);
	if (!dg_json_member(item, "workspaceEntries", &list))
		return;
	for (it = dg_json_iter(list); dg_json_next_item(&it, &item);)
		read_entry(w, w->deployment_n - 1, item);
}

int
dg_workspace_parse(struct dg_str body, struct dg_workspace **ret, struct dg_err *e)
{
	struct dg_workspace *w;
	struct dg_json_iter it;
	struct dg_str list, item;
	int r = dg_json_check(body, DG_JSON_DEPTH_MAX, e);

	if (r < 0) {
		dg_err_wrap(e, "the workspace");
		if (e)
			e->cls = DG_TRANSPORT; /* what came is not what was sent */
		return -DG_TRANSPORT;
	}
	if (!dg_json_path(body, &list, "data", "deployments", NULL) &&
		!dg_json_member(body, "deployments", &list))
		list = DG_STR_NULL;
	if (dg_json_type(list) != DG_JSON_ARRAY)
		return dg_fail(e, DG_TRANSPORT, 0, "the workspace has no deployments");
	w = dg_new(struct dg_workspace);
	for (it = dg_json_iter(list); dg_json_next_item(&it, &item);)
		read_deployment(w, item);
	*ret = w;
	return 0;
}
