/* dagletctl's pure parts: tables, views, ends of logs. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "ctl/table.h"
#include "ctl/tail.h"
#include "ctl/view.h"

static const struct dg_style plain = {0, false};

static const struct dg_column columns[] = {
	{"NAME", false, false}, {"N", true, false}, {"TEXT", false, true}};

static void
print(const struct dg_style *style, struct dg_str text, struct dg_buf *out)
{
	auto_table t = dg_table_new(columns, DG_N(columns));

	dg_table_add(t, DG_PLAIN, DG_STR("a"));
	dg_table_addf(t, DG_PLAIN, "%d", 12345);
	dg_table_add(t, DG_BAD, text);
	dg_table_add(t, DG_PLAIN, DG_STR("longer"));
	dg_table_addf(t, DG_PLAIN, "%d", 1);
	dg_table_add(t, DG_PLAIN, DG_STR(""));
	dg_table_print(t, style, out);
}

Test(table, columns_are_as_wide_as_their_widest_cell)
{
	auto_buf out = DG_BUF_INIT;

	print(&plain, DG_STR("caf\xc3\xa9 au lait"), &out);
	cr_assert_str_eq(out.p, "NAME        N  TEXT\n"
				"a       12345  caf\xc3\xa9 au lait\n"
				"longer      1  -\n");
}

Test(table, the_flexible_column_gives_way_to_the_terminal)
{
	auto_buf out = DG_BUF_INIT;
	auto_buf narrow = DG_BUF_INIT;

	print(&(struct dg_style){30, false}, DG_STR("one two three four five six seven"),
		&out);
	cr_assert_str_eq(out.p, "NAME        N  TEXT\n"
				"a       12345  one two thre...\n"
				"longer      1  -\n");
	print(&(struct dg_style){5, false}, DG_STR("one two three four"), &narrow);
	cr_assert(strstr(narrow.p, "one two t...\n"), "%s", narrow.p);
}

Test(table, nothing_in_a_cell_steers_the_terminal)
{
	static const struct {
		const char *text, *shown;
	} rows[] = {
		{"a\033[2Jb", "a [2Jb\n"},
		{"two\nlines", "two lines\n"},
		{"\xc2\x9b"
		 "5n",
			" 5n\n"},
		{"bad\xff", "bad?\n"},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		auto_buf out = DG_BUF_INIT;

		print(&plain, dg_str(rows[i].text), &out);
		cr_assert(strstr(out.p, rows[i].shown), "row %zu: %s", i, out.p);
	}
}

Test(table, colours_come_only_when_asked_for)
{
	auto_buf out = DG_BUF_INIT;

	print(&(struct dg_style){0, true}, DG_STR("x"), &out);
	cr_assert(strstr(out.p, "\033[31mx\033[0m\n"));
	cr_assert(strstr(out.p, "\033[1mNAME\033[0m"));
}

Test(view, ages_are_short)
{
	static const struct {
		double seconds;
		const char *text;
	} rows[] = {{-5, "0s"}, {0.4, "0s"}, {119, "119s"}, {121, "2m"}, {7100, "118m"},
		{7300, "2h"}, {172700, "48h"}, {864000, "10d"}};

	for (size_t i = 0; i < DG_N(rows); i++) {
		char buf[32];

		dg_view_age(rows[i].seconds, buf, sizeof buf);
		cr_assert_str_eq(buf, rows[i].text);
	}
}

#define STATUS                                                                           \
	"{\"daglet\": {\"version\": \"1.2\", \"protocol_release\": \"1.13.27\"},"        \
	" \"agent\": {\"agent_id\": \"a-1\"}, \"time\": 1000,"                           \
	" \"health\": {\"ready\": false, \"alive\": true,"                               \
	"  \"reasons\": [\"poller: is in state backoff\"], \"warnings\": [\"w\"]},"      \
	" \"roles\": [{\"role\": \"ledger\", \"inst\": \"\", \"pid\": 12,"               \
	"  \"state\": \"ready\", \"since\": 940, \"restarts\": 0, \"pulse_age\": 1.5,"   \
	"  \"text\": \"fine\", \"counters\": {\"requests\": {\"recorded\": 7,"           \
	"  \"pending\": 2}, \"store\": {\"durability\": \"full\"}}},"                    \
	"  {\"role\": \"poller\", \"inst\": \"gpu\", \"pid\": null,"                     \
	"  \"state\": \"backoff\", \"last_exit\": \"killed by signal 9\"}],"             \
	" \"locations\": [{\"deployment\": \"prod\", \"location\": \"etl\","             \
	"  \"state\": \"SERVING\", \"status\": \"RUNNING\", \"server\": \"s1\","         \
	"  \"error\": null, \"held\": 0}, {\"deployment\": \"prod\","                    \
	"  \"location\": \"ml\", \"state\": \"BROKEN\", \"status\": \"FAILED\","         \
	"  \"server\": null, \"error\": {\"message\": \"outer\", \"cause\": "            \
	"{\"message\":"                                                                  \
	"  \"boom\\nat line 3\", \"cause\": null}}}],"                                   \
	" \"servers\": [{\"server\": \"s1\", \"location\": \"etl\", \"calls\": 1,"       \
	"  \"slots\": 7, \"since\": 1}, {\"server\": \"m1\", \"location\": \"ml\","      \
	"  \"since\": 5}, {\"server\": \"m2\", \"location\": \"ml\", \"since\": 9}],"    \
	" \"runs\": [{\"run_id\": \"r1\", \"status\": \"RUNNING\"}]}"

Test(view, status_shows_everything_at_a_glance)
{
	static const char *const parts[] = {
		"daglet 1.2, protocol 1.13.27, agent a-1: not ready\n",
		"  poller: is in state backoff\n",
		"  w\n",
		"requests  7 recorded, 2 pending\n",
		"store     durability full\n",
		"killed by signal 9\n",
		"boom\n",
		"1/7",
		"60s",
	};
	auto_buf out = DG_BUF_INIT;

	cr_assert_eq(dg_view_status(DG_STR(STATUS), &plain, 0, &out), 1);
	for (size_t i = 0; i < DG_N(parts); i++)
		cr_assert(strstr(out.p, parts[i]), "no '%s' in\n%s", parts[i], out.p);
}

Test(view, documents_that_lack_everything_are_shown_as_far_as_they_go)
{
	static dg_view *const views[] = {dg_view_status, dg_view_locations,
		dg_view_requests, dg_view_runs, dg_view_check};
	static const char *const docs[] = {"{}", "[]", "null",
		("{\"roles\": [{}, 5], \"locations\": [{}], \"servers\": [[]],"
		 " \"runs\": [\"x\"], \"requests\": [{}], \"health\": 3}")};

	for (size_t i = 0; i < DG_N(views); i++)
		for (size_t k = 0; k < DG_N(docs); k++) {
			auto_buf out = DG_BUF_INIT;

			views[i](dg_str(docs[k]), &plain, 0, &out);
			cr_assert_gt(out.n, 0);
		}
}

Test(view, a_failed_location_is_an_error)
{
	auto_buf out = DG_BUF_INIT;

	cr_assert_eq(dg_view_locations(DG_STR(STATUS), &plain, 0, &out), 1);
	dg_buf_reset(&out);
	cr_assert_eq(dg_view_locations(DG_STR("{}"), &plain, 0, &out), 0);
	cr_assert_str_eq(out.p, "Locations: none\n\nCode servers: none\n");
}

Test(view, requests_beyond_the_list_are_counted)
{
	auto_buf out = DG_BUF_INIT;

	dg_view_requests(DG_STR("{\"count\": 3, \"requests\": [{\"id\": 4, \"kind\": "
				"\"PING\", \"popped\": 5.0}]}"),
		&plain, 65, &out);
	cr_assert(strstr(out.p, "60s"), "%s", out.p);
	cr_assert(strstr(out.p, "and 2 more\n"));
}

Test(view, logs_are_found_by_server_run_and_location)
{
	static const struct {
		const char *name, *kind, *id;
	} rows[] = {
		{"s1", "server", "s1"},
		{"r1", "run", "r1"},
		{"etl", "server", "s1"},
		{"ml", "server", "m2"}, /* none serves: the newest */
		{"nothing", NULL, ""},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		auto_buf id = DG_BUF_INIT;
		const char *kind = dg_view_whose_logs(DG_STR(STATUS), rows[i].name, &id);

		cr_assert_eq(!kind, !rows[i].kind, "row %zu", i);
		cr_assert(!kind || strcmp(kind, rows[i].kind) == 0, "row %zu", i);
		cr_assert_str_eq(dg_buf_str(&id).p, rows[i].id);
	}
}

Test(tail, what_is_new_comes_once)
{
	static const struct {
		const char *before, *now, *fresh;
	} rows[] = {
		{"", "", ""},
		{"", "a\n", "a\n"},
		{"a\nb\n", "a\nb\n", ""},
		{"a\nb\n", "a\nb\nc\n", "c\n"},
		{"a\nb\n", "b\nc\n", "c\n"},
		{"a\nb\n", "x\ny\n", "x\ny\n"},
		{"x\nx\n", "x\nx\nx\n", "x\n"},
		{"a\nb", "a\nbc\n", "c\n"}, /* a line that was not finished */
		{"a\nb", "", ""},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_str s =
			dg_tail_new(dg_str(rows[i].before), dg_str(rows[i].now));

		cr_assert(dg_str_is(s, rows[i].fresh), "row %zu: '%.*s'", i, DG_FMT(s));
	}
}

Test(tail, the_last_lines_of_a_text)
{
	static const struct {
		const char *text;
		size_t n;
		const char *last;
	} rows[] = {
		{"", 3, ""},
		{"a", 1, "a"},
		{"a\nb\nc\n", 1, "c\n"},
		{"a\nb\nc\n", 2, "b\nc\n"},
		{"a\nb\nc", 2, "b\nc"},
		{"a\nb\n", 9, "a\nb\n"},
		{"\n\n\n", 2, "\n\n"},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_str s = dg_tail_last(dg_str(rows[i].text), rows[i].n);

		cr_assert(dg_str_is(s, rows[i].last), "row %zu: '%.*s'", i, DG_FMT(s));
	}
}
