/* ctl/tail.h: ends of logs, and what is new in one that is asked for again and again.
 * Pure. */
#ifndef DG_CTL_TAIL_H
#define DG_CTL_TAIL_H

#include "base/str.h"

/* BEFORE and NOW are the last lines of the same growing text. The part of NOW that comes
 * after BEFORE: behind the longest end of BEFORE, cut at a line, with which NOW begins;
 * all of NOW when nothing of BEFORE is left in it. */
struct dg_str dg_tail_new(struct dg_str before, struct dg_str now);

/* The last N lines. */
struct dg_str dg_tail_last(struct dg_str text, size_t n);

#endif
