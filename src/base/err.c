/* base/err.c: see err.h. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
dg_fail(struct dg_err *e, int cls, int num, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	if (!e)
		return -cls;
	e->cls = cls;
	e->num = num;
	e->where[0] = e->next[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(e->what, sizeof e->what, fmt, ap);
	va_end(ap);
	n = strlen(e->what);
	if (num && n + 3 < sizeof e->what)
		snprintf(e->what + n, sizeof e->what - n, ": %s", strerror(num));
	return -cls;
}

int
dg_err_where(struct dg_err *e, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -DG_TRANSPORT;
	va_start(ap, fmt);
	vsnprintf(e->where, sizeof e->where, fmt, ap);
	va_end(ap);
	return -e->cls;
}

int
dg_err_next(struct dg_err *e, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -DG_TRANSPORT;
	va_start(ap, fmt);
	vsnprintf(e->next, sizeof e->next, fmt, ap);
	va_end(ap);
	return -e->cls;
}

int
dg_err_wrap(struct dg_err *e, const char *fmt, ...)
{
	char front[sizeof e->what], old[sizeof e->what];
	va_list ap;
	int n;

	if (!e)
		return -DG_TRANSPORT;
	va_start(ap, fmt);
	n = vsnprintf(front, sizeof front, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -e->cls;
	memcpy(old, e->what, sizeof old);
	n = snprintf(e->what, sizeof e->what, "%.200s: ", front);
	if (n > 0 && (size_t)n < sizeof e->what) {
		size_t room = sizeof e->what - (size_t)n - 1, len = strnlen(old, room);

		memcpy(e->what + n, old, len);
		e->what[(size_t)n + len] = '\0';
	}
	return -e->cls;
}

const char *
dg_err_text(const struct dg_err *e, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s%s%s", e->where, e->where[0] ? ": " : "", e->what,
		e->next[0] ? "; " : "", e->next);
	return buf;
}

const char *
dg_class_name(int cls)
{
	static const char *const names[] = {
		[0] = "none",
		[DG_TRANSPORT] = "transport",
		[DG_USER] = "user",
		[DG_CONFIG] = "config",
		[DG_LIMIT] = "limit",
		[DG_DENIED] = "denied",
		[DG_BUG] = "bug",
	};

	if (cls < 0)
		cls = -cls;
	return (size_t)cls < sizeof names / sizeof names[0] ? names[cls] : "unknown";
}

void
dg_bug(const char *file, int line, const char *what)
{
	fprintf(stderr, "daglet: bug at %s:%d: %s does not hold\n", file, line, what);
	abort();
}
