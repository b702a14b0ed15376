/* base/str.h: slices and buffers of bytes.
 *
 * `struct dg_str` is a slice: a pointer and a length into memory that somebody else owns
 * (not NUL-terminated). `struct dg_buf` grows and owns its bytes; what it holds is always
 * followed by a NUL that is not counted, so `b.p` may be used as a C string.
 */
#ifndef DG_BASE_STR_H
#define DG_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct dg_str {
	const char *p;
	size_t n;
};

#define DG_STR(lit) ((struct dg_str){"" lit, sizeof(lit) - 1})
#define DG_STR_NULL ((struct dg_str){NULL, 0})
/* For printf("%.*s", DG_FMT(s)). */
#define DG_FMT(s) (int)(s).n, (s).p ? (s).p : ""

/* A C string as a slice; NULL gives an empty slice with p == NULL. */
static inline struct dg_str
dg_str(const char *s)
{
	return (struct dg_str){s, s ? strlen(s) : 0};
}

static inline struct dg_str
dg_strn(const char *p, size_t n)
{
	return (struct dg_str){p, n};
}

static inline bool
dg_str_eq(struct dg_str a, struct dg_str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool
dg_str_is(struct dg_str a, const char *b)
{
	return dg_str_eq(a, dg_str(b));
}

bool dg_str_starts(struct dg_str s, const char *prefix);
/* Order by bytes, as memcmp, shorter first. */
int dg_str_cmp(struct dg_str a, struct dg_str b);
/* An owned, NUL-terminated copy. */
char *dg_str_dup(struct dg_str s);
/* Well-formed UTF-8 (no surrogates, no overlong forms, up to U+10FFFF)? */
bool dg_str_utf8(struct dg_str s);
/* The character at S's start into *CP: bytes it takes, 0 when ill-formed or S is empty.
 */
size_t dg_utf8_decode(struct dg_str s, uint32_t *cp);
/* Length in characters of well-formed UTF-8. */
size_t dg_str_chars(struct dg_str s);

struct dg_buf {
	char *p;
	size_t n, cap;
};

#define DG_BUF_INIT ((struct dg_buf){NULL, 0, 0})

void dg_buf_clear(struct dg_buf *b); /* free the bytes, back to DG_BUF_INIT */
void dg_buf_reset(struct dg_buf *b); /* length 0, memory kept */
void dg_buf_reserve(struct dg_buf *b, size_t more);
void dg_buf_add(struct dg_buf *b, const void *p, size_t n);
void dg_buf_adds(struct dg_buf *b, const char *s);
void dg_buf_addstr(struct dg_buf *b, struct dg_str s);
void dg_buf_addc(struct dg_buf *b, char c);
/* A character as UTF-8; surrogates too, in three bytes (WTF-8). */
void dg_buf_add_utf8(struct dg_buf *b, uint32_t cp);
void dg_buf_addf(struct dg_buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void dg_buf_vaddf(struct dg_buf *b, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
/* The bytes, now the caller's; the buffer is empty. Never NULL. */
char *dg_buf_take(struct dg_buf *b);
struct dg_str dg_buf_str(const struct dg_buf *b);

#define auto_buf __attribute__((cleanup(dg_buf_clear))) struct dg_buf

/* Lower-case hex of N bytes into OUT (2*N+1 bytes). */
void dg_hex(const void *bytes, size_t n, char *out);

#endif
