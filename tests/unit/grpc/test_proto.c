/* Fields out and in, in pieces of every size, and bytes that are no message. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "base/rand.h"
#include "grpc/proto.h"

/* "field:bytes|" per piece that ends a field; pieces of one field are joined. */
static int
collect(void *arg, uint32_t field, const char *p, size_t n, bool last)
{
	struct dg_buf *b = arg;

	(void)field;
	dg_buf_add(b, p, n);
	if (last)
		dg_buf_addf(b, "@%u|", field);
	return 0;
}

static int
walk(const void *p, size_t n, size_t piece, struct dg_buf *out, struct dg_err *e)
{
	struct dg_pb_walk w = DG_PB_WALK_INIT;
	struct dg_pb_handler h = {collect, out};
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i += piece)
		r = dg_pb_walk(
			&w, &h, (const char *)p + i, n - i < piece ? n - i : piece, e);
	return r < 0 ? r : dg_pb_walk_end(&w, e);
}

Test(proto, messages_are_written_as_measured_on_the_wire)
{
	auto_buf b = DG_BUF_INIT;

	dg_pb_add_str(&b, 1, DG_STR("{\"a\": 1}"));
	dg_pb_add_bool(&b, 2, true);
	cr_assert_eq(b.n, 12);
	cr_assert_arr_eq(b.p, "\x0a\x08{\"a\": 1}\x10\x01", 12);
	dg_buf_reset(&b);
	dg_pb_add_str(&b, 1, DG_STR(""));
	dg_pb_add_bool(&b, 2, false);
	cr_assert_eq(b.n, 0, "what is proto3's default is left out");
}

Test(proto, a_message_is_read_in_pieces_of_any_size)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *want;
	} rows[] = {
		{"", 0, ""},
		{"\x0a\x04ping", 6, "ping@1|"},
		{"\x08\x01\x12\x03"
		 "abc",
			7, "abc@2|"},
		{"\x12\x00", 2, "@2|"},
		{"\x0a\x01x\x0a\x01y", 6, "x@1|y@1|"},
		/* a number of ten bytes, both fixed sizes, a field number of two bytes */
		{"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
		 "\x0d"
		 "abcd"
		 "\x11"
		 "abcdefgh"
		 "\x82\x01\x02hi",
			30, "hi@16|"},
	};

	for (size_t i = 0; i < DG_N(rows); i++)
		for (size_t piece = 1; piece <= rows[i].n + 1; piece++) {
			auto_buf out = DG_BUF_INIT;
			struct dg_err e = {0};

			cr_assert_eq(walk(rows[i].bytes, rows[i].n, piece, &out, &e), 0,
				"row %zu, pieces of %zu: %s", i, piece, e.what);
			cr_assert_str_eq(out.p ? out.p : "", rows[i].want);
		}
}

Test(proto, what_is_no_message_is_refused)
{
	static const struct {
		const char *bytes;
		size_t n;
	} rows[] = {
		{"\x0a", 1},                                          /* no length */
		{"\x0a\x05ping", 6},                                  /* too short */
		{"\x08", 1},                                          /* no number */
		{"\x08\x80", 2},                                      /* half of one */
		{"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11}, /* 65 bits */
		{"\x02\x01x", 3},                                     /* field 0 */
		{"\x0b\x0c", 2},                                      /* a group */
		{"\x0e", 1},                                          /* wire type 6 */
		{"\xfa\xff\xff\xff\xff\x01\x00", 7}, /* tag over 32 bits */
		{"\x0d"
		 "abc",
			4}, /* three of four */
	};

	for (size_t i = 0; i < DG_N(rows); i++)
		for (size_t piece = 1; piece <= rows[i].n; piece++) {
			auto_buf out = DG_BUF_INIT;
			struct dg_err e = {0};

			cr_assert_eq(walk(rows[i].bytes, rows[i].n, piece, &out, &e),
				-DG_TRANSPORT, "row %zu", i);
			cr_assert(strstr(e.what, "protobuf"));
		}
}

static int
refuse(void *arg, uint32_t field, const char *p, size_t n, bool last)
{
	(void)arg, (void)field, (void)p, (void)n, (void)last;
	return -DG_LIMIT;
}

Test(proto, the_handler_can_end_it)
{
	struct dg_pb_walk w = DG_PB_WALK_INIT;
	struct dg_pb_handler h = {refuse, NULL};

	cr_assert_eq(dg_pb_walk(&w, &h, "\x0a\x01x", 3, NULL), -DG_LIMIT);
	w = DG_PB_WALK_INIT;
	cr_assert_eq(dg_pb_walk(&w, &h, "\x0a\x00", 2, NULL), -DG_LIMIT);
}

/* Random bytes, and good messages with one byte changed: any answer, no harm, and the
 * same answer whatever the pieces. */
Test(proto, random_bytes_do_no_harm)
{
	for (int round = 0; round < 20000; round++) {
		unsigned char bytes[40];
		size_t n = (size_t)dg_random_below(sizeof bytes);
		auto_buf whole = DG_BUF_INIT;
		auto_buf pieces = DG_BUF_INIT;
		int r;

		dg_random(bytes, sizeof bytes);
		if (round % 2) {
			memcpy(bytes,
				"\x0a\x03"
				"abc\x12\x02zz\x08\x05",
				11);
			n = 11;
			bytes[dg_random_below(n)] = (unsigned char)dg_random_below(256);
		}
		r = walk(bytes, n, 1000, &whole, NULL);
		cr_assert_eq(walk(bytes, n, 1 + dg_random_below(5), &pieces, NULL), r);
		cr_assert(dg_str_eq(dg_buf_str(&whole), dg_buf_str(&pieces)));
	}
}
