/* ctl/table.c: see table.h. */
#include "ctl/table.h"

#include <stdlib.h>

#include "base/mem.h"

#define GAP 2
#define FLEXIBLE_MIN 12 /* a column narrower than this says nothing */

struct cell {
	char *text; /* printable, well-formed UTF-8 */
	size_t chars;
	enum dg_tone tone;
};

struct dg_table {
	const struct dg_column *columns;
	size_t ncolumns, ncells, cap;
	struct cell *cells;
};

/* Printable: what is ill-formed becomes '?', what controls a terminal a space. */
static void
add_clean(struct dg_buf *b, struct dg_str s)
{
	while (s.n) {
		uint32_t cp;
		size_t n = dg_utf8_decode(s, &cp);

		if (n == 0)
			dg_buf_addc(b, '?');
		else if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
			dg_buf_addc(b, ' ');
		else
			dg_buf_add(b, s.p, n);
		n += n == 0;
		s = dg_strn(s.p + n, s.n - n);
	}
}

struct dg_table *
dg_table_new(const struct dg_column *columns, size_t n)
{
	struct dg_table *t = dg_new(struct dg_table);

	t->columns = columns;
	t->ncolumns = n;
	return t;
}

void
dg_table_free(struct dg_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->ncells; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t);
}

void
dg_table_freep(struct dg_table **t)
{
	dg_table_free(*t);
	*t = NULL;
}

void
dg_table_add(struct dg_table *t, enum dg_tone tone, struct dg_str text)
{
	auto_buf b = DG_BUF_INIT;
	size_t chars;

	add_clean(&b, text.n ? text : DG_STR("-"));
	chars = dg_str_chars(dg_buf_str(&b));
	if (t->ncells == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 32;
		t->cells = dg_xrealloc(t->cells, t->cap, sizeof *t->cells);
	}
	t->cells[t->ncells++] = (struct cell){dg_buf_take(&b), chars, tone};
}

void
dg_table_addf(struct dg_table *t, enum dg_tone tone, const char *fmt, ...)
{
	auto_buf b = DG_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	dg_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	dg_table_add(t, tone, dg_buf_str(&b));
}

bool
dg_table_empty(const struct dg_table *t)
{
	return t->ncells == 0;
}

static const char *
colour_of(const struct dg_style *style, enum dg_tone tone)
{
	static const char *const codes[] = {
		[DG_PLAIN] = "",
		[DG_GOOD] = "\033[32m",
		[DG_SOON] = "\033[33m",
		[DG_BAD] = "\033[31m",
		[DG_HEAD] = "\033[1m",
	};

	return style->colour ? codes[tone] : "";
}

void
dg_tone_add(struct dg_buf *out, const struct dg_style *style, enum dg_tone tone,
	struct dg_str text)
{
	const char *code = colour_of(style, tone);

	dg_buf_adds(out, code);
	add_clean(out, text);
	dg_buf_adds(out, *code ? "\033[0m" : "");
}

/* The first N characters. */
static struct dg_str
first(const char *text, size_t n)
{
	const char *p = text;

	for (; *p && n; n--)
		do
			p++;
		while (((unsigned char)*p & 0xc0) == 0x80);
	return dg_strn(text, (size_t)(p - text));
}

static void
print_cell(struct dg_buf *out, const struct dg_style *style, const struct dg_column *col,
	const struct cell *c, size_t width, bool last)
{
	auto_buf cut = DG_BUF_INIT;
	struct dg_str text = dg_str(c->text);
	size_t pad = c->chars < width ? width - c->chars : 0;

	if (c->chars > width) {
		dg_buf_addstr(&cut, first(c->text, width - 3));
		dg_buf_adds(&cut, "...");
		text = dg_buf_str(&cut);
	}
	if (col->right)
		dg_buf_addf(out, "%*s", (int)pad, "");
	dg_tone_add(out, style, c->tone, text);
	if (!last)
		dg_buf_addf(out, "%*s", (int)(GAP + (col->right ? 0 : pad)), "");
}

static void
set_widths(const struct dg_table *t, const struct dg_style *style, size_t *widths)
{
	size_t total = 0, flexible = t->ncolumns;

	for (size_t i = 0; i < t->ncolumns; i++) {
		widths[i] = strlen(t->columns[i].title);
		if (t->columns[i].flexible)
			flexible = i;
	}
	for (size_t i = 0; i < t->ncells; i++) {
		size_t *w = &widths[i % t->ncolumns];

		*w = t->cells[i].chars > *w ? t->cells[i].chars : *w;
	}
	for (size_t i = 0; i < t->ncolumns; i++)
		total += widths[i] + (i ? GAP : 0);
	if (style->width && total > style->width && flexible < t->ncolumns) {
		size_t over = total - style->width, *w = &widths[flexible];

		if (*w > FLEXIBLE_MIN)
			*w = *w - FLEXIBLE_MIN > over ? *w - over : FLEXIBLE_MIN;
	}
}

void
dg_table_print(const struct dg_table *t, const struct dg_style *style, struct dg_buf *out)
{
	auto_free size_t *widths = dg_xcalloc(t->ncolumns, sizeof *widths);

	set_widths(t, style, widths);
	for (size_t i = 0; i < t->ncolumns; i++) {
		struct cell head = {(char *)(uintptr_t)t->columns[i].title,
			strlen(t->columns[i].title), DG_HEAD};

		print_cell(out, style, &t->columns[i], &head, widths[i],
			i == t->ncolumns - 1);
	}
	dg_buf_addc(out, '\n');
	for (size_t i = 0; i < t->ncells; i++) {
		size_t col = i % t->ncolumns;

		print_cell(out, style, &t->columns[col], &t->cells[i], widths[col],
			col == t->ncolumns - 1);
		if (col == t->ncolumns - 1)
			dg_buf_addc(out, '\n');
	}
}
