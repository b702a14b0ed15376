/* What is known, what is shown of it, and whether the agent is well. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "status/health.h"
#include "status/metrics.h"
#include "status/mirror.h"
#include "status/page.h"
#include "status/show.h"
#include "json/json.h"

#define NOW (1000 * DG_SEC)

static void
put(struct dg_mirror *m, unsigned table, const char *key, const char *body)
{
	struct dg_err e;

	cr_assert_eq(dg_mirror_put(m, table, dg_str(key), dg_str(body), NOW, &e), 0,
		"%s: %s", body, e.what);
}

/* An agent that is well. */
static void
well(struct dg_mirror *m)
{
	dg_mirror_init(m, NOW);
	dg_mirror_link(m, true, NOW);
	put(m, DG_MIRROR_MASTER,
		"ledger:", "{\"pid\": 1, \"state\": \"ready\", \"pulse_age\": 0.5}");
	put(m, DG_MIRROR_MASTER, "poller:gpu",
		"{\"pid\": 2, \"state\": \"ready\", \"success_age\": 1.0,"
		" \"restarts\": 3}");
	put(m, DG_STATE_ROLE, "launcher:process", "{\"ready\": true, \"held\": 4}");
	put(m, DG_STATE_ROLE, "ledger:",
		"{\"requests\": {\"recorded\": 5, \"oldest_usec\": 1500000, \"odd\": 7},"
		" \"store\": {\"durability\": \"full\"}, \"kinds\": {\"PING\":"
		" {\"outcomes\": {\"ok\": 3, \"error\": 1}, \"sum\": 0.5, \"buckets\":"
		" {\"0.1\": 2, \"+Inf\": 4}}}}");
	put(m, DG_STATE_LOCATION, "prod\netl",
		"{\"deployment\": \"prod\", \"location\": \"etl\", \"state\": "
		"\"SERVING\", \"status\": \"RUNNING\"}");
	put(m, DG_STATE_SERVER, "00ff", "{\"location\": \"etl\", \"calls\": 2}");
	put(m, DG_STATE_RUN, "r1", "{\"status\": \"RUNNING\"}");
}

Test(mirror, only_objects_of_known_kinds_are_taken)
{
	static const struct {
		unsigned table;
		const char *body;
	} rows[] = {
		{DG_STATE_RUN, ""},
		{DG_STATE_RUN, "[]"},
		{DG_STATE_RUN, "5"},
		{DG_STATE_RUN, "{\"a\": }"},
		{DG_MIRROR_MASTER + 1, "{}"},
		{4000000000u, "{}"},
	};
	struct dg_mirror m;

	dg_mirror_init(&m, NOW);
	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_err e;

		cr_assert_eq(dg_mirror_put(&m, rows[i].table, DG_STR("k"),
				     dg_str(rows[i].body), NOW, &e),
			-DG_BUG, "row %zu", i);
	}
	cr_assert_eq(dg_mirror_count(&m, DG_STATE_RUN), 0);
	dg_mirror_gone(&m, 4000000000u, DG_STR("k"));
	dg_mirror_clear(&m);
}

Test(mirror, the_newest_word_counts_and_what_is_gone_is_gone)
{
	struct dg_mirror m;
	const struct dg_mirror_row *row;

	well(&m);
	put(&m, DG_STATE_RUN, "r1", " {\"status\": \"SUCCESS\"} ");
	row = dg_mirror_get(&m, DG_STATE_RUN, DG_STR("r1"));
	cr_assert_str_eq(row->body.p, "{\"status\": \"SUCCESS\"}");
	cr_assert_eq(dg_mirror_count(&m, DG_STATE_RUN), 1);
	dg_mirror_gone(&m, DG_STATE_RUN, DG_STR("r1"));
	dg_mirror_gone(&m, DG_STATE_RUN, DG_STR("r1"));
	cr_assert_null(dg_mirror_get(&m, DG_STATE_RUN, DG_STR("r1")));
	dg_mirror_clear(&m);
}

Test(mirror, what_a_new_ledger_does_not_say_again_is_forgotten)
{
	struct dg_mirror m;

	well(&m);
	dg_mirror_link(&m, false, NOW + DG_SEC);
	dg_mirror_sweep(&m, NOW + DG_MINUTE * 5);
	cr_assert_eq(dg_mirror_count(&m, DG_STATE_RUN), 1, "nobody is there to say it");
	dg_mirror_link(&m, true, NOW + DG_MINUTE * 6);
	put(&m, DG_STATE_SERVER, "00ff", "{}");
	dg_mirror_sweep(&m, NOW + DG_MINUTE * 6 + DG_SEC);
	cr_assert_eq(dg_mirror_count(&m, DG_STATE_RUN), 1, "it has a minute");
	dg_mirror_sweep(&m, NOW + DG_MINUTE * 7 + DG_SEC);
	cr_assert_eq(dg_mirror_count(&m, DG_STATE_RUN), 0);
	cr_assert_eq(dg_mirror_count(&m, DG_STATE_SERVER), 1);
	cr_assert_eq(dg_mirror_count(&m, DG_MIRROR_MASTER), 2, "these are the master's");
	dg_mirror_clear(&m);
}

Test(mirror, rows_come_in_the_order_of_their_keys)
{
	static const char *const keys[] = {"b", "", "abc", "a", "ab"};
	static const char *const sorted[] = {"", "a", "ab", "abc", "b"};
	struct dg_mirror m;
	size_t n;

	dg_mirror_init(&m, NOW);
	for (size_t i = 0; i < DG_N(keys); i++)
		put(&m, DG_STATE_RUN, keys[i], "{}");
	{
		auto_free const struct dg_mirror_row **rows =
			dg_mirror_sorted(&m, DG_STATE_RUN, &n);

		cr_assert_eq(n, DG_N(sorted));
		for (size_t i = 0; i < n; i++)
			cr_assert(dg_str_is(rows[i]->key, sorted[i]));
	}
	dg_mirror_clear(&m);
}

Test(health, says_why_it_is_not_ready_and_what_to_look_at)
{
	static const struct {
		unsigned table;
		const char *key, *body; /* NULL: gone */
		const char *reasons, *warnings;
	} rows[] = {
		{DG_STATE_RUN, "r1", "{}", "", ""},
		{DG_MIRROR_MASTER, "poller:gpu",
			"{\"state\": \"backoff\", \"last_exit\": \"exit\\ncode 3\"}",
			"poller:gpu is in state backoff: exit code 3\n", ""},
		{DG_MIRROR_MASTER, "poller:gpu", "{}", "poller:gpu is in state \n", ""},
		{DG_MIRROR_MASTER, "poller:gpu",
			"{\"state\": \"ready\", \"success_age\": 59.5, \"text\": \"t\"}",
			"", "poller:gpu has not reached the control plane lately: t\n"},
		{DG_MIRROR_MASTER,
			"status:", "{\"state\": \"ready\", \"success_age\": 99}", "", ""},
		{DG_MIRROR_MASTER, "reporter:",
			"{\"state\": \"ready\", \"trouble_age\": 1.9, \"trouble\": "
			"\"HTTP 503\"}",
			"", ""},
		{DG_MIRROR_MASTER, "reporter:",
			"{\"state\": \"ready\", \"trouble_age\": 2.0, \"trouble\": "
			"\"HTTP\\n503\"}",
			"reporter: is in trouble: HTTP 503\n", ""},
		{DG_MIRROR_MASTER, "reporter:",
			"{\"state\": \"ready\", \"trouble_age\": null, \"trouble\": "
			"null}",
			"", ""},
		{DG_STATE_ROLE, "launcher:process", "{\"ready\": false}",
			"launcher:process is still bringing up the locations\n", ""},
		{DG_STATE_ROLE, "launcher:process", NULL,
			"no launcher has reported yet\n", ""},
		{DG_STATE_ROLE, "ledger:", "{\"store\": {\"durability\": \"none\"}}", "",
			"durability is none: requests may be lost if the agent dies\n"},
		{DG_STATE_ROLE, "ledger:", "{\"store\": {\"durability\": \"slow\"}}", "",
			"the store is slow, popping pauses\n"},
		{DG_STATE_ROLE, "ledger:",
			"{\"store\": {\"durability\": \"paused\", \"error\": \"full\"}}",
			"the store cannot be written, popping pauses and what is in hand "
			"waits: full\n",
			""},
		{DG_STATE_ROLE, "ledger:",
			"{\"store\": {\"durability\": \"broken\", \"error\": \"full\"}}",
			"the store is broken, requests are served without being "
			"remembered and launches are refused: full\n",
			""},
		{DG_STATE_ROLE, "ledger:",
			"{\"store\": {\"durability\": \"full\", \"error\": null, "
			"\"damaged\": \"state.db.damaged-1\"}}",
			"",
			"a damaged state.db was moved aside as state.db.damaged-1: what "
			"only it knew is forgotten; look at it and remove it\n"},
		{DG_STATE_LOCATION, "prod\nml",
			"{\"location\": \"ml\", \"status\": \"FAILED\"}", "",
			"location ml: it has failed\n"},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_mirror m;
		auto_health h;

		well(&m);
		if (rows[i].body)
			put(&m, rows[i].table, rows[i].key, rows[i].body);
		else
			dg_mirror_gone(&m, rows[i].table, dg_str(rows[i].key));
		dg_health(&m, NOW + DG_SEC, &h);
		cr_assert_str_eq(dg_buf_str(&h.reasons).p, rows[i].reasons, "row %zu", i);
		cr_assert_str_eq(
			dg_buf_str(&h.warnings).p, rows[i].warnings, "row %zu", i);
		cr_assert_eq(h.ready, !*rows[i].reasons);
		cr_assert(h.alive);
		dg_mirror_clear(&m);
	}
}

Test(health, without_a_ledger_it_lives_for_a_minute)
{
	struct dg_mirror m;
	auto_health soon, late, unborn;

	well(&m);
	dg_mirror_link(&m, false, NOW);
	dg_health(&m, NOW + 59 * DG_SEC, &soon);
	cr_assert(soon.alive && !soon.ready);
	dg_health(&m, NOW + 61 * DG_SEC, &late);
	cr_assert(!late.alive);
	dg_mirror_clear(&m);
	dg_mirror_init(&m, NOW);
	dg_health(&m, NOW, &unborn);
	cr_assert(unborn.alive && !unborn.ready);
	cr_assert(strstr(unborn.reasons.p, "the master has not named its roles yet\n"));
	dg_mirror_clear(&m);
}

Test(show, the_documents_are_json_with_what_was_said)
{
	struct dg_mirror m;
	auto_health h;
	auto_buf out = DG_BUF_INIT;
	struct dg_str v, row;
	struct dg_json_iter it;
	struct dg_err e;
	double age;

	well(&m);
	dg_mirror_identity(
		&m, &(struct dg_msg_identity){2, DG_STR("agent-1"), DG_STR("inst")});
	dg_health(&m, NOW, &h);
	dg_show_status(&m, &h, NOW + 2 * DG_SEC, 1700000000500000, &out);
	cr_assert_eq(dg_json_check(dg_buf_str(&out), 16, &e), 0, "%s: %s", e.what, out.p);
	cr_assert(dg_json_path(dg_buf_str(&out), &v, "agent", "agent_id", NULL));
	cr_assert(dg_json_is(v, "agent-1"));
	cr_assert(dg_json_member(dg_buf_str(&out), "time", &v));
	cr_assert(dg_str_is(v, "1700000000.5"));
	cr_assert(dg_json_member(dg_buf_str(&out), "roles", &v));
	cr_assert_eq(dg_json_count(v), 3, "two of the master's, the launcher's counters");
	it = dg_json_iter(v);
	cr_assert(dg_json_next_item(&it, &row));
	cr_assert(dg_json_member_double(row, "pulse_age", &age));
	cr_assert_float_eq(age, 2.5, 1e-9, "ages grow");
	cr_assert(dg_json_path(row, &v, "counters", "requests", NULL));
	cr_assert(strstr(out.p, "{\"server\": \"00ff\", \"location\": \"etl\""));
	cr_assert(strstr(out.p, "{\"run_id\": \"r1\", \"status\": \"RUNNING\"}"));
	dg_mirror_clear(&m);
}

Test(show, nothing_known_is_still_a_document)
{
	struct dg_mirror m;
	auto_health h;
	auto_buf out = DG_BUF_INIT;

	dg_mirror_init(&m, NOW);
	dg_health(&m, NOW, &h);
	dg_show_status(&m, &h, NOW, 0, &out);
	cr_assert_eq(dg_json_check(dg_buf_str(&out), 16, NULL), 0);
	dg_buf_reset(&out);
	dg_show_locations(&m, &out);
	cr_assert_str_eq(out.p, "{\"locations\": [], \"servers\": []}\n");
	dg_buf_reset(&out);
	dg_show_runs(&m, &out);
	cr_assert_str_eq(out.p, "{\"runs\": []}\n");
	dg_buf_reset(&out);
	dg_show_health(&h, &out);
	cr_assert_eq(dg_json_check(dg_buf_str(&out), 16, NULL), 0);
	dg_mirror_clear(&m);
}

Test(metrics, every_number_has_its_line)
{
	static const char *const lines[] = {
		"daglet_build_info{version=\"" PACKAGE_VERSION "\",protocol=\"",
		"\ndaglet_ready 1\n",
		"daglet_role_up{role=\"poller\",inst=\"gpu\"} 1\n",
		"daglet_role_restarts_total{role=\"poller\",inst=\"gpu\"} 3\n",
		"daglet_role_pulse_age_seconds{role=\"ledger\",inst=\"\"} 2.5\n",
		"daglet_requests_recorded_total{inst=\"\"} 5\n",
		"daglet_requests_oldest_seconds{inst=\"\"} 1.5\n",
		"daglet_launcher_held{inst=\"process\"} 4\n",
		"daglet_role_value{role=\"ledger\",inst=\"\",name=\"requests.odd\"} 7\n",
		"daglet_requests_total{kind=\"PING\",outcome=\"error\"} 1\n",
		"daglet_request_duration_seconds_bucket{kind=\"PING\",le=\"+Inf\"} 4\n",
		"daglet_request_duration_seconds_sum{kind=\"PING\"} 0.5\n",
		"daglet_request_duration_seconds_count{kind=\"PING\"} 4\n",
		"daglet_locations{state=\"SERVING\"} 1\n",
		"daglet_locations{state=\"BROKEN\"} 0\n",
		"daglet_location_up{deployment=\"prod\",location=\"etl\"} 1\n",
		("daglet_server_calls{deployment=\"\",location=\"etl\",server=\"00ff\"} "
		 "2\n"),
		"daglet_runs{status=\"RUNNING\"} 1\n",
	};
	struct dg_mirror m;
	auto_health h;
	auto_buf out = DG_BUF_INIT;

	well(&m);
	dg_health(&m, NOW, &h);
	dg_metrics(&m, &h, NOW + 2 * DG_SEC, &out);
	for (size_t i = 0; i < DG_N(lines); i++)
		cr_assert(strstr(out.p, lines[i]), "no '%s' in\n%s", lines[i], out.p);
	cr_assert(!strstr(out.p, "name=\"kinds"));
	dg_mirror_clear(&m);
}

Test(metrics, labels_are_escaped_and_always_utf8)
{
	struct dg_mirror m;
	auto_health h;
	auto_buf out = DG_BUF_INIT;

	dg_mirror_init(&m, NOW);
	put(&m, DG_STATE_LOCATION, "k",
		"{\"deployment\": \"a\\\"b\\\\c\\nd\", \"location\": \"\\ud800\"}");
	dg_health(&m, NOW, &h);
	dg_metrics(&m, &h, NOW, &out);
	cr_assert(strstr(out.p, "{deployment=\"a\\\"b\\\\c\\nd\",location=\"???\"} 0\n"),
		"%s", out.p);
	cr_assert(dg_str_utf8(dg_buf_str(&out)));
	dg_mirror_clear(&m);
}

Test(page, stands_alone_and_writes_text_as_text)
{
	cr_assert(strstr(dg_page, "textContent"));
	cr_assert_null(strstr(dg_page, "innerHTML"));
	cr_assert_null(strstr(dg_page, "http://"));
	cr_assert_null(strstr(dg_page, "https://"));
}
