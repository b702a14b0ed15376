/* json/write.h: JSON text, byte for byte as Python's json.dumps writes it.
 *
 * The dg_json_add_* functions append one value to a buffer. `struct dg_jw` writes nested
 * objects and arrays with the commas where they belong; ready-made text goes in with
 * dg_jw_raw(). Neither fails: a promise broken (a key outside an object, too deep) is our
 * own bug and ends the process.
 */
#ifndef DG_JSON_WRITE_H
#define DG_JSON_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* "..." with everything outside printable ASCII as \uXXXX (json.dumps's default). TEXT is
 * UTF-8; a surrogate's three bytes (WTF-8) give its \udXXX back, any other ill-formed
 * byte gives U+FFFD. */
void dg_json_add_str(struct dg_buf *b, struct dg_str text);
/* The same without the quotes, for text that comes in pieces (of whole characters). */
void dg_json_add_inner(struct dg_buf *b, struct dg_str text);
/* As dg_json_add_str with ensure_ascii=False: only quote, backslash and control
 * characters are escaped. */
void dg_json_add_str_utf8(struct dg_buf *b, struct dg_str text);
void dg_json_add_int(struct dg_buf *b, int64_t v);
/* As Python's repr(): 0.1, 1.0, 1e+16, 5e-324, NaN, Infinity. */
void dg_json_add_double(struct dg_buf *b, double v);

#define DG_JW_DEPTH_MAX 64

struct dg_jw {
	struct dg_buf *b;
	const char *comma, *colon;
	unsigned depth;
	bool after_key;
	uint64_t some; /* bit per depth: something has been written there */
};

/* Append to B with Python's default separators ", " and ": ". */
struct dg_jw dg_jw(struct dg_buf *b);
/* With "," and ":". */
struct dg_jw dg_jw_compact(struct dg_buf *b);

void dg_jw_open_object(struct dg_jw *w);
void dg_jw_close_object(struct dg_jw *w);
void dg_jw_open_array(struct dg_jw *w);
void dg_jw_close_array(struct dg_jw *w);
void dg_jw_key(struct dg_jw *w, const char *key);

/* Values: an item of an array, what a key asked for, or the document. */
void dg_jw_str(struct dg_jw *w, const char *v); /* NULL writes null */
void dg_jw_strn(struct dg_jw *w, struct dg_str v);
void dg_jw_int(struct dg_jw *w, int64_t v);
void dg_jw_double(struct dg_jw *w, double v);
void dg_jw_bool(struct dg_jw *w, bool v);
void dg_jw_null(struct dg_jw *w);
void dg_jw_raw(struct dg_jw *w, struct dg_str json);
/* A place for one value that the caller appends to the buffer itself. */
void dg_jw_place(struct dg_jw *w);

/* Key and value at once. */
void dg_jw_kstr(struct dg_jw *w, const char *key, const char *v);
void dg_jw_kint(struct dg_jw *w, const char *key, int64_t v);
void dg_jw_kdouble(struct dg_jw *w, const char *key, double v);
void dg_jw_kbool(struct dg_jw *w, const char *key, bool v);
void dg_jw_knull(struct dg_jw *w, const char *key);
void dg_jw_kraw(struct dg_jw *w, const char *key, struct dg_str json);

#endif
