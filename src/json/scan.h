/* json/scan.h: where a JSON value ends, in text that arrives in pieces.
 *
 * For splitting an answer while it is still being received. It looks at strings and
 * brackets only; what is found is checked with dg_json_check() afterwards.
 */
#ifndef DG_JSON_SCAN_H
#define DG_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

struct dg_json_scan {
	enum {
		DG_SCAN_START, /* only space so far */
		DG_SCAN_SCALAR,
		DG_SCAN_INSIDE, /* of brackets */
		DG_SCAN_STRING,
		DG_SCAN_ESCAPE,
		DG_SCAN_DONE,
	} state;
	size_t depth;
};

#define DG_JSON_SCAN_INIT ((struct dg_json_scan){DG_SCAN_START, 0})

/* Feed N bytes. Returns how many belong to the value (or to the space before it);
 * S->state is DG_SCAN_DONE when the value has ended with the last of them. A number or a
 * literal ends before the space, comma or bracket behind it, which is not eaten. */
size_t dg_json_scan(struct dg_json_scan *s, const char *p, size_t n);

#endif
