/* launcher/pack.c: see pack.h. */
#include "launcher/pack.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/fd.h"
#include "base/mem.h"
#include "daglet/limits.h"

struct dg_pack {
	int fd;
	bool plain;
	EVP_MD_CTX *sha;
	z_stream z;
	uint64_t size;
};

int
dg_pack_new(struct dg_pack **ret, bool plain, struct dg_err *e)
{
	struct dg_pack *p = dg_new(struct dg_pack);

	p->plain = plain;
	p->fd = dg_memfd("snapshot", e);
	if (p->fd < 0) {
		free(p);
		return -DG_TRANSPORT;
	}
	p->sha = EVP_MD_CTX_new();
	DG_ASSERT(p->sha && EVP_DigestInit_ex(p->sha, EVP_sha1(), NULL) == 1);
	DG_ASSERT(deflateInit(&p->z, Z_DEFAULT_COMPRESSION) == Z_OK);
	*ret = p;
	return 0;
}

void
dg_pack_free(struct dg_pack *p)
{
	if (!p)
		return;
	deflateEnd(&p->z);
	EVP_MD_CTX_free(p->sha);
	dg_closep(&p->fd);
	free(p);
}

static int
deflate_all(struct dg_pack *p, struct dg_str text, int flush, struct dg_err *e)
{
	unsigned char out[16384];

	if (p->plain)
		return dg_write_all(p->fd, text.p, text.n, e);
	p->z.next_in = (unsigned char *)(uintptr_t)text.p;
	p->z.avail_in = (uInt)text.n;
	do {
		p->z.next_out = out;
		p->z.avail_out = sizeof(out);
		deflate(&p->z, flush);
		if (dg_write_all(p->fd, out, sizeof(out) - p->z.avail_out, e) < 0)
			return dg_err_wrap(e, "cannot keep a snapshot");
	} while (p->z.avail_out == 0);
	return 0;
}

int
dg_pack_add(struct dg_pack *p, struct dg_str text, struct dg_err *e)
{
	if (text.n > DG_BODY_MAX - p->size)
		return dg_fail(e, DG_LIMIT, 0, "a snapshot is larger than %zu bytes",
			DG_BODY_MAX);
	if (text.n == 0)
		return 0;
	EVP_DigestUpdate(p->sha, text.p, text.n);
	p->size += text.n;
	return deflate_all(p, text, Z_NO_FLUSH, e);
}

int
dg_pack_add_quoted(struct dg_pack *p, struct dg_str text, struct dg_err *e)
{
	size_t from = 0;
	int r;

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		char esc[8];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		if (c == '"' || c == '\\')
			snprintf(esc, sizeof(esc), "\\%c", c);
		else if (c == '\n')
			snprintf(esc, sizeof(esc), "\\n");
		else
			snprintf(esc, sizeof(esc), "\\u%04x", c);
		if ((r = dg_pack_add(p, dg_strn(text.p + from, i - from), e)) < 0 ||
			(r = dg_pack_add(p, dg_str(esc), e)) < 0)
			return r;
		from = i + 1;
	}
	return dg_pack_add(p, dg_strn(text.p + from, text.n - from), e);
}

int
dg_pack_end(struct dg_pack *take_p, struct dg_packed *ret, struct dg_err *e)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	int r = deflate_all(take_p, DG_STR(""), Z_FINISH, e);

	if (r == 0)
		r = dg_memfd_seal(take_p->fd, e);
	if (r == 0) {
		EVP_DigestFinal_ex(take_p->sha, sum, &n);
		dg_hex(sum, 20, ret->sha1);
		ret->size = take_p->size;
		ret->fd = TAKE_FD(take_p->fd);
	}
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
	z_stream z = {0};
	struct dg_str in;
	unsigned char out[65536];
	int r, step = Z_OK;

	if (fd < 0)
		return -DG_TRANSPORT;
	if ((r = dg_map(k->fd, DG_BODY_MAX, &in, e)) < 0)
		return r;
	DG_ASSERT(inflateInit(&z) == Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)in.p;
	z.avail_in = (uInt)in.n;
	while (r == 0 && step == Z_OK) {
		z.next_out = out;
		z.avail_out = sizeof(out);
		step = inflate(&z, Z_NO_FLUSH);
		r = dg_write_all(fd, out, sizeof(out) - z.avail_out, e);
	}
	inflateEnd(&z);
	dg_unmap(in);
	if (r == 0)
		r = dg_memfd_seal(fd, e);
	return r < 0 ? r : TAKE_FD(fd);
}
