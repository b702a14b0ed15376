/* grpc/reader.c: see reader.h. */
#include "grpc/reader.h"

#include <string.h>

#include "base/mem.h"

#define INFLATE_CHUNK 32768

void
dg_reader_init(struct dg_reader *r, size_t message_max, uint64_t total_max,
	struct dg_pb_handler handler)
{
	*r = (struct dg_reader){.message_max = message_max,
		.total_max = total_max,
		.handler = handler,
		.walk = DG_PB_WALK_INIT};
}

void
dg_reader_clear(struct dg_reader *r)
{
	if (r->have_z)
		inflateEnd(&r->z);
	r->have_z = false;
}

static int
too_big(const struct dg_reader *r, struct dg_err *e)
{
	if (r->size > r->message_max)
		return dg_fail(e, DG_LIMIT, 0,
			"Received message larger than max (%zu vs. %zu)", r->size,
			r->message_max);
	return dg_fail(e, DG_LIMIT, 0, "the reply has more than %llu bytes",
		(unsigned long long)r->total_max);
}

/* Bytes of a message as the server wrote it. */
static int
plain(struct dg_reader *r, const char *p, size_t n, struct dg_err *e)
{
	r->size += n;
	r->total += n;
	if (r->size > r->message_max || r->total > r->total_max)
		return too_big(r, e);
	return dg_pb_walk(&r->walk, &r->handler, p, n, e);
}

static int
inflate_piece(struct dg_reader *r, const char *p, size_t n, struct dg_err *e)
{
	char out[INFLATE_CHUNK];

	r->z.next_in = (Bytef *)(uintptr_t)p;
	r->z.avail_in = (uInt)n;
	do {
		int zr, rc;

		if (r->ended)
			return dg_fail(e, DG_TRANSPORT, 0,
				"the reply has bytes behind its compressed end");
		r->z.next_out = (Bytef *)out;
		r->z.avail_out = sizeof out;
		zr = inflate(&r->z, Z_NO_FLUSH);
		if (zr == Z_MEM_ERROR)
			return dg_fail(
				e, DG_LIMIT, 0, "no memory to decompress the reply");
		if (zr != Z_OK && zr != Z_STREAM_END && zr != Z_BUF_ERROR)
			return dg_fail(e, DG_TRANSPORT, 0,
				"the reply cannot be decompressed: %s",
				r->z.msg ? r->z.msg : "zlib says no");
		r->ended = zr == Z_STREAM_END;
		rc = plain(r, out, sizeof out - r->z.avail_out, e);
		if (rc < 0)
			return rc;
	} while (r->z.avail_in || (!r->z.avail_out && !r->ended));
	return 0;
}

static int
message_begin(struct dg_reader *r, struct dg_err *e)
{
	const unsigned char *h = r->head;

	r->left =
		(uint32_t)h[1] << 24 | (uint32_t)h[2] << 16 | (uint32_t)h[3] << 8 | h[4];
	r->have = 0;
	r->size = 0;
	r->inside = true;
	r->messages++;
	if (h[0] > 1)
		return dg_fail(e, DG_TRANSPORT, 0,
			"the reply is not framed as gRPC says (flag %u)", h[0]);
	r->packed = h[0];
	if (!r->packed) {
		if (r->left <= r->message_max)
			return 0;
		r->size = r->left;
		return too_big(r, e);
	}
	if (!r->gzip)
		return dg_fail(e, DG_TRANSPORT, 0,
			"the reply is compressed, but its headers do not say gzip");
	r->ended = false;
	if (!r->have_z) {
		/* 31: gzip only, with the largest window */
		if (inflateInit2(&r->z, 31) != Z_OK)
			return dg_fail(
				e, DG_LIMIT, 0, "no memory to decompress the reply");
		r->have_z = true;
	} else
		inflateReset(&r->z);
	return 0;
}

static int
message_end(struct dg_reader *r, struct dg_err *e)
{
	r->inside = false;
	if (r->packed && !r->ended)
		return dg_fail(e, DG_TRANSPORT, 0, "a compressed message was cut");
	return dg_pb_walk_end(&r->walk, e);
}

int
dg_reader_feed(struct dg_reader *r, const char *p, size_t n, struct dg_err *e)
{
	const char *end = p + n;
	int rc;

	while (p < end) {
		size_t take = (size_t)(end - p);

		if (!r->inside) {
			r->head[r->have++] = (unsigned char)*p++;
			if (r->have < sizeof r->head)
				continue;
			rc = message_begin(r, e);
			take = 0;
		} else {
			if (take > r->left)
				take = r->left;
			r->left -= (uint32_t)take;
			rc = r->packed ? inflate_piece(r, p, take, e)
				       : plain(r, p, take, e);
		}
		if (rc < 0)
			return rc;
		p += take;
		if (r->inside && !r->left && (rc = message_end(r, e)) < 0)
			return rc;
	}
	return 0;
}

int
dg_reader_end(struct dg_reader *r, struct dg_err *e)
{
	if (r->inside || r->have)
		return dg_fail(e, DG_TRANSPORT, 0, "the reply was cut inside a message");
	return 0;
}
