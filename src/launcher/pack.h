/* launcher/pack.h: text on its way into a snapshot: SHA-1 and deflate while it streams.
 *
 * What is added goes through a zlib stream (RFC 1950: the control plane's "json.gz" is no
 * gzip) into a memfd, so that a repository of 90 MB costs what it deflates to; or as it
 * is, where somebody else deflates it. The hash and the size are those of the text. Used
 * by uploads.c.
 */
#ifndef DG_LAUNCHER_PACK_H
#define DG_LAUNCHER_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct dg_pack;

struct dg_packed {
	int fd; /* sealed memfd with the zlib stream, or the text; -1: none */
	char sha1[41];
	uint64_t size; /* bytes of the text */
};

#define DG_PACKED_NONE ((struct dg_packed){.fd = -1})

/* PLAIN: not deflated. */
int dg_pack_new(struct dg_pack **ret, bool plain, struct dg_err *e);
void dg_pack_free(struct dg_pack *p);
int dg_pack_add(struct dg_pack *p, struct dg_str text, struct dg_err *e);
/* The bytes as they stand inside a JSON string (quotes, backslashes and control
 * characters escaped); pieces may cut characters anywhere. */
int dg_pack_add_quoted(struct dg_pack *p, struct dg_str text, struct dg_err *e);
/* Finish; P is freed in any case. */
int dg_pack_end(struct dg_pack *take_p, struct dg_packed *ret, struct dg_err *e);
void dg_packed_clear(struct dg_packed *k);
/* The text of a deflated one again, as a sealed memfd. */
int dg_packed_text(const struct dg_packed *k, struct dg_err *e);

#endif
