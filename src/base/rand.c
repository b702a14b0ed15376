/* base/rand.c: see rand.h. */
#include "base/rand.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/err.h"
#include "base/str.h"

void
dg_random(void *p, size_t n)
{
	char *at = p;

	while (n) {
		ssize_t r = getrandom(at, n, 0);

		if (r < 0 && errno == EINTR)
			continue;
		DG_ASSERT(r > 0);
		at += r;
		n -= (size_t)r;
	}
}

uint64_t
dg_random_below(uint64_t bound)
{
	uint64_t x, limit = UINT64_MAX - UINT64_MAX % bound;

	do
		dg_random(&x, sizeof x);
	while (x >= limit);
	return x % bound;
}

void
dg_random_hex(char *out, size_t digits)
{
	for (size_t i = 0; i < digits; i += 2) {
		unsigned char byte;
		char two[3];

		dg_random(&byte, 1);
		dg_hex(&byte, 1, two);
		out[i] = two[0];
		if (i + 1 < digits)
			out[i + 1] = two[1];
	}
	out[digits] = '\0';
}

void
dg_uuid4(char out[37])
{
	unsigned char b[16];
	char hex[33];

	dg_random(b, sizeof b);
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	dg_hex(b, sizeof b, hex);
	for (int i = 0, o = 0; i < 32; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			out[o++] = '-';
		out[o++] = hex[i];
	}
	out[36] = '\0';
}
