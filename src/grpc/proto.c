/* grpc/proto.c: see proto.h. */
#include "grpc/proto.h"

enum { AT_TAG, AT_VARINT, AT_LENGTH, AT_BYTES, AT_SKIP };
enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static void
add_varint(struct dg_buf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		dg_buf_addc(b, (char)(v | 0x80));
	dg_buf_addc(b, (char)v);
}

void
dg_pb_add_str(struct dg_buf *b, uint32_t field, struct dg_str v)
{
	if (!v.n)
		return;
	dg_buf_reserve(b, v.n + 16);
	add_varint(b, (uint64_t)field << 3 | WIRE_BYTES);
	add_varint(b, v.n);
	dg_buf_addstr(b, v);
}

void
dg_pb_add_bool(struct dg_buf *b, uint32_t field, bool v)
{
	if (!v)
		return;
	add_varint(b, (uint64_t)field << 3 | WIRE_VARINT);
	add_varint(b, 1);
}

static int
bad(struct dg_err *e, const char *why)
{
	return dg_fail(e, DG_TRANSPORT, 0, "the reply is no protobuf message: %s", why);
}

/* One byte of a varint: 1 when it was the last, 0 when more follow. */
static int
varint(struct dg_pb_walk *w, unsigned char c, struct dg_err *e)
{
	if (w->shift == 63 && c > 1)
		return bad(e, "a number of more than 64 bits");
	w->acc |= (uint64_t)(c & 0x7f) << w->shift;
	w->shift += 7;
	return !(c & 0x80);
}

static int
tag_done(struct dg_pb_walk *w, uint64_t tag, struct dg_err *e)
{
	if (tag > UINT32_MAX || tag >> 3 == 0)
		return bad(e, "a field number that cannot be");
	w->field = (uint32_t)(tag >> 3);
	switch (tag & 7) {
	case WIRE_VARINT:
		w->state = AT_VARINT;
		return 0;
	case WIRE_BYTES:
		w->state = AT_LENGTH;
		return 0;
	case WIRE_64:
		w->state = AT_SKIP;
		w->left = 8;
		return 0;
	case WIRE_32:
		w->state = AT_SKIP;
		w->left = 4;
		return 0;
	default:
		return bad(e, "an unknown kind of field");
	}
}

static int
number(struct dg_pb_walk *w, const struct dg_pb_handler *h, unsigned char c,
	struct dg_err *e)
{
	uint64_t v;
	int r = varint(w, c, e);

	if (r <= 0)
		return r;
	v = w->acc;
	w->acc = 0;
	w->shift = 0;
	if (w->state == AT_TAG)
		return tag_done(w, v, e);
	if (w->state == AT_VARINT || v == 0) {
		bool empty = w->state == AT_LENGTH;

		w->state = AT_TAG;
		return empty ? h->bytes(h->arg, w->field, "", 0, true) : 0;
	}
	w->left = v;
	w->state = AT_BYTES;
	return 0;
}

int
dg_pb_walk(struct dg_pb_walk *w, const struct dg_pb_handler *h, const char *p, size_t n,
	struct dg_err *e)
{
	const char *end = p + n;
	int r = 0;

	while (p < end && r >= 0) {
		size_t take;
		bool pass;

		if (w->state == AT_TAG || w->state == AT_VARINT ||
			w->state == AT_LENGTH) {
			r = number(w, h, (unsigned char)*p++, e);
			continue;
		}
		take = (size_t)(end - p);
		if (take > w->left)
			take = (size_t)w->left;
		w->left -= take;
		pass = w->state == AT_BYTES;
		if (!w->left)
			w->state = AT_TAG;
		if (pass)
			r = h->bytes(h->arg, w->field, p, take, !w->left);
		p += take;
	}
	return r < 0 ? r : 0;
}

int
dg_pb_walk_end(struct dg_pb_walk *w, struct dg_err *e)
{
	bool whole = w->state == AT_TAG && w->shift == 0;

	*w = DG_PB_WALK_INIT;
	return whole ? 0 : bad(e, "it ends inside a field");
}
