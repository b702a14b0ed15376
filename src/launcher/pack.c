/* launcher/pack.c: see pack.h. */
#include "launcher/pack.h"

#include <stdlib.h>

#include "base/fd.h"
#include "base/mem.h"
#include "daglet/limits.h"
#include "dagster/escape.h"
#include "dagster/squeeze.h"

struct dg_pack {
	int fd;
	struct dg_squeeze *squeeze;
	struct dg_escape escape;
	uint64_t size;
};

int
dg_pack_new(struct dg_pack **ret, bool plain, struct dg_err *e)
{
	int fd = dg_memfd("snapshot", e);
	struct dg_pack *p;

	if (fd < 0)
		return -DG_TRANSPORT;
	p = dg_new(struct dg_pack);
	p->fd = fd;
	p->squeeze = dg_squeeze_new(plain ? fd : -1, plain ? -1 : fd);
	p->escape = DG_ESCAPE_INIT;
	*ret = p;
	return 0;
}

void
dg_pack_free(struct dg_pack *p)
{
	if (!p)
		return;
	dg_squeeze_free(p->squeeze);
	dg_closep(&p->fd);
	free(p);
}

int
dg_pack_add(struct dg_pack *p, struct dg_str text, struct dg_err *e)
{
	int r;

	if (text.n > DG_BODY_MAX - p->size)
		return dg_fail(e, DG_LIMIT, 0, "a snapshot is larger than %zu bytes",
			DG_BODY_MAX);
	p->size += text.n;
	r = dg_squeeze_feed(p->squeeze, text, e);
	return r < 0 ? dg_err_wrap(e, "cannot keep a snapshot") : 0;
}

int
dg_pack_add_quoted(struct dg_pack *p, struct dg_str text, struct dg_err *e)
{
	auto_buf quoted = DG_BUF_INIT;
	int r = dg_escape_feed(&p->escape, text, &quoted, e);

	return r < 0 ? r : dg_pack_add(p, dg_buf_str(&quoted), e);
}

int
dg_pack_end_quoted(struct dg_pack *p, struct dg_err *e)
{
	int r = dg_escape_end(&p->escape, e);

	p->escape = DG_ESCAPE_INIT;
	return r;
}

int
dg_pack_end(struct dg_pack *take_p, struct dg_packed *ret, struct dg_err *e)
{
	int r = dg_squeeze_end(take_p->squeeze, ret->sha1, &ret->size, e);

	if (r == 0)
		r = dg_memfd_seal(take_p->fd, e);
	if (r == 0)
		ret->fd = TAKE_FD(take_p->fd);
	dg_pack_free(take_p);
	return r;
}

void
dg_packed_clear(struct dg_packed *k)
{
	dg_closep(&k->fd);
	k->fd = -1;
}

int
dg_packed_text(const struct dg_packed *k, struct dg_err *e)
{
	auto_close int fd = dg_memfd("snapshot text", e);
	struct dg_str in;
	int r;

	if (fd < 0)
		return -DG_TRANSPORT;
	if ((r = dg_map(k->fd, DG_BODY_MAX, &in, e)) < 0)
		return r;
	r = dg_unsqueeze(in, fd, e);
	dg_unmap(in);
	if (r == 0)
		r = dg_memfd_seal(fd, e);
	return r < 0 ? r : TAKE_FD(fd);
}
