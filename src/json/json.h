/* json/json.h: JSON as spans of bytes.
 *
 * What passes through daglet is never re-encoded: a value is a slice of the text it
 * stands in. First dg_json_check() says whether a text is one JSON document; after that
 * the cursors below find slices in it without looking at every rule again. Given text
 * that was not checked they may find nonsense, but never read outside the slice.
 *
 * Accepted beyond RFC 8259, because Dagster and Python's json emit it: NaN, Infinity,
 * -Infinity, and raw control characters inside strings. Text must be well-formed UTF-8.
 * No function recurses. Nothing here allocates except where a dg_buf or char * is
 * filled.
 *
 * A slice of a value has no space around it; a string's slice includes its quotes.
 */
#ifndef DG_JSON_JSON_H
#define DG_JSON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* The deepest nesting that dg_json_check() can be asked for, and a good default:
 * Python's own reader gives up near 1,000. */
#define DG_JSON_DEPTH_MAX 1000

enum dg_json_type {
	DG_JSON_NONE, /* not the start of any value */
	DG_JSON_NULL,
	DG_JSON_BOOL,
	DG_JSON_NUMBER, /* with NaN, Infinity, -Infinity */
	DG_JSON_STRING,
	DG_JSON_ARRAY,
	DG_JSON_OBJECT,
};

/* Is TEXT one JSON value (and space around it)? 0, or -DG_USER with the byte offset in
 * the text of the error; too deep is -DG_LIMIT. */
int dg_json_check(struct dg_str text, size_t max_depth, struct dg_err *e);

/* TEXT without the space around it. */
struct dg_str dg_json_trim(struct dg_str text);
enum dg_json_type dg_json_type(struct dg_str value);

/* Members and items in the order of the text. An iterator over anything else (null, a
 * string, an absent value) is empty. */
struct dg_json_iter {
	const char *p, *end;
};

struct dg_json_iter dg_json_iter(struct dg_str container);
bool dg_json_next_member(
	struct dg_json_iter *it, struct dg_str *key, struct dg_str *value);
bool dg_json_next_item(struct dg_json_iter *it, struct dg_str *value);
/* Members or items in CONTAINER. */
size_t dg_json_count(struct dg_str container);

/* The value of OBJECT's member KEY (of the last one, as in Python). False, and *RET
 * empty, when OBJECT is no object or has no such member. */
bool dg_json_member(struct dg_str object, const char *key, struct dg_str *ret);
/* dg_json_path(v, &ret, "a", "b", NULL) is v["a"]["b"]. */
bool dg_json_path(struct dg_str v, struct dg_str *ret, ...) __attribute__((sentinel));

/* Does the string VALUE say TEXT? Escapes are understood; false for other types. */
bool dg_json_is(struct dg_str value, const char *text);
bool dg_json_is_null(struct dg_str value);

/* Append what the string VALUE says: all escapes resolved, \u0000 is a NUL byte, a
 * surrogate pair one character, a lone surrogate its three bytes (WTF-8). False, and
 * nothing appended, when VALUE is no string. */
bool dg_json_decode(struct dg_str value, struct dg_buf *out);
/* The same as an owned C string; NULL when VALUE is no string. */
char *dg_json_dup(struct dg_str value);

/* Readers of scalars: false, and *RET unchanged, when VALUE is something else. An int is
 * a number without point or exponent that fits; a double is any number. */
bool dg_json_int(struct dg_str value, int64_t *ret);
bool dg_json_double(struct dg_str value, double *ret);
bool dg_json_bool(struct dg_str value, bool *ret);

/* The same for the member KEY of OBJECT. */
char *dg_json_member_dup(struct dg_str object, const char *key);
bool dg_json_member_int(struct dg_str object, const char *key, int64_t *ret);
bool dg_json_member_double(struct dg_str object, const char *key, double *ret);
bool dg_json_member_bool(struct dg_str object, const char *key, bool *ret);

#endif
