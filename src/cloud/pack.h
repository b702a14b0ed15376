/* cloud/pack.h: the zlib streams of uploads ("json.gz", api_response.tmp), made a piece
 * at a time, so that 100 MB do not stop the loop.
 *
 * A pack reads slices in order and writes to memory, or above 256 KB to a memfd.
 */
#ifndef DG_CLOUD_PACK_H
#define DG_CLOUD_PACK_H

#include "base/err.h"
#include "base/str.h"
#include "http/client.h"

struct dg_pack;

#define DG_PACK_INPUTS 4
/* Bytes of input per step: a few milliseconds. */
#define DG_PACK_STEP ((size_t)192 * 1024)

/* The inputs must outlive the pack's work, until it is done. */
struct dg_pack *dg_pack_new(const struct dg_str *inputs, size_t n);
void dg_pack_free(struct dg_pack *p);
/* Work on up to DG_PACK_STEP bytes. 1: done, 0: more to do. */
int dg_pack_step(struct dg_pack *p, struct dg_err *e);
/* The result as a part of a request body; lives as long as the pack. */
struct dg_http_part dg_pack_part(const struct dg_pack *p);

#endif
