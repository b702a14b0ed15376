#include <criterion/criterion.h>
#include <stdlib.h>

#include "backend/process/lines.h"
#include "backend/process/output.h"

struct seen {
	struct dg_buf text;
	unsigned count;
};

static void
take(void *arg, struct dg_str line)
{
	struct seen *s = arg;

	dg_buf_addstr(&s->text, line);
	dg_buf_addc(&s->text, '|');
	s->count++;
}

static void
expect(struct seen *s, const char *want)
{
	cr_assert_str_eq(s->text.p ? s->text.p : "", want);
	dg_buf_reset(&s->text);
	if (s->text.p)
		s->text.p[0] = '\0';
}

Test(lines, parts_are_joined)
{
	struct dg_lines l;
	struct seen s = {0};

	dg_lines_init(&l, 0);
	dg_lines_feed(&l, DG_STR("one\ntw"), 0, take, &s);
	expect(&s, "one|");
	dg_lines_feed(&l, DG_STR("o\r\n\nthree"), 0, take, &s);
	expect(&s, "two|"); /* an empty line is not worth one of the log's */
	dg_lines_end(&l, 0, take, &s);
	expect(&s, "three|");
	dg_lines_end(&l, 0, take, &s);
	expect(&s, "");
	dg_lines_clear(&l);
	dg_buf_clear(&s.text);
}

Test(lines, long_ones_are_cut)
{
	struct dg_lines l;
	struct seen s = {0};
	auto_buf b = DG_BUF_INIT;

	dg_lines_init(&l, 0);
	for (int i = 0; i < 3 * DG_LINE_MAX; i++)
		dg_buf_addc(&b, 'x');
	dg_lines_feed(&l, dg_buf_str(&b), 0, take, &s);
	dg_lines_feed(&l, dg_buf_str(&b), 0, take, &s);
	cr_assert_eq(s.count, 0);
	dg_lines_feed(&l, DG_STR("\nnext\n"), 0, take, &s);
	cr_assert_eq(s.count, 2);
	cr_assert_eq(s.text.n, DG_LINE_MAX + strlen(" [...]|next|"));
	cr_assert_str_eq(s.text.p + DG_LINE_MAX, " [...]|next|");
	dg_lines_clear(&l);
	dg_buf_clear(&s.text);
}

Test(lines, too_many_are_counted)
{
	struct dg_lines l;
	struct seen s = {0};

	dg_lines_init(&l, 0);
	for (int i = 0; i < DG_LINES_BURST + 50; i++)
		dg_lines_feed(&l, DG_STR("x\n"), 0, take, &s);
	cr_assert_eq(s.count, DG_LINES_BURST);
	dg_buf_reset(&s.text);
	dg_lines_feed(&l, DG_STR("y\n"), DG_SEC / 2, take, &s);
	expect(&s, "[50 lines left out]|y|");
	s.count = 0;
	for (int i = 0; i < DG_LINES_RATE; i++)
		dg_lines_feed(&l, DG_STR("x\n"), DG_SEC / 2, take, &s);
	cr_assert_eq(s.count, DG_LINES_RATE / 2 - 1);
	dg_buf_reset(&s.text);
	dg_lines_end(&l, DG_SEC / 2, take, &s);
	expect(&s, "[101 lines left out]|");
	dg_lines_clear(&l);
	dg_buf_clear(&s.text);
}

static void
clean(const char *in, const char *want)
{
	auto_buf b = DG_BUF_INIT;

	dg_text_clean(&b, dg_str(in));
	cr_assert_str_eq(b.p ? b.p : "", want);
}

Test(clean, text)
{
	clean("", "");
	clean("plain\ttext\nmore", "plain\ttext\nmore");
	clean("\x1b[31mred\x1b[0m \x1b[1;32;40mgreen", "red green");
	clean("\x1b[31", "");
	clean("\x1b]title", "title");
	clean("\x1b", "");
	clean("bell\a back\b nl\r\n", "bell back nl\n");
	clean("\xff\xc3(\xc3\xa4", "\xef\xbf\xbd\xef\xbf\xbd(\xc3\xa4");
}

static void
last(const char *text, unsigned n, const char *want)
{
	struct dg_str s = dg_last_lines(dg_str(text), n);

	cr_assert(dg_str_is(s, want), "%u of %s: %.*s", n, text, DG_FMT(s));
}

Test(last, lines)
{
	last("a\nb\nc\n", 2, "b\nc\n");
	last("a\nb\nc", 2, "b\nc");
	last("a\nb\nc\n", 3, "a\nb\nc\n");
	last("a\nb\nc\n", 9, "a\nb\nc\n");
	last("a\n\n\n", 2, "\n\n");
	last("a", 1, "a");
	last("a\n", 0, "");
	last("", 5, "");
}

Test(rotate, decision)
{
	cr_assert_eq(dg_output_rotate_from(0, 100), -1);
	cr_assert_eq(dg_output_rotate_from(100, 100), -1);
	cr_assert_eq(dg_output_rotate_from(101, 100), 0);
	cr_assert_eq(dg_output_rotate_from(200, 100), 0);
	cr_assert_eq(dg_output_rotate_from(205, 100), 105);
}
