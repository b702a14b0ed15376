/* status/show.c: see show.h. */
#include "status/show.h"

#include <stdlib.h>

#include "base/mem.h"
#include "daglet/limits.h"
#include "json/json.h"
#include "json/write.h"

/* "role:inst" apart. */
static void
add_role_names(struct dg_jw *w, struct dg_str key)
{
	const char *colon = key.n ? memchr(key.p, ':', key.n) : NULL;
	size_t n = colon ? (size_t)(colon - key.p) : key.n;

	dg_jw_key(w, "role");
	dg_jw_strn(w, dg_strn(key.p, n));
	dg_jw_key(w, "inst");
	dg_jw_strn(w, colon ? dg_strn(colon + 1, key.n - n - 1) : DG_STR(""));
}

/* The members of a body; ages have grown since they were said. */
static void
add_members(struct dg_jw *w, const struct dg_mirror_row *row, dg_usec now)
{
	struct dg_json_iter it = dg_json_iter(dg_buf_str(&row->body));
	struct dg_str key, value;

	while (dg_json_next_member(&it, &key, &value)) {
		auto_free char *name = dg_json_dup(key);
		size_t n = strlen(name);
		double age;

		dg_jw_key(w, name);
		if (n > 4 && strcmp(name + n - 4, "_age") == 0 &&
			dg_json_double(value, &age))
			dg_jw_double(w, age + (double)(now - row->at) / 1e6);
		else
			dg_jw_raw(w, value);
	}
}

static void
add_roles(struct dg_jw *w, const struct dg_mirror *m, dg_usec now)
{
	size_t n, known;
	auto_free const struct dg_mirror_row **rows =
		dg_mirror_sorted(m, DG_MIRROR_MASTER, &n);
	auto_free const struct dg_mirror_row **counters =
		dg_mirror_sorted(m, DG_STATE_ROLE, &known);

	dg_jw_key(w, "roles");
	dg_jw_open_array(w);
	for (size_t i = 0; i < n; i++) {
		const struct dg_mirror_row *c =
			dg_mirror_get(m, DG_STATE_ROLE, rows[i]->key);

		dg_jw_open_object(w);
		add_role_names(w, rows[i]->key);
		add_members(w, rows[i], now);
		if (c)
			dg_jw_kraw(w, "counters", dg_buf_str(&c->body));
		dg_jw_close_object(w);
	}
	for (size_t i = 0; i < known; i++) {
		if (dg_mirror_get(m, DG_MIRROR_MASTER, counters[i]->key))
			continue;
		dg_jw_open_object(w);
		add_role_names(w, counters[i]->key);
		dg_jw_kraw(w, "counters", dg_buf_str(&counters[i]->body));
		dg_jw_close_object(w);
	}
	dg_jw_close_array(w);
}

/* Rows of a table; ID: the name under which the key is put in front, or NULL. */
static void
add_table(struct dg_jw *w, const char *name, const struct dg_mirror *m, unsigned table,
	const char *id)
{
	size_t n;
	auto_free const struct dg_mirror_row **rows = dg_mirror_sorted(m, table, &n);

	dg_jw_key(w, name);
	dg_jw_open_array(w);
	for (size_t i = 0; i < n; i++) {
		if (!id) {
			dg_jw_raw(w, dg_buf_str(&rows[i]->body));
			continue;
		}
		dg_jw_open_object(w);
		dg_jw_key(w, id);
		dg_jw_strn(w, rows[i]->key);
		add_members(w, rows[i], rows[i]->at);
		dg_jw_close_object(w);
	}
	dg_jw_close_array(w);
}

static void
add_lines(struct dg_jw *w, const char *name, struct dg_str lines)
{
	dg_jw_key(w, name);
	dg_jw_open_array(w);
	while (lines.n) {
		const char *end = memchr(lines.p, '\n', lines.n);
		size_t n = end ? (size_t)(end - lines.p) : lines.n;

		dg_jw_strn(w, dg_strn(lines.p, n));
		n += end != NULL;
		lines = dg_strn(lines.p + n, lines.n - n);
	}
	dg_jw_close_array(w);
}

static void
add_health(struct dg_jw *w, const struct dg_health *h)
{
	dg_jw_open_object(w);
	dg_jw_kbool(w, "alive", h->alive);
	dg_jw_kbool(w, "ready", h->ready);
	add_lines(w, "reasons", dg_buf_str(&h->reasons));
	add_lines(w, "warnings", dg_buf_str(&h->warnings));
	dg_jw_close_object(w);
}

void
dg_show_health(const struct dg_health *h, struct dg_buf *out)
{
	struct dg_jw w = dg_jw(out);

	add_health(&w, h);
	dg_buf_addc(out, '\n');
}

void
dg_show_status(const struct dg_mirror *m, const struct dg_health *h, dg_usec now,
	int64_t wall, struct dg_buf *out)
{
	struct dg_jw w = dg_jw(out);
	char when[32];

	dg_jw_open_object(&w);
	dg_jw_key(&w, "daglet");
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "version", PACKAGE_VERSION);
	dg_jw_kstr(&w, "protocol_release", DG_PROTOCOL_RELEASE);
	dg_jw_close_object(&w);
	dg_jw_key(&w, "agent");
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "agent_id", m->agent_id);
	dg_jw_kstr(&w, "installation", m->installation);
	dg_jw_kint(&w, "slot", (int64_t)m->slot);
	dg_jw_close_object(&w);
	dg_jw_kraw(&w, "time", dg_str(dg_wall_json(wall, when)));
	dg_jw_key(&w, "health");
	add_health(&w, h);
	add_roles(&w, m, now);
	add_table(&w, "deployments", m, DG_STATE_DEPLOYMENT, "deployment");
	add_table(&w, "locations", m, DG_STATE_LOCATION, NULL);
	add_table(&w, "servers", m, DG_STATE_SERVER, "server");
	add_table(&w, "runs", m, DG_STATE_RUN, "run_id");
	dg_jw_close_object(&w);
	dg_buf_addc(out, '\n');
}

void
dg_show_locations(const struct dg_mirror *m, struct dg_buf *out)
{
	struct dg_jw w = dg_jw(out);

	dg_jw_open_object(&w);
	add_table(&w, "locations", m, DG_STATE_LOCATION, NULL);
	add_table(&w, "servers", m, DG_STATE_SERVER, "server");
	dg_jw_close_object(&w);
	dg_buf_addc(out, '\n');
}

void
dg_show_runs(const struct dg_mirror *m, struct dg_buf *out)
{
	struct dg_jw w = dg_jw(out);

	dg_jw_open_object(&w);
	add_table(&w, "runs", m, DG_STATE_RUN, "run_id");
	dg_jw_close_object(&w);
	dg_buf_addc(out, '\n');
}
