/* zlib streams made in pieces. */
#include <criterion/criterion.h>
#include <unistd.h>
#include <zlib.h>

#include "base/mem.h"
#include "base/rand.h"
#include "cloud/pack.h"

static void
check(const struct dg_str *in, size_t n, bool in_file)
{
	struct dg_pack *p = dg_pack_new(in, n);
	struct dg_http_part part;
	auto_buf want = DG_BUF_INIT, packed = DG_BUF_INIT, got = DG_BUF_INIT;
	uLongf len;
	int r;

	while ((r = dg_pack_step(p, NULL)) == 0)
		;
	cr_assert_eq(r, 1);
	cr_assert_eq(dg_pack_step(p, NULL), 1);
	part = dg_pack_part(p);
	cr_assert_eq(part.fd >= 0, in_file);
	dg_buf_reserve(&packed, part.n);
	if (part.fd >= 0)
		cr_assert_eq(pread(part.fd, packed.p, part.n, 0), (ssize_t)part.n);
	else
		memcpy(packed.p, part.p, part.n);
	for (size_t i = 0; i < n; i++)
		dg_buf_addstr(&want, in[i]);
	dg_buf_reserve(&got, want.n);
	len = want.n + 1;
	cr_assert_eq(packed.p[0], 0x78);
	cr_assert_eq((unsigned char)packed.p[1], 0x9c);
	cr_assert_eq(uncompress((Bytef *)got.p, &len, (Bytef *)packed.p, part.n), Z_OK);
	cr_assert_eq(len, want.n);
	cr_assert_eq(memcmp(got.p, want.p ? want.p : "", want.n), 0);
	dg_pack_free(p);
}

Test(pack, small_and_empty)
{
	const struct dg_str parts[] = {DG_STR("one "), DG_STR(""), DG_STR("two")};

	check(parts, 3, false);
	check(parts, 0, false);
	check(parts + 1, 1, false);
	check(parts, 3, false); /* with the state of the one before */
}

Test(pack, large_and_dense)
{
	size_t n = 3 * 1000 * 1000 + 7;
	auto_free char *random = dg_xcalloc(1, n), *zero = dg_xcalloc(1, n);
	struct dg_str parts[3];

	dg_random(random, n);
	parts[0] = DG_STR("{");
	parts[1] = dg_strn(random, n);
	parts[2] = DG_STR("}");
	check(parts, 3, true);
	parts[1] = dg_strn(zero, n);
	check(parts, 3, false);
}

Test(pack, given_up_half_way)
{
	size_t n = 4 * DG_PACK_STEP;
	auto_free char *zero = dg_xcalloc(1, n);
	struct dg_str in = dg_strn(zero, n);
	struct dg_pack *a = dg_pack_new(&in, 1), *b = dg_pack_new(&in, 1);

	cr_assert_eq(dg_pack_step(a, NULL), 0);
	cr_assert_eq(dg_pack_step(b, NULL), 0); /* side by side */
	dg_pack_free(a);
	dg_pack_free(b);
	dg_pack_free(NULL);
	check(&in, 1, false);
}
