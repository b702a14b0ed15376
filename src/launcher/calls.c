/* launcher/calls.c: see calls.h. */
#include "launcher/calls.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/rand.h"
#include "log/log.h"

struct dg_errand {
	TAILQ_ENTRY(dg_errand) link;
	uint64_t id;
	enum dg_call_op op;
	char *deployment, *subject, *args, *key;
	struct dg_blob body;
	dg_errand_fn *fn;
	void *arg;
};

void
dg_calls_init(struct dg_calls *c, struct dg_worker *w)
{
	/* Ids of a launcher before us may still be under way. */
	*c = (struct dg_calls){.w = w, .next = dg_random_below(1ull << 40) << 20};
	TAILQ_INIT(&c->list);
}

static void
destroy(struct dg_calls *c, struct dg_errand *e)
{
	TAILQ_REMOVE(&c->list, e, link);
	c->count--;
	free(e->deployment);
	free(e->subject);
	free(e->args);
	free(e->key);
	dg_blob_clear(&e->body);
	free(e);
}

void
dg_calls_clear(struct dg_calls *c)
{
	struct dg_errand *e;

	while ((e = TAILQ_FIRST(&c->list)))
		destroy(c, e);
}

static void
transmit(struct dg_calls *c, const struct dg_errand *e)
{
	struct dg_msg_call m = {
		.op = e->op,
		.deployment = dg_str(e->deployment),
		.subject = dg_str(e->subject),
		.args = dg_str(e->args),
		.key = dg_str(e->key),
		.body = dg_blob_body(&e->body),
	};

	dg_worker_send(c->w, DG_MSG_CALL, e->id, &m);
}

struct dg_errand *
dg_calls_send(struct dg_calls *c, enum dg_call_op op, const char *deployment,
	const char *subject, const char *args, const char *key, struct dg_blob *take_body,
	dg_errand_fn *fn, void *arg)
{
	struct dg_errand *e = dg_new(struct dg_errand);

	e->id = ++c->next;
	e->op = op;
	e->deployment = dg_xstrdup(deployment ? deployment : "");
	e->subject = dg_xstrdup(subject ? subject : "");
	e->args = dg_xstrdup(args ? args : "");
	e->key = dg_xstrdup(key ? key : "");
	e->body = *take_body;
	*take_body = DG_BLOB_INIT;
	e->fn = fn;
	e->arg = arg;
	TAILQ_INSERT_TAIL(&c->list, e, link);
	c->count++;
	transmit(c, e);
	return e;
}

struct dg_errand *
dg_calls_text(struct dg_calls *c, enum dg_call_op op, const char *deployment,
	const char *subject, const char *args, const char *key, struct dg_str body,
	dg_errand_fn *fn, void *arg)
{
	struct dg_blob b = DG_BLOB_INIT;
	struct dg_err e;

	if (dg_blob_from(&b, body, &e) < 0) {
		dg_log_err(LOG_ERR, &e, NULL);
		b = DG_BLOB_INIT;
	}
	return dg_calls_send(c, op, deployment, subject, args, key, &b, fn, arg);
}

void
dg_errand_forget(struct dg_errand *e)
{
	if (e)
		e->fn = NULL;
}

void
dg_calls_done(struct dg_calls *c, uint64_t id, const struct dg_msg_call_done *m)
{
	struct dg_errand *e;

	TAILQ_FOREACH (e, &c->list, link)
		if (e->id == id) {
			dg_errand_fn *fn = e->fn;
			void *arg = e->arg;

			if (m->cls && !fn) {
				auto_free char *text = dg_str_dup(m->text);

				dg_logkv(LOG_WARNING,
					DG_KV({"dep", e->deployment},
						{"run", e->subject}),
					"the control plane did not take a call: %s",
					text);
			}
			destroy(c, e);
			if (fn)
				fn(arg, m);
			return;
		}
}

void
dg_calls_resend(struct dg_calls *c)
{
	struct dg_errand *e;

	TAILQ_FOREACH (e, &c->list, link)
		transmit(c, e);
}
