/* backend/process/lines.h: a child's output as lines: cut, bounded, limited; pure. */
#ifndef DG_BACKEND_PROCESS_LINES_H
#define DG_BACKEND_PROCESS_LINES_H

#include "base/str.h"
#include "base/time.h"

/* Longer lines are cut here; what follows up to the line's end is left out. */
#define DG_LINE_MAX 2048
/* Lines per second and server that go on to the log, and how many at once. */
#define DG_LINES_RATE 200
#define DG_LINES_BURST 2000

struct dg_lines {
	struct dg_buf part; /* a line whose end has not come yet */
	double tokens;
	dg_usec last;
	bool cut; /* the rest of this line is left out */
	unsigned long left_out;
};

/* A line: clean text (see dg_text_clean), without its end. */
typedef void dg_line_fn(void *arg, struct dg_str line);

void dg_lines_init(struct dg_lines *l, dg_usec now);
void dg_lines_clear(struct dg_lines *l);
/* Calls FN for each line that ends in DATA, as far as the rate allows. When lines were
 * left out, the next that gets through comes after one that says how many. */
void dg_lines_feed(
	struct dg_lines *l, struct dg_str data, dg_usec now, dg_line_fn *fn, void *arg);
/* The last line may have no end. */
void dg_lines_end(struct dg_lines *l, dg_usec now, dg_line_fn *fn, void *arg);

/* The last N lines of TEXT. */
struct dg_str dg_last_lines(struct dg_str text, unsigned n);

/* Append TEXT as UTF-8 that may be shown: ill-formed bytes become U+FFFD, control
 * characters but tab and line feed go (terminal escapes, carriage returns). */
void dg_text_clean(struct dg_buf *out, struct dg_str text);

#endif
