/* yaml/compose.c: libyaml's events into nodes: anchors, tags, places, limits. */
#include <yaml.h>

#include "base/map.h"
#include "base/mem.h"
#include "yaml/strict.h"
#include "yaml/tag.h"

struct composer {
	yaml_parser_t parser;
	struct dg_yaml_strict strict;
	struct dg_yaml *y;
	struct dg_map anchors; /* name -> node */
	enum dg_yaml_dates dates;
	struct dg_yaml_mark *at;
	struct dg_err *e;
};

static struct dg_yaml_mark
mark_of(yaml_mark_t m)
{
	return (struct dg_yaml_mark){(unsigned)m.line + 1, (unsigned)m.column + 1};
}

static int
bad(struct composer *c, yaml_mark_t at, const char *what)
{
	*c->at = mark_of(at);
	return dg_fail(c->e, DG_CONFIG, 0, "%s", what);
}

/* What libyaml found wrong. */
static int
bad_text(struct composer *c)
{
	const yaml_parser_t *p = &c->parser;

	if (p->error == YAML_READER_ERROR) {
		*c->at = mark_of(p->mark);
		if (p->problem_value >= 0)
			return dg_fail(c->e, DG_CONFIG, 0, "%s: 0x%02x (byte %zu)",
				p->problem, (unsigned)p->problem_value,
				p->problem_offset);
		return dg_fail(c->e, DG_CONFIG, 0, "%s (byte %zu)", p->problem,
			p->problem_offset);
	}
	*c->at = mark_of(p->problem_mark);
	if (p->context)
		return dg_fail(c->e, DG_CONFIG, 0, "%s %s (which starts in line %zu)",
			p->problem ? p->problem : "not YAML", p->context,
			p->context_mark.line + 1);
	return dg_fail(c->e, DG_CONFIG, 0, "%s", p->problem ? p->problem : "not YAML");
}

/* The next event; the caller deletes it. On failure there is none. */
static int
next(struct composer *c, yaml_event_t *ev)
{
	const char *wrong;

	if (!yaml_parser_parse(&c->parser, ev))
		return bad_text(c);
	wrong = dg_yaml_strict_next(&c->strict, ev);
	if (!wrong)
		return 0;
	yaml_event_delete(ev);
	*c->at = c->strict.mark;
	return dg_fail(c->e, DG_CONFIG, 0, "%s", wrong);
}

static enum dg_yaml_tag
tag_of(const char *tag)
{
	static const struct {
		const char *name;
		enum dg_yaml_tag tag;
	} rows[] = {
		{"null", DG_TAG_NULL},
		{"bool", DG_TAG_BOOL},
		{"int", DG_TAG_INT},
		{"float", DG_TAG_FLOAT},
		{"str", DG_TAG_STR},
		{"binary", DG_TAG_BINARY},
		{"timestamp", DG_TAG_TIMESTAMP},
		{"seq", DG_TAG_SEQ},
		{"map", DG_TAG_MAP},
		{"set", DG_TAG_SET},
		{"omap", DG_TAG_OMAP},
		{"pairs", DG_TAG_PAIRS},
		{"merge", DG_TAG_MERGE},
		{"value", DG_TAG_VALUE},
	};
	static const char prefix[] = "tag:yaml.org,2002:";

	if (strncmp(tag, prefix, sizeof prefix - 1) == 0)
		for (size_t i = 0; i < DG_N(rows); i++)
			if (strcmp(tag + sizeof prefix - 1, rows[i].name) == 0)
				return rows[i].tag;
	return DG_TAG_OTHER;
}

static bool
no_tag(const yaml_char_t *tag)
{
	return !tag || strcmp((const char *)tag, "!") == 0;
}

static int
remember(struct composer *c, const yaml_char_t *anchor, struct dg_yaml_node *node,
	yaml_mark_t at)
{
	if (!anchor)
		return 0;
	if (dg_map_put(&c->anchors, dg_str((const char *)anchor), node))
		return bad(c, at, "this anchor was set before");
	return 0;
}

static int compose(
	struct composer *c, yaml_event_t *ev, unsigned depth, struct dg_yaml_node **ret);

static int
compose_scalar(struct composer *c, const yaml_event_t *ev, struct dg_yaml_node *node)
{
	struct dg_str text =
		dg_strn((const char *)ev->data.scalar.value, ev->data.scalar.length);

	node->own.shape = DG_SHAPE_SCALAR;
	node->source = dg_yaml_keep(c->y, text);
	if (!no_tag(ev->data.scalar.tag))
		node->own.tag = tag_of((const char *)ev->data.scalar.tag);
	else if (ev->data.scalar.plain_implicit || ev->data.scalar.tag)
		node->own.tag = dg_yaml_resolve(node->source, c->dates);
	else
		node->own.tag = DG_TAG_STR;
	return remember(c, ev->data.scalar.anchor, node, ev->start_mark);
}

/* Until its end event: items, or keys and values. */
static int
compose_entries(struct composer *c, struct dg_yaml_node *node, unsigned depth)
{
	for (;;) {
		struct dg_yaml_node *entry, *value = NULL;
		yaml_event_t ev;
		int rc = next(c, &ev);

		if (rc < 0)
			return rc;
		if (ev.type == YAML_SEQUENCE_END_EVENT ||
			ev.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&ev);
			return 0;
		}
		rc = compose(c, &ev, depth, &entry);
		if (rc == 0 && node->own.shape == DG_SHAPE_MAP) {
			rc = next(c, &ev);
			if (rc == 0)
				rc = compose(c, &ev, depth, &value);
		}
		if (rc < 0)
			return rc;
		dg_yaml_room(c->y, node);
		if (node->own.shape == DG_SHAPE_MAP)
			node->pairs[node->n++] = (struct dg_yaml_pair){entry, value};
		else
			node->items[node->n++] = entry;
	}
}

static int
compose_collection(struct composer *c, const yaml_event_t *ev, unsigned depth,
	struct dg_yaml_node *node)
{
	bool map = ev->type == YAML_MAPPING_START_EVENT;
	const yaml_char_t *tag =
		map ? ev->data.mapping_start.tag : ev->data.sequence_start.tag;
	int rc;

	if (depth == DG_YAML_DEPTH_MAX) {
		*c->at = mark_of(ev->start_mark);
		return dg_fail(
			c->e, DG_LIMIT, 0, "nested more than %d deep", DG_YAML_DEPTH_MAX);
	}
	node->own.shape = map ? DG_SHAPE_MAP : DG_SHAPE_SEQ;
	node->kind = map ? DG_YAML_MAP : DG_YAML_SEQ;
	if (no_tag(tag))
		node->own.tag = map ? DG_TAG_MAP : DG_TAG_SEQ;
	else
		node->own.tag = tag_of((const char *)tag);
	rc = remember(c,
		map ? ev->data.mapping_start.anchor : ev->data.sequence_start.anchor,
		node, ev->start_mark);
	return rc < 0 ? rc : compose_entries(c, node, depth + 1);
}

/* One node from the event EV, which is deleted. */
static int
compose(struct composer *c, yaml_event_t *ev, unsigned depth, struct dg_yaml_node **ret)
{
	int rc;

	if (ev->type == YAML_ALIAS_EVENT) {
		*ret = dg_map_get(
			&c->anchors, dg_str((const char *)ev->data.alias.anchor));
		rc = *ret ? 0 : bad(c, ev->start_mark, "this alias has no anchor");
		yaml_event_delete(ev);
		return rc;
	}
	*ret = dg_yaml_node(c->y);
	(*ret)->at = mark_of(ev->start_mark);
	if (ev->type == YAML_SCALAR_EVENT)
		rc = compose_scalar(c, ev, *ret);
	else
		rc = compose_collection(c, ev, depth, *ret);
	yaml_event_delete(ev);
	return rc;
}

/* Stream start, one document or none, stream end. */
static int
compose_stream(struct composer *c)
{
	struct dg_yaml_node *root = NULL;
	yaml_event_t ev;
	int rc;

	for (;;) {
		enum yaml_event_type_e type;
		yaml_mark_t at;

		rc = next(c, &ev);
		if (rc < 0)
			return rc;
		type = ev.type;
		at = ev.start_mark;
		if (type == YAML_DOCUMENT_START_EVENT && root)
			rc = bad(c, at, "a second document: expected a single one");
		if (type == YAML_STREAM_START_EVENT || type == YAML_STREAM_END_EVENT ||
			type == YAML_DOCUMENT_START_EVENT ||
			type == YAML_DOCUMENT_END_EVENT)
			yaml_event_delete(&ev);
		else
			rc = compose(c, &ev, 0, &root);
		if (rc < 0)
			return rc;
		if (type == YAML_STREAM_END_EVENT)
			break;
	}
	if (!root)
		return 0;
	dg_yaml_set_root(c->y, root);
	return dg_yaml_construct(c->y, root, c->at, c->e);
}

int
dg_yaml_load(struct dg_str text, enum dg_yaml_dates dates, struct dg_yaml **ret,
	struct dg_yaml_mark *at, struct dg_err *e)
{
	struct dg_yaml_mark ignored;
	struct composer c = {.strict = dg_yaml_strict(text),
		.dates = dates,
		.at = at ? at : &ignored,
		.e = e};
	int rc;

	*ret = NULL;
	*c.at = (struct dg_yaml_mark){1, 1};
	if (text.n > DG_YAML_TEXT_MAX)
		return dg_fail(e, DG_LIMIT, 0, "larger than %u bytes", DG_YAML_TEXT_MAX);
	if (!yaml_parser_initialize(&c.parser))
		return dg_fail(e, DG_TRANSPORT, 0, "no memory for the YAML parser");
	c.y = dg_yaml_new();
	yaml_parser_set_input_string(
		&c.parser, (const unsigned char *)(text.p ? text.p : ""), text.n);
	rc = compose_stream(&c);
	yaml_parser_delete(&c.parser);
	dg_map_clear(&c.anchors);
	if (rc < 0) {
		dg_yaml_free(c.y);
		return rc;
	}
	*ret = c.y;
	return 0;
}
