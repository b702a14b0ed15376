/* config/sample.c: daglet.yaml and the lists for the documentation, from the tables. */
#include "base/mem.h"
#include "config/config.h"
#include "config/env.h"
#include "config/keys.h"

/* TEXT in lines of at most 80 characters that begin with PREFIX. */
static void
wrapped(struct dg_buf *out, const char *prefix, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (column && column + 1 + n > 80) {
			dg_buf_addc(out, '\n');
			column = 0;
		}
		if (column) {
			dg_buf_addc(out, ' ');
			column++;
		} else {
			dg_buf_adds(out, prefix);
			column = strlen(prefix);
		}
		dg_buf_add(out, text, n);
		column += n;
		text += n;
		while (*text == ' ')
			text++;
	}
	dg_buf_addc(out, '\n');
}

void
dg_config_sample(struct dg_buf *out)
{
	const struct dg_schema schema = {{&dg_keys_daglet}};
	const struct dg_key *row = NULL;

	wrapped(out, "# ",
		"daglet.yaml: daglet's own settings. It stands beside dagster.yaml; "
		"every key "
		"is optional, and what is commented out here is the default.");
	while ((row = dg_key_next(&schema, row))) {
		dg_buf_addc(out, '\n');
		wrapped(out, "# ", row->help);
		if (row->range)
			dg_buf_addf(out, "# %s\n", row->range);
		dg_buf_addf(out, "#%s:%s%s\n", row->path, row->value ? " " : "",
			row->value ? row->value : "");
	}
}

static const char *
type_name(enum dg_key_type t)
{
	static const char *const names[] = {
		[DG_KEY_ANY] = "any",
		[DG_KEY_STR] = "string",
		[DG_KEY_INT] = "integer",
		[DG_KEY_BOOL] = "boolean",
		[DG_KEY_FLOAT] = "number",
		[DG_KEY_STR_SRC] = "string or {env: NAME}",
		[DG_KEY_INT_SRC] = "integer or {env: NAME}",
		[DG_KEY_BOOL_SRC] = "boolean or {env: NAME}",
		[DG_KEY_SHAPE] = "map",
		[DG_KEY_OPEN] = "map",
		[DG_KEY_ONE_OF] = "map of one key",
		[DG_KEY_MAP] = "map of names",
		[DG_KEY_LIST] = "list",
		[DG_KEY_STR_OR_LIST] = "string or list",
		[DG_KEY_STR_OR_SHAPE] = "string or map",
		[DG_KEY_INT_OR_SHAPE] = "integer or map",
	};

	return names[t];
}

static const char *
change_name(enum dg_key_change c)
{
	static const char *const names[] = {
		[DG_CHANGE_NONE] = "",
		[DG_CHANGE_RELOAD] = "reload",
		[DG_CHANGE_ROLE] = "reload restarts roles",
		[DG_CHANGE_AGENT] = "restart",
	};

	return names[c];
}

/* KEY <tab> TYPE <tab> DEFAULT <tab> CHANGE <tab> HELP */
static void
list_table(struct dg_buf *out, const struct dg_key_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct dg_key *r = &t->rows[i];

		if (r->help)
			dg_buf_addf(out, "%s\t%s\t%s\t%s\t%s%s\n", r->path,
				type_name(r->type),
				r->flags & DG_KEY_REQUIRED ? "required"
				: r->value                 ? r->value
							   : "",
				change_name(r->change),
				r->flags & DG_KEY_DEPRECATED ? "deprecated: "
				: r->flags & DG_KEY_UNUSED   ? "without effect: "
							     : "",
				r->help);
	}
}

void
dg_config_list(struct dg_buf *out)
{
	list_table(out, &dg_keys_agent);
	list_table(out, &dg_keys_launcher);
	list_table(out, &dg_keys_process);
	list_table(out, &dg_keys_instance);
	list_table(out, &dg_keys_daglet);
}

void
dg_config_list_env(struct dg_buf *out)
{
	const struct dg_env_row *r;

	for (size_t i = 0; (r = dg_env_row(i)); i++)
		dg_buf_addf(out, "%s\t%s\t%s%s\n", r->name,
			r->value && *r->value == '=' ? r->value + 1
			: r->value                   ? r->value
						     : "",
			r->type == DG_ENV_NONE ? "without meaning here: " : "", r->help);
}
