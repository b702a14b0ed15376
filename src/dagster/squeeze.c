/* dagster/squeeze.c: see squeeze.h. */
#include "dagster/squeeze.h"

#include <openssl/evp.h>
#include <zlib.h>

#include "base/fd.h"
#include "base/mem.h"

#define CHUNK 16384

struct dg_squeeze {
	int plain, packed;
	uint64_t bytes;
	EVP_MD_CTX *md;
	z_stream z;
};

struct dg_squeeze *
dg_squeeze_new(int plain, int packed)
{
	struct dg_squeeze *s = dg_new(struct dg_squeeze);

	s->plain = plain;
	s->packed = packed;
	s->md = EVP_MD_CTX_new();
	/* All of these fail only for want of memory. */
	DG_ASSERT(s->md && EVP_DigestInit_ex(s->md, EVP_sha1(), NULL) == 1);
	if (packed >= 0)
		DG_ASSERT(deflateInit(&s->z, Z_DEFAULT_COMPRESSION) == Z_OK);
	return s;
}

void
dg_squeeze_free(struct dg_squeeze *s)
{
	if (!s)
		return;
	EVP_MD_CTX_free(s->md);
	if (s->packed >= 0)
		deflateEnd(&s->z);
	free(s);
}

static int
pack(struct dg_squeeze *s, struct dg_str piece, int flush, struct dg_err *e)
{
	char out[CHUNK];
	int r;

	s->z.next_in = (Bytef *)(uintptr_t)piece.p;
	s->z.avail_in = (uInt)piece.n;
	do {
		s->z.next_out = (Bytef *)out;
		s->z.avail_out = sizeof out;
		DG_ASSERT(deflate(&s->z, flush) != Z_STREAM_ERROR);
		r = dg_write_all(s->packed, out, sizeof out - s->z.avail_out, e);
		if (r < 0)
			return r;
	} while (!s->z.avail_out);
	return 0;
}

int
dg_squeeze_feed(struct dg_squeeze *s, struct dg_str piece, struct dg_err *e)
{
	while (piece.n) {
		/* zlib counts in 32 bits. */
		struct dg_str part =
			dg_strn(piece.p, piece.n < 1 << 30 ? piece.n : 1 << 30);
		int r = 0;

		DG_ASSERT(EVP_DigestUpdate(s->md, part.p, part.n) == 1);
		s->bytes += part.n;
		if (s->plain >= 0)
			r = dg_write_all(s->plain, part.p, part.n, e);
		if (r == 0 && s->packed >= 0)
			r = pack(s, part, Z_NO_FLUSH, e);
		if (r < 0)
			return r;
		piece.p += part.n;
		piece.n -= part.n;
	}
	return 0;
}

int
dg_squeeze_end(struct dg_squeeze *s, char sha1[41], uint64_t *bytes, struct dg_err *e)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	DG_ASSERT(EVP_DigestFinal_ex(s->md, digest, &n) == 1 && n == 20);
	dg_hex(digest, n, sha1);
	*bytes = s->bytes;
	return s->packed >= 0 ? pack(s, DG_STR(""), Z_FINISH, e) : 0;
}

int
dg_unsqueeze(struct dg_str packed, int plain, struct dg_err *e)
{
	char out[CHUNK];
	z_stream z = {0};
	int r = 0, step = Z_OK;

	DG_ASSERT(inflateInit(&z) == Z_OK);
	z.next_in = (Bytef *)(uintptr_t)packed.p;
	z.avail_in = (uInt)packed.n;
	while (r == 0 && step == Z_OK) {
		z.next_out = (Bytef *)out;
		z.avail_out = sizeof out;
		step = inflate(&z, Z_NO_FLUSH);
		r = dg_write_all(plain, out, sizeof out - z.avail_out, e);
	}
	inflateEnd(&z);
	if (r == 0 && step != Z_STREAM_END)
		r = dg_fail(e, DG_USER, 0, "it is no zlib stream, or cut");
	return r;
}

void
dg_squeeze_base64(struct dg_str text, struct dg_buf *out)
{
	uLongf n = compressBound(text.n);
	auto_free unsigned char *packed = dg_xcalloc(n, 1);
	auto_free unsigned char *b64 = NULL;
	int len;

	DG_ASSERT(compress(packed, &n, (const Bytef *)text.p, text.n) == Z_OK);
	DG_ASSERT(n < INT32_MAX / 2);
	b64 = dg_xcalloc((n + 2) / 3 * 4 + 1, 1);
	len = EVP_EncodeBlock(b64, packed, (int)n);
	dg_buf_add(out, b64, (size_t)len);
}
