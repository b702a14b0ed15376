/* yaml/yaml.h: YAML 1.1 as PyYAML's SafeLoader reads it and as its yaml.dump writes it.
 *
 * The reader gives a tree with the place of every key and value, for the configuration.
 * It stands on libyaml's events; the meaning of plain scalars (yes/no, 010, 1:30, 1e5 is
 * a string), tags, merge keys, duplicate keys and aliases is PyYAML's (6.0.3: the release
 * after it merges several maps in an order that depends on which strings are one object). What PyYAML takes
 * and this reader refuses, because no configuration can use it: a value that contains
 * itself, an escaped lone surrogate, a colon right before a closing bracket ("[a:]"), a
 * tab that begins a block scalar, directives other than %YAML and %TAG, and what exceeds
 * the limits below.
 *
 * The writer gives the bytes that yaml.dump() gives for the same tree with its default
 * settings (block style, sorted keys, 80 columns, anchors for shared collections),
 * because instance refs are compared and hashed by their text.
 *
 * A node reached over an alias is one node with several parents: trees made here must be
 * walked with that in mind. Everything belongs to its struct dg_yaml.
 */
#ifndef DG_YAML_YAML_H
#define DG_YAML_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* The largest text, the deepest nesting, and the most nodes with aliases followed. */
#define DG_YAML_TEXT_MAX (4u << 20)
#define DG_YAML_DEPTH_MAX 200
#define DG_YAML_NODES_MAX 200000

struct dg_yaml_mark {
	unsigned line, column; /* from 1, in characters; 0: made by us */
};

enum dg_yaml_kind {
	DG_YAML_NULL,
	DG_YAML_BOOL,
	DG_YAML_INT,
	DG_YAML_FLOAT,
	DG_YAML_STR,
	DG_YAML_BINARY,
	DG_YAML_TIME,
	DG_YAML_SEQ,
	DG_YAML_MAP,
	DG_YAML_SET,   /* pairs whose values do not matter */
	DG_YAML_PAIRS, /* !!pairs and !!omap: a list of pairs */
};

struct dg_yaml_node;
struct dg_yaml_pair {
	struct dg_yaml_node *key, *value;
};

struct dg_yaml_node {
	enum dg_yaml_kind kind;
	struct dg_yaml_mark at;
	struct dg_str source; /* scalars: what stands in the file, without quotes */
	struct dg_str text;   /* STR, BINARY: the bytes. INT: its decimal digits.
				 TIME: as isoformat(). FLOAT: as source */
	int64_t i;            /* INT that fits; BOOL */
	bool big;             /* INT that does not fit: see text */
	double f;             /* FLOAT */
	size_t n;             /* entries */
	struct dg_yaml_node **items; /* SEQ */
	struct dg_yaml_pair *pairs;  /* MAP, SET, PAIRS */
	struct {                     /* the room's own */
		uint8_t shape, tag, state, visit;
		bool merged;
		size_t size, depth, cap;
		unsigned anchor;
	} own;
};

struct dg_yaml;

struct dg_yaml *dg_yaml_new(void);
void dg_yaml_free(struct dg_yaml *y);
void dg_yaml_freep(struct dg_yaml **y);

/* Which plain scalars are timestamps: PyYAML's rule, or none (as Dagster reads its files:
 * 2020-01-01 is a string). */
enum dg_yaml_dates { DG_YAML_DATES, DG_YAML_NO_DATES };

/* Read one document; an empty text is null. On failure -DG_CONFIG or -DG_LIMIT, and *AT
 * (if not NULL) says where. */
int dg_yaml_load(struct dg_str text, enum dg_yaml_dates dates, struct dg_yaml **ret,
	struct dg_yaml_mark *at, struct dg_err *e);
struct dg_yaml_node *dg_yaml_root(const struct dg_yaml *y);

/* "a string", "a list", ... with its article, for messages. */
const char *dg_yaml_kind_name(enum dg_yaml_kind k);

/* The pair or value of the string key; NULL when absent or NODE is no map. */
struct dg_yaml_pair *dg_yaml_pair(const struct dg_yaml_node *node, const char *key);
struct dg_yaml_node *dg_yaml_get(const struct dg_yaml_node *node, const char *key);
/* Does the node say this string? */
bool dg_yaml_is(const struct dg_yaml_node *node, const char *text);

/* Making and changing trees. Text is copied into Y. */
struct dg_yaml_node *dg_yaml_null(struct dg_yaml *y);
struct dg_yaml_node *dg_yaml_bool(struct dg_yaml *y, bool v);
struct dg_yaml_node *dg_yaml_int(struct dg_yaml *y, int64_t v);
struct dg_yaml_node *dg_yaml_float(struct dg_yaml *y, double v);
struct dg_yaml_node *dg_yaml_str(struct dg_yaml *y, struct dg_str v);
struct dg_yaml_node *dg_yaml_map(struct dg_yaml *y);
struct dg_yaml_node *dg_yaml_seq(struct dg_yaml *y);
void dg_yaml_append(
	struct dg_yaml *y, struct dg_yaml_node *seq, struct dg_yaml_node *item);
/* Sets or adds a string key. */
void dg_yaml_set(struct dg_yaml *y, struct dg_yaml_node *map, const char *key,
	struct dg_yaml_node *value);
void dg_yaml_del(struct dg_yaml_node *map, const char *key);
/* A deep copy into Y; what was shared inside NODE is shared inside the copy. */
struct dg_yaml_node *dg_yaml_copy(struct dg_yaml *y, struct dg_yaml_node *node);

/* Append what yaml.dump(NODE) writes. Sets, pairs, bytes and times are refused
 * (-DG_CONFIG): no configuration has them. */
int dg_yaml_dump(struct dg_yaml_node *node, struct dg_buf *out, struct dg_err *e);

#endif
