/* base/mem.c: see mem.h. */
#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void __attribute__((noreturn)) no_memory(void)
{
	fputs("daglet: out of memory\n", stderr);
	abort();
}

void *
dg_xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		no_memory();
	return p;
}

void *
dg_xrealloc(void *p, size_t n, size_t size)
{
	if (size && n > SIZE_MAX / size)
		no_memory();
	p = realloc(p, n && size ? n * size : 1);
	if (!p)
		no_memory();
	return p;
}

char *
dg_xstrdup(const char *s)
{
	return dg_xstrndup(s, strlen(s));
}

char *
dg_xstrndup(const char *s, size_t n)
{
	char *p = dg_xcalloc(n + 1, 1);

	if (n)
		memcpy(p, s, n);
	return p;
}

char *
dg_xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		no_memory();
	return s;
}
