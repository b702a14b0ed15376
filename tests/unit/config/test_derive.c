/* What follows from the files: settings as the roles see them. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "daglet/role.h"
#include "load.h"

#define NET DG_ROLE_BIT(DG_ROLE_POLLER)

static void
items_are(struct dg_config *c, const char *key, const char *want)
{
	auto_buf got = DG_BUF_INIT;

	dg_buf_adds(&got, "");
	for (size_t i = 0; i < dg_settings_count(c->settings, key); i++) {
		const char *name = dg_settings_name(c->settings, key, i);
		const char *item = dg_settings_item(c->settings, key, i);

		dg_buf_addf(&got, "%s%s%s%s", i ? "," : "", name ? name : "",
			name ? "=" : "", item ? item : "NULL");
	}
	cr_assert_str_eq(got.p, want, "%s: %s", key, got.p);
}

static const char *
str(struct dg_config *c, const char *key)
{
	return dg_settings_str(c->settings, key);
}

Test(derive, a_full_file_becomes_settings)
{
	static const char text[] = TEST_CLASS TEST_LAUNCHER
		"dagster_cloud_api:\n"
		"  agent_token: {env: TOKEN}\n"
		"  deployments: [prod, {env: OTHER}]\n"
		"  branch_deployments: {env: BRANCHES}\n"
		"  timeout: null\n"
		"  retries: {env: RETRIES}\n"
		"  backoff_factor: 2\n"
		"  headers: {X-A: b}\n"
		"  cookies: {n: 5}\n"
		"  proxies: {https: 'http://p:1'}\n"
		"  socket_options: [[SOL_SOCKET, SO_KEEPALIVE, yes], [6, 4, 60]]\n"
		"agent_queues: {additional_queues: [gpu, big]}\n"
		"allowed_full_deployment_locations: {prod: [etl, ml], dev: []}\n"
		"allowed_branch_deployment_locations: []\n";
	static const char *const env[] = {
		"TOKEN=agent:acme:65757fba-bf17-811b-8b4d-367ea841a3b0", "OTHER=dev",
		"BRANCHES=False", "RETRIES= 3", NULL};
	DG_CLEANUP(dg_config_freep) struct dg_config *c = load_text(text, env);

	cr_assert_str_eq(c->backend, "process");
	cr_assert_str_eq(str(c, "backend"), "process");
	cr_assert_str_eq(str(c, "agent_type"), "ProcessUserCodeLauncher");
	cr_assert_str_eq(str(c, "organization"), "acme");
	cr_assert_str_eq(str(c, "region"), "eu");
	cr_assert_str_eq(str(c, "url"), "https://acme.agent.eu.dagster.cloud");
	cr_assert_str_eq(
		str(c, "dagster_cloud_api.url"), "https://acme.agent.eu.dagster.cloud");
	cr_assert_str_eq(str(c, "dagster_cloud_api.branch_deployments"), "false");
	cr_assert(dg_settings_has(c->settings, "dagster_cloud_api.timeout"));
	cr_assert_null(str(c, "dagster_cloud_api.timeout"));
	cr_assert_eq(dg_settings_int(c->settings, "dagster_cloud_api.retries"), 3);
	cr_assert_eq(
		dg_settings_float(c->settings, "dagster_cloud_api.backoff_factor"), 2);
	cr_assert(dg_settings_bool(c->settings, "dagster_cloud_api.verify"));
	items_are(c, "deployments", "prod,dev");
	items_are(c, "dagster_cloud_api.headers", "X-A=b");
	items_are(c, "dagster_cloud_api.cookies", "n=5");
	items_are(c, "dagster_cloud_api.proxies", "https=http://p:1");
	items_are(c, "dagster_cloud_api.socket_options", "NULL,NULL");
	items_are(c, "dagster_cloud_api.socket_options.0", "1,9,1");
	items_are(c, "dagster_cloud_api.socket_options.1", "6,4,60");
	items_are(c, "queues", "gpu,big,NULL");
	items_are(c, "allowed_full_deployment_locations", "prod=NULL,dev=NULL");
	items_are(c, "allowed_full_deployment_locations.prod", "etl,ml");
	items_are(c, "allowed_full_deployment_locations.dev", "");
	cr_assert(dg_settings_has(c->settings, "allowed_branch_deployment_locations"));
	cr_assert(strstr(str(c, "raw.dagster_yaml"), "agent_token:\n    env: TOKEN\n"));
}

Test(derive, old_names_and_forms_count)
{
	static const char text[] =
		TEST_CLASS TEST_LAUNCHER "dagster_cloud_api: {agent_token: old, url: "
					 "'https://x', deployment: prod}\n"
					 "agent_replicas: {enabled: true}\n"
					 "agent_queues: {include_default_queue: false}\n";
	static const char *const none[] = {NULL};
	DG_CLEANUP(dg_config_freep) struct dg_config *c = load_text(text, none);

	cr_assert(dg_settings_bool(c->settings, "isolated_agents.enabled"));
	cr_assert_str_eq(str(c, "organization"), "");
	cr_assert_str_eq(str(c, "url"), "https://x");
	items_are(c, "deployments", "prod");
	items_are(c, "queues", "");
	cr_assert_not(
		dg_settings_has(c->settings, "allowed_branch_deployment_locations"));
	cr_assert_str_eq(c->warnings.p,
		"dagster.yaml:4:1: agent_replicas is deprecated: use isolated_agents\n");
}

Test(derive, a_user_token_with_a_url_is_only_a_warning)
{
	static const char text[] = TEST_CLASS TEST_LAUNCHER
		"dagster_cloud_api: {agent_token: 'user:a:b', url: 'https://x'}\n";
	DG_CLEANUP(dg_config_freep) struct dg_config *c = load_text(text, NULL);

	cr_assert(strstr(c->warnings.p, "this is a user token"));
}

Test(derive, roles_get_only_what_is_theirs)
{
	static const char text[] = TEST_CLASS TEST_LAUNCHER TEST_API;
	DG_CLEANUP(dg_config_freep) struct dg_config *c = load_text(text, NULL);
	static const struct {
		enum dg_role role;
		const char *key;
		bool gets;
	} rows[] = {
		{DG_ROLE_POLLER, "dagster_cloud_api.agent_token", true},
		{DG_ROLE_REPORTER, "dagster_cloud_api.agent_token", true},
		{DG_ROLE_LEDGER, "dagster_cloud_api.agent_token", false},
		{DG_ROLE_STATUS, "dagster_cloud_api.agent_token", false},
		{DG_ROLE_LAUNCHER, "raw.dagster_yaml", true},
		{DG_ROLE_POLLER, "raw.dagster_yaml", false},
		{DG_ROLE_STATUS, "raw.dagster_yaml", false},
		{DG_ROLE_LEDGER, "daglet.log_level", true},
		{DG_ROLE_STATUS, "backend", true},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		DG_CLEANUP(dg_settings_freep) struct dg_settings *s = NULL;
		int fd = dg_settings_seal(c->settings, DG_ROLE_BIT(rows[i].role), NULL);

		cr_assert_geq(fd, 0);
		cr_assert_eq(dg_settings_load(fd, &s, NULL), 0);
		close(fd);
		cr_assert_eq(dg_settings_has(s, rows[i].key), rows[i].gets, "row %zu", i);
	}
}

/* A DAGSTER_HOME in a folder of its own. */
struct home {
	char dir[64];
};

static void
put(struct home *h, const char *name, const char *text)
{
	auto_free char *path = dg_xasprintf("%s/%s", h->dir, name);

	cr_assert_eq(dg_replace_file(AT_FDCWD, path, text, strlen(text), 0600, NULL), 0,
		"%s", path);
}

static void
make_home(struct home *h, const char *daglet)
{
	snprintf(h->dir, sizeof h->dir, "/tmp/daglet-test-XXXXXX");
	cr_assert(mkdtemp(h->dir));
	put(h, "dagster.yaml",
		TEST_CLASS TEST_LAUNCHER
		"dagster_cloud_api: {agent_token: {env: NOT_SET}, deployment: prod}\n");
	put(h, "token", "agent:acme:x\n");
	put(h, "daglet.yaml", daglet);
}

static void
remove_home(struct home *h)
{
	static const char *const names[] = {"dagster.yaml", "token", "daglet.yaml"};

	for (size_t i = 0; i < DG_N(names); i++) {
		auto_free char *path = dg_xasprintf("%s/%s", h->dir, names[i]);

		unlink(path);
	}
	rmdir(h->dir);
}

static int
load_home(struct home *h, const char *const *env, const char *const *overrides,
	struct dg_config **ret, struct dg_buf *errors)
{
	const struct dg_config_source src = {
		.home = h->dir, .env = env, .overrides = overrides};

	return dg_config_load(&src, ret, errors);
}

Test(derive, daglet_yaml_names_the_token_and_the_folders)
{
	static const char *const env[] = {"STATE_DIRECTORY=/var/lib/daglet:/x",
		"RUNTIME_DIRECTORY=/run/daglet", NULL};
	static const char *const overrides[] = {
		"log_level=debug", "drain_timeout=5", NULL};
	DG_CLEANUP(dg_config_freep) struct dg_config *c = NULL, *d = NULL;
	auto_buf errors = DG_BUF_INIT;
	auto_free char *state = NULL;
	struct home h;

	make_home(&h, "token_file: token\nlog_level: warning\non_stop: keep\n");
	cr_assert_eq(load_home(&h, env, overrides, &c, &errors), 0, "%s", errors.p);
	put(&h, "daglet.yaml", "token_file: token\nstate_dir: mine\nruntime_dir: /r\n");
	cr_assert_eq(load_home(&h, env, NULL, &d, &errors), 0, "%s", errors.p);
	state = dg_xasprintf("%s/mine", h.dir);
	remove_home(&h);

	cr_assert_str_eq(str(c, "dagster_cloud_api.agent_token"), "agent:acme:x");
	cr_assert(strstr(str(c, "raw.dagster_yaml"), "env: DAGSTER_CLOUD_AGENT_TOKEN\n"));
	cr_assert_str_eq(str(c, "home"), h.dir);
	cr_assert_str_eq(str(c, "daglet.on_stop"), "keep");
	cr_assert_str_eq(str(c, "daglet.log_level"), "debug");
	cr_assert_str_eq(str(c, "daglet.drain_timeout"), "5");
	cr_assert_str_eq(str(c, "daglet.state_dir"), "/var/lib/daglet");
	cr_assert_str_eq(str(c, "daglet.status_socket"), "/run/daglet/status.sock");
	cr_assert_str_eq(str(d, "daglet.state_dir"), state);
	cr_assert_str_eq(str(d, "daglet.runtime_dir"), "/r");
}

Test(derive, what_is_wrong_with_daglet_yaml_and_flags_is_told)
{
	static const char *const overrides[] = {
		"log_level=loud", "drain_timeout=-1", "nothing=1", NULL};
	struct dg_config *c = NULL;
	auto_buf errors = DG_BUF_INIT;
	struct home h;

	make_home(&h, "token_file: none\nlog_levl: info\non_stop: never\n");
	cr_assert_eq(load_home(&h, NULL, overrides, &c, &errors), -DG_CONFIG);
	remove_home(&h);
	cr_assert(strstr(errors.p, "daglet.yaml:1:1: token_file: "), "%s", errors.p);
	cr_assert(
		strstr(errors.p, "daglet.yaml:2:1: unknown key 'log_levl' (did you mean "
				 "'log_level'?)"),
		"%s", errors.p);
	cr_assert(strstr(errors.p,
			  "daglet.yaml:3:10: on_stop must be one of auto|keep|remove"),
		"%s", errors.p);
	cr_assert(strstr(errors.p, "command line: log_level must be "), "%s", errors.p);
	cr_assert(strstr(errors.p, "command line: drain_timeout must be 0..86400"), "%s",
		errors.p);
	cr_assert(strstr(errors.p, "command line: daglet has no setting 'nothing'"), "%s",
		errors.p);
}

Test(derive, a_missing_file_is_named)
{
	const struct dg_config_source nowhere = {.home = "/nonexistent"}, unset = {0};
	struct dg_config *c = NULL;
	auto_buf errors = DG_BUF_INIT, more = DG_BUF_INIT;

	cr_assert_eq(dg_config_load(&nowhere, &c, &errors), -DG_CONFIG);
	cr_assert_str_eq(errors.p, "/nonexistent/dagster.yaml: there is no such file: "
				   "DAGSTER_HOME must name a "
				   "folder with a dagster.yaml\n");
	cr_assert_eq(dg_config_load(&unset, &c, &more), -DG_CONFIG);
	cr_assert(strstr(more.p, "DAGSTER_HOME is not set"), "%s", more.p);
}

Test(derive, the_sample_is_a_daglet_yaml_and_names_every_key)
{
	auto_buf sample = DG_BUF_INIT, keys = DG_BUF_INIT, env = DG_BUF_INIT;
	DG_CLEANUP(dg_config_freep) struct dg_config *c = NULL;
	auto_buf errors = DG_BUF_INIT;
	struct home h;

	dg_config_sample(&sample);
	dg_config_list(&keys);
	dg_config_list_env(&env);
	make_home(&h, sample.p);
	put(&h, "dagster.yaml", TEST_CLASS TEST_LAUNCHER TEST_API);
	cr_assert_eq(load_home(&h, NULL, NULL, &c, &errors), 0, "%s", errors.p);
	remove_home(&h);
	cr_assert(strstr(sample.p, "\n#on_stop: auto\n"));
	cr_assert(strstr(keys.p,
		"\ndagster_cloud_api.retries\tinteger or {env: NAME}\t6\treload\t"));
	cr_assert(strstr(env.p, "\nDAGSTER_GRPC_TIMEOUT_SECONDS\t60\t"));
}

struct diff {
	struct dg_buf names;
	enum dg_key_change strongest;
	unsigned roles;
};

static void
on_change(void *arg, const char *key, enum dg_key_change change, unsigned roles)
{
	struct diff *d = arg;

	dg_buf_addf(&d->names, "%s%s", d->names.n ? " " : "", key);
	if (change > d->strongest)
		d->strongest = change;
	d->roles |= roles;
}

Test(derive, a_reload_takes_what_the_changed_keys_say)
{
	static const char base[] = TEST_CLASS TEST_LAUNCHER TEST_API;
	static const struct {
		const char *text;
		enum dg_key_change change;
		const char *names;
	} rows[] = {
		{TEST_CLASS TEST_LAUNCHER TEST_API, DG_CHANGE_NONE, ""},
		{"# a remark\n" TEST_CLASS TEST_LAUNCHER TEST_API, DG_CHANGE_NONE, ""},
		{TEST_CLASS TEST_LAUNCHER TEST_API "nux: {enabled: true}\n",
			DG_CHANGE_RELOAD, "raw.dagster_yaml"},
		{TEST_CLASS TEST_LAUNCHER TEST_API
			"allowed_branch_deployment_locations: [a]\n",
			DG_CHANGE_RELOAD,
			"raw.dagster_yaml allowed_branch_deployment_locations"},
		{TEST_CLASS TEST_LAUNCHER TEST_API "isolated_agents: {enabled: true}\n",
			DG_CHANGE_ROLE, "isolated_agents.enabled raw.dagster_yaml"},
		{TEST_CLASS TEST_LAUNCHER TEST_API
			"agent_queues: {additional_queues: [q]}\n",
			DG_CHANGE_AGENT,
			"queues raw.dagster_yaml agent_queues.additional_queues"},
		{TEST_CLASS TEST_LAUNCHER "dagster_cloud_api: {agent_token: "
					  "'agent:acme:x', deployment: prod, "
					  "socket_options: [[1, 2, 3]]}\n",
			DG_CHANGE_RELOAD,
			"raw.dagster_yaml dagster_cloud_api.socket_options "
			"dagster_cloud_api.socket_options.0"},
	};
	DG_CLEANUP(dg_config_freep) struct dg_config *old = load_text(base, NULL);

	for (size_t i = 0; i < DG_N(rows); i++) {
		DG_CLEANUP(dg_config_freep)
		struct dg_config *new = load_text(rows[i].text, NULL);
		struct diff d = {.names = DG_BUF_INIT};

		dg_buf_adds(&d.names, "");
		dg_config_diff(old->settings, new->settings, on_change, &d);
		cr_assert_eq(d.strongest, rows[i].change, "row %zu", i);
		cr_assert_str_eq(d.names.p, rows[i].names, "row %zu: %s", i, d.names.p);
		cr_assert_eq(d.roles != 0, d.names.n != 0, "row %zu", i);
		dg_buf_clear(&d.names);
	}
}

Test(derive, settings_are_copied_key_by_key)
{
	DG_CLEANUP(dg_config_freep)
	struct dg_config *a = load_text(TEST_CLASS TEST_LAUNCHER TEST_API
		"agent_queues: {additional_queues: [q]}\n",
		NULL);
	DG_CLEANUP(dg_config_freep)
	struct dg_config *b = load_text(TEST_CLASS TEST_LAUNCHER TEST_API, NULL);
	DG_CLEANUP(dg_settings_freep)
	struct dg_settings *clone = dg_settings_clone(a->settings);
	struct diff d = {.names = DG_BUF_INIT};

	cr_assert_eq(dg_config_diff(a->settings, clone, on_change, &d), 0);
	dg_settings_copy(clone, b->settings, "queues");
	cr_assert_eq(dg_settings_count(clone, "queues"), 1);
	dg_settings_copy(clone, b->settings, "agent_queues.additional_queues");
	cr_assert_not(dg_settings_has(clone, "agent_queues.additional_queues"));
	cr_assert_eq(dg_settings_mask(clone, "agent_queues.additional_queues"), 0);
	cr_assert_neq(dg_settings_mask(clone, "queues"), 0);
	cr_assert_eq(dg_config_diff(a->settings, clone, on_change, &d), 2);
	cr_assert_eq(d.strongest, DG_CHANGE_AGENT);
	dg_buf_clear(&d.names);
}
