/* config/config.c: see config.h. The order: read both files, check them against the
 * tables and the rules, set what they say, then the environment, then what follows. */
#include "config/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/mem.h"
#include "config/derive.h"
#include "config/env.h"
#include "config/fill.h"
#include "config/keys.h"
#include "config/rules.h"
#include "config/validate.h"

#define TOKEN "dagster_cloud_api.agent_token"
#define TOKEN_VARIABLE "DAGSTER_CLOUD_AGENT_TOKEN"
#define TOKEN_FILE_MAX 8192

enum { DAGSTER, DAGLET, FILES };

struct loading {
	const struct dg_config_source *src;
	struct dg_report report;
	struct dg_report_file files[FILES];
	struct dg_buf texts[FILES];
	char *names[FILES];
	struct dg_yaml *docs[FILES];
	struct dg_config *config;
};

static const struct dg_yaml_mark whole_file = {0, 0};

/* ---- reading ---- */

/* A document that is not there or not readable counts as empty after its error. */
static void
parse(struct loading *l, int which)
{
	struct dg_yaml_mark at;
	struct dg_err e = {0};
	struct dg_str text = dg_buf_str(&l->texts[which]);

	l->files[which].text = text;
	if (dg_yaml_load(text, DG_YAML_NO_DATES, &l->docs[which], &at, &e) < 0) {
		dg_report_error(&l->report, &l->files[which], at, "%s", e.what);
		l->docs[which] = dg_yaml_new();
	}
}

static bool
read_text(struct loading *l, int which, const char *file, bool optional)
{
	const struct dg_config_source *src = l->src;
	struct dg_err e = {0};

	l->names[which] = dg_xasprintf("%s/%s", src->home ? src->home : "", file);
	l->files[which].name = l->names[which];
	if (!src->home)
		return optional;
	if (dg_read_file(AT_FDCWD, l->names[which], DG_YAML_TEXT_MAX, &l->texts[which],
		    &e) == 0)
		return true;
	if (e.num == ENOENT && optional)
		return true;
	if (e.num == ENOENT)
		dg_report_error(&l->report, &l->files[which], whole_file,
			"there is no such file: DAGSTER_HOME must name a folder with a "
			"%s",
			file);
	else
		dg_report_error(&l->report, &l->files[which], whole_file, "%s", e.what);
	return false;
}

static void
read_files(struct loading *l)
{
	const struct dg_config_source *src = l->src;

	if (src->dagster_text) {
		l->files[DAGSTER].name =
			src->dagster_name ? src->dagster_name : "--config";
		dg_buf_adds(&l->texts[DAGSTER], src->dagster_text);
	} else if (!read_text(l, DAGSTER, "dagster.yaml", false) &&
		   l->report.errors == 0) {
		dg_report_error(&l->report, &l->files[DAGSTER], whole_file,
			"DAGSTER_HOME is not set");
	}
	read_text(l, DAGLET, "daglet.yaml", true);
	parse(l, DAGSTER);
	parse(l, DAGLET);
}

/* ---- daglet.yaml and the command line ---- */

static bool
fits(const struct dg_key *row, const char *value)
{
	int64_t i;

	if (row->type == DG_KEY_INT)
		return dg_env_int(value, &i) && dg_key_allows_int(row, i);
	return dg_key_allows_str(row, dg_str(value));
}

static void
override(struct loading *l, const struct dg_schema *schema, const char *text)
{
	size_t n = strcspn(text, "=");
	auto_free char *name = dg_xstrndup(text, n);
	auto_free char *key = dg_xasprintf("daglet.%s", name);
	const char *value = text[n] ? text + n + 1 : "";
	const struct dg_key *row = dg_key_find(schema, name);

	if (!row)
		dg_report_error(&l->report, NULL, whole_file,
			"command line: daglet has no setting '%s'", name);
	else if (!fits(row, value))
		dg_report_error(&l->report, NULL, whole_file,
			"command line: %s must be %s", name,
			row->range ? row->range : "an integer");
	else
		dg_settings_set(l->config->settings, row->roles, key, value);
}

static void
load_daglet(struct loading *l)
{
	const struct dg_schema schema = {{&dg_keys_daglet}};
	const struct dg_yaml_node *root = dg_yaml_root(l->docs[DAGLET]);
	const struct dg_fill fill = {
		&schema, root, &l->files[DAGLET], "daglet.", l->src->env, NULL};

	dg_validate(&schema, root, &l->files[DAGLET], &l->report);
	dg_fill(&fill, l->config->settings, &l->report);
	for (const char *const *o = l->src->overrides; o && *o; o++)
		override(l, &schema, *o);
}

/* ---- the token's file ---- */

int
dg_config_token(
	const char *home, const char *token_file, struct dg_buf *ret, struct dg_err *e)
{
	auto_free char *path = *token_file == '/' || !home
				       ? dg_xstrdup(token_file)
				       : dg_xasprintf("%s/%s", home, token_file);
	auto_buf text = DG_BUF_INIT;
	size_t n;
	int r = dg_read_file(AT_FDCWD, path, TOKEN_FILE_MAX, &text, e);

	if (r < 0)
		return r;
	for (n = text.n; n && isspace((unsigned char)text.p[n - 1]); n--)
		text.p[n - 1] = '\0';
	if (n == 0 || strlen(text.p) != n || strpbrk(text.p, " \t\r\n"))
		r = dg_fail(e, DG_CONFIG, 0, "'%s' must hold one token and nothing else",
			path);
	else
		dg_buf_adds(ret, text.p);
	if (text.p)
		explicit_bzero(text.p, text.n);
	return r;
}

static void
read_token_file(struct loading *l, const char *given)
{
	const unsigned roles = DG_KEYS_FOR_NET | DG_KEYS_FOR_LAUNCHER;
	struct dg_yaml_mark at =
		dg_config_mark(dg_yaml_root(l->docs[DAGLET]), "token_file");
	auto_buf text = DG_BUF_INIT;
	struct dg_err e = {0};

	if (dg_config_token(l->src->home, given, &text, &e) < 0)
		dg_report_error(
			&l->report, &l->files[DAGLET], at, "token_file: %s", e.what);
	else
		dg_settings_set(l->config->settings, roles, TOKEN, text.p);
	if (text.p)
		explicit_bzero(text.p, text.n);
}

/* Children find the token in their environment. */
static void
token_from_environment(struct loading *l)
{
	struct dg_yaml *y = l->docs[DAGSTER];
	struct dg_yaml_node *api = dg_yaml_get(dg_yaml_root(y), "dagster_cloud_api");
	struct dg_yaml_node *env = dg_yaml_map(y);

	if (!api || api->kind != DG_YAML_MAP)
		return;
	env->at = api->at;
	dg_yaml_set(y, env, "env", dg_yaml_str(y, DG_STR(TOKEN_VARIABLE)));
	dg_yaml_set(y, api, "agent_token", env);
	dg_settings_set(l->config->settings, DG_ROLE_BIT(DG_ROLE_LAUNCHER),
		"token_variable", TOKEN_VARIABLE);
}

/* ---- dagster.yaml ---- */

/* The tables that fit the user code launcher. */
static struct dg_schema
schema_of(struct loading *l)
{
	const struct dg_schema unknown = {
		{&dg_keys_instance, &dg_keys_agent, &dg_keys_no_backend}};
	const struct dg_report_file *file = &l->files[DAGSTER];
	const struct dg_yaml_node *root = dg_yaml_root(l->docs[DAGSTER]);
	const struct dg_yaml_node *module =
		dg_config_at(root, "user_code_launcher.module");
	const struct dg_yaml_node *cls = dg_config_at(root, "user_code_launcher.class");
	const struct dg_launcher_class *c;
	auto_free char *m = NULL, *k = NULL;

	if (!module || !cls || module->kind != DG_YAML_STR || cls->kind != DG_YAML_STR)
		return unknown;
	m = dg_str_dup(module->text);
	k = dg_str_dup(cls->text);
	c = dg_launcher_class(m, k);
	if (!c) {
		const char *names[16];
		auto_buf hint = DG_BUF_INIT;
		bool known = false;
		size_t n = 0;

		for (size_t i = 0; (c = dg_launcher_class_at(i)) && n < DG_N(names);
			i++) {
			known = known || strcmp(c->cls, k) == 0;
			names[n++] = strcmp(c->cls, k) == 0 ? c->module : c->cls;
		}
		dg_report_suggest(&hint, known ? m : k, names, n);
		dg_report_error(&l->report, file, known ? module->at : cls->at,
			"there is no user code launcher %s in %s%s", k, m,
			hint.n ? hint.p : "");
		return unknown;
	}
	l->config->backend = dg_xstrdup(c->backend);
	dg_settings_set(l->config->settings, DG_KEYS_FOR_ALL, "backend", c->backend);
	dg_settings_set(l->config->settings, DG_KEYS_FOR_ALL, "agent_type", c->cls);
	if (!c->served)
		dg_report_error(&l->report, file, cls->at,
			"%s: this build has no %s backend", k, c->backend);
	if (!c->keys)
		return unknown;
	return (struct dg_schema){
		{&dg_keys_instance, &dg_keys_agent, &dg_keys_launcher, c->keys}};
}

static void
keep_raw(struct loading *l)
{
	auto_buf raw = DG_BUF_INIT;
	struct dg_err e = {0};

	if (dg_yaml_dump(dg_yaml_root(l->docs[DAGSTER]), &raw, &e) < 0)
		dg_report_error(&l->report, &l->files[DAGSTER], whole_file, "%s", e.what);
	else
		dg_settings_set(l->config->settings, DG_KEYS_FOR_LAUNCHER,
			"raw.dagster_yaml", raw.p);
	if (raw.p)
		explicit_bzero(raw.p, raw.n);
}

static void
load_dagster(struct loading *l)
{
	struct dg_settings *s = l->config->settings;
	const char *token_file = dg_settings_str(s, "daglet.token_file");
	const struct dg_report_file *file = &l->files[DAGSTER];
	const struct dg_yaml_node *root = dg_yaml_root(l->docs[DAGSTER]);
	struct dg_schema schema = schema_of(l);
	struct dg_fill fill = {&schema, root, file, "", l->src->env, NULL};

	if (token_file) {
		fill.skip = TOKEN;
		read_token_file(l, token_file);
		token_from_environment(l);
	}
	dg_validate(&schema, root, file, &l->report);
	dg_rules(root, file, l->src->env, &l->report);
	dg_fill(&fill, s, &l->report);
	dg_env_fill(l->src->env, s, &l->report);
	dg_derive(l->src, root, file, s, &l->report);
	keep_raw(l);
}

/* ---- all of it ---- */

static void
finish(struct loading *l)
{
	for (int i = 0; i < FILES; i++) {
		if (l->texts[i].p)
			explicit_bzero(l->texts[i].p, l->texts[i].n);
		dg_buf_clear(&l->texts[i]);
		dg_yaml_free(l->docs[i]);
		free(l->names[i]);
	}
	dg_report_clear(&l->report);
}

int
dg_config_load(
	const struct dg_config_source *src, struct dg_config **ret, struct dg_buf *errors)
{
	struct loading l = {.src = src, .config = dg_new(struct dg_config)};
	bool good, readable;

	*ret = NULL;
	l.config->settings = dg_settings_new();
	read_files(&l);
	readable = l.report.errors == 0;
	if (readable) { /* of half a document everything would be missing */
		load_daglet(&l);
		load_dagster(&l);
	}
	good = l.report.errors == 0;
	dg_report_write_errors(&l.report, errors);
	dg_report_write_warnings(&l.report, &l.config->warnings);
	finish(&l);
	if (!good) {
		dg_config_free(l.config);
		return -DG_CONFIG;
	}
	*ret = l.config;
	return 0;
}

void
dg_config_free(struct dg_config *c)
{
	if (!c)
		return;
	dg_settings_free(c->settings);
	free(c->backend);
	dg_buf_clear(&c->warnings);
	free(c);
}

void
dg_config_freep(struct dg_config **c)
{
	dg_config_free(*c);
	*c = NULL;
}
