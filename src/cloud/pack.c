/* cloud/pack.c: see pack.h. */
#include "cloud/pack.h"

#include <errno.h>
#include <stdio.h>
#define ZLIB_CONST
#include <zlib.h>

#include "base/fd.h"
#include "base/mem.h"

/* Results up to here stay in memory. */
#define MEMORY_MAX ((size_t)256 * 1024)
#define OUT_CHUNK ((size_t)64 * 1024)

struct dg_pack {
	struct dg_str inputs[DG_PACK_INPUTS];
	size_t n, at; /* input that is being read */
	z_stream *z;  /* NULL: not begun, or done */
	bool done;
	struct dg_buf out; /* what is not in the file yet */
	int fd;            /* -1: all in memory */
	size_t in_file;
};

/* deflateInit costs more than a small body: one state is kept for the next pack. */
static z_stream *spare;

static int
stream_open(struct dg_pack *p, struct dg_err *e)
{
	if (spare) {
		p->z = TAKE_PTR(spare);
		return 0;
	}
	p->z = dg_new(z_stream);
	if (deflateInit(p->z, Z_DEFAULT_COMPRESSION) == Z_OK)
		return 0;
	free(TAKE_PTR(p->z));
	return dg_fail(e, DG_TRANSPORT, ENOMEM, "zlib does not start");
}

static void
stream_close(struct dg_pack *p)
{
	z_stream *z = TAKE_PTR(p->z);

	if (!z)
		return;
	if (!spare && deflateReset(z) == Z_OK) {
		spare = z;
		return;
	}
	deflateEnd(z);
	free(z);
}

struct dg_pack *
dg_pack_new(const struct dg_str *inputs, size_t n)
{
	struct dg_pack *p = dg_new(struct dg_pack);

	DG_ASSERT(n <= DG_PACK_INPUTS);
	p->fd = -1;
	p->n = n;
	for (size_t i = 0; i < n; i++)
		p->inputs[i] = inputs[i];
	return p;
}

void
dg_pack_free(struct dg_pack *p)
{
	if (!p)
		return;
	stream_close(p);
	dg_buf_clear(&p->out);
	dg_closep(&p->fd);
	free(p);
}

static int
spill(struct dg_pack *p, struct dg_err *e)
{
	int r;

	if (p->fd < 0 && (p->fd = dg_memfd("daglet-upload", e)) < 0)
		return p->fd;
	r = dg_write_all(p->fd, p->out.p, p->out.n, e);
	if (r < 0)
		return r;
	p->in_file += p->out.n;
	dg_buf_reset(&p->out);
	return 0;
}

int
dg_pack_step(struct dg_pack *p, struct dg_err *e)
{
	size_t budget = DG_PACK_STEP;
	int r = Z_OK;

	if (p->done)
		return 1;
	if (!p->z && (r = stream_open(p, e)) < 0)
		return r;
	while (budget > 0 && r != Z_STREAM_END) {
		struct dg_str *in = p->at < p->n ? &p->inputs[p->at] : NULL;
		size_t take = in ? in->n : 0, made;

		if (in && take == 0) {
			p->at++;
			continue;
		}
		if (take > budget)
			take = budget;
		dg_buf_reserve(&p->out, take < OUT_CHUNK ? take / 2 + 256 : OUT_CHUNK);
		p->z->next_in = in ? (const Bytef *)in->p : (const Bytef *)"";
		p->z->avail_in = (uInt)take;
		p->z->next_out = (Bytef *)p->out.p + p->out.n;
		p->z->avail_out = (uInt)(p->out.cap - p->out.n - 1);
		made = p->z->avail_out;
		r = deflate(p->z, in ? Z_NO_FLUSH : Z_FINISH);
		if (r == Z_STREAM_ERROR)
			return dg_fail(e, DG_BUG, 0, "zlib: %s",
				p->z->msg ? p->z->msg : "stream error");
		made -= p->z->avail_out;
		take -= p->z->avail_in;
		p->out.n += made;
		p->out.p[p->out.n] = '\0';
		if (in) {
			in->p += take;
			in->n -= take;
			budget -= take;
		}
		if (p->out.n > MEMORY_MAX || (p->fd >= 0 && p->out.n >= OUT_CHUNK))
			if (spill(p, e) < 0)
				return -DG_TRANSPORT;
	}
	if (r != Z_STREAM_END)
		return 0;
	if (p->fd >= 0 && p->out.n && spill(p, e) < 0)
		return -DG_TRANSPORT;
	if (p->fd >= 0)
		dg_buf_clear(&p->out);
	stream_close(p);
	p->done = true;
	return 1;
}

struct dg_http_part
dg_pack_part(const struct dg_pack *p)
{
	if (p->fd >= 0)
		return (struct dg_http_part){NULL, p->in_file, p->fd, 0};
	return (struct dg_http_part){p->out.p, p->out.n, -1, 0};
}
