/* launcher/pack.h: text on its way into a snapshot that can be sent.
 *
 * What is added goes through dagster/squeeze.h into a memfd, so that a repository of 90 MB costs what it deflates to; or as it
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
/* As it stands inside a JSON string (dagster/escape.h); pieces may cut characters
 * anywhere. -DG_USER when it is not UTF-8. */
int dg_pack_add_quoted(struct dg_pack *p, struct dg_str text, struct dg_err *e);
/* That string's text is over. */
int dg_pack_end_quoted(struct dg_pack *p, struct dg_err *e);
/* Finish; P is freed in any case. */
int dg_pack_end(struct dg_pack *take_p, struct dg_packed *ret, struct dg_err *e);
void dg_packed_clear(struct dg_packed *k);
/* The text of a deflated one again, as a sealed memfd. */
int dg_packed_text(const struct dg_packed *k, struct dg_err *e);

#endif
