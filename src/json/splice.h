/* json/splice.h: a copy of an object with one member changed, all other bytes as they
 * were. For `instance_ref` and `timeout` in request arguments. OBJECT is checked text. */
#ifndef DG_JSON_SPLICE_H
#define DG_JSON_SPLICE_H

#include <stdbool.h>

#include "base/str.h"

/* Append OBJECT to OUT with the value of KEY replaced by the JSON text VALUE. Where the
 * key is absent it is inserted before the first key that sorts behind it, written as
 * Python's json.dumps would. False, and nothing appended, when OBJECT is no object. */
bool dg_json_splice(
	struct dg_str object, const char *key, struct dg_str value, struct dg_buf *out);

/* Append OBJECT to OUT without its member KEY. */
bool dg_json_delete(struct dg_str object, const char *key, struct dg_buf *out);

#endif
