/* master/reload.c: other settings, in two phases: every role looks at them, and when none
 * refuses, all take them. What a key's change takes stands in its row: it is in force at
 * once, the roles that have it start anew, or it stays as it was until the agent does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/mem.h"
#include "log/log.h"
#include "master/master.h"
#include "master/rows.h"

#define ANSWER_LIMIT (5 * DG_SEC)
/* A role that starts anew for its settings: what it has under way is done again. */
#define FINISH_LIMIT (5 * DG_SEC)

static const char *const kept[3] = {
	"daglet.state_dir", "daglet.runtime_dir", "daglet.status_socket"};

static void
say(int prio, struct dg_str lines)
{
	while (lines.n) {
		const char *end = memchr(lines.p, '\n', lines.n);
		size_t n = end ? (size_t)(end - lines.p) : lines.n;

		dg_log(prio, "%.*s", (int)n, lines.p);
		n += end != NULL;
		lines = dg_strn(lines.p + n, lines.n - n);
	}
}

/* It is over, one way or the other; the report is complete. */
static void
finish(struct dg_master *m, bool ok)
{
	struct dg_reloading *r = &m->reloading;
	struct dg_str report = dg_buf_str(&r->report);

	r->ok = ok;
	r->wall = dg_wall_usec();
	r->missing = 0;
	dg_settings_freep(&r->next);
	say(ok ? LOG_NOTICE : LOG_ERR, report);
	(void)sd_notify(0, "READY=1");
	dg_orders_done(m, r->asker, ok ? 200 : 422, report);
	r->asker = 0;
	dg_rows_tell_self(m);
}

static void
refuse(struct dg_master *m, const char *who, const char *why)
{
	dg_buf_addf(
		&m->reloading.report, "%s%s%s\n", who ? who : "", who ? ": " : "", why);
	m->reloading.refused = true;
}

/* What has changed. */

/* Names of keys as people know them. */
static void
key_name(const char *key, struct dg_buf *out)
{
	if (strcmp(key, "raw.dagster_yaml") == 0)
		dg_buf_adds(out, "dagster.yaml");
	else if (strncmp(key, "daglet.", 7) == 0)
		dg_buf_adds(out, key + 7);
	else
		dg_buf_adds(out, key);
}

static void
role_names(unsigned mask, struct dg_buf *out)
{
	const char *sep = "";

	for (int i = 0; i < DG_ROLE_COUNT; i++)
		if (mask & DG_ROLE_BIT(i) && i != DG_ROLE_MASTER) {
			dg_buf_addf(out, "%s%s", sep, dg_role_name((enum dg_role)i));
			sep = ", ";
		}
}

static void
on_change(void *arg, const char *key, enum dg_key_change change, unsigned roles)
{
	static const char *const words[] = {
		[DG_CHANGE_RELOAD] = "reload",
		[DG_CHANGE_ROLE] = "role",
		[DG_CHANGE_AGENT] = "agent",
	};
	struct dg_master *m = arg;
	struct dg_buf *report = &m->reloading.lines;
	struct dg_buf *json = &m->reloading.changes;

	dg_buf_adds(report, "  ");
	key_name(key, report);
	dg_buf_addf(json, "%s{\"key\": \"", json->n ? ", " : "");
	key_name(key, json); /* of our own tables: nothing in it has to be escaped */
	dg_buf_addf(json, "\", \"needs\": \"%s\"}", words[change]);
	switch (change) {
	case DG_CHANGE_ROLE:
		dg_buf_adds(report, ": in force; starts anew: ");
		role_names(roles, report);
		m->reloading.restart |= roles;
		break;
	case DG_CHANGE_AGENT:
		dg_buf_adds(report,
			": needs a restart of the agent (dagletctl restart), stays as it "
			"was until then");
		dg_settings_copy(m->reloading.next, m->settings, key);
		break;
	default:
		dg_buf_adds(report, ": in force");
	}
	dg_buf_addc(report, '\n');
}

static void
apply(struct dg_master *m)
{
	struct dg_reloading *r = &m->reloading;
	struct dg_msg_apply apply = {++m->generation};
	struct dg_child *c, *tmp;

	dg_settings_free(m->settings);
	m->settings = TAKE_PTR(r->next);
	for (c = TAILQ_FIRST(&m->children); c; c = tmp) {
		tmp = TAILQ_NEXT(c, entry);
		if (r->restart & DG_ROLE_BIT(c->role)) {
			c->sup.quiesce = FINISH_LIMIT;
			dg_master_drive(c, DG_EV_RESTART);
		} else if (c->sup.state == DG_CHILD_READY) {
			dg_child_send(c, DG_MSG_APPLY, &apply);
		}
	}
	dg_buf_addf(&r->report, "the new configuration is in force (number %llu)\n",
		(unsigned long long)m->generation);
	dg_buf_addstr(&r->report, dg_buf_str(&r->lines));
}

static void
all_answered(struct dg_master *m)
{
	struct dg_reloading *r = &m->reloading;
	struct dg_child *c;

	if (r->refused) {
		dg_buf_adds(&r->report, "the configuration stays as it was\n");
		finish(m, false);
		return;
	}
	if (r->next)
		apply(m);
	finish(m, true);
	TAILQ_FOREACH (c, &m->children, entry)
		dg_master_drive(c, DG_EV_RELOAD); /* a parked one may try again */
	dg_master_tick_soon(m);
}

void
dg_reload_answer(struct dg_child *c, const struct dg_str *bad)
{
	struct dg_master *m = c->master;
	struct dg_reloading *r = &m->reloading;
	char name[160];

	if (!c->asked)
		return;
	c->asked = false;
	if (bad) {
		auto_free char *text = dg_str_dup(*bad);

		refuse(m, dg_master_display(c, name, sizeof name), text);
	}
	if (r->missing && --r->missing == 0)
		all_answered(m);
}

/* It read the settings of before, and has become ready since. */
void
dg_reload_ready(struct dg_child *c, uint64_t generation)
{
	struct dg_msg_apply apply = {c->master->generation};

	if (generation == c->master->generation)
		return;
	dg_master_send_config(c, c->master->settings, c->master->generation);
	dg_child_send(c, DG_MSG_APPLY, &apply);
}

void
dg_reload_tick(struct dg_master *m)
{
	struct dg_child *c;
	char name[160];

	if (!m->reloading.missing || dg_now() < m->reloading.deadline)
		return;
	TAILQ_FOREACH (c, &m->children, entry)
		if (c->asked) {
			c->asked = false;
			refuse(m, dg_master_display(c, name, sizeof name),
				"no answer within five seconds");
		}
	m->reloading.missing = 0;
	all_answered(m);
}

void
dg_reload_settings(struct dg_master *m, struct dg_settings *take_next)
{
	struct dg_reloading *r = &m->reloading;
	struct dg_child *c;

	DG_CLEANUP(dg_settings_freep) struct dg_settings *seen = NULL;

	dg_settings_free(r->next);
	r->next = take_next;
	r->refused = false;
	r->missing = 0;
	r->restart = 0;
	r->deadline = dg_now() + ANSWER_LIMIT;
	dg_buf_reset(&r->lines);
	dg_buf_reset(&r->changes);
	seen = dg_settings_clone(r->next); /* what is walked is changed on the way */
	if (!dg_config_diff(m->settings, seen, on_change, m)) {
		dg_settings_freep(&r->next);
		dg_buf_adds(&r->report, "nothing has changed in the configuration\n");
		all_answered(m);
		return;
	}
	TAILQ_FOREACH (c, &m->children, entry) {
		c->asked = c->sup.state == DG_CHILD_READY;
		if (!c->asked)
			continue;
		r->missing++;
		dg_master_send_config(c, r->next, m->generation + 1);
	}
	if (!r->missing)
		all_answered(m);
}

void
dg_reload_begin(struct dg_master *m, uint64_t asker)
{
	struct dg_reloading *r = &m->reloading;
	struct dg_settings *next = NULL;

	if (m->ending.under_way || r->missing || !r->load) {
		const char *why =
			!r->load     ? "this agent was started without a "
				       "dagster.yaml: there is nothing to read again\n"
			: r->missing ? "a reload is under way already\n"
				     : "daglet is about to end\n";

		if (!asker)
			dg_log(LOG_WARNING, "no reload: %.*s", (int)strlen(why) - 1, why);
		dg_orders_done(m, asker, 409, dg_str(why));
		return;
	}
	r->asker = asker;
	dg_buf_reset(&r->report);
	(void)sd_notifyf(
		0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)dg_now());
	if (r->load(m, &next, &r->report) < 0) {
		dg_buf_adds(&r->report, "the configuration stays as it was\n");
		dg_buf_reset(&r->changes);
		finish(m, false);
		return;
	}
	dg_reload_settings(m, next);
}

/* Folders and the socket are resolved once; the files may say nothing of them. */

void
dg_reload_remember(struct dg_master *m, const struct dg_settings *s)
{
	for (size_t i = 0; i < DG_N(kept); i++) {
		const char *v = dg_settings_str(s, kept[i]);

		free(m->reloading.given[i]);
		m->reloading.given[i] = dg_xstrdup(v ? v : "");
	}
}

void
dg_reload_keep(struct dg_master *m, struct dg_settings *s)
{
	for (size_t i = 0; i < DG_N(kept); i++) {
		const char *v = dg_settings_str(s, kept[i]);

		if (strcmp(v ? v : "", m->reloading.given[i]) == 0)
			dg_settings_copy(s, m->settings, kept[i]);
	}
}
