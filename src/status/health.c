/* status/health.c: see health.h. */
#include "status/health.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "json/json.h"

/* The master replaces a ledger within seconds. */
#define LEDGER_AWAY_MAX DG_MINUTE
/* Polls and heartbeats happen every few seconds, retries back off to 30 s. */
#define SUCCESS_AGE_MAX 60.0
/* A hiccup is tried again and is nobody's business; what lasts longer is. */
#define TROUBLE_AGE_MAX 3.0

/* Names come from configuration and code: nothing of them may split a line. */
static void
add_line(struct dg_buf *b, const char *who, const char *what, const char *detail)
{
	size_t from = b->n;

	dg_buf_addf(
		b, "%s%s%s%s%s", who, *who ? " " : "", what, *detail ? ": " : "", detail);
	for (size_t i = from; i < b->n; i++)
		if ((unsigned char)b->p[i] < 0x20 || b->p[i] == 0x7f)
			b->p[i] = ' ';
	dg_buf_addc(b, '\n');
}

static const char *
or_empty(const char *s)
{
	return s ? s : "";
}

static void
judge_role(const struct dg_mirror_row *row, dg_usec now, struct dg_health *h)
{
	struct dg_str body = dg_buf_str(&row->body);
	auto_free char *who = dg_str_dup(row->key);
	auto_free char *state = dg_json_member_dup(body, "state");
	auto_free char *last = dg_json_member_dup(body, "last_exit");
	double age;

	if (strcmp(or_empty(state), "ready") != 0) {
		auto_free char *what = dg_xasprintf("is in state %s", or_empty(state));

		add_line(&h->reasons, who, what, or_empty(last));
	} else if (dg_json_member_double(body, "trouble_age", &age) &&
		   age + (double)(now - row->at) / 1e6 >= TROUBLE_AGE_MAX) {
		auto_free char *why = dg_json_member_dup(body, "trouble");

		add_line(&h->reasons, who, "is in trouble", or_empty(why));
	} else if (dg_json_member_double(body, "success_age", &age) &&
		   age + (double)(now - row->at) / 1e6 > SUCCESS_AGE_MAX &&
		   (dg_str_starts(row->key, "poller:") ||
			   dg_str_starts(row->key, "reporter:"))) {
		auto_free char *text = dg_json_member_dup(body, "text");

		add_line(&h->warnings, who, "has not reached the control plane lately",
			or_empty(text));
	}
}

static void
judge_drain(const struct dg_mirror *m, struct dg_health *h)
{
	const struct dg_mirror_row *row =
		dg_mirror_get(m, DG_MIRROR_MASTER, DG_STR("master:"));
	auto_free char *drain =
		row ? dg_json_member_dup(dg_buf_str(&row->body), "drain") : NULL;

	if (drain && strcmp(drain, "no") != 0)
		add_line(&h->reasons, "", "no work is taken",
			"dagletctl drain was asked for; dagletctl drain --undo ends it");
}

static void
judge_launchers(const struct dg_mirror *m, struct dg_health *h)
{
	size_t seen = 0;

	DG_MAP_EACH(&m->rows[DG_STATE_ROLE], s)
	{
		const struct dg_mirror_row *row = s->value;
		auto_free char *who = dg_str_dup(dg_strn(s->key, s->n));
		bool ready = true;

		if (!dg_str_starts(dg_strn(s->key, s->n), "launcher:"))
			continue;
		seen++;
		(void)dg_json_member_bool(dg_buf_str(&row->body), "ready", &ready);
		if (!ready)
			add_line(&h->reasons, who, "is still bringing up the locations",
				"");
	}
	if (!seen)
		add_line(&h->reasons, "", "no launcher has reported yet", "");
}

static void
judge_store(const struct dg_mirror *m, struct dg_health *h)
{
	const struct dg_mirror_row *row =
		dg_mirror_get(m, DG_STATE_ROLE, DG_STR("ledger:"));
	static const struct {
		const char *durability;
		bool ready;
		const char *what, *detail;
	} words[] = {
		{"none", true, "durability is none",
			"requests may be lost if the agent dies"},
		{"slow", true, "the store is slow, popping pauses", ""},
		{"paused", false,
			"the store cannot be written, popping pauses and what is in hand "
			"waits",
			""},
		{"broken", false,
			"the store is broken, requests are served without being "
			"remembered and launches are refused",
			""},
	};
	struct dg_str value;
	auto_free char *durability = NULL, *error = NULL, *damaged = NULL;

	if (!row || !dg_json_path(
			    dg_buf_str(&row->body), &value, "store", "durability", NULL))
		return;
	durability = dg_json_dup(value);
	error = dg_json_path(dg_buf_str(&row->body), &value, "store", "error", NULL)
			? dg_json_dup(value)
			: NULL;
	damaged = dg_json_path(dg_buf_str(&row->body), &value, "store", "damaged", NULL)
			  ? dg_json_dup(value)
			  : NULL;
	for (size_t i = 0; durability && i < DG_N(words); i++)
		if (strcmp(durability, words[i].durability) == 0)
			add_line(words[i].ready ? &h->warnings : &h->reasons, "",
				words[i].what, error ? error : words[i].detail);
	if (damaged) {
		auto_free char *what =
			dg_xasprintf("a damaged state.db was moved aside as %s", damaged);

		add_line(&h->warnings, "", what,
			"what only it knew is forgotten; look at it and remove it");
	}
}

static void
judge_locations(const struct dg_mirror *m, struct dg_health *h)
{
	size_t n;
	auto_free const struct dg_mirror_row **rows =
		dg_mirror_sorted(m, DG_STATE_LOCATION, &n);

	for (size_t i = 0; i < n; i++) {
		struct dg_str v, body = dg_buf_str(&rows[i]->body);
		auto_free char *name = NULL;

		if (!dg_json_member(body, "status", &v) || !dg_json_is(v, "FAILED"))
			continue;
		name = dg_json_member_dup(body, "location");
		add_line(&h->warnings, "location", or_empty(name), "it has failed");
	}
}

void
dg_health(const struct dg_mirror *m, dg_usec now, struct dg_health *ret)
{
	size_t n;
	auto_free const struct dg_mirror_row **roles =
		dg_mirror_sorted(m, DG_MIRROR_MASTER, &n);

	*ret = (struct dg_health){.alive = true};
	if (!m->linked) {
		ret->alive = now - m->link_at < LEDGER_AWAY_MAX;
		add_line(&ret->reasons, "", "there is no link to the ledger", "");
	}
	if (!n)
		add_line(&ret->reasons, "", "the master has not named its roles yet", "");
	for (size_t i = 0; i < n; i++)
		judge_role(roles[i], now, ret);
	judge_drain(m, ret);
	judge_launchers(m, ret);
	judge_store(m, ret);
	judge_locations(m, ret);
	ret->ready = ret->reasons.n == 0;
}

void
dg_health_clear(struct dg_health *h)
{
	dg_buf_clear(&h->reasons);
	dg_buf_clear(&h->warnings);
}
