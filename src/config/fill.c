/* config/fill.c: see fill.h. */
#include "config/fill.h"

#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"
#include "base/num.h"
#include "config/env.h"
#include "config/sockopt.h"
#include "config/validate.h"

struct filler {
	const struct dg_fill *f;
	struct dg_settings *s;
	struct dg_report *report;
};

bool
dg_fill_bool(const char *text)
{
	return *text && strcasecmp(text, "false") != 0 && strcasecmp(text, "none") != 0 &&
	       strcasecmp(text, "0") != 0;
}

/* What {env: NAME} stands for, as the type wants it; NULL when it is reported. */
static char *
from_env(struct filler *fl, const struct dg_key *row, const struct dg_yaml_node *name)
{
	auto_free char *var = dg_str_dup(name->text);
	const char *text = dg_env_get(fl->f->env, var);
	int64_t i;

	if (!text) {
		dg_report_error(fl->report, fl->f->file, name->at,
			"%s: the environment variable '%s' is not set", row->path, var);
		return NULL;
	}
	switch (row->type) {
	case DG_KEY_INT_SRC:
		if (dg_env_int(text, &i))
			return dg_xasprintf("%" PRId64, i);
		dg_report_error(fl->report, fl->f->file, name->at,
			"%s: the environment variable '%s' is not an integer", row->path,
			var);
		return NULL;
	case DG_KEY_BOOL_SRC:
		return dg_xstrdup(dg_fill_bool(text) ? "true" : "false");
	default:
		return dg_xstrdup(text);
	}
}

/* A scalar as a setting's text; NULL for null and for what is reported. */
static char *
text_of(struct filler *fl, const struct dg_key *row, const struct dg_yaml_node *node)
{
	const struct dg_yaml_node *env = dg_yaml_get(node, "env");
	char repr[DG_REPR_MAX];

	switch (node->kind) {
	case DG_YAML_MAP:
		return env && env->kind == DG_YAML_STR ? from_env(fl, row, env) : NULL;
	case DG_YAML_BOOL:
		return dg_xstrdup(node->i ? "true" : "false");
	case DG_YAML_INT:
	case DG_YAML_STR:
		return dg_str_dup(node->text);
	case DG_YAML_FLOAT:
		return dg_xstrdup(dg_double_repr(node->f, repr));
	default:
		return NULL;
	}
}

static void
add_items(struct filler *fl, const struct dg_key *row, const struct dg_yaml_node *list,
	const char *key)
{
	auto_free char *item_path = dg_xasprintf("%s[]", row->path);
	const struct dg_key *item = dg_key_find(fl->f->schema, item_path);

	dg_settings_list(fl->s, row->roles, key);
	for (size_t i = 0; i < list->n; i++) {
		auto_free char *text = text_of(fl, item, list->items[i]);

		dg_settings_add(fl->s, row->roles, key, NULL, text);
	}
}

/* "name: value" pairs; a value may be a list of strings (the map's key.NAME). */
static void
add_pairs(struct filler *fl, const struct dg_key *row, const struct dg_yaml_node *map,
	const char *key)
{
	dg_settings_list(fl->s, row->roles, key);
	for (size_t i = 0; i < map->n; i++) {
		const struct dg_yaml_node *name = map->pairs[i].key,
					  *v = map->pairs[i].value;
		auto_free char *name_text = text_of(fl, row, name);
		auto_free char *sub =
			dg_xasprintf("%s.%s", key, name_text ? name_text : "");
		auto_free char *text = NULL;

		if (v->kind == DG_YAML_SEQ) {
			dg_settings_list(fl->s, row->roles, sub);
			for (size_t k = 0; k < v->n; k++) {
				auto_free char *item = text_of(fl, row, v->items[k]);

				dg_settings_add(fl->s, row->roles, sub, NULL, item);
			}
		} else if (v->kind < DG_YAML_SEQ) {
			text = text_of(fl, row, v);
		}
		dg_settings_add(fl->s, row->roles, key, name_text, text);
	}
}

/* One [level, option, value]: names become numbers. */
static void
add_socket_option(struct filler *fl, const struct dg_key *row,
	const struct dg_yaml_node *option, const char *key)
{
	dg_settings_list(fl->s, row->roles, key);
	if (option->kind != DG_YAML_SEQ) /* reported */
		return;
	if (option->n != 3) {
		dg_report_error(fl->report, fl->f->file, option->at,
			"a socket option must be a list of three: level, option, value");
		return;
	}
	for (size_t i = 0; i < 3; i++) {
		const struct dg_yaml_node *part = option->items[i];
		auto_free char *text = text_of(fl, row, part);
		auto_free char *number_text = NULL;
		int number = 0;

		if (part->kind == DG_YAML_STR && i < 2) {
			if (!dg_sockopt_number(text, &number))
				dg_report_error(fl->report, fl->f->file, part->at,
					"'%s' is not known as a socket option", text);
		} else if ((part->kind != DG_YAML_INT && part->kind != DG_YAML_BOOL) ||
			   part->big || part->i > INT32_MAX || part->i < INT32_MIN) {
			dg_report_error(fl->report, fl->f->file, part->at,
				"this part of a socket option must be an integer%s",
				i < 2 ? " or a name" : "");
		} else {
			number = (int)part->i;
		}
		number_text = dg_xasprintf("%d", number);
		dg_settings_add(fl->s, row->roles, key, NULL, number_text);
	}
}

static void
add_socket_options(struct filler *fl, const struct dg_key *row,
	const struct dg_yaml_node *list, const char *key)
{
	dg_settings_list(fl->s, row->roles, key);
	for (size_t i = 0; i < list->n; i++) {
		auto_free char *sub = dg_xasprintf("%s.%zu", key, i);

		dg_settings_add(fl->s, row->roles, key, NULL, NULL);
		add_socket_option(fl, row, list->items[i], sub);
	}
}

static bool
is_list_of_lists(struct filler *fl, const struct dg_key *row)
{
	auto_free char *path = dg_xasprintf("%s[]", row->path);
	const struct dg_key *item = dg_key_find(fl->f->schema, path);

	return item && item->type == DG_KEY_LIST;
}

static void
fill_row(struct filler *fl, const struct dg_key *row)
{
	const struct dg_yaml_node *node = dg_config_at(fl->f->root, row->path);
	auto_free char *key = dg_xasprintf("%s%s", fl->f->prefix, row->path);
	auto_free char *text = NULL;

	if (!node) {
		if (row->value)
			dg_settings_set(fl->s, row->roles, key, row->value);
		return;
	}
	switch (row->type) {
	case DG_KEY_LIST:
	case DG_KEY_STR_OR_LIST:
		if (node->kind == DG_YAML_SEQ && is_list_of_lists(fl, row)) {
			add_socket_options(fl, row, node, key);
			return;
		}
		if (node->kind == DG_YAML_SEQ) {
			add_items(fl, row, node, key);
			return;
		}
		break;
	case DG_KEY_MAP:
	case DG_KEY_OPEN:
		if (node->kind == DG_YAML_MAP)
			add_pairs(fl, row, node, key);
		return;
	default:
		break;
	}
	text = text_of(fl, row, node);
	if (text || node->kind == DG_YAML_NULL)
		dg_settings_set(fl->s, row->roles, key, text);
}

void
dg_fill(const struct dg_fill *f, struct dg_settings *s, struct dg_report *report)
{
	struct filler fl = {f, s, report};
	const struct dg_key *row = NULL;

	while ((row = dg_key_next(f->schema, row)))
		if (row->roles && (!f->skip || strcmp(row->path, f->skip) != 0))
			fill_row(&fl, row);
}
