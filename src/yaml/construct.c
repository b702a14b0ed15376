/* yaml/construct.c: nodes into values: merge keys, duplicate keys, tags, sizes. */
#include <math.h>
#include <stdio.h>

#include "base/map.h"
#include "base/mem.h"
#include "yaml/tag.h"

struct maker {
	struct dg_yaml *y;
	size_t merged; /* pairs that merge keys brought in, in all maps */
	struct dg_yaml_mark *at;
	struct dg_err *e;
};

enum state { RAW, UNDER_WAY, DONE };

static int
bad(struct maker *m, const struct dg_yaml_node *node, const char *what)
{
	*m->at = node->at;
	return dg_fail(m->e, DG_CONFIG, 0, "%s", what);
}

static int
too_large(struct maker *m, const struct dg_yaml_node *node)
{
	*m->at = node->at;
	return dg_fail(m->e, DG_LIMIT, 0,
		"more than %d values or %d levels, with aliases followed",
		DG_YAML_NODES_MAX, DG_YAML_DEPTH_MAX);
}

/* ---- merge keys ---- */

static int flatten(struct maker *m, struct dg_yaml_node *node);

static int
append_pairs(struct maker *m, struct dg_yaml_node *to, const struct dg_yaml_node *from)
{
	for (size_t i = 0; i < from->n; i++) {
		if (m->merged++ == DG_YAML_NODES_MAX)
			return too_large(m, from);
		dg_yaml_room(m->y, to);
		to->pairs[to->n++] = from->pairs[i];
	}
	return 0;
}

/* What VALUE of a merge key brings in, behind what is in MERGED. */
static int
merge_value(struct maker *m, struct dg_yaml_node *merged, struct dg_yaml_node *value)
{
	int rc = 0;

	if (value->own.shape == DG_SHAPE_MAP) {
		rc = flatten(m, value);
		return rc < 0 ? rc : append_pairs(m, merged, value);
	}
	if (value->own.shape != DG_SHAPE_SEQ)
		return bad(m, value, "expected a map or a list of maps to merge");
	for (size_t i = 0; i < value->n && rc == 0; i++) {
		if (value->items[i]->own.shape != DG_SHAPE_MAP)
			return bad(m, value->items[i], "expected a map to merge");
		rc = flatten(m, value->items[i]);
	}
	/* the first map of the list wins: it comes last */
	for (size_t i = value->n; i-- > 0 && rc == 0;)
		rc = append_pairs(m, merged, value->items[i]);
	return rc;
}

/* Put what "<<" names before the map's own pairs. */
static int
flatten(struct maker *m, struct dg_yaml_node *node)
{
	struct dg_yaml_node merged = {.kind = DG_YAML_MAP};
	int rc = 0;

	if (node->own.merged)
		return 0;
	for (size_t i = 0; i < node->n && rc == 0;) {
		struct dg_yaml_pair pair = node->pairs[i];

		if (pair.key->own.tag == DG_TAG_MERGE) {
			node->n--;
			memmove(&node->pairs[i], &node->pairs[i + 1],
				(node->n - i) * sizeof pair);
			rc = merge_value(m, &merged, pair.value);
			continue;
		}
		if (pair.key->own.tag == DG_TAG_VALUE)
			pair.key->own.tag = DG_TAG_STR;
		i++;
	}
	node->own.merged = true;
	if (rc < 0 || merged.n == 0)
		return rc;
	rc = append_pairs(m, &merged, node);
	node->pairs = merged.pairs;
	node->n = merged.n;
	node->own.cap = merged.own.cap;
	return rc;
}

/* ---- keys ---- */

/* A text that is the same for keys that Python finds equal (1, 1.0 and True). */
static void
key_text(const struct dg_yaml_node *k, struct dg_buf *out)
{
	switch (k->kind) {
	case DG_YAML_BOOL:
		dg_buf_addf(out, "i%d", (int)k->i);
		break;
	case DG_YAML_INT:
		dg_buf_addc(out, 'i');
		dg_buf_addstr(out, k->text);
		break;
	case DG_YAML_FLOAT:
		if (isfinite(k->f) && k->f == floor(k->f))
			dg_buf_addf(out, "i%.0f", k->f == 0 ? 0 : k->f);
		else
			dg_buf_addf(out, "f%a", k->f);
		break;
	default:
		dg_buf_addc(out, (char)('A' + k->kind));
		dg_buf_addstr(out, k->text);
	}
}

static bool
hashable(const struct dg_yaml_node *k)
{
	return k->kind <= DG_YAML_TIME;
}

/* Of equal keys the first stays, with the last value. */
static void
drop_duplicates(struct dg_yaml_node *node)
{
	struct dg_map seen = DG_MAP_INIT;
	auto_buf text = DG_BUF_INIT;
	size_t n = 0;

	for (size_t i = 0; i < node->n; i++) {
		struct dg_yaml_pair pair = node->pairs[i];
		struct dg_yaml_pair *first;

		dg_buf_reset(&text);
		key_text(pair.key, &text);
		first = dg_map_get(&seen, dg_buf_str(&text));
		if (first) {
			first->value = pair.value;
			continue;
		}
		node->pairs[n] = pair;
		dg_map_put(&seen, dg_buf_str(&text), &node->pairs[n]);
		n++;
	}
	node->n = n;
	dg_map_clear(&seen);
}

/* ---- values ---- */

static int construct(struct maker *m, struct dg_yaml_node *node);

static int
construct_pairs(struct maker *m, struct dg_yaml_node *node)
{
	for (size_t i = 0; i < node->n; i++) {
		int rc = construct(m, node->pairs[i].key);

		if (rc < 0)
			return rc;
		if (node->kind != DG_YAML_PAIRS && !hashable(node->pairs[i].key))
			return bad(
				m, node->pairs[i].key, "a list or a map cannot be a key");
		rc = construct(m, node->pairs[i].value);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
construct_map(struct maker *m, struct dg_yaml_node *node, enum dg_yaml_kind kind)
{
	int rc;

	if (node->own.shape != DG_SHAPE_MAP)
		return bad(m, node, "expected a map");
	rc = flatten(m, node);
	node->kind = kind;
	if (rc == 0)
		rc = construct_pairs(m, node);
	if (rc == 0)
		drop_duplicates(node);
	return rc;
}

static int
construct_seq(struct maker *m, struct dg_yaml_node *node)
{
	int rc = 0;

	if (node->own.shape != DG_SHAPE_SEQ)
		return bad(m, node, "expected a list");
	for (size_t i = 0; i < node->n && rc == 0; i++)
		rc = construct(m, node->items[i]);
	return rc;
}

/* !!pairs and !!omap: a list of maps of one pair each. */
static int
construct_omap(struct maker *m, struct dg_yaml_node *node)
{
	struct dg_yaml_node pairs = {.kind = DG_YAML_PAIRS};

	if (node->own.shape != DG_SHAPE_SEQ)
		return bad(m, node, "expected a list");
	for (size_t i = 0; i < node->n; i++) {
		struct dg_yaml_node *one = node->items[i];

		if (one->own.shape != DG_SHAPE_MAP || one->n != 1)
			return bad(m, one, "expected a map of one pair");
		dg_yaml_room(m->y, &pairs);
		pairs.pairs[pairs.n++] = one->pairs[0];
	}
	node->kind = DG_YAML_PAIRS;
	node->pairs = pairs.pairs;
	node->n = pairs.n;
	node->own.cap = pairs.own.cap;
	return construct_pairs(m, node);
}

/* A map in a scalar's place stands for the value of its key "=". */
static int
construct_scalar(struct maker *m, struct dg_yaml_node *node)
{
	const struct dg_yaml_node *from = node;
	int rc;

	for (int hops = 0; from->own.shape == DG_SHAPE_MAP && hops < DG_YAML_DEPTH_MAX;
		hops++) {
		const struct dg_yaml_node *value = NULL;

		for (size_t i = 0; i < from->n && !value; i++)
			if (from->pairs[i].key->own.tag == DG_TAG_VALUE)
				value = from->pairs[i].value;
		if (!value)
			break;
		from = value;
	}
	if (from->own.shape != DG_SHAPE_SCALAR ||
		(from != node && node->own.tag == DG_TAG_TIMESTAMP))
		return bad(m, node, "expected a scalar");
	if (from != node) {
		node->source = from->source;
		node->n = 0;
	}
	rc = dg_yaml_scalar(m->y, node, node->own.tag, m->e);
	if (rc < 0)
		*m->at = node->at;
	return rc;
}

static int
construct_by_tag(struct maker *m, struct dg_yaml_node *node)
{
	switch ((enum dg_yaml_tag)node->own.tag) {
	case DG_TAG_OTHER:
		return bad(m, node, "this tag is unknown");
	case DG_TAG_MERGE:
		return bad(m, node, "'<<' has a meaning only as a key");
	case DG_TAG_VALUE:
		return bad(m, node, "'=' has a meaning only as a key");
	case DG_TAG_SEQ:
		return construct_seq(m, node);
	case DG_TAG_MAP:
		return construct_map(m, node, DG_YAML_MAP);
	case DG_TAG_SET:
		return construct_map(m, node, DG_YAML_SET);
	case DG_TAG_OMAP:
	case DG_TAG_PAIRS:
		return construct_omap(m, node);
	default:
		return construct_scalar(m, node);
	}
}

/* How large and how deep NODE is with aliases followed. */
static int
measure(struct maker *m, struct dg_yaml_node *node)
{
	size_t size = 1, depth = 0;

	for (size_t i = 0; i < node->n; i++) {
		const struct dg_yaml_node *two[2] = {NULL, NULL};

		if (node->kind == DG_YAML_SEQ) {
			two[0] = node->items[i];
		} else {
			two[0] = node->pairs[i].key;
			two[1] = node->pairs[i].value;
		}
		for (int j = 0; j < 2 && two[j]; j++) {
			size += two[j]->own.size;
			if (two[j]->own.depth > depth)
				depth = two[j]->own.depth;
		}
		if (size > DG_YAML_NODES_MAX)
			return too_large(m, node);
	}
	node->own.size = size;
	node->own.depth = depth + 1;
	return depth >= DG_YAML_DEPTH_MAX + 1 ? too_large(m, node) : 0;
}

static int
construct(struct maker *m, struct dg_yaml_node *node)
{
	int rc;

	if (node->own.state == DONE)
		return 0;
	if (node->own.state == UNDER_WAY)
		return bad(m, node, "this value contains itself");
	node->own.state = UNDER_WAY;
	rc = construct_by_tag(m, node);
	if (rc == 0)
		rc = measure(m, node);
	node->own.state = DONE;
	return rc;
}

int
dg_yaml_construct(struct dg_yaml *y, struct dg_yaml_node *node, struct dg_yaml_mark *at,
	struct dg_err *e)
{
	struct maker m = {y, 0, at, e};

	return construct(&m, node);
}
