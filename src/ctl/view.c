/* ctl/view.c: see view.h. */
#include "ctl/view.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "json/json.h"

static const struct {
	const char *word;
	enum dg_tone tone;
} tones[] = {
	/* roles */
	{"ready", DG_GOOD},
	{"starting", DG_SOON},
	{"stopping", DG_SOON},
	{"backoff", DG_BAD},
	{"parked", DG_BAD},
	{"stopped", DG_BAD},
	/* locations and servers */
	{"WANTED", DG_SOON},
	{"STARTING", DG_SOON},
	{"WAITING", DG_SOON},
	{"LOADING", DG_SOON},
	{"UPLOADING", DG_SOON},
	{"SERVING", DG_GOOD},
	{"RETRY", DG_BAD},
	{"BROKEN", DG_BAD},
	{"STOPPING", DG_SOON},
	{"serving", DG_GOOD},
	{"draining", DG_SOON},
	/* runs */
	{"RUNNING", DG_GOOD},
	{"SUCCESS", DG_GOOD},
	{"FAILED", DG_BAD},
	{"NOT_FOUND", DG_BAD},
};

static enum dg_tone
tone_of(const char *word)
{
	for (size_t i = 0; i < DG_N(tones); i++)
		if (strcmp(tones[i].word, word) == 0)
			return tones[i].tone;
	return DG_PLAIN;
}

void
dg_view_age(double seconds, char *buf, size_t size)
{
	double s = seconds > 0 ? seconds : 0;

	if (s < 120)
		snprintf(buf, size, "%.0fs", s);
	else if (s < 7200)
		snprintf(buf, size, "%.0fm", s / 60);
	else if (s < 172800)
		snprintf(buf, size, "%.0fh", s / 3600);
	else
		snprintf(buf, size, "%.0fd", s / 86400);
}

/* The member as text, whatever it is; "" for null and what is not there. */
static char *
text_of(struct dg_str row, const char *member)
{
	struct dg_str v;

	if (!dg_json_member(row, member, &v) || dg_json_is_null(v))
		return dg_xstrdup("");
	return dg_json_type(v) == DG_JSON_STRING ? dg_json_dup(v) : dg_str_dup(v);
}

static void
add_text(struct dg_table *t, struct dg_str row, const char *member)
{
	auto_free char *v = text_of(row, member);

	dg_table_add(t, DG_PLAIN, dg_str(v));
}

static void
add_state(struct dg_table *t, struct dg_str row, const char *member)
{
	auto_free char *v = text_of(row, member);

	dg_table_add(t, tone_of(v), dg_str(v));
}

static void
add_age(struct dg_table *t, struct dg_str row, const char *member, double now)
{
	char buf[32] = "";
	double at;

	if (dg_json_member_double(row, member, &at))
		dg_view_age(now - at, buf, sizeof buf);
	dg_table_add(t, DG_PLAIN, dg_str(buf));
}

static void
add_seconds(struct dg_table *t, struct dg_str row, const char *member)
{
	char buf[32] = "";
	double age;

	if (dg_json_member_double(row, member, &age))
		dg_view_age(age, buf, sizeof buf);
	dg_table_add(t, DG_PLAIN, dg_str(buf));
}

/* The first line of what an error comes from: its innermost cause says more than "an
 * error occurred while loading". */
static void
add_error(struct dg_table *t, struct dg_str row)
{
	struct dg_str v, error = DG_STR_NULL;
	auto_free char *message = NULL;
	enum dg_tone tone = DG_BAD;

	dg_json_member(row, "error", &error);
	while (dg_json_member(error, "cause", &v) && dg_json_type(v) == DG_JSON_OBJECT)
		error = v;
	message = dg_json_member_dup(error, "message");
	if (!message) { /* what happened to it last */
		message = dg_json_member_dup(row, "note");
		tone = DG_SOON;
	}
	dg_table_add(t, tone, dg_strn(message, message ? strcspn(message, "\r\n") : 0));
}

static void
print_table(struct dg_buf *out, const struct dg_style *style, const char *title,
	const struct dg_table *t)
{
	dg_buf_adds(out, out->n ? "\n" : "");
	dg_tone_add(out, style, DG_HEAD, dg_str(title));
	if (dg_table_empty(t)) {
		dg_buf_adds(out, ": none\n");
		return;
	}
	dg_buf_addc(out, '\n');
	dg_table_print(t, style, out);
}

static void
add_lines(struct dg_buf *out, const struct dg_style *style, struct dg_str health,
	const char *member, enum dg_tone tone)
{
	struct dg_json_iter it;
	struct dg_str list, v;

	dg_json_member(health, member, &list);
	it = dg_json_iter(list);
	while (dg_json_next_item(&it, &v)) {
		auto_free char *text = dg_json_dup(v);

		dg_buf_adds(out, "  ");
		dg_tone_add(out, style, tone, dg_str(text));
		dg_buf_addc(out, '\n');
	}
}

static int
add_health(struct dg_buf *out, const struct dg_style *style, struct dg_str health)
{
	bool ready = false;

	(void)dg_json_member_bool(health, "ready", &ready);
	dg_tone_add(out, style, ready ? DG_GOOD : DG_BAD,
		ready ? DG_STR("ready") : DG_STR("not ready"));
	dg_buf_addc(out, '\n');
	add_lines(out, style, health, "reasons", DG_BAD);
	add_lines(out, style, health, "warnings", DG_SOON);
	return ready ? 0 : 1;
}

int
dg_view_check(
	struct dg_str json, const struct dg_style *style, double now, struct dg_buf *out)
{
	(void)now;
	return add_health(out, style, json);
}

/* Tables. */

static void
roles(struct dg_str json, const struct dg_style *style, double now, struct dg_buf *out)
{
	static const struct dg_column columns[] = {
		{"ROLE", false, false},
		{"INST", false, false},
		{"PID", true, false},
		{"STATE", false, false},
		{"SINCE", true, false},
		{"RESTARTS", true, false},
		{"PULSE", true, false},
		{"DOING", false, true},
	};
	auto_table t = dg_table_new(columns, DG_N(columns));
	struct dg_str list, row;
	struct dg_json_iter it;

	dg_json_member(json, "roles", &list);
	it = dg_json_iter(list);
	while (dg_json_next_item(&it, &row)) {
		auto_free char *exit = text_of(row, "last_exit");
		auto_free char *text = text_of(row, "text");
		auto_free char *trouble = text_of(row, "trouble");
		auto_free char *state = text_of(row, "state");
		bool ready = strcmp(state, "ready") == 0, well = ready || !*exit;

		add_text(t, row, "role");
		add_text(t, row, "inst");
		add_text(t, row, "pid");
		add_state(t, row, "state");
		add_age(t, row, "since", now);
		add_text(t, row, "restarts");
		add_seconds(t, row, "pulse_age");
		if (ready && *trouble)
			dg_table_add(t, DG_BAD, dg_str(trouble));
		else
			dg_table_add(
				t, well ? DG_PLAIN : DG_BAD, dg_str(well ? text : exit));
	}
	print_table(out, style, "Roles", t);
}

static int
locations(
	struct dg_str json, const struct dg_style *style, double now, struct dg_buf *out)
{
	static const struct dg_column columns[] = {
		{"DEPLOYMENT", false, false},
		{"LOCATION", false, false},
		{"STATE", false, false},
		{"SINCE", true, false},
		{"NEXT", false, false},
		{"SERVER", false, false},
		{"HELD", true, false},
		{"ERROR", false, true},
	};
	auto_table t = dg_table_new(columns, DG_N(columns));
	struct dg_str list, row, status;
	struct dg_json_iter it;
	int r = 0;

	dg_json_member(json, "locations", &list);
	it = dg_json_iter(list);
	while (dg_json_next_item(&it, &row)) {
		add_text(t, row, "deployment");
		add_text(t, row, "location");
		add_state(t, row, "state");
		add_age(t, row, "since", now);
		add_state(t, row, "next");
		add_text(t, row, "server");
		add_text(t, row, "held");
		add_error(t, row);
		if (dg_json_member(row, "status", &status) &&
			dg_json_is(status, "FAILED"))
			r = 1;
	}
	print_table(out, style, "Locations", t);
	return r;
}

static void
servers(struct dg_str json, const struct dg_style *style, double now, struct dg_buf *out)
{
	static const struct dg_column columns[] = {
		{"SERVER", false, false},
		{"LOCATION", false, false},
		{"STATE", false, false},
		{"SINCE", true, false},
		{"HANDLE", false, false},
		{"CALLS", true, false},
		{"WAITING", true, false},
		{"ENDPOINT", false, true},
	};
	auto_table t = dg_table_new(columns, DG_N(columns));
	struct dg_str list, row;
	struct dg_json_iter it;

	dg_json_member(json, "servers", &list);
	it = dg_json_iter(list);
	while (dg_json_next_item(&it, &row)) {
		auto_free char *calls = text_of(row, "calls");
		auto_free char *slots = text_of(row, "slots");

		add_text(t, row, "server");
		add_text(t, row, "location");
		add_state(t, row, "state");
		add_age(t, row, "since", now);
		add_text(t, row, "handle");
		dg_table_addf(
			t, DG_PLAIN, "%s/%s", *calls ? calls : "-", *slots ? slots : "-");
		add_text(t, row, "waiting");
		add_text(t, row, "endpoint");
	}
	print_table(out, style, "Code servers", t);
}

int
dg_view_locations(
	struct dg_str json, const struct dg_style *style, double now, struct dg_buf *out)
{
	int r = locations(json, style, now, out);

	servers(json, style, now, out);
	return r;
}

int
dg_view_runs(
	struct dg_str json, const struct dg_style *style, double now, struct dg_buf *out)
{
	static const struct dg_column columns[] = {
		{"RUN", false, false},
		{"DEPLOYMENT", false, false},
		{"LOCATION", false, false},
		{"JOB", false, false},
		{"STATUS", false, false},
		{"SINCE", true, false},
		{"HANDLE", false, false},
		{"MESSAGE", false, true},
	};
	auto_table t = dg_table_new(columns, DG_N(columns));
	struct dg_str list, row;
	struct dg_json_iter it;

	dg_json_member(json, "runs", &list);
	it = dg_json_iter(list);
	while (dg_json_next_item(&it, &row)) {
		add_text(t, row, "run_id");
		add_text(t, row, "deployment");
		add_text(t, row, "location");
		add_text(t, row, "job");
		add_state(t, row, "status");
		add_age(t, row, "since", now);
		add_text(t, row, "handle");
		add_text(t, row, "message");
	}
	print_table(out, style, "Runs", t);
	return 0;
}

int
dg_view_requests(
	struct dg_str json, const struct dg_style *style, double now, struct dg_buf *out)
{
	static const struct dg_column columns[] = {
		{"ID", true, false},
		{"REQUEST", false, false},
		{"KIND", false, false},
		{"DEPLOYMENT", false, false},
		{"LOCATION", false, false},
		{"STATE", false, false},
		{"AGE", true, false},
		{"ATTEMPT", true, false},
	};
	auto_table t = dg_table_new(columns, DG_N(columns));
	struct dg_str list, row;
	struct dg_json_iter it;
	int64_t total = 0, shown = 0;

	dg_json_member(json, "requests", &list);
	it = dg_json_iter(list);
	while (dg_json_next_item(&it, &row)) {
		add_text(t, row, "id");
		add_text(t, row, "request_id");
		add_text(t, row, "kind");
		add_text(t, row, "deployment");
		add_text(t, row, "location");
		add_state(t, row, "state");
		add_age(t, row, "popped", now);
		add_text(t, row, "attempt");
		shown++;
	}
	print_table(out, style, "Requests under way", t);
	if (dg_json_member_int(json, "count", &total) && total > shown)
		dg_buf_addf(out, "and %lld more\n", (long long)(total - shown));
	return 0;
}

/* One line of what the ledger counts. */
static void
counters(struct dg_str json, struct dg_buf *out)
{
	static const char *const members[] = {
		"recorded", "answered", "delivered", "refused", "pending"};
	struct dg_json_iter it;
	struct dg_str list, row, v;

	dg_json_member(json, "roles", &list);
	it = dg_json_iter(list);
	while (dg_json_next_item(&it, &row)) {
		const char *between = "requests  ";

		if (!dg_json_member(row, "role", &v) || !dg_json_is(v, "ledger") ||
			!dg_json_path(row, &list, "counters", "requests", NULL))
			continue;
		for (size_t i = 0; i < DG_N(members); i++) {
			int64_t n;

			if (!dg_json_member_int(list, members[i], &n))
				continue;
			dg_buf_addf(out, "%s%lld %s", between, (long long)n, members[i]);
			between = ", ";
		}
		dg_buf_addc(out, '\n');
		if (dg_json_path(row, &list, "counters", "store", NULL)) {
			auto_free char *durability = text_of(list, "durability");

			dg_buf_addf(out, "store     durability %s\n", durability);
		}
		return;
	}
}

int
dg_view_status(
	struct dg_str json, const struct dg_style *style, double now, struct dg_buf *out)
{
	struct dg_str about = DG_STR_NULL, agent = DG_STR_NULL, health = DG_STR_NULL;
	auto_free char *version = NULL, *release = NULL, *id = NULL;
	auto_buf line = DG_BUF_INIT;
	int r;

	dg_json_member(json, "daglet", &about);
	dg_json_member(json, "agent", &agent);
	dg_json_member(json, "health", &health);
	(void)dg_json_member_double(json, "time", &now);
	version = text_of(about, "version");
	release = text_of(about, "protocol_release");
	id = text_of(agent, "agent_id");
	dg_buf_addf(&line, "daglet %s, protocol %s, agent %s: ", version, release,
		*id ? id : "-");
	dg_tone_add(out, style, DG_PLAIN, dg_buf_str(&line));
	r = add_health(out, style, health);
	counters(json, out);
	roles(json, style, now, out);
	locations(json, style, now, out);
	servers(json, style, now, out);
	dg_view_runs(json, style, now, out);
	return r;
}

/* Logs. */

static bool
find(struct dg_str status, const char *table, const char *member, const char *name,
	struct dg_str *ret)
{
	struct dg_json_iter it;
	struct dg_str list, row, v;
	bool found = false;

	dg_json_member(status, table, &list);
	it = dg_json_iter(list);
	while (dg_json_next_item(&it, &row))
		if (dg_json_member(row, member, &v) && dg_json_is(v, name)) {
			double best = 0, since = 0;

			if (found) {
				(void)dg_json_member_double(*ret, "since", &best);
				(void)dg_json_member_double(row, "since", &since);
				if (since < best)
					continue;
			}
			*ret = row;
			found = true;
		}
	return found;
}

const char *
dg_view_whose_logs(struct dg_str status, const char *name, struct dg_buf *out)
{
	struct dg_str row, id;

	if (find(status, "servers", "server", name, &row)) {
		dg_buf_adds(out, name);
		return "server";
	}
	if (find(status, "runs", "run_id", name, &row)) {
		dg_buf_adds(out, name);
		return "run";
	}
	if (find(status, "locations", "location", name, &row) &&
		dg_json_member(row, "server", &id) && dg_json_decode(id, out))
		return "server";
	if (find(status, "servers", "location", name, &row) &&
		dg_json_member(row, "server", &id) && dg_json_decode(id, out))
		return "server";
	return NULL;
}
