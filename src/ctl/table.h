/* ctl/table.h: aligned tables for people. Pure.
 *
 * Columns are as wide as their widest cell. Where the terminal is narrower, the flexible
 * column gives way (cells end in "..."); with width 0 nothing is cut. Control characters
 * in cells become spaces: what a code server says must not steer a terminal.
 */
#ifndef DG_CTL_TABLE_H
#define DG_CTL_TABLE_H

#include <stdbool.h>

#include "base/str.h"

enum dg_tone { DG_PLAIN, DG_GOOD, DG_SOON, DG_BAD, DG_HEAD };

struct dg_column {
	const char *title;
	bool right; /* numbers */
	bool flexible;
};

struct dg_table;

/* How to print: the terminal's width (0: unlimited), colours or not. */
struct dg_style {
	unsigned width;
	bool colour;
};

/* COLUMNS live as long as the table. */
struct dg_table *dg_table_new(const struct dg_column *columns, size_t n);
void dg_table_free(struct dg_table *t);
void dg_table_freep(struct dg_table **t);
/* The next cell, row by row; an empty text shows as "-". */
void dg_table_add(struct dg_table *t, enum dg_tone tone, struct dg_str text);
void dg_table_addf(struct dg_table *t, enum dg_tone tone, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool dg_table_empty(const struct dg_table *t);
void dg_table_print(
	const struct dg_table *t, const struct dg_style *style, struct dg_buf *out);

/* TEXT in the tone's colour, control characters replaced. */
void dg_tone_add(struct dg_buf *out, const struct dg_style *style, enum dg_tone tone,
	struct dg_str text);

#define auto_table __attribute__((cleanup(dg_table_freep))) struct dg_table *

#endif
