/* Framing, inflating and limits of a reply's body. */
#include <criterion/criterion.h>
#include <zlib.h>

#include "base/mem.h"
#include "base/rand.h"
#include "grpc/reader.h"

static int
collect(void *arg, uint32_t field, const char *p, size_t n, bool last)
{
	(void)field, (void)last;
	if (arg)
		dg_buf_add(arg, p, n);
	return 0;
}

static void
add_frame(struct dg_buf *b, int flag, struct dg_str m)
{
	char head[5] = {(char)flag, (char)(m.n >> 24), (char)(m.n >> 16),
		(char)(m.n >> 8), (char)m.n};

	dg_buf_add(b, head, sizeof head);
	dg_buf_addstr(b, m);
}

static void
gzip(struct dg_str plain, struct dg_buf *out)
{
	z_stream z = {0};
	size_t cap = plain.n + 100;

	dg_buf_reserve(out, cap);
	cr_assert_eq(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)plain.p;
	z.avail_in = (uInt)plain.n;
	z.next_out = (Bytef *)out->p;
	z.avail_out = (uInt)cap;
	cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->n = cap - z.avail_out;
	deflateEnd(&z);
}

static int
feed(struct dg_str body, size_t piece, bool gz, size_t message_max, uint64_t total_max,
	struct dg_buf *out, struct dg_err *e)
{
	struct dg_reader r;
	int rc = 0;

	dg_reader_init(&r, message_max, total_max, (struct dg_pb_handler){collect, out});
	r.gzip = gz;
	for (size_t i = 0; i < body.n && rc == 0; i += piece)
		rc = dg_reader_feed(
			&r, body.p + i, body.n - i < piece ? body.n - i : piece, e);
	if (rc == 0)
		rc = dg_reader_end(&r, e);
	dg_reader_clear(&r);
	return rc;
}

#define MESSAGE(lit) DG_STR("\x0a" lit)

Test(reader, messages_in_pieces_plain_and_compressed)
{
	auto_buf body = DG_BUF_INIT;
	auto_buf packed = DG_BUF_INIT;
	auto_buf again = DG_BUF_INIT;

	gzip(MESSAGE("\x05hello"), &packed);
	gzip(MESSAGE("\x03you"), &again);
	add_frame(&body, 0,
		MESSAGE("\x04"
			"abc "));
	add_frame(&body, 1, dg_buf_str(&packed));
	add_frame(&body, 0, DG_STR(""));
	add_frame(&body, 1, dg_buf_str(&again));
	for (size_t piece = 1; piece <= body.n; piece++) {
		auto_buf out = DG_BUF_INIT;
		struct dg_err e = {0};

		cr_assert_eq(feed(dg_buf_str(&body), piece, true, 100, 100, &out, &e), 0,
			"%s", e.what);
		cr_assert_str_eq(out.p, "abc helloyou");
	}
}

Test(reader, limits_count_what_was_inflated)
{
	auto_buf big = DG_BUF_INIT;
	auto_buf message = DG_BUF_INIT;
	auto_buf packed = DG_BUF_INIT;
	auto_buf body = DG_BUF_INIT;
	struct dg_err e = {0};

	for (int i = 0; i < 100000; i++)
		dg_buf_adds(&big, "0123456789");
	dg_pb_add_str(&message, 1, dg_buf_str(&big));
	gzip(dg_buf_str(&message), &packed);
	cr_assert_lt(packed.n, 10000);
	add_frame(&body, 1, dg_buf_str(&packed));
	cr_assert_eq(
		feed(dg_buf_str(&body), 512, true, message.n, message.n, NULL, &e), 0);
	cr_assert_eq(
		feed(dg_buf_str(&body), 512, true, message.n - 1, message.n, NULL, &e),
		-DG_LIMIT);
	cr_assert(strstr(e.what, "larger than max"));
	cr_assert_eq(
		feed(dg_buf_str(&body), 512, true, message.n, message.n - 1, NULL, &e),
		-DG_LIMIT);
	/* A plain message that is too large is refused by its head. */
	cr_assert_eq(
		feed(DG_STR("\0\0\0\x01\0"), 512, false, 255, 1000, NULL, &e), -DG_LIMIT);
}

Test(reader, bodies_that_gRPC_does_not_allow)
{
	auto_buf packed = DG_BUF_INIT;
	auto_buf cut = DG_BUF_INIT;
	auto_buf more = DG_BUF_INIT;
	auto_buf unsaid = DG_BUF_INIT;
	auto_buf wrong = DG_BUF_INIT;
	auto_buf empty = DG_BUF_INIT;
	auto_buf two = DG_BUF_INIT;
	struct dg_err e = {0};

	gzip(MESSAGE("\x05hello"), &packed);
	add_frame(&cut, 1, dg_strn(packed.p, packed.n - 4));
	add_frame(&unsaid, 1, dg_buf_str(&packed));
	dg_buf_addstr(&two, dg_buf_str(&packed));
	dg_buf_addstr(&two, dg_buf_str(&packed));
	add_frame(&more, 1, dg_buf_str(&two));
	add_frame(&wrong, 1, DG_STR("this is no gzip"));
	add_frame(&empty, 1, DG_STR(""));
	{
		const struct {
			struct dg_str body;
			bool gz;
			const char *word;
		} rows[] = {
			{DG_STR("\x02\0\0\0\0"), true, "framed"},
			{DG_STR("\0\0\0"), true, "cut"},
			{DG_STR("\0\0\0\0\x05\x0a\x03"
				"ab"),
				true, "cut"},
			{DG_STR("\0\0\0\0\x04\x0a\x03"
				"ab"),
				true, "protobuf"},
			{dg_buf_str(&cut), true, "cut"},
			{dg_buf_str(&more), true, "behind"},
			{dg_buf_str(&unsaid), false, "gzip"},
			{dg_buf_str(&wrong), true, "decompressed"},
			{dg_buf_str(&empty), true, "cut"},
		};

		for (size_t i = 0; i < DG_N(rows); i++)
			for (size_t piece = 1; piece < 60; piece += 7) {
				cr_assert_eq(feed(rows[i].body, piece, rows[i].gz, 1000,
						     1000, NULL, &e),
					-DG_TRANSPORT, "row %zu", i);
				cr_assert(strstr(e.what, rows[i].word), "row %zu: %s", i,
					e.what);
			}
	}
}

Test(reader, mangled_bodies_do_no_harm)
{
	auto_buf packed = DG_BUF_INIT;
	auto_buf body = DG_BUF_INIT;

	gzip(MESSAGE("\x05hello"), &packed);
	add_frame(&body, 1, dg_buf_str(&packed));
	add_frame(&body, 0, MESSAGE("\x02no"));
	for (int i = 0; i < 20000; i++) {
		auto_buf out = DG_BUF_INIT;
		auto_buf bad = DG_BUF_INIT;

		dg_buf_addstr(&bad, dg_buf_str(&body));
		for (uint64_t k = 1 + dg_random_below(3); k; k--)
			bad.p[dg_random_below(bad.n)] = (char)dg_random_below(256);
		(void)feed(dg_strn(bad.p, 1 + (size_t)dg_random_below(bad.n)),
			1 + (size_t)dg_random_below(40), true, 1000, 1000, &out, NULL);
		cr_assert_leq(out.n, 1000);
	}
}
