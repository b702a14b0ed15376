/* dagster/escape.h: text of any size into a JSON string, piece by piece.
 *
 * Replies of code servers travel as a string inside the answer, and may have 100 MB.
 * Pieces may end inside a character. The escapes are json.dumps's (ASCII only). Pure.
 */
#ifndef DG_DAGSTER_ESCAPE_H
#define DG_DAGSTER_ESCAPE_H

#include "base/err.h"
#include "base/str.h"

struct dg_escape {
	char part[4]; /* the beginning of a character whose rest is to come */
	size_t have;
	uint64_t bytes; /* of input, for the error's text */
};

#define DG_ESCAPE_INIT ((struct dg_escape){{0}, 0, 0})

/* Append the escaped piece to OUT (without quotes), which the caller empties as it likes.
 * -DG_USER when the text is not UTF-8, in Python's words. */
int dg_escape_feed(
	struct dg_escape *s, struct dg_str piece, struct dg_buf *out, struct dg_err *e);
/* The text is over: -DG_USER when it ended inside a character. */
int dg_escape_end(struct dg_escape *s, struct dg_err *e);

#endif
