/* master/logging.c: see logging.h. */
#include "master/logging.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"
#include "yaml/yaml.h"

#define TEXT_MAX (1 << 20)

static const char *const used[] = {"version", "disable_existing_loggers", "root",
	"loggers", "formatters", "handlers"};

static void
name_unused(const struct dg_yaml_node *root)
{
	for (size_t i = 0; i < root->n; i++) {
		struct dg_str key = root->pairs[i].key->text;
		bool known = false;

		for (size_t k = 0; k < DG_N(used); k++)
			known |= dg_str_is(key, used[k]);
		if (!known)
			dg_log(LOG_WARNING,
				"logging configuration: '%.*s' is not used by daglet",
				DG_FMT(key));
	}
	if (dg_yaml_get(root, "handlers"))
		dg_log(LOG_WARNING,
			"logging configuration: handlers are not used by daglet, "
			"which logs to the journal or to stderr");
}

static const struct dg_yaml_node *
level_of(const struct dg_yaml_node *root)
{
	static const char *const loggers[] = {
		"dagster_cloud", "dagster_cloud.agent", "dagster", ""};
	const struct dg_yaml_node *all = dg_yaml_get(root, "loggers"), *level;

	for (size_t i = 0; all && i < DG_N(loggers); i++) {
		level = dg_yaml_get(dg_yaml_get(all, loggers[i]), "level");
		if (level)
			return level;
	}
	return dg_yaml_get(dg_yaml_get(root, "root"), "level");
}

/* A formatter whose format or class speaks of JSON. */
static bool
wants_json(const struct dg_yaml_node *root)
{
	const struct dg_yaml_node *all = dg_yaml_get(root, "formatters");

	if (!all || all->kind != DG_YAML_MAP)
		return false;
	for (size_t i = 0; i < all->n; i++) {
		const struct dg_yaml_node *f = all->pairs[i].value;

		if (strcasestr(all->pairs[i].key->text.p ? all->pairs[i].key->text.p : "",
			    "json"))
			return true;
		if (f->kind != DG_YAML_MAP)
			continue;
		for (size_t k = 0; k < f->n; k++)
			if (f->pairs[k].value->kind == DG_YAML_STR &&
				memmem(f->pairs[k].value->text.p,
					f->pairs[k].value->text.n, "json", 4))
				return true;
	}
	return false;
}

static int
apply_text(struct dg_str text, const char *name, struct dg_settings *s, struct dg_err *e)
{
	DG_CLEANUP(dg_yaml_freep) struct dg_yaml *y = NULL;
	const struct dg_yaml_node *root, *level;
	struct dg_yaml_mark at = {0, 0};
	int prio;

	if (dg_yaml_load(text, DG_YAML_NO_DATES, &y, &at, e) < 0)
		return dg_err_where(e, "%s:%u:%u", name, at.line, at.column);
	root = dg_yaml_root(y);
	if (!root || root->kind != DG_YAML_MAP)
		return dg_fail(
			e, DG_CONFIG, 0, "%s: a logging configuration is a map", name);
	name_unused(root);
	level = level_of(root);
	if (level && level->kind == DG_YAML_STR) {
		auto_free char *word = dg_str_dup(level->text);

		if (dg_log_level_parse(word, &prio, e) < 0)
			return dg_err_where(
				e, "%s:%u:%u", name, level->at.line, level->at.column);
		dg_settings_set(s, ~0u, "daglet.log_level", word);
	}
	if (wants_json(root))
		dg_settings_set(s, ~0u, "daglet.log_format", "json");
	return 0;
}

int
dg_logging_apply(const struct dg_cli *cli, struct dg_settings *s, struct dg_err *e)
{
	auto_buf text = DG_BUF_INIT;
	const char *level, *format;
	enum dg_log_format f = dg_log_format_auto();
	int prio = LOG_INFO, r = 0;

	if (cli->logging_path) {
		r = dg_read_file(AT_FDCWD, cli->logging_path, TEXT_MAX, &text, e);
		if (r < 0) {
			e->cls = DG_CONFIG;
			return -DG_CONFIG;
		}
		r = apply_text(dg_buf_str(&text), cli->logging_path, s, e);
	} else if (cli->logging_text) {
		r = apply_text(
			dg_str(cli->logging_text), "--agent-logging-config-string", s, e);
	}
	level = dg_settings_str(s, "daglet.log_level");
	format = dg_settings_str(s, "daglet.log_format");
	if (r == 0 && level)
		r = dg_log_level_parse(level, &prio, e);
	if (r == 0 && format)
		r = dg_log_format_parse(format, &f, e);
	if (r == 0)
		dg_log_init("master", "", f, prio);
	return r;
}
