/* config/validate.c: see validate.h. */
#include "config/validate.h"

#include <stdio.h>

#include "base/mem.h"

struct walk {
	const struct dg_schema *schema;
	const struct dg_report_file *file;
	struct dg_report *report;
	struct dg_buf pattern;  /* path of the row: a.b[] */
	struct dg_buf shown;    /* path for people: a.b[2] */
	struct dg_yaml_mark at; /* of the key whose value is looked at */
};

static void value(
	struct walk *w, const struct dg_key *row, const struct dg_yaml_node *node);

static const char *
name_of(const struct walk *w)
{
	return w->shown.n ? w->shown.p : "the file";
}

/* Where a message is about a key of the file itself, it does not say " in the file". */
static const char *
in_word(const struct walk *w)
{
	return w->shown.n ? " in " : "";
}

/* Remember both paths, add to them, go back. */
struct place {
	size_t pattern, shown;
};

static struct place
enter(struct walk *w, const char *pattern, const char *shown)
{
	struct place p = {w->pattern.n, w->shown.n};

	if (w->pattern.n && *pattern != '[')
		dg_buf_addc(&w->pattern, '.');
	dg_buf_adds(&w->pattern, pattern);
	if (w->shown.n && *shown != '[')
		dg_buf_addc(&w->shown, '.');
	dg_buf_adds(&w->shown, shown);
	return p;
}

static void
leave(struct walk *w, struct place p)
{
	w->pattern.n = p.pattern;
	w->pattern.p[p.pattern] = '\0';
	w->shown.n = p.shown;
	w->shown.p[p.shown] = '\0';
}

static void
expected(struct walk *w, const struct dg_yaml_node *node, const char *what)
{
	dg_report_error(w->report, w->file, node->at, "%s must be %s, not %s", name_of(w),
		what, dg_yaml_kind_name(node->kind));
}

/* ---- scalars ---- */

static void
check_range(struct walk *w, const struct dg_key *row, const struct dg_yaml_node *node)
{
	if ((node->kind == DG_YAML_STR && !dg_key_allows_str(row, node->text)) ||
		(node->kind == DG_YAML_INT && !dg_key_allows_int(row, node->i)))
		dg_report_error(w->report, w->file, node->at, "%s must be one of %s",
			name_of(w), row->range);
}

static void
scalar(struct walk *w, const struct dg_key *row, const struct dg_yaml_node *node,
	enum dg_yaml_kind kind, const char *what)
{
	bool fits = node->kind == kind ||
		    (kind == DG_YAML_FLOAT && node->kind == DG_YAML_INT);

	if (!fits && kind == DG_YAML_STR && node->source.n && node->kind < DG_YAML_SEQ)
		dg_report_error(w->report, w->file, node->at,
			"%s must be a string, not %s: write \"%.*s\" with quotes",
			name_of(w), dg_yaml_kind_name(node->kind), DG_FMT(node->source));
	else if (!fits)
		expected(w, node, what);
	else if (node->kind == DG_YAML_INT && node->big)
		dg_report_error(
			w->report, w->file, node->at, "%s is too large", name_of(w));
	else if (node->kind == DG_YAML_STR && memchr(node->text.p, '\0', node->text.n))
		dg_report_error(w->report, w->file, node->at,
			"%s has a NUL character inside", name_of(w));
	else
		check_range(w, row, node);
}

/* Where the first key other than "env" stands. */
static struct dg_yaml_mark
other_key(const struct dg_yaml_node *map)
{
	for (size_t i = 0; i < map->n; i++)
		if (!dg_yaml_is(map->pairs[i].key, "env"))
			return map->pairs[i].key->at;
	return map->at;
}

/* The scalar, or {env: NAME}. */
static void
source(struct walk *w, const struct dg_key *row, const struct dg_yaml_node *node,
	enum dg_yaml_kind kind, const char *what)
{
	const struct dg_yaml_node *env = dg_yaml_get(node, "env");

	if (node->kind != DG_YAML_MAP)
		scalar(w, row, node, kind, what);
	else if (node->n != 1 || !env)
		dg_report_error(w->report, w->file, other_key(node),
			"%s must be %s or {env: NAME} and nothing else", name_of(w),
			what);
	else if (env->kind != DG_YAML_STR || memchr(env->text.p, '\0', env->text.n))
		dg_report_error(w->report, w->file, env->at,
			"%s.env must be the name of an environment variable", name_of(w));
}

/* ---- maps ---- */

/* Names of the keys that the map at the current place may have. */
static size_t
keys_here(const struct walk *w, const char *names[], size_t max)
{
	const struct dg_key *row = NULL;
	size_t n = 0;

	while ((row = dg_key_next(w->schema, row))) {
		const char *name = dg_key_in(row, w->pattern.p ? w->pattern.p : "");

		if (name && n < max)
			names[n++] = name;
	}
	return n;
}

static void
unknown_key(struct walk *w, const struct dg_yaml_node *key, const char *text)
{
	const char *names[128];
	size_t n = keys_here(w, names, DG_N(names));
	auto_buf hint = DG_BUF_INIT;

	if (w->report->n < DG_REPORT_MAX)
		dg_report_suggest(&hint, text, names, n);
	dg_report_error(w->report, w->file, key->at, "unknown key '%s'%s%s%s", text,
		in_word(w), w->shown.n ? w->shown.p : "", hint.n ? hint.p : "");
}

static void
remarks(struct walk *w, const struct dg_key *row, const struct dg_yaml_node *key)
{
	if (row->flags & DG_KEY_DEPRECATED)
		dg_report_warning(w->report, w->file, key->at, "%s is deprecated: %s",
			name_of(w), row->help);
	if (row->flags & DG_KEY_UNUSED)
		dg_report_warning(w->report, w->file, key->at, "%s has no effect: %s",
			name_of(w), row->help);
}

/* A pair of a map with known keys. */
static void
known_pair(struct walk *w, const struct dg_yaml_pair *pair, bool open, bool one_of)
{
	auto_free char *key = NULL;
	const struct dg_key *row;
	struct place back;

	if (pair->key->kind != DG_YAML_STR) {
		if (!open)
			dg_report_error(w->report, w->file, pair->key->at,
				"a key%s%s must be a string, not %s", in_word(w),
				w->shown.n ? w->shown.p : "",
				dg_yaml_kind_name(pair->key->kind));
		return;
	}
	key = dg_str_dup(pair->key->text);
	back = enter(w, key, key);
	row = strpbrk(key, ".[*") ? NULL : dg_key_find(w->schema, w->pattern.p);
	if (row) {
		bool empty = one_of && pair->value->kind == DG_YAML_NULL &&
			     row->type >= DG_KEY_SHAPE;
		struct dg_yaml_node none = {.kind = DG_YAML_MAP, .at = pair->value->at};

		remarks(w, row, pair->key);
		w->at = pair->key->at;
		value(w, row, empty ? &none : pair->value);
	}
	leave(w, back);
	if (!row && !open)
		unknown_key(w, pair->key, key);
}

/* At the map's own key. */
static void
missing_keys(struct walk *w, const struct dg_yaml_node *node, struct dg_yaml_mark at)
{
	const struct dg_key *row = NULL;

	while ((row = dg_key_next(w->schema, row))) {
		const char *name = dg_key_in(row, w->pattern.p ? w->pattern.p : "");

		if (name && (row->flags & DG_KEY_REQUIRED) && !dg_yaml_get(node, name))
			dg_report_error(w->report, w->file, at,
				"the key '%s' is missing%s%s", name, in_word(w),
				w->shown.n ? w->shown.p : "");
	}
}

static void
shape(struct walk *w, const struct dg_yaml_node *node, bool open)
{
	struct dg_yaml_mark at = w->at;

	if (node->kind != DG_YAML_MAP) {
		expected(w, node, "a map");
		return;
	}
	for (size_t i = 0; i < node->n; i++)
		known_pair(w, &node->pairs[i], open, false);
	missing_keys(w, node, at);
}

static void
one_of(struct walk *w, const struct dg_yaml_node *node)
{
	const char *names[128];
	size_t n = keys_here(w, names, DG_N(names));
	auto_buf list = DG_BUF_INIT;

	if (node->kind != DG_YAML_MAP || node->n != 1) {
		for (size_t i = 0; i < n; i++)
			dg_buf_addf(&list, "%s%s", i ? ", " : "", names[i]);
		dg_report_error(w->report, w->file,
			node->kind == DG_YAML_MAP && node->n > 1 ? node->pairs[1].key->at
								 : node->at,
			"%s must be a map with exactly one of the keys %s", name_of(w),
			list.p);
		return;
	}
	known_pair(w, &node->pairs[0], false, true);
}

static void
map_of(struct walk *w, const struct dg_yaml_node *node)
{
	if (node->kind != DG_YAML_MAP) {
		expected(w, node, "a map");
		return;
	}
	for (size_t i = 0; i < node->n; i++) {
		const struct dg_yaml_pair *pair = &node->pairs[i];
		auto_free char *key = NULL;
		struct place back;

		if (pair->key->kind != DG_YAML_STR) {
			dg_report_error(w->report, w->file, pair->key->at,
				"a key%s%s must be a string, not %s", in_word(w),
				w->shown.n ? w->shown.p : "",
				dg_yaml_kind_name(pair->key->kind));
			continue;
		}
		key = dg_str_dup(pair->key->text);
		back = enter(w, "*", key);
		w->at = pair->key->at;
		value(w, dg_key_find(w->schema, w->pattern.p), pair->value);
		leave(w, back);
	}
}

static void
list_of(struct walk *w, const struct dg_yaml_node *node)
{
	if (node->kind != DG_YAML_SEQ) {
		expected(w, node, "a list");
		return;
	}
	for (size_t i = 0; i < node->n; i++) {
		char shown[32];
		struct place back;

		snprintf(shown, sizeof shown, "[%zu]", i);
		back = enter(w, "[]", shown);
		w->at = node->items[i]->at;
		value(w, dg_key_find(w->schema, w->pattern.p), node->items[i]);
		leave(w, back);
	}
}

/* ---- any value ---- */

static bool
is_collection(const struct dg_yaml_node *node)
{
	return node->kind >= DG_YAML_SEQ;
}

static void
value(struct walk *w, const struct dg_key *row, const struct dg_yaml_node *node)
{
	DG_ASSERT(row);
	if (row->type == DG_KEY_ANY ||
		(node->kind == DG_YAML_NULL && row->flags & DG_KEY_NULL))
		return;
	switch (row->type) {
	case DG_KEY_ANY:
		break;
	case DG_KEY_STR:
		scalar(w, row, node, DG_YAML_STR, "a string");
		break;
	case DG_KEY_INT:
		scalar(w, row, node, DG_YAML_INT, "an integer");
		break;
	case DG_KEY_BOOL:
		scalar(w, row, node, DG_YAML_BOOL, "true or false");
		break;
	case DG_KEY_FLOAT:
		scalar(w, row, node, DG_YAML_FLOAT, "a number");
		break;
	case DG_KEY_STR_SRC:
		source(w, row, node, DG_YAML_STR, "a string");
		break;
	case DG_KEY_INT_SRC:
		source(w, row, node, DG_YAML_INT, "an integer");
		break;
	case DG_KEY_BOOL_SRC:
		source(w, row, node, DG_YAML_BOOL, "true or false");
		break;
	case DG_KEY_SHAPE:
		shape(w, node, false);
		break;
	case DG_KEY_OPEN:
		shape(w, node, true);
		break;
	case DG_KEY_ONE_OF:
		one_of(w, node);
		break;
	case DG_KEY_MAP:
		map_of(w, node);
		break;
	case DG_KEY_LIST:
		list_of(w, node);
		break;
	case DG_KEY_STR_OR_LIST:
		if (is_collection(node))
			list_of(w, node);
		else
			scalar(w, row, node, DG_YAML_STR,
				"a string or a list of strings");
		break;
	case DG_KEY_STR_OR_SHAPE:
		if (is_collection(node))
			shape(w, node, false);
		else
			scalar(w, row, node, DG_YAML_STR, "a string or a map");
		break;
	case DG_KEY_INT_OR_SHAPE:
		if (is_collection(node))
			shape(w, node, false);
		else
			scalar(w, row, node, DG_YAML_INT, "an integer or a map");
		break;
	}
}

void
dg_validate(const struct dg_schema *schema, const struct dg_yaml_node *root,
	const struct dg_report_file *file, struct dg_report *report)
{
	struct walk w = {schema, file, report, DG_BUF_INIT, DG_BUF_INIT, {0, 0}};
	struct dg_yaml_node none = {.kind = DG_YAML_MAP};

	if (root->kind == DG_YAML_NULL)
		root = &none;
	dg_buf_adds(&w.pattern, "");
	dg_buf_adds(&w.shown, "");
	if (root->kind != DG_YAML_MAP)
		dg_report_error(report, file, root->at, "the file must be a map, not %s",
			dg_yaml_kind_name(root->kind));
	else
		shape(&w, root, false);
	dg_buf_clear(&w.pattern);
	dg_buf_clear(&w.shown);
}

/* ---- finding things ---- */

static const struct dg_yaml_pair *
pair_at(const struct dg_yaml_node *node, const char *path)
{
	const struct dg_yaml_pair *pair = NULL;

	while (*path) {
		size_t n = strcspn(path, ".");
		auto_free char *key = dg_xstrndup(path, n);

		pair = dg_yaml_pair(pair ? pair->value : node, key);
		if (!pair)
			return NULL;
		path += n + (path[n] == '.');
	}
	return pair;
}

const struct dg_yaml_node *
dg_config_at(const struct dg_yaml_node *root, const char *path)
{
	const struct dg_yaml_pair *pair = pair_at(root, path);

	return pair ? pair->value : NULL;
}

struct dg_yaml_mark
dg_config_mark(const struct dg_yaml_node *root, const char *path)
{
	const struct dg_yaml_pair *pair = pair_at(root, path);

	return pair ? pair->key->at : (struct dg_yaml_mark){0, 0};
}
