/* status/metrics.c: see metrics.h. */
#include "status/metrics.h"

#include <stdlib.h>

#include "base/mem.h"
#include "daglet/limits.h"
#include "json/json.h"
#include "json/write.h"

static void
head(struct dg_buf *b, const char *name, const char *type, const char *help)
{
	dg_buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and line end are escaped; the text must be UTF-8,
 * or the reader refuses all of it. */
static void
label(struct dg_buf *b, char before, const char *name, struct dg_str value)
{
	uint32_t cp;

	dg_buf_addf(b, "%c%s=\"", before, name);
	while (value.n) {
		size_t n = dg_utf8_decode(value, &cp);

		if (n == 0)
			dg_buf_addc(b, '?');
		else if (cp == '\n')
			dg_buf_adds(b, "\\n");
		else if (cp == '\\' || cp == '"')
			dg_buf_addf(b, "\\%c", (char)cp);
		else
			dg_buf_add(b, value.p, n);
		n += n == 0;
		value = dg_strn(value.p + n, value.n - n);
	}
	dg_buf_addc(b, '"');
}

static void
label_member(struct dg_buf *b, char before, const char *name, struct dg_str object)
{
	auto_free char *value = dg_json_member_dup(object, name);

	label(b, before, name, dg_str(value ? value : ""));
}

static void
number(struct dg_buf *b, double v)
{
	dg_buf_addc(b, ' ');
	if (v >= -1e15 && v <= 1e15 && v == (double)(int64_t)v)
		dg_buf_addf(b, "%lld", (long long)v);
	else if (v != v)
		dg_buf_adds(b, "NaN");
	else if (v > 1e308 || v < -1e308)
		dg_buf_adds(b, v > 0 ? "+Inf" : "-Inf");
	else
		dg_json_add_double(b, v);
	dg_buf_addc(b, '\n');
}

/* {role="poller",inst="gpu"} without the closing brace */
static void
role_labels(struct dg_buf *b, struct dg_str key)
{
	const char *colon = key.n ? memchr(key.p, ':', key.n) : NULL;
	size_t n = colon ? (size_t)(colon - key.p) : key.n;

	label(b, '{', "role", dg_strn(key.p, n));
	label(b, ',', "inst", colon ? dg_strn(colon + 1, key.n - n - 1) : DG_STR(""));
}

/* The master's rows. */

static void
roles(struct dg_buf *b, const struct dg_mirror *m, dg_usec now)
{
	static const struct {
		const char *name, *type, *member, *help;
		bool age;
	} rows[] = {
		{"daglet_role_restarts_total", "counter", "restarts",
			"How often the role was started again.", false},
		{"daglet_role_state_since_seconds", "gauge", "since",
			"Real time at which the role entered its state.", false},
		{"daglet_role_pulse_age_seconds", "gauge", "pulse_age",
			"Time since the role's last sign of life.", true},
		{"daglet_role_success_age_seconds", "gauge", "success_age",
			"Time since the role last did something useful.", true},
	};
	size_t n;
	auto_free const struct dg_mirror_row **role =
		dg_mirror_sorted(m, DG_MIRROR_MASTER, &n);

	if (!n)
		return;
	head(b, "daglet_role_up", "gauge", "1 while the role runs and is ready.");
	for (size_t i = 0; i < n; i++) {
		struct dg_str state = DG_STR_NULL;

		dg_json_member(dg_buf_str(&role[i]->body), "state", &state);
		dg_buf_adds(b, "daglet_role_up");
		role_labels(b, role[i]->key);
		dg_buf_addf(b, "} %d\n", dg_json_is(state, "ready"));
	}
	for (size_t k = 0; k < DG_N(rows); k++) {
		head(b, rows[k].name, rows[k].type, rows[k].help);
		for (size_t i = 0; i < n; i++) {
			double v;

			if (!dg_json_member_double(
				    dg_buf_str(&role[i]->body), rows[k].member, &v))
				continue;
			if (rows[k].age)
				v += (double)(now - role[i]->at) / 1e6;
			dg_buf_adds(b, rows[k].name);
			role_labels(b, role[i]->key);
			dg_buf_addc(b, '}');
			number(b, v);
		}
	}
}

/* What roles count: those numbers that have names of their own. */

static const struct counter {
	const char *role, *group, *member; /* group NULL: a member of the body itself */
	const char *name, *type, *help;
	double scale;
} counters[] = {
	{"ledger", "requests", "recorded", "daglet_requests_recorded_total", "counter",
		"Requests committed to the ledger.", 1},
	{"ledger", "requests", "answered", "daglet_requests_answered_total", "counter",
		"Answers committed to the ledger.", 1},
	{"ledger", "requests", "delivered", "daglet_requests_delivered_total", "counter",
		"Answers that the control plane has accepted.", 1},
	{"ledger", "requests", "pending", "daglet_requests_pending", "gauge",
		"Requests that are recorded and not yet delivered.", 1},
	{"ledger", "requests", "oldest_usec", "daglet_requests_oldest_seconds", "gauge",
		"Age of the oldest pending request.", 1e-6},
	{"ledger", "requests", "refused", "daglet_requests_refused_total", "counter",
		"Answers that the control plane has refused.", 1},
	{"ledger", "requests", "waiting", "daglet_requests_waiting", "gauge",
		"Requests that wait for their turn to be given to a launcher.", 1},
	{"ledger", "store", "writer_age", "daglet_store_writer_age_seconds", "gauge",
		"How long the store's writer has been busy with one batch.", 1e-6},
	{"ledger", "store", "queued", "daglet_store_queued", "gauge",
		"Writes that wait for the store.", 1},
	{"launcher", NULL, "requests", "daglet_launcher_requests_total", "counter",
		"Requests that the launcher has taken.", 1},
	{"launcher", NULL, "held", "daglet_launcher_held", "gauge",
		"Requests that wait for their location.", 1},
	{"launcher", NULL, "queued", "daglet_launcher_queued", "gauge",
		"Requests that wait for a slot of their server.", 1},
	{"launcher", NULL, "running", "daglet_launcher_running", "gauge",
		"Requests that are with a code server.", 1},
};

static bool
is_role(struct dg_str key, const char *role)
{
	size_t n = strlen(role);

	return dg_str_starts(key, role) && key.n > n && key.p[n] == ':';
}

static const struct counter *
counter_of(struct dg_str key, const char *group, const char *member)
{
	for (size_t i = 0; i < DG_N(counters); i++)
		if (is_role(key, counters[i].role) &&
			strcmp(counters[i].member, member) == 0 &&
			(group ? counters[i].group &&
						strcmp(counters[i].group, group) == 0
			       : !counters[i].group))
			return &counters[i];
	return NULL;
}

static void
named_counters(struct dg_buf *b, const struct dg_mirror_row **rows, size_t n)
{
	for (size_t k = 0; k < DG_N(counters); k++) {
		const struct counter *c = &counters[k];
		bool said = false;

		for (size_t i = 0; i < n; i++) {
			struct dg_str body = dg_buf_str(&rows[i]->body);
			double v;

			if (!is_role(rows[i]->key, c->role) ||
				(c->group && !dg_json_member(body, c->group, &body)) ||
				!dg_json_member_double(body, c->member, &v))
				continue;
			if (!said)
				head(b, c->name, c->type, c->help);
			said = true;
			dg_buf_adds(b, c->name);
			label(b, '{', "inst",
				dg_strn(rows[i]->key.p + strlen(c->role) + 1,
					rows[i]->key.n - strlen(c->role) - 1));
			dg_buf_addc(b, '}');
			number(b, v * c->scale);
		}
	}
}

static void
other_number(struct dg_buf *b, bool *said, struct dg_str role, const char *group,
	struct dg_str member, struct dg_str value)
{
	auto_free char *name = dg_json_dup(member);
	auto_free char *full = NULL;
	double v;

	if (!name || !dg_json_double(value, &v) || counter_of(role, group, name))
		return;
	if (!*said)
		head(b, "daglet_role_value", "untyped", "What roles count besides.");
	*said = true;
	full = group ? dg_xasprintf("%s.%s", group, name) : dg_xstrdup(name);
	dg_buf_adds(b, "daglet_role_value");
	role_labels(b, role);
	label(b, ',', "name", dg_str(full));
	dg_buf_addc(b, '}');
	number(b, v);
}

static void
other_counters(struct dg_buf *b, const struct dg_mirror_row **rows, size_t n)
{
	bool said = false;

	for (size_t i = 0; i < n; i++) {
		struct dg_json_iter it = dg_json_iter(dg_buf_str(&rows[i]->body));
		struct dg_str key, value;

		while (dg_json_next_member(&it, &key, &value)) {
			struct dg_json_iter in = {0};
			auto_free char *group = dg_json_dup(key);
			struct dg_str k, v;

			other_number(b, &said, rows[i]->key, NULL, key, value);
			if (dg_json_type(value) == DG_JSON_OBJECT &&
				strcmp(group, "kinds") != 0)
				in = dg_json_iter(value);
			while (dg_json_next_member(&in, &k, &v))
				other_number(b, &said, rows[i]->key, group, k, v);
		}
	}
}

/* Requests by kind: outcomes, then how long they took. */

static void
one_kind(struct dg_buf *b, struct dg_str kind, struct dg_str body, bool latency)
{
	static const char hist[] = "daglet_request_duration_seconds";
	struct dg_json_iter it;
	struct dg_str group, k, v;
	auto_free char *name = dg_json_dup(kind);
	double n, last = 0, sum = 0;

	if (!dg_json_member(body, latency ? "buckets" : "outcomes", &group))
		return;
	it = dg_json_iter(group);
	while (dg_json_next_member(&it, &k, &v)) {
		auto_free char *at = dg_json_dup(k);

		if (!dg_json_double(v, &n))
			continue;
		dg_buf_addf(b, "%s%s", latency ? hist : "daglet_requests_total",
			latency ? "_bucket" : "");
		label(b, '{', "kind", dg_str(name));
		label(b, ',', latency ? "le" : "outcome", dg_str(at));
		dg_buf_addc(b, '}');
		number(b, n);
		last = n;
	}
	if (!latency)
		return;
	(void)dg_json_member_double(body, "sum", &sum);
	dg_buf_addf(b, "%s_sum", hist);
	label(b, '{', "kind", dg_str(name));
	dg_buf_addc(b, '}');
	number(b, sum);
	dg_buf_addf(b, "%s_count", hist);
	label(b, '{', "kind", dg_str(name));
	dg_buf_addc(b, '}');
	number(b, last); /* the last bucket is +Inf */
}

static void
kinds(struct dg_buf *b, const struct dg_mirror *m)
{
	const struct dg_mirror_row *row =
		dg_mirror_get(m, DG_STATE_ROLE, DG_STR("ledger:"));
	struct dg_str all, kind, body;

	if (!row || !dg_json_member(dg_buf_str(&row->body), "kinds", &all))
		return;
	for (int latency = 0; latency < 2; latency++) {
		struct dg_json_iter it = dg_json_iter(all);

		if (latency)
			head(b, "daglet_request_duration_seconds", "histogram",
				"Time from pop to answer.");
		else
			head(b, "daglet_requests_total", "counter",
				"Requests answered, by kind and outcome.");
		while (dg_json_next_member(&it, &kind, &body))
			one_kind(b, kind, body, latency);
	}
}

/* Locations, servers, runs. */

static void
by_member(struct dg_buf *b, const struct dg_mirror *m, unsigned table, const char *metric,
	const char *member, const char *const *always)
{
	struct dg_map counts = DG_MAP_INIT;
	size_t *slots, used = 0;

	slots = dg_xcalloc(dg_mirror_count(m, table) + 16, sizeof *slots);
	for (; always && *always; always++)
		dg_map_put(&counts, dg_str(*always), &slots[used++]);
	DG_MAP_EACH(&m->rows[table], s)
	{
		const struct dg_mirror_row *row = s->value;
		auto_free char *v = dg_json_member_dup(dg_buf_str(&row->body), member);
		size_t *slot = dg_map_get(&counts, dg_str(v ? v : ""));

		if (!slot) {
			slot = &slots[used++];
			dg_map_put(&counts, dg_str(v ? v : ""), slot);
		}
		++*slot;
	}
	DG_MAP_EACH(&counts, s)
	{
		dg_buf_adds(b, metric);
		label(b, '{', member, dg_strn(s->key, s->n));
		dg_buf_addf(b, "} %zu\n", *(size_t *)s->value);
	}
	dg_map_clear(&counts);
	free(slots);
}

static void
work(struct dg_buf *b, const struct dg_mirror *m)
{
	static const char *const states[] = {"WANTED", "STARTING", "WAITING", "LOADING",
		"UPLOADING", "SERVING", "RETRY", "BROKEN", "STOPPING", NULL};
	static const struct {
		const char *name, *member, *help;
	} gauges[] = {
		{"daglet_server_calls", "calls", "Calls under way to the code server."},
		{"daglet_server_calls_waiting", "waiting", "Calls that wait for a slot."},
		{"daglet_server_slots", "slots", "Calls that may be under way at once."},
		{"daglet_server_slots_lost", "zombies", "Slots held by timed-out calls."},
	};
	size_t n;
	auto_free const struct dg_mirror_row **locations =
		dg_mirror_sorted(m, DG_STATE_LOCATION, &n);
	size_t nservers;
	auto_free const struct dg_mirror_row **servers =
		dg_mirror_sorted(m, DG_STATE_SERVER, &nservers);

	head(b, "daglet_locations", "gauge", "Locations by state.");
	by_member(b, m, DG_STATE_LOCATION, "daglet_locations", "state", states);
	if (n)
		head(b, "daglet_location_up", "gauge",
			"1 while the location is served without error.");
	for (size_t i = 0; i < n; i++) {
		struct dg_str body = dg_buf_str(&locations[i]->body), v = DG_STR_NULL;

		dg_json_member(body, "status", &v);
		dg_buf_adds(b, "daglet_location_up");
		label_member(b, '{', "deployment", body);
		label_member(b, ',', "location", body);
		dg_buf_addf(b, "} %d\n", dg_json_is(v, "RUNNING"));
	}
	for (size_t k = 0; nservers && k < DG_N(gauges); k++) {
		head(b, gauges[k].name, "gauge", gauges[k].help);
		for (size_t i = 0; i < nservers; i++) {
			struct dg_str body = dg_buf_str(&servers[i]->body);
			double v;

			if (!dg_json_member_double(body, gauges[k].member, &v))
				continue;
			dg_buf_adds(b, gauges[k].name);
			label_member(b, '{', "deployment", body);
			label_member(b, ',', "location", body);
			label(b, ',', "server", servers[i]->key);
			dg_buf_addc(b, '}');
			number(b, v);
		}
	}
	head(b, "daglet_runs", "gauge", "Runs on this agent by status of their worker.");
	by_member(b, m, DG_STATE_RUN, "daglet_runs", "status", NULL);
}

void
dg_metrics(const struct dg_mirror *m, const struct dg_health *h, dg_usec now,
	struct dg_buf *out)
{
	size_t n;
	auto_free const struct dg_mirror_row **rows =
		dg_mirror_sorted(m, DG_STATE_ROLE, &n);

	head(out, "daglet_build_info", "gauge", "Version, and the protocol it speaks.");
	dg_buf_adds(out, "daglet_build_info");
	label(out, '{', "version", DG_STR(PACKAGE_VERSION));
	label(out, ',', "protocol", DG_STR(DG_PROTOCOL_RELEASE));
	dg_buf_adds(out, "} 1\n");
	head(out, "daglet_ready", "gauge", "1 while /readyz says yes.");
	dg_buf_addf(out, "daglet_ready %d\n", h->ready);
	roles(out, m, now);
	named_counters(out, rows, n);
	other_counters(out, rows, n);
	kinds(out, m);
	work(out, m);
}
