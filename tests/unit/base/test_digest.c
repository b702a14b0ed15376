/* SHA-1 and SHA-256: the standard's own examples (FIPS 180-4), whole and in pieces. */
#include <criterion/criterion.h>

#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"

static const struct {
	const char *text, *sha1, *sha256;
} rows[] = {
	{"", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{"abc", "a9993e364706816aba3e25717850c26c9cd0d89d",
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		"84983e441c3bd26ebaae4aa1f95129e5e54670f1",
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

Test(digest, of_the_standard)
{
	for (size_t i = 0; i < DG_N(rows); i++) {
		unsigned char digest[DG_SHA256_SIZE];
		char hex[2 * DG_SHA256_SIZE + 1];
		struct dg_str text = dg_str(rows[i].text);

		for (size_t piece = 1; piece <= text.n + 1; piece++) {
			struct dg_sha1 *d = dg_sha1_new();

			for (size_t at = 0; at < text.n; at += piece)
				dg_sha1_feed(d, dg_strn(text.p + at, text.n - at < piece
									     ? text.n - at
									     : piece));
			dg_sha1_end(d, hex);
			dg_sha1_free(d);
			cr_assert_str_eq(hex, rows[i].sha1, "in pieces of %zu", piece);
		}
		dg_sha256(text, digest);
		dg_hex(digest, sizeof digest, hex);
		cr_assert_str_eq(hex, rows[i].sha256);
	}
}
