/* yaml/dump.c: the tree as yaml.dump writes it: block style, sorted keys, anchors. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/num.h"
#include "yaml/dump_scalar.h"
#include "yaml/tag.h"

enum context { IN_ROOT, IN_SEQ, IN_MAP, IN_KEY };

struct dumper {
	struct dg_yaml_out out;
	unsigned anchors; /* given out */
};

/* own.visit and own.anchor while dumping */
enum visit { UNSEEN, SEEN, WRITTEN };

static bool
is_collection(const struct dg_yaml_node *n)
{
	return n->kind == DG_YAML_SEQ || n->kind == DG_YAML_MAP;
}

static void
forget(struct dg_yaml_node *node)
{
	if (!is_collection(node) || node->own.visit == UNSEEN)
		return;
	node->own.visit = UNSEEN;
	node->own.anchor = 0;
	for (size_t i = 0; i < node->n; i++)
		forget(node->kind == DG_YAML_SEQ ? node->items[i] : node->pairs[i].value);
}

static bool
representable(const struct dg_yaml_node *n)
{
	return n->kind <= DG_YAML_STR || is_collection(n);
}

/* The text of a scalar, and what it means when it stands without quotes. */
static struct dg_str
scalar_text(
	const struct dg_yaml_node *n, char repr[DG_REPR_MAX + 4], enum dg_yaml_tag *tag)
{
	switch (n->kind) {
	case DG_YAML_NULL:
		*tag = DG_TAG_NULL;
		return DG_STR("null");
	case DG_YAML_BOOL:
		*tag = DG_TAG_BOOL;
		return n->i ? DG_STR("true") : DG_STR("false");
	case DG_YAML_INT:
		*tag = DG_TAG_INT;
		return n->text;
	case DG_YAML_FLOAT: {
		char *e;

		*tag = DG_TAG_FLOAT;
		if (isnan(n->f))
			return DG_STR(".nan");
		if (isinf(n->f))
			return n->f < 0 ? DG_STR("-.inf") : DG_STR(".inf");
		dg_double_repr(n->f, repr);
		e = strchr(repr, 'e');
		if (e && !strchr(repr, '.')) { /* 1e+16 would read as a string */
			memmove(e + 2, e, strlen(e) + 1);
			memcpy(e, ".0", 2);
		}
		return dg_str(repr);
	}
	default:
		*tag = DG_TAG_STR;
		return n->text;
	}
}

/* ---- the order of keys ---- */

static double
number_of(const struct dg_yaml_node *n)
{
	return n->kind == DG_YAML_FLOAT ? n->f
	       : n->big                 ? strtod(n->text.p, NULL)
					: (double)n->i;
}

static bool
is_number(const struct dg_yaml_node *n)
{
	return n->kind >= DG_YAML_BOOL && n->kind <= DG_YAML_FLOAT;
}

static int
compare_keys(const void *a, const void *b)
{
	const struct dg_yaml_node *x = ((const struct dg_yaml_pair *)a)->key;
	const struct dg_yaml_node *y = ((const struct dg_yaml_pair *)b)->key;
	double dx, dy;

	if (x->kind == DG_YAML_STR)
		return dg_str_cmp(x->text, y->text);
	dx = number_of(x);
	dy = number_of(y);
	return dx < dy ? -1 : dx > dy;
}

/* The pairs as sorted() orders them: not at all where keys cannot be compared. */
static struct dg_yaml_pair *
sorted_pairs(const struct dg_yaml_node *map)
{
	struct dg_yaml_pair *pairs = dg_xcalloc(map->n, sizeof *pairs);
	bool strings = true, numbers = true;

	memcpy(pairs, map->pairs, map->n * sizeof *pairs);
	for (size_t i = 0; i < map->n; i++) {
		strings = strings && pairs[i].key->kind == DG_YAML_STR;
		numbers = numbers && is_number(pairs[i].key);
	}
	if (strings || numbers)
		qsort(pairs, map->n, sizeof *pairs, compare_keys);
	return pairs;
}

/* ---- anchors ---- */

/* Number the collections that are reached twice, in the order of their second visit. */
static int
find_shared(struct dumper *d, struct dg_yaml_node *node, struct dg_err *e)
{
	auto_free struct dg_yaml_pair *pairs = NULL;
	int rc = 0;

	if (!representable(node))
		return dg_fail(e, DG_CONFIG, 0,
			"%s cannot be written into an instance ref",
			dg_yaml_kind_name(node->kind));
	if (!is_collection(node))
		return 0;
	if (node->own.visit == SEEN) {
		if (!node->own.anchor)
			node->own.anchor = ++d->anchors;
		return 0;
	}
	node->own.visit = SEEN;
	if (node->kind == DG_YAML_MAP && node->n)
		pairs = sorted_pairs(node);
	for (size_t i = 0; i < node->n && rc == 0; i++) {
		if (pairs && !representable(pairs[i].key))
			rc = find_shared(d, pairs[i].key, e);
		else
			rc = find_shared(d, pairs ? pairs[i].value : node->items[i], e);
	}
	return rc;
}

/* ---- writing ---- */

static void write_node(struct dumper *d, struct dg_yaml_node *node, enum context ctx);

static void
write_seq(struct dumper *d, struct dg_yaml_node *node, enum context ctx)
{
	struct dg_yaml_out *o = &d->out;
	int outer = o->indent;

	if (o->indent < 0)
		o->indent = 0;
	else if (ctx != IN_MAP || o->indention) /* under a key a list is not indented */
		o->indent += 2;
	for (size_t i = 0; i < node->n; i++) {
		dg_yaml_out_indent(o);
		dg_yaml_out_mark(o, "-", true, false, true);
		write_node(d, node->items[i], IN_SEQ);
	}
	o->indent = outer;
}

static void
write_map(struct dumper *d, struct dg_yaml_node *node)
{
	auto_free struct dg_yaml_pair *pairs = sorted_pairs(node);
	struct dg_yaml_out *o = &d->out;
	int outer = o->indent;

	o->indent = o->indent < 0 ? 0 : o->indent + 2;
	for (size_t i = 0; i < node->n; i++) {
		static const size_t tag_length[] = {
			[DG_TAG_STR] = 5, /* "!!str" */
			[DG_TAG_INT] = 5,
			[DG_TAG_NULL] = 6,
			[DG_TAG_BOOL] = 6,
			[DG_TAG_FLOAT] = 7,
		};
		char repr[DG_REPR_MAX + 4];
		enum dg_yaml_tag tag;
		struct dg_str text = scalar_text(pairs[i].key, repr, &tag);

		dg_yaml_out_indent(o);
		if (dg_yaml_simple_key(text, tag_length[tag])) {
			write_node(d, pairs[i].key, IN_KEY);
			dg_yaml_out_mark(o, ":", false, false, false);
		} else {
			dg_yaml_out_mark(o, "?", true, false, true);
			write_node(d, pairs[i].key, IN_MAP);
			dg_yaml_out_indent(o);
			dg_yaml_out_mark(o, ":", true, false, true);
		}
		write_node(d, pairs[i].value, IN_MAP);
	}
	o->indent = outer;
}

static void
write_scalar(struct dumper *d, struct dg_yaml_node *node, enum context ctx)
{
	struct dg_yaml_out *o = &d->out;
	char repr[DG_REPR_MAX + 4];
	enum dg_yaml_tag tag;
	struct dg_str text = scalar_text(node, repr, &tag);
	int outer = o->indent;

	o->indent = o->indent < 0 ? 2 : o->indent + 2;
	dg_yaml_out_scalar(o, text, dg_yaml_resolve(text, DG_YAML_DATES) == tag,
		ctx == IN_KEY, ctx == IN_ROOT);
	o->indent = outer;
}

static void
write_node(struct dumper *d, struct dg_yaml_node *node, enum context ctx)
{
	char anchor[24];

	if (!is_collection(node)) {
		write_scalar(d, node, ctx);
		return;
	}
	if (node->own.anchor) {
		snprintf(anchor, sizeof anchor, "%cid%03u",
			node->own.visit == WRITTEN ? '*' : '&', node->own.anchor);
		dg_yaml_out_mark(&d->out, anchor, true, false, false);
		if (node->own.visit == WRITTEN)
			return;
		node->own.visit = WRITTEN;
	}
	if (node->n == 0)
		dg_yaml_out_mark(&d->out, node->kind == DG_YAML_SEQ ? "[]" : "{}", true,
			false, false);
	else if (node->kind == DG_YAML_SEQ)
		write_seq(d, node, ctx);
	else
		write_map(d, node);
}

int
dg_yaml_dump(struct dg_yaml_node *node, struct dg_buf *out, struct dg_err *e)
{
	struct dumper d = {{out, 0, -1, true, true, false}, 0};
	int rc;

	rc = find_shared(&d, node, e);
	if (rc == 0) {
		write_node(&d, node, IN_ROOT);
		dg_yaml_out_indent(&d.out);
		if (d.out.open_ended) {
			dg_yaml_out_mark(&d.out, "...", true, false, false);
			dg_yaml_out_indent(&d.out);
		}
	}
	forget(node);
	return rc;
}
