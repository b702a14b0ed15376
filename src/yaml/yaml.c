/* yaml/yaml.c: the tree: its memory, looking things up, making and changing it. */
#include "yaml/yaml.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/map.h"
#include "base/mem.h"
#include "yaml/tag.h"

#define CHUNK 16384

struct chunk {
	struct chunk *next;
	size_t used, size;
	max_align_t bytes[];
};

struct dg_yaml {
	struct chunk *chunks;
	struct dg_yaml_node *root;
};

struct dg_yaml *
dg_yaml_new(void)
{
	struct dg_yaml *y = dg_new(struct dg_yaml);

	y->root = dg_yaml_node(y);
	return y;
}

void
dg_yaml_free(struct dg_yaml *y)
{
	if (!y)
		return;
	for (struct chunk *c = y->chunks, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	free(y);
}

void
dg_yaml_freep(struct dg_yaml **y)
{
	dg_yaml_free(*y);
}

void *
dg_yaml_alloc(struct dg_yaml *y, size_t n)
{
	struct chunk *c = y->chunks;
	void *p;

	n = (n + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	if (!c || c->size - c->used < n) {
		size_t size = n > CHUNK ? n : CHUNK;

		c = dg_xcalloc(1, sizeof *c + size);
		c->size = size;
		c->next = y->chunks;
		y->chunks = c;
	}
	p = (char *)c->bytes + c->used;
	c->used += n;
	return p;
}

struct dg_str
dg_yaml_keep(struct dg_yaml *y, struct dg_str s)
{
	char *p = dg_yaml_alloc(y, s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	return dg_strn(p, s.n);
}

struct dg_yaml_node *
dg_yaml_node(struct dg_yaml *y)
{
	return dg_yaml_alloc(y, sizeof(struct dg_yaml_node));
}

void
dg_yaml_room(struct dg_yaml *y, struct dg_yaml_node *node)
{
	size_t cap = node->own.cap ? node->own.cap * 2 : 4;

	if (node->n < node->own.cap)
		return;
	if (node->kind == DG_YAML_SEQ) {
		struct dg_yaml_node **items = dg_yaml_alloc(y, cap * sizeof *items);

		if (node->n)
			memcpy(items, node->items, node->n * sizeof *items);
		node->items = items;
	} else {
		struct dg_yaml_pair *pairs = dg_yaml_alloc(y, cap * sizeof *pairs);

		if (node->n)
			memcpy(pairs, node->pairs, node->n * sizeof *pairs);
		node->pairs = pairs;
	}
	node->own.cap = cap;
}

struct dg_yaml_node *
dg_yaml_root(const struct dg_yaml *y)
{
	return y->root;
}

void
dg_yaml_set_root(struct dg_yaml *y, struct dg_yaml_node *root)
{
	y->root = root;
}

const char *
dg_yaml_kind_name(enum dg_yaml_kind k)
{
	static const char *const names[] = {
		[DG_YAML_NULL] = "null",
		[DG_YAML_BOOL] = "a boolean",
		[DG_YAML_INT] = "an integer",
		[DG_YAML_FLOAT] = "a float",
		[DG_YAML_STR] = "a string",
		[DG_YAML_BINARY] = "binary data",
		[DG_YAML_TIME] = "a timestamp",
		[DG_YAML_SEQ] = "a list",
		[DG_YAML_MAP] = "a map",
		[DG_YAML_SET] = "a set",
		[DG_YAML_PAIRS] = "a list of pairs",
	};

	return names[k];
}

bool
dg_yaml_is(const struct dg_yaml_node *node, const char *text)
{
	return node && node->kind == DG_YAML_STR && dg_str_is(node->text, text);
}

struct dg_yaml_pair *
dg_yaml_pair(const struct dg_yaml_node *node, const char *key)
{
	if (!node || node->kind != DG_YAML_MAP)
		return NULL;
	for (size_t i = 0; i < node->n; i++)
		if (dg_yaml_is(node->pairs[i].key, key))
			return &node->pairs[i];
	return NULL;
}

struct dg_yaml_node *
dg_yaml_get(const struct dg_yaml_node *node, const char *key)
{
	struct dg_yaml_pair *pair = dg_yaml_pair(node, key);

	return pair ? pair->value : NULL;
}

static struct dg_yaml_node *
made(struct dg_yaml *y, enum dg_yaml_kind kind)
{
	struct dg_yaml_node *n = dg_yaml_node(y);

	n->kind = kind;
	return n;
}

struct dg_yaml_node *
dg_yaml_null(struct dg_yaml *y)
{
	return made(y, DG_YAML_NULL);
}

struct dg_yaml_node *
dg_yaml_bool(struct dg_yaml *y, bool v)
{
	struct dg_yaml_node *n = made(y, DG_YAML_BOOL);

	n->i = v;
	return n;
}

struct dg_yaml_node *
dg_yaml_int(struct dg_yaml *y, int64_t v)
{
	struct dg_yaml_node *n = made(y, DG_YAML_INT);
	char text[24];

	n->i = v;
	snprintf(text, sizeof text, "%" PRId64, v);
	n->text = n->source = dg_yaml_keep(y, dg_str(text));
	return n;
}

struct dg_yaml_node *
dg_yaml_float(struct dg_yaml *y, double v)
{
	struct dg_yaml_node *n = made(y, DG_YAML_FLOAT);

	n->f = v;
	return n;
}

struct dg_yaml_node *
dg_yaml_str(struct dg_yaml *y, struct dg_str v)
{
	struct dg_yaml_node *n = made(y, DG_YAML_STR);

	n->text = n->source = dg_yaml_keep(y, v);
	return n;
}

struct dg_yaml_node *
dg_yaml_map(struct dg_yaml *y)
{
	return made(y, DG_YAML_MAP);
}

struct dg_yaml_node *
dg_yaml_seq(struct dg_yaml *y)
{
	return made(y, DG_YAML_SEQ);
}

void
dg_yaml_append(struct dg_yaml *y, struct dg_yaml_node *seq, struct dg_yaml_node *item)
{
	DG_ASSERT(seq->kind == DG_YAML_SEQ);
	dg_yaml_room(y, seq);
	seq->items[seq->n++] = item;
}

void
dg_yaml_set(struct dg_yaml *y, struct dg_yaml_node *map, const char *key,
	struct dg_yaml_node *value)
{
	struct dg_yaml_pair *pair = dg_yaml_pair(map, key);

	DG_ASSERT(map->kind == DG_YAML_MAP);
	if (pair) {
		pair->value = value;
		return;
	}
	dg_yaml_room(y, map);
	map->pairs[map->n++] = (struct dg_yaml_pair){dg_yaml_str(y, dg_str(key)), value};
}

void
dg_yaml_del(struct dg_yaml_node *map, const char *key)
{
	struct dg_yaml_pair *pair = dg_yaml_pair(map, key);
	size_t i;

	if (!pair)
		return;
	i = (size_t)(pair - map->pairs);
	map->n--;
	memmove(pair, pair + 1, (map->n - i) * sizeof *pair);
}

static struct dg_yaml_node *
copy(struct dg_yaml *y, struct dg_yaml_node *from, struct dg_map *seen)
{
	struct dg_str id = {(const char *)&from, sizeof(struct dg_yaml_node *)};
	struct dg_yaml_node *to = dg_map_get(seen, id);

	if (to)
		return to;
	to = dg_yaml_node(y);
	*to = *from;
	to->source = from->source.p ? dg_yaml_keep(y, from->source) : DG_STR_NULL;
	to->text = from->text.p ? dg_yaml_keep(y, from->text) : DG_STR_NULL;
	dg_map_put(seen, id, to);
	to->n = to->own.cap = 0;
	to->items = NULL;
	to->pairs = NULL;
	for (size_t i = 0; i < from->n; i++) {
		dg_yaml_room(y, to);
		if (from->kind == DG_YAML_SEQ)
			to->items[i] = copy(y, from->items[i], seen);
		else
			to->pairs[i] =
				(struct dg_yaml_pair){copy(y, from->pairs[i].key, seen),
					copy(y, from->pairs[i].value, seen)};
		to->n++;
	}
	return to;
}

struct dg_yaml_node *
dg_yaml_copy(struct dg_yaml *y, struct dg_yaml_node *node)
{
	struct dg_map seen = DG_MAP_INIT;
	struct dg_yaml_node *to = copy(y, node, &seen);

	dg_map_clear(&seen);
	return to;
}
