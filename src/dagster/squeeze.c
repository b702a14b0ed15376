/* dagster/squeeze.c: see squeeze.h. */
#include "dagster/squeeze.h"

#include <zlib.h>

#include "base/digest.h"
#include "base/fd.h"
#include "base/mem.h"

#define CHUNK 16384

struct dg_squeeze {
	int plain, packed;
	uint64_t bytes;
	struct dg_sha1 *sha1;
	z_stream z;
};

struct dg_squeeze *
dg_squeeze_new(int plain, int packed)
{
	struct dg_squeeze *s = dg_new(struct dg_squeeze);

	s->plain = plain;
	s->packed = packed;
	s->sha1 = dg_sha1_new();
	if (packed >= 0) /* fails only for want of memory */
		DG_ASSERT(deflateInit(&s->z, Z_DEFAULT_COMPRESSION) == Z_OK);
	return s;
}

void
dg_squeeze_free(struct dg_squeeze *s)
{
	if (!s)
		return;
	dg_sha1_free(s->sha1);
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

		dg_sha1_feed(s->sha1, part);
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
	dg_sha1_end(s->sha1, sha1);
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

static void
base64(const unsigned char *p, size_t n, struct dg_buf *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	dg_buf_reserve(out, (n + 2) / 3 * 4);
	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		unsigned v = (unsigned)p[i] << 16 |
			     (left > 1 ? (unsigned)p[i + 1] : 0) << 8 |
			     (left > 2 ? p[i + 2] : 0);
		char four[4] = {digits[v >> 18], digits[v >> 12 & 63],
			left > 1 ? digits[v >> 6 & 63] : '=',
			left > 2 ? digits[v & 63] : '='};

		dg_buf_add(out, four, sizeof four);
	}
}

void
dg_squeeze_base64(struct dg_str text, struct dg_buf *out)
{
	uLongf n = compressBound(text.n);
	auto_free unsigned char *packed = dg_xcalloc(n, 1);

	DG_ASSERT(compress(packed, &n, (const Bytef *)text.p, text.n) == Z_OK);
	base64(packed, n, out);
}
