/* yaml/dump_scalar.h: the writer's column and line state, and how a scalar is written. */
#ifndef DG_YAML_DUMP_SCALAR_H
#define DG_YAML_DUMP_SCALAR_H

#include <stdbool.h>

#include "base/str.h"

struct dg_yaml_out {
	struct dg_buf *b;
	size_t column;
	int indent;      /* of what is being written; -1: the document */
	bool whitespace; /* what was written last is space, or opens something */
	bool indention;  /* only indentation and indicators since the line began */
	bool open_ended; /* the document needs "..." to end */
};

/* A mark ("-", ":", "&id001"), after a space where one is needed. */
void dg_yaml_out_mark(struct dg_yaml_out *o, const char *mark, bool need_space,
	bool whitespace, bool indention);
/* Go to a new line, if this one has something, and to the indent. */
void dg_yaml_out_indent(struct dg_yaml_out *o);

/* Would TEXT as a key stand before its colon on one line (TAG_LENGTH: of "!!str")? */
bool dg_yaml_simple_key(struct dg_str text, size_t tag_length);
/* Write TEXT; PLAIN: without quotes it would mean the same. */
void dg_yaml_out_scalar(
	struct dg_yaml_out *o, struct dg_str text, bool plain, bool key, bool root);

#endif
