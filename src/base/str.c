/* base/str.c: see str.h. */
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

bool
dg_str_starts(struct dg_str s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && memcmp(s.p, prefix, n) == 0;
}

int
dg_str_cmp(struct dg_str a, struct dg_str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	if (c)
		return c;
	return a.n < b.n ? -1 : a.n > b.n;
}

char *
dg_str_dup(struct dg_str s)
{
	return dg_xstrndup(s.p, s.n);
}

/* Length of the well-formed sequence at p, or 0. */
static size_t
utf8_len(const unsigned char *p, size_t left)
{
	size_t n, i;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (left < n)
		return 0;
	for (i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
		(p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

bool
dg_str_utf8(struct dg_str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t i = 0, n;

	while (i < s.n) {
		n = utf8_len(p + i, s.n - i);
		if (!n)
			return false;
		i += n;
	}
	return true;
}

size_t
dg_utf8_decode(struct dg_str s, uint32_t *cp)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t n = s.n ? utf8_len(p, s.n) : 0;

	if (n == 0)
		return 0;
	*cp = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++)
		*cp = *cp << 6 | (p[i] & 0x3f);
	return n;
}

size_t
dg_str_chars(struct dg_str s)
{
	size_t chars = 0;

	for (size_t i = 0; i < s.n; i++)
		chars += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return chars;
}

void
dg_buf_clear(struct dg_buf *b)
{
	free(b->p);
	*b = DG_BUF_INIT;
}

void
dg_buf_reset(struct dg_buf *b)
{
	b->n = 0;
	if (b->p)
		b->p[0] = '\0';
}

void
dg_buf_reserve(struct dg_buf *b, size_t more)
{
	size_t need = b->n + more + 1, cap = b->cap ? b->cap : 64;

	if (need <= b->cap)
		return;
	while (cap < need)
		cap = cap < ((size_t)1 << 24) ? cap * 2 : cap + cap / 4;
	b->p = dg_xrealloc(b->p, cap, 1);
	b->cap = cap;
	b->p[b->n] = '\0';
}

void
dg_buf_add(struct dg_buf *b, const void *p, size_t n)
{
	dg_buf_reserve(b, n);
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void
dg_buf_adds(struct dg_buf *b, const char *s)
{
	dg_buf_add(b, s, strlen(s));
}

void
dg_buf_addstr(struct dg_buf *b, struct dg_str s)
{
	dg_buf_add(b, s.p, s.n);
}

void
dg_buf_addc(struct dg_buf *b, char c)
{
	dg_buf_add(b, &c, 1);
}

void
dg_buf_add_utf8(struct dg_buf *b, uint32_t cp)
{
	unsigned char c[4];
	size_t n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;

	for (size_t i = n; i-- > 1; cp >>= 6)
		c[i] = (unsigned char)(0x80 | (cp & 0x3f));
	c[0] = (unsigned char)(n == 1 ? cp : (0xf00u >> n & 0xf0) | cp);
	dg_buf_add(b, c, n);
}

void
dg_buf_vaddf(struct dg_buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return;
	dg_buf_reserve(b, (size_t)n);
	vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	b->n += (size_t)n;
}

void
dg_buf_addf(struct dg_buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	dg_buf_vaddf(b, fmt, ap);
	va_end(ap);
}

char *
dg_buf_take(struct dg_buf *b)
{
	char *p = b->p ? b->p : dg_xstrdup("");

	*b = DG_BUF_INIT;
	return p;
}

struct dg_str
dg_buf_str(const struct dg_buf *b)
{
	return (struct dg_str){b->p ? b->p : "", b->n};
}

void
dg_hex(const void *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * n] = '\0';
}
