/* yaml/dump_scalar.c: see dump_scalar.h. Sources: the emitter of PyYAML 6.0, with its
 * default settings: 80 columns, no characters outside ASCII. */
#include "yaml/dump_scalar.h"

#include <stdint.h>

#include "base/mem.h"

#define WIDTH 80
#define SIMPLE_KEY_MAX 128

static void
put(struct dg_yaml_out *o, const char *p, size_t n)
{
	dg_buf_add(o->b, p, n);
	o->column += n;
}

static void
line_break(struct dg_yaml_out *o)
{
	dg_buf_addc(o->b, '\n');
	o->whitespace = o->indention = true;
	o->column = 0;
}

void
dg_yaml_out_mark(struct dg_yaml_out *o, const char *mark, bool need_space,
	bool whitespace, bool indention)
{
	if (need_space && !o->whitespace)
		put(o, " ", 1);
	put(o, mark, strlen(mark));
	o->whitespace = whitespace;
	o->indention = o->indention && indention;
	o->open_ended = false;
}

void
dg_yaml_out_indent(struct dg_yaml_out *o)
{
	size_t indent = o->indent > 0 ? (size_t)o->indent : 0;

	if (!o->indention || o->column > indent ||
		(o->column == indent && !o->whitespace))
		line_break(o);
	if (o->column < indent) {
		o->whitespace = true;
		while (o->column < indent)
			put(o, " ", 1);
	}
}

/* ---- which style ---- */

struct look {
	bool empty, multiline, plain, single;
};

static bool
is_break(uint32_t c)
{
	return c == '\n' || c == 0x85 || c == 0x2028 || c == 0x2029;
}

static bool
is_white(uint32_t c)
{
	return c == '\0' || c == ' ' || c == '\t' || c == '\r' || is_break(c);
}

/* The character at I and where the next one starts; 0 behind the end. */
static uint32_t
char_at(struct dg_str s, size_t i, size_t *next)
{
	uint32_t c = 0;
	size_t n = 1;

	if (i < s.n) {
		n = dg_utf8_decode(dg_strn(s.p + i, s.n - i), &c);
		if (n == 0) {
			c = 0xfffd;
			n = 1;
		}
	}
	*next = i + n;
	return c;
}

static bool
in(uint32_t c, const char *set)
{
	return c && c < 0x80 && strchr(set, (int)c);
}

/* Would C at this place be read as a mark? */
static bool
is_indicator(uint32_t c, bool first, bool white_before, bool white_behind)
{
	if (first)
		return in(c, "#,[]{}&*!|>'\"%@`") || (in(c, "?:-") && white_behind);
	return (c == ':' && white_behind) || (c == '#' && white_before);
}

static struct look
look_at(struct dg_str s)
{
	struct look l = {s.n == 0, false, true, true};
	uint32_t before = 0; /* 0: none */
	size_t next, after;

	if (dg_str_starts(s, "---") || dg_str_starts(s, "..."))
		l.plain = false;
	for (size_t i = 0; i < s.n; i = next) {
		uint32_t c = char_at(s, i, &next);
		bool last = next >= s.n;
		bool white_behind = last || is_white(char_at(s, next, &after));

		if (is_indicator(c, i == 0, i > 0 && is_white(before), white_behind))
			l.plain = false;
		if (is_break(c)) {
			l.multiline = true;
			l.plain = false;
		}
		if (c != '\n' && (c < 0x20 || c > 0x7e))
			l.plain = l.single = false;
		if ((c == ' ' || is_break(c)) && (i == 0 || last))
			l.plain = false;
		if (c == ' ' && i > 0 && is_break(before))
			l.plain = l.single = false;
		if (is_break(c) && before == ' ')
			l.plain = l.single = false;
		before = c;
	}
	return l;
}

bool
dg_yaml_simple_key(struct dg_str text, size_t tag_length)
{
	struct look l = look_at(text);

	return dg_str_chars(text) + tag_length < SIMPLE_KEY_MAX && !l.empty &&
	       !l.multiline;
}

/* ---- the styles ---- */

/* One line of words, broken at single spaces behind column 80. */
static void
write_plain(struct dg_yaml_out *o, struct dg_str s, bool split, bool root)
{
	size_t i = 0;

	if (root)
		o->open_ended = true;
	if (s.n == 0)
		return;
	if (!o->whitespace)
		put(o, " ", 1);
	o->whitespace = o->indention = false;
	while (i < s.n) {
		size_t from = i;
		bool space = s.p[i] == ' ';

		while (i < s.n && (s.p[i] == ' ') == space)
			i++;
		if (space && i - from == 1 && o->column > WIDTH && split) {
			dg_yaml_out_indent(o);
			o->whitespace = o->indention = false;
		} else {
			put(o, s.p + from, i - from);
		}
	}
}

/* Text that is ASCII without control characters, but may have newlines. */
static void
write_single(struct dg_yaml_out *o, struct dg_str s, bool split)
{
	size_t i = 0;

	dg_yaml_out_mark(o, "'", true, false, false);
	while (i < s.n) {
		size_t from = i;
		char c = s.p[i];

		if (c == ' ') {
			while (i < s.n && s.p[i] == ' ')
				i++;
			if (i - from == 1 && o->column > WIDTH && split && from > 0 &&
				i < s.n)
				dg_yaml_out_indent(o);
			else
				put(o, s.p + from, i - from);
		} else if (c == '\n') {
			line_break(o); /* one more: a single one would read as a space */
			for (; i < s.n && s.p[i] == '\n'; i++)
				line_break(o);
			dg_yaml_out_indent(o);
		} else if (c == '\'') {
			put(o, "''", 2);
			i++;
		} else {
			while (i < s.n && s.p[i] != ' ' && s.p[i] != '\n' &&
				s.p[i] != '\'')
				i++;
			put(o, s.p + from, i - from);
		}
	}
	dg_yaml_out_mark(o, "'", false, false, false);
}

static void
put_escape(struct dg_yaml_out *o, uint32_t c)
{
	static const struct {
		uint32_t c;
		char e;
	} rows[] = {{0, '0'}, {7, 'a'}, {8, 'b'}, {9, 't'}, {10, 'n'}, {11, 'v'},
		{12, 'f'}, {13, 'r'}, {0x1b, 'e'}, {'"', '"'}, {'\\', '\\'}, {0x85, 'N'},
		{0xa0, '_'}, {0x2028, 'L'}, {0x2029, 'P'}};
	size_t before = o->b->n;

	for (size_t i = 0; i < DG_N(rows); i++)
		if (rows[i].c == c) {
			char two[2] = {'\\', rows[i].e};

			put(o, two, 2);
			return;
		}
	dg_buf_addf(o->b, c <= 0xff ? "\\x%02X" : c <= 0xffff ? "\\u%04X" : "\\U%08X", c);
	o->column += o->b->n - before;
}

/* FROM and I are byte offsets; text before FROM is written. */
static void
write_double(struct dg_yaml_out *o, struct dg_str s, bool split)
{
	size_t from = 0, next, last = 0;

	for (size_t i = 0; i < s.n; i = next) { /* where the last character starts */
		char_at(s, i, &next);
		last = i;
	}
	dg_yaml_out_mark(o, "\"", true, false, false);
	for (size_t i = 0; i < s.n; i = next) {
		uint32_t c = char_at(s, i, &next);

		if (c == '"' || c == '\\' || c < 0x20 || c > 0x7e) {
			put(o, s.p + from, i - from);
			put_escape(o, c);
			from = next;
		}
		/* what is not written yet is ASCII: its bytes are its columns */
		if (split && i > 0 && i < last && (c == ' ' || from >= i) &&
			o->column + i - (from > i ? i + 1 : from) > WIDTH) {
			if (from < i) {
				put(o, s.p + from, i - from);
				from = i;
			}
			put(o, "\\", 1);
			dg_yaml_out_indent(o);
			o->whitespace = o->indention = false;
			if (s.p[from] == ' ')
				put(o, "\\", 1);
		}
	}
	put(o, s.p + from, s.n - from);
	dg_yaml_out_mark(o, "\"", false, false, false);
}

void
dg_yaml_out_scalar(
	struct dg_yaml_out *o, struct dg_str text, bool plain, bool key, bool root)
{
	struct look l = look_at(text);

	if (plain && l.plain && !(key && (l.empty || l.multiline)))
		write_plain(o, text, !key, root);
	else if (l.single && !(key && l.multiline))
		write_single(o, text, !key);
	else
		write_double(o, text, !key);
}
