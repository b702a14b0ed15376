/* config/derive.c: see derive.h. */
#include "config/derive.h"

#include "base/mem.h"
#include "config/env.h"
#include "config/keys.h"
#include "config/token.h"
#include "config/validate.h"

#define API "dagster_cloud_api."

static void
organization_and_url(const struct dg_yaml_node *root, const struct dg_report_file *file,
	struct dg_settings *s, struct dg_report *report)
{
	const char *text = dg_settings_str(s, API "agent_token");
	const char *given = dg_settings_str(s, API "url");
	struct dg_yaml_mark at = dg_config_mark(root, API "agent_token");
	auto_free char *url = NULL;
	struct dg_token token = {0};
	struct dg_err e = {0};
	int rc = text ? dg_token_read(text, &token, &e) : 0;

	if (!text) /* reported, or a variable that is not set */
		return;
	url = given ? dg_xstrdup(given) : dg_token_url(&token);
	if (rc < 0 && given)
		dg_report_warning(report, file, at, "%sagent_token: %s", API, e.what);
	else if (rc < 0)
		dg_report_error(report, file, at, "%sagent_token: %s%s%s", API, e.what,
			*e.next ? "; " : "", e.next);
	else if (!url)
		dg_report_error(report, file, at,
			"%sagent_token: this token does not say its organisation: set "
			"%surl",
			API, API);
	else if (!*url)
		dg_report_error(report, file, dg_config_mark(root, API "url"),
			"%surl is empty", API);
	dg_settings_set(s, DG_KEYS_FOR_ALL, "organization",
		rc == 0 && token.organization ? token.organization : "");
	dg_settings_set(s, DG_KEYS_FOR_ALL, "region",
		rc == 0 && token.region ? token.region : "");
	if (url) {
		dg_settings_set(s, DG_KEYS_FOR_ALL, "url", url);
		dg_settings_set(
			s, DG_KEYS_FOR_NET | DG_KEYS_FOR_LAUNCHER, API "url", url);
	}
	dg_token_clear(&token);
}

/* A string or a list of strings. */
static void
copy_list(struct dg_settings *s, unsigned roles, const char *to, const char *from)
{
	const char *one = dg_settings_str(s, from);

	if (one && *one)
		dg_settings_add(s, roles, to, NULL, one);
	for (size_t i = 0; i < dg_settings_count(s, from); i++) {
		auto_free char *item = dg_xstrdup(
			dg_settings_item(s, from, i) ? dg_settings_item(s, from, i) : "");

		dg_settings_add(s, roles, to, NULL, item);
	}
}

static void
queues(const struct dg_yaml_node *root, struct dg_settings *s)
{
	const unsigned roles =
		DG_KEYS_FOR_NET | DG_KEYS_FOR_LAUNCHER | DG_KEYS_FOR_MASTER;
	const struct dg_yaml_node *more =
		dg_config_at(root, "agent_queues.additional_queues");
	const struct dg_yaml_node *plain =
		dg_config_at(root, "agent_queues.include_default_queue");

	dg_settings_list(s, roles, "queues");
	for (size_t i = 0; more && more->kind == DG_YAML_SEQ && i < more->n; i++) {
		auto_free char *name = dg_str_dup(more->items[i]->text);

		dg_settings_add(s, roles, "queues", NULL, name);
	}
	if (!plain || plain->i)
		dg_settings_add(s, roles, "queues", NULL, NULL);
}

static void
isolation(const struct dg_yaml_node *root, struct dg_settings *s)
{
	const struct dg_yaml_node *old = dg_config_at(root, "agent_replicas.enabled");

	if (old && old->kind == DG_YAML_BOOL && old->i)
		dg_settings_set(s, DG_KEYS_FOR_NET | DG_KEYS_FOR_LAUNCHER,
			"isolated_agents.enabled", "true");
}

/* A folder from daglet.yaml (relative to HOME), else the first of systemd's, else none.
 */
static char *
folder(const struct dg_config_source *src, const char *given, const char *var)
{
	const char *systemd = dg_env_get(src->env, var);

	if (given && *given == '/')
		return dg_xstrdup(given);
	if (given && *given)
		return dg_xasprintf("%s/%s", src->home ? src->home : ".", given);
	if (systemd && *systemd)
		return dg_xstrndup(systemd, strcspn(systemd, ":"));
	return NULL;
}

static void
folders(const struct dg_config_source *src, struct dg_settings *s)
{
	auto_free char *state =
		folder(src, dg_settings_str(s, "daglet.state_dir"), "STATE_DIRECTORY");
	auto_free char *runtime = folder(
		src, dg_settings_str(s, "daglet.runtime_dir"), "RUNTIME_DIRECTORY");
	auto_free char *sock = NULL;

	if (!state && src->home)
		state = dg_xasprintf("%s/.daglet", src->home);
	if (state)
		dg_settings_set(s, DG_KEYS_FOR_ALL, "daglet.state_dir", state);
	if (!runtime)
		return;
	dg_settings_set(s, DG_KEYS_FOR_ALL, "daglet.runtime_dir", runtime);
	if (!dg_settings_has(s, "daglet.status_socket")) {
		sock = dg_xasprintf("%s/status.sock", runtime);
		dg_settings_set(s, DG_KEYS_FOR_ALL, "daglet.status_socket", sock);
	}
}

void
dg_derive(const struct dg_config_source *src, const struct dg_yaml_node *root,
	const struct dg_report_file *file, struct dg_settings *s,
	struct dg_report *report)
{
	const unsigned roles = DG_KEYS_FOR_NET | DG_KEYS_FOR_LAUNCHER;

	if (src->home)
		dg_settings_set(s, DG_KEYS_FOR_ALL, "home", src->home);
	organization_and_url(root, file, s, report);
	dg_settings_list(s, roles, "deployments");
	copy_list(s, roles, "deployments", API "deployment");
	copy_list(s, roles, "deployments", API "deployments");
	queues(root, s);
	isolation(root, s);
	folders(src, s);
}
