/* base/digest.h: SHA-1 of what passes in pieces, SHA-256 of what is there.
 *
 * By libgcrypt, which libsystemd brings into every role anyway: libcrypto would cost each
 * process that is not linked to libcurl half a megabyte of relocated memory.
 */
#ifndef DG_BASE_DIGEST_H
#define DG_BASE_DIGEST_H

#include "base/str.h"

#define DG_SHA256_SIZE 32

struct dg_sha1;

struct dg_sha1 *dg_sha1_new(void);
void dg_sha1_free(struct dg_sha1 *d);
void dg_sha1_feed(struct dg_sha1 *d, struct dg_str piece);
/* Of all that was fed: 40 hex digits and a NUL. Nothing may be fed after it. */
void dg_sha1_end(struct dg_sha1 *d, char hex[41]);

void dg_sha256(struct dg_str bytes, unsigned char digest[DG_SHA256_SIZE]);

#endif
