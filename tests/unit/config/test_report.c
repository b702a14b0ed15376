/* Messages: order, carets, secrets, suggestions. */
#include "config/report.h"
#include "load.h"

Test(report, messages_come_by_file_and_place)
{
	static const struct dg_report_file files[] = {
		{"a.yaml", {"one: 1\n\ttwo: 2\n", 15}}, {"b.yaml", {"x\r\n", 3}}};
	struct dg_report r = {0};
	auto_buf out = DG_BUF_INIT, warnings = DG_BUF_INIT;

	dg_report_error(&r, &files[1], (struct dg_yaml_mark){1, 1}, "last");
	dg_report_error(&r, &files[0], (struct dg_yaml_mark){2, 2}, "third");
	dg_report_error(&r, &files[0], (struct dg_yaml_mark){1, 6}, "second");
	dg_report_warning(
		&r, &files[0], (struct dg_yaml_mark){1, 1}, "only a %s", "warning");
	dg_report_error(&r, &files[0], (struct dg_yaml_mark){0, 0}, "whole");
	dg_report_error(&r, NULL, (struct dg_yaml_mark){0, 0}, "nowhere");
	dg_report_error(&r, &files[0], (struct dg_yaml_mark){99, 1}, "behind the end");
	cr_assert_eq(r.errors, 6);
	dg_report_write_errors(&r, &out);
	dg_report_write_warnings(&r, &warnings);
	cr_assert_str_eq(out.p, "nowhere\n"
				"a.yaml: whole\n"
				"a.yaml:1:6: second\n  one: 1\n       ^\n"
				"a.yaml:2:2: third\n  \ttwo: 2\n  \t^\n"
				"a.yaml:99:1: behind the end\n"
				"b.yaml:1:1: last\n  x\n  ^\n");
	cr_assert_str_eq(warnings.p, "a.yaml:1:1: only a warning\n");
	dg_report_clear(&r);
}

Test(report, secrets_are_not_shown)
{
	static const struct {
		const char *line, *shown;
	} rows[] = {
		{"  agent_token: s3cret", "  agent_token: ***"},
		{"Password: s3cret", "Password: ***"},
		{"my_secret : s3cret", "my_secret : ***"},
		{"mysql_url: mysql://u:s3cret@h", "mysql_url: ***"},
		{"x: 'agent:acme:s3cret'", "x: ' ***"},
		{"- user:acme:s3cret", "- ***"},
		{"deployment: prod", "deployment: prod"},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_report_file file = {"f", dg_str(rows[i].line)};
		struct dg_report r = {0};
		auto_buf out = DG_BUF_INIT;
		auto_free char *want =
			dg_xasprintf("f:1:1: bad\n  %s\n  ^\n", rows[i].shown);

		dg_report_error(&r, &file, (struct dg_yaml_mark){1, 1}, "bad");
		dg_report_write_errors(&r, &out);
		cr_assert_str_eq(out.p, want, "row %zu: %s", i, out.p);
		dg_report_clear(&r);
	}
}

Test(report, the_nearest_name_is_suggested)
{
	static const char *const names[] = {"timeout", "retries", "url", "verify"};
	static const struct {
		const char *wrong, *hint;
	} rows[] = {
		{"tiemout", " (did you mean 'timeout'?)"},
		{"TIMEOUT", " (did you mean 'timeout'?)"},
		{"retry", ""},
		{"retires", " (did you mean 'retries'?)"},
		{"ulr", " (did you mean 'url'?)"},
		{"namespace", ""},
		{"a_name_that_is_far_longer_than_any_key_of_any_table_could_ever_be_in_"
		 "truth",
			""},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		auto_buf out = DG_BUF_INIT;

		dg_buf_adds(&out, "");
		dg_report_suggest(&out, rows[i].wrong, names, DG_N(names));
		cr_assert_str_eq(out.p, rows[i].hint, "row %zu: %s", i, out.p);
	}
}

Test(report, of_a_flood_only_the_beginning_is_shown)
{
	static const struct dg_report_file file = {"f", {"x: 1", 4}};
	struct dg_report r = {0};
	auto_buf out = DG_BUF_INIT;

	for (unsigned i = 0; i < DG_REPORT_MAX + 5; i++)
		dg_report_error(&r, &file, (struct dg_yaml_mark){0, 0}, "bad");
	cr_assert_eq(r.errors, DG_REPORT_MAX + 5);
	dg_report_write_errors(&r, &out);
	cr_assert_eq(
		out.n, DG_REPORT_MAX * strlen("f: bad\n") + strlen("... and 5 more\n"));
	cr_assert(strstr(out.p, "\n... and 5 more\n"));
	dg_report_clear(&r);
}

Test(report, a_huge_broken_file_is_refused_in_time)
{
	auto_buf text = DG_BUF_INIT;
	auto_free char *errors = NULL;

	for (int i = 0; i < 90000; i++)
		dg_buf_addf(&text, "unknown_key_number_%d: x\n", i);
	errors = refused(text.p, NULL);
	cr_assert(strstr(errors, "\n... and 89"), "%s", errors + strlen(errors) - 40);
}
