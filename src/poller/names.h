/* poller/names.h: lists of names: one per line in messages, JSON arrays on the wire.
 * Pure.
 */
#ifndef DG_POLLER_NAMES_H
#define DG_POLLER_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct dg_names {
	char **v;
	size_t n;
};

#define DG_NAMES_INIT ((struct dg_names){NULL, 0})

void dg_names_clear(struct dg_names *l);
/* Adds a copy unless it is there. */
void dg_names_add(struct dg_names *l, struct dg_str name);
bool dg_names_has(const struct dg_names *l, struct dg_str name);
/* Replaces L by the lines of TEXT; true when a name is new. Empty lines are none. */
bool dg_names_read(struct dg_names *l, struct dg_str text);
/* One per line, each with its line feed; never empty, so that "no names" can be told
 * from "nothing was said". */
void dg_names_lines(const struct dg_names *l, struct dg_buf *out);
/* ["a", "b"] */
void dg_names_json(const struct dg_names *l, struct dg_buf *out);

/* Adds `deploymentName` of every item of data.deployments in the checked answer BODY;
 * FULL_ONLY leaves branch deployments out. False when there is no such list. */
bool dg_names_of_answer(struct dg_names *l, struct dg_str body, bool full_only);

#endif
