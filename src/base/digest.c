/* base/digest.c: see digest.h. */
#include "base/digest.h"

#include <gcrypt.h>

#include "base/err.h"
#include "base/mem.h"

struct dg_sha1 {
	gcry_md_hd_t md;
};

/* Nothing here is secret, so no locked memory. */
static void
prepare(void)
{
	if (gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P))
		return;
	DG_ASSERT(gcry_check_version(NULL));
	gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
	gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
}

struct dg_sha1 *
dg_sha1_new(void)
{
	struct dg_sha1 *d = dg_new(struct dg_sha1);

	prepare();
	/* Fails only for want of memory. */
	DG_ASSERT(gcry_md_open(&d->md, GCRY_MD_SHA1, 0) == 0);
	return d;
}

void
dg_sha1_free(struct dg_sha1 *d)
{
	if (!d)
		return;
	gcry_md_close(d->md);
	free(d);
}

void
dg_sha1_feed(struct dg_sha1 *d, struct dg_str piece)
{
	gcry_md_write(d->md, piece.p, piece.n);
}

void
dg_sha1_end(struct dg_sha1 *d, char hex[41])
{
	dg_hex(gcry_md_read(d->md, GCRY_MD_SHA1), 20, hex);
}

void
dg_sha256(struct dg_str bytes, unsigned char digest[DG_SHA256_SIZE])
{
	prepare();
	gcry_md_hash_buffer(GCRY_MD_SHA256, digest, bytes.p, bytes.n);
}
