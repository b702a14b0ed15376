/* ctl/tail.c: see tail.h. */
#include "ctl/tail.h"

struct dg_str
dg_tail_new(struct dg_str before, struct dg_str now)
{
	while (before.n) {
		const char *end;
		size_t line;

		if (before.n <= now.n && memcmp(before.p, now.p, before.n) == 0)
			break;
		end = memchr(before.p, '\n', before.n);
		line = end ? (size_t)(end - before.p) + 1 : before.n;
		before = dg_strn(before.p + line, before.n - line);
	}
	return dg_strn(now.p + before.n, now.n - before.n);
}

struct dg_str
dg_tail_last(struct dg_str text, size_t n)
{
	size_t at = text.n;

	while (at > 0) {
		/* the line end of the last line is not one before it */
		if (text.p[at - 1] == '\n' && at < text.n && --n == 0)
			break;
		at--;
	}
	return dg_strn(text.p + at, text.n - at);
}
