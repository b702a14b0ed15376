/* dagster/squeeze.h: text hashed and compressed while it passes: what uploads of
 * snapshots need (SHA-1 of the plain bytes, their number, and a zlib stream, which the
 * control plane calls json.gz). One pass, a fixed amount of memory. */
#ifndef DG_DAGSTER_SQUEEZE_H
#define DG_DAGSTER_SQUEEZE_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct dg_squeeze;

/* Both descriptors are the caller's and stay open; -1: not wanted. PLAIN gets the bytes
 * as they are, PACKED the zlib stream. */
struct dg_squeeze *dg_squeeze_new(int plain, int packed);
void dg_squeeze_free(struct dg_squeeze *s);
/* -DG_TRANSPORT when a descriptor takes no more. */
int dg_squeeze_feed(struct dg_squeeze *s, struct dg_str piece, struct dg_err *e);
/* No more comes. SHA1: 40 hex digits and a NUL. */
int dg_squeeze_end(
	struct dg_squeeze *s, char sha1[41], uint64_t *bytes, struct dg_err *e);

/* The other way: the text of a zlib stream into PLAIN. -DG_TRANSPORT when that takes no
 * more, -DG_USER when it is no stream. */
int dg_unsqueeze(struct dg_str packed, int plain, struct dg_err *e);

/* base64(zlib(TEXT)), for what travels in the environment. */
void dg_squeeze_base64(struct dg_str text, struct dg_buf *out);

#endif
