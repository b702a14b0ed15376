/* config/report.c: see report.h. */
#include "config/report.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"

/* A line longer than this is not shown. */
#define LINE_MAX_SHOWN 200

struct dg_report_line {
	const struct dg_report_file *file;
	struct dg_yaml_mark at;
	bool warning;
	size_t order;
	char *text;
};

void
dg_report_clear(struct dg_report *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->lines[i].text);
	free(r->lines);
	*r = (struct dg_report){0};
}

static void add(struct dg_report *r, bool warning, const struct dg_report_file *file,
	struct dg_yaml_mark at, const char *fmt, va_list ap)
	__attribute__((format(printf, 5, 0)));

static void
add(struct dg_report *r, bool warning, const struct dg_report_file *file,
	struct dg_yaml_mark at, const char *fmt, va_list ap)
{
	struct dg_buf text = DG_BUF_INIT;

	r->errors += !warning;
	if (r->n == DG_REPORT_MAX) {
		r->left_out += !warning;
		return;
	}
	dg_buf_vaddf(&text, fmt, ap);
	r->lines = dg_xrealloc(r->lines, r->n + 1, sizeof *r->lines);
	r->lines[r->n] =
		(struct dg_report_line){file, at, warning, r->n, dg_buf_take(&text)};
	r->n++;
}

void
dg_report_error(struct dg_report *r, const struct dg_report_file *file,
	struct dg_yaml_mark at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(r, false, file, at, fmt, ap);
	va_end(ap);
}

void
dg_report_warning(struct dg_report *r, const struct dg_report_file *file,
	struct dg_yaml_mark at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(r, true, file, at, fmt, ap);
	va_end(ap);
}

/* ---- the source line ---- */

static struct dg_str
source_line(struct dg_str text, unsigned line)
{
	struct dg_str s = DG_STR_NULL;
	size_t i = 0;

	for (; line > 1 && i < text.n; i++)
		line -= text.p[i] == '\n';
	if (line > 1 || i >= text.n)
		return s;
	s = dg_strn(text.p + i, 0);
	while (i + s.n < text.n && s.p[s.n] != '\n' && s.p[s.n] != '\r')
		s.n++;
	return s;
}

static bool
has_word(struct dg_str s, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= s.n; i++)
		if (strncasecmp(s.p + i, word, n) == 0)
			return true;
	return false;
}

/* How much of the line may be shown: up to the value of a key that smells of a secret, or
 * up to a token. */
static size_t
presentable(struct dg_str line)
{
	static const char *const names[] = {
		"token", "password", "secret", "_url", "proxies"};
	const char *colon = memchr(line.p, ':', line.n);
	struct dg_str key = {line.p, colon ? (size_t)(colon - line.p) : 0};

	for (size_t i = 0; i < DG_N(names); i++)
		if (has_word(key, names[i]))
			return key.n + 1;
	for (size_t i = 0; i + 6 < line.n; i++)
		if (strncmp(line.p + i, "agent:", 6) == 0 ||
			strncmp(line.p + i, "user:", 5) == 0)
			return i;
	return line.n;
}

static void
show_line(struct dg_buf *out, const struct dg_report_line *l)
{
	struct dg_str s = source_line(l->file->text, l->at.line);
	size_t shown;

	if (s.n == 0 || s.n > LINE_MAX_SHOWN || !dg_str_utf8(s))
		return;
	shown = presentable(s);
	while (shown < s.n && shown > 0 && s.p[shown - 1] == ' ')
		shown--;
	dg_buf_addf(out, "  %.*s%s\n  ", (int)shown, s.p, shown < s.n ? " ***" : "");
	for (unsigned i = 1; i < l->at.column; i++) /* tabs keep the caret in place */
		dg_buf_addc(out, i <= s.n && s.p[i - 1] == '\t' ? '\t' : ' ');
	dg_buf_adds(out, "^\n");
}

/* ---- writing ---- */

static int
compare(const void *a, const void *b)
{
	const struct dg_report_line *x = a, *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	if (x->at.line != y->at.line)
		return x->at.line < y->at.line ? -1 : 1;
	if (x->at.column != y->at.column)
		return x->at.column < y->at.column ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void
write_lines(struct dg_report *r, bool warnings, struct dg_buf *out)
{
	if (r->n)
		qsort(r->lines, r->n, sizeof *r->lines, compare);
	for (size_t i = 0; i < r->n; i++) {
		const struct dg_report_line *l = &r->lines[i];

		if (l->warning != warnings)
			continue;
		if (l->file)
			dg_buf_adds(out, l->file->name);
		if (l->file && l->at.line)
			dg_buf_addf(out, ":%u:%u", l->at.line, l->at.column);
		dg_buf_addf(out, "%s%s\n", l->file ? ": " : "", l->text);
		if (!warnings && l->file && l->at.line)
			show_line(out, l);
	}
}

void
dg_report_write_errors(struct dg_report *r, struct dg_buf *out)
{
	write_lines(r, false, out);
	if (r->left_out)
		dg_buf_addf(out, "... and %zu more\n", r->left_out);
}

void
dg_report_write_warnings(struct dg_report *r, struct dg_buf *out)
{
	write_lines(r, true, out);
}

/* ---- did you mean ---- */

#define WORD_MAX 64

static unsigned
least(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* How many letters must be changed, put in, left out or swapped. */
static unsigned
distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned d[3][WORD_MAX + 1];

	if (n > WORD_MAX || m > WORD_MAX)
		return UINT32_MAX;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *row = d[i % 3], *last = d[(i + 2) % 3], *older = d[(i + 1) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			bool same = tolower((unsigned char)a[i - 1]) ==
				    tolower((unsigned char)b[j - 1]);

			row[j] = least(last[j] + 1, row[j - 1] + 1, last[j - 1] + !same);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
				a[i - 2] == b[j - 1])
				row[j] = least(row[j], older[j - 2] + 1, row[j]);
		}
	}
	return d[n % 3][m];
}

void
dg_report_suggest(
	struct dg_buf *out, const char *wrong, const char *const *candidates, size_t n)
{
	unsigned best = (unsigned)(strlen(wrong) / 3 + 1);
	const char *nearest = NULL;

	for (size_t i = 0; i < n; i++) {
		unsigned d = distance(wrong, candidates[i]);

		if (d < best || (d == best && !nearest)) {
			best = d;
			nearest = candidates[i];
		}
	}
	if (nearest)
		dg_buf_addf(out, " (did you mean '%s'?)", nearest);
}
