/* master/rows.c: see rows.h. The master has no JSON room; what it puts between quotes is
 * reduced to plain characters first. */
#include "master/rows.h"

#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"

static const char *
state_word(const struct dg_child *c)
{
	switch (c->sup.state) {
	case DG_CHILD_BACKOFF:
		return "backoff";
	case DG_CHILD_STARTING:
	case DG_CHILD_CONFIGURING:
		return "starting";
	case DG_CHILD_READY:
		return "ready";
	case DG_CHILD_PARKED:
		return "parked";
	case DG_CHILD_GONE:
		return "stopped";
	default:
		return "stopping";
	}
}

static void
add_plain(struct dg_buf *b, const char *key, const char *s)
{
	dg_buf_addf(b, ", \"%s\": \"", key);
	for (; *s; s++)
		dg_buf_addc(
			b, *s < ' ' || *s == '"' || *s == '\\' || *s == 0x7f ? ' ' : *s);
	dg_buf_addc(b, '"');
}

/* In seconds; SINCE 0: never. */
static void
add_age(struct dg_buf *b, const char *key, dg_usec since)
{
	if (since)
		dg_buf_addf(b, ", \"%s\": %.3f", key, (double)(dg_now() - since) / 1e6);
	else
		dg_buf_addf(b, ", \"%s\": null", key);
}

static void
row(const struct dg_child *c, struct dg_buf *b)
{
	char since[32];

	dg_wall_json(dg_wall_usec() - (int64_t)(dg_now() - c->sup.since), since);
	if (c->pid)
		dg_buf_addf(b, "{\"pid\": %d", c->pid);
	else
		dg_buf_adds(b, "{\"pid\": null");
	add_plain(b, "state", state_word(c));
	dg_buf_addf(b, ", \"since\": %s, \"restarts\": %u", since, c->sup.restarts);
	if (c->last_exit[0])
		add_plain(b, "last_exit", c->last_exit);
	else
		dg_buf_adds(b, ", \"last_exit\": null");
	add_age(b, "pulse_age", c->pid ? c->sup.pulse : 0);
	add_age(b, "success_age", c->pid ? c->success : 0);
	add_age(b, "trouble_age", c->pid ? c->troubled : 0);
	if (c->pid && c->troubled)
		add_plain(b, "trouble", c->trouble);
	else
		dg_buf_adds(b, ", \"trouble\": null");
	add_plain(b, "text", c->text);
	dg_buf_addc(b, '}');
}

static void
tell(struct dg_child *status, struct dg_child *c)
{
	auto_buf body = DG_BUF_INIT;
	char key[160];
	struct dg_msg_state m = {.kind = DG_STATE_ROLE};

	snprintf(key, sizeof key, "%s:%s", dg_role_name(c->role), c->inst);
	row(c, &body);
	m.key = dg_str(key);
	m.body = DG_BODY_STR(dg_buf_str(&body));
	dg_child_send(status, DG_MSG_STATE, &m);
	c->told = dg_now();
}

/* The master's own row: what it was asked for. */
static void
self(const struct dg_master *m, struct dg_buf *b)
{
	static const char *const drain[] = {"no", "draining", "drained"};
	const struct dg_reloading *r = &m->reloading;
	char when[32];

	dg_buf_addf(b, "{\"pid\": %d", (int)getpid());
	add_plain(b, "state", m->ending.under_way ? "stopping" : "ready");
	dg_buf_addf(b, ", \"since\": %s", dg_wall_json(m->began, when));
	dg_buf_adds(b, ", \"restarts\": 0, \"last_exit\": null, \"pulse_age\": null"
		       ", \"success_age\": null, \"text\": \"\"");
	add_plain(b, "drain", drain[m->draining.state]);
	dg_buf_addf(b, ", \"left\": %llu, \"configuration\": %llu, \"reload\": ",
		(unsigned long long)m->draining.left, (unsigned long long)m->generation);
	if (!r->wall) {
		dg_buf_adds(b, "null}");
		return;
	}
	dg_buf_addf(b, "{\"time\": %s, \"ok\": %s, \"changes\": [",
		dg_wall_json(r->wall, when), r->ok ? "true" : "false");
	dg_buf_addstr(b, dg_buf_str(&r->changes));
	dg_buf_addc(b, ']');
	add_plain(b, "text", dg_buf_str(&r->report).p);
	dg_buf_adds(b, "}}");
}

void
dg_rows_tell_self(struct dg_master *m)
{
	struct dg_child *status = dg_master_ready(m, DG_ROLE_STATUS);
	auto_buf body = DG_BUF_INIT;
	struct dg_msg_state s = {.kind = DG_STATE_ROLE, .key = DG_STR("master:")};

	if (!status)
		return;
	self(m, &body);
	s.body = DG_BODY_STR(dg_buf_str(&body));
	dg_child_send(status, DG_MSG_STATE, &s);
}

void
dg_rows_tell(struct dg_master *m, struct dg_child *c)
{
	struct dg_child *status = dg_master_ready(m, DG_ROLE_STATUS), *o;

	if (!status)
		return;
	if (c && c != status) {
		tell(status, c);
		return;
	}
	TAILQ_FOREACH (o, &m->children, entry)
		tell(status, o);
	dg_rows_tell_self(m);
}
