/* launcher/outcome.c: what became of a run: its process has ended, the control plane is
 * asked where verdict.h says so, the outcome is shown and kept. See launcher.h. */
#include "base/mem.h"
#include "daglet/state.h"
#include "launcher/launcher.h"
#include "launcher/verdict.h"

static void look_later(struct dg_run *r);

static void
judge(struct dg_run *r, enum dg_record record)
{
	const char *status = dg_verdict(&r->end, record);
	auto_buf text = DG_BUF_INIT;

	if (!status) {
		look_later(r);
		return;
	}
	dg_verdict_text(&r->end, status, r->l->tuning.run_message, &text);
	dg_run_ended(r, status, text.n ? text.p : NULL);
}

static enum dg_record
record_of(const struct dg_msg_call_done *m)
{
	if (m->cls == DG_TRANSPORT || m->cls == DG_DENIED || m->http >= 500)
		return DG_RECORD_SILENT;
	if (m->cls)
		return DG_RECORD_REFUSED;
	switch (dg_run_records_status(dg_strn(m->body.p, m->body.n))) {
	case DG_RUN_FINISHED:
		return DG_RECORD_CLOSED;
	case DG_RUN_UNKNOWN:
		return DG_RECORD_REFUSED;
	default:
		return DG_RECORD_OPEN;
	}
}

static void
told(void *arg, const struct dg_msg_call_done *m)
{
	struct dg_run *r = arg;

	r->looking = NULL;
	judge(r, record_of(m));
}

static int
on_look(sd_event_source *s, uint64_t usec, void *arg)
{
	struct dg_run *r = arg;
	auto_buf b = DG_BUF_INIT;

	(void)s;
	(void)usec;
	dg_run_records_variables(&b, r->id);
	r->looking = dg_calls_text(&r->l->calls, DG_CALL_OP_GET_RUN_RECORDS,
		r->deployment, NULL, NULL, NULL, dg_buf_str(&b), told, r);
	return 0;
}

static void
look_later(struct dg_run *r)
{
	dg_launcher_timer(r->l, &r->look, dg_now() + dg_verdict_wait(r->looks++),
		10 * DG_MSEC, on_look, r);
}

void
dg_run_exited(struct dg_run *r, const struct dg_exit *x)
{
	r->here = false;
	if (r->over)
		return;
	r->over = true;
	r->end = *x;
	dg_buf_addstr(&r->tail, x->tail);
	r->end.tail = dg_buf_str(&r->tail);
	judge(r, DG_RECORD_UNASKED);
}

void
dg_outcome_clear(struct dg_run *r)
{
	dg_errand_forget(r->looking);
	sd_event_source_disable_unref(r->look);
	dg_buf_clear(&r->tail);
}
