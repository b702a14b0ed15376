/* cloud/repr.h: JSON as Python prints what it made of it.
 *
 * The Python agent tells a refusal of the control plane as the repr of its `errors`, and so
 * do we, letter by letter. Called by reply.c.
 */
#ifndef DAGLET_CLOUD_REPR_H
#define DAGLET_CLOUD_REPR_H

#include "base/str.h"

/* Append the repr of the JSON TEXT; TEXT itself if it is not JSON (because it was cut). */
void dg_repr_add(struct dg_buf *out, struct dg_str text);

#endif
