/* backend/process/lines.c: see lines.h. */
#include "backend/process/lines.h"

#include "base/mem.h"

void
dg_lines_init(struct dg_lines *l, dg_usec now)
{
	*l = (struct dg_lines){
		.part = DG_BUF_INIT, .tokens = DG_LINES_BURST, .last = now};
}

void
dg_lines_clear(struct dg_lines *l)
{
	dg_buf_clear(&l->part);
}

/* Drop a terminal's escape sequence: its length, 0 when there is none. */
static size_t
escape(struct dg_str s)
{
	size_t i = 2;

	if (s.n < 2 || s.p[0] != 0x1b)
		return 0;
	if (s.p[1] != '[')
		return 2;
	while (i < s.n && (unsigned char)s.p[i] < 0x40)
		i++;
	return i < s.n ? i + 1 : s.n;
}

void
dg_text_clean(struct dg_buf *out, struct dg_str text)
{
	while (text.n) {
		uint32_t cp;
		size_t n = escape(text);

		if (!n) {
			n = dg_utf8_decode(text, &cp);
			if (!n) {
				n = 1;
				dg_buf_add_utf8(out, 0xfffd);
			} else if (cp == '\t' || cp == '\n' || (cp >= 0x20 && cp != 0x7f))
				dg_buf_add(out, text.p, n);
		}
		text.p += n;
		text.n -= n;
	}
}

static bool
allowed(struct dg_lines *l, dg_usec now)
{
	l->tokens += (double)(now - l->last) / (double)DG_SEC * DG_LINES_RATE;
	if (l->tokens > DG_LINES_BURST)
		l->tokens = DG_LINES_BURST;
	l->last = now;
	if (l->tokens < 1) {
		l->left_out++;
		return false;
	}
	l->tokens--;
	return true;
}

static void
line(struct dg_lines *l, dg_usec now, dg_line_fn *fn, void *arg)
{
	auto_buf clean = DG_BUF_INIT;

	if (allowed(l, now)) {
		if (l->left_out) {
			dg_buf_addf(&clean, "[%lu lines left out]", l->left_out);
			fn(arg, dg_buf_str(&clean));
			dg_buf_reset(&clean);
			l->left_out = 0;
		}
		dg_text_clean(&clean, dg_buf_str(&l->part));
		if (l->cut)
			dg_buf_adds(&clean, " [...]");
		if (clean.n)
			fn(arg, dg_buf_str(&clean));
	}
	dg_buf_reset(&l->part);
	l->cut = false;
}

void
dg_lines_feed(
	struct dg_lines *l, struct dg_str data, dg_usec now, dg_line_fn *fn, void *arg)
{
	while (data.n) {
		const char *end = memchr(data.p, '\n', data.n);
		size_t n = end ? (size_t)(end - data.p) : data.n;
		size_t room = DG_LINE_MAX - l->part.n;

		dg_buf_add(&l->part, data.p, n < room ? n : room);
		if (n > room)
			l->cut = true;
		if (end) {
			line(l, now, fn, arg);
			n++;
		}
		data.p += n;
		data.n -= n;
	}
}

void
dg_lines_end(struct dg_lines *l, dg_usec now, dg_line_fn *fn, void *arg)
{
	if (l->part.n || l->cut)
		line(l, now, fn, arg);
	if (l->left_out) { /* nobody will get through any more */
		auto_buf b = DG_BUF_INIT;

		dg_buf_addf(&b, "[%lu lines left out]", l->left_out);
		l->left_out = 0;
		fn(arg, dg_buf_str(&b));
	}
}

struct dg_str
dg_last_lines(struct dg_str text, unsigned n)
{
	size_t at = text.n;

	if (n == 0)
		return dg_strn(text.p, 0);
	if (at && text.p[at - 1] == '\n')
		at--;
	for (; at; at--)
		if (text.p[at - 1] == '\n' && --n == 0)
			break;
	return dg_strn(text.p + at, text.n - at);
}
