/* launcher/terminate.c: see terminate.h. */
#include "launcher/terminate.h"

#define DO(x) DG_TERM_DO_##x

unsigned
dg_terminate_begin(struct dg_terminate *t, enum dg_terminate_how how)
{
	t->how = how;
	t->state = DG_TERM_TELLING;
	return DO(EVENT);
}

static unsigned
told(struct dg_terminate *t)
{
	switch (t->how) {
	case DG_TERM_WORKER:
		t->state = DG_TERM_ASKING;
		return DO(ASK);
	case DG_TERM_SERVER:
		t->state = DG_TERM_FINDING;
		return DO(SERVER);
	case DG_TERM_MARK:
	default:
		t->state = DG_TERM_MARKING;
		return DO(MARK);
	}
}

static unsigned
done(struct dg_terminate *t, unsigned what)
{
	t->state = DG_TERM_DONE;
	return what;
}

/* Marked, or not marked in time (LATE): end the run. */
static unsigned
end(struct dg_terminate *t, bool late)
{
	unsigned say = late ? DO(SAY) : 0;

	if (t->how == DG_TERM_WORKER)
		return done(t, say | DO(STOP) | DO(OK));
	if (t->how == DG_TERM_MARK)
		return done(t, late ? DO(ERROR) : DO(OK));
	t->state = DG_TERM_CALLING;
	return say | DO(CALL);
}

unsigned
dg_terminate_event(struct dg_terminate *t, enum dg_terminate_event ev)
{
	switch (t->state) {
	case DG_TERM_TELLING:
		if (ev == DG_TERM_EV_STRANGER)
			return done(t, DO(ERROR));
		if (ev == DG_TERM_EV_TIMEOUT)
			return end(t, true);
		return ev == DG_TERM_EV_HEARD ? told(t) : 0;
	case DG_TERM_ASKING:
		if (ev == DG_TERM_EV_FINISHED)
			return done(t, DO(OK));
		if (ev == DG_TERM_EV_ALIVE || ev == DG_TERM_EV_UNASKED) {
			t->state = DG_TERM_MARKING;
			return DO(MARK);
		}
		return ev == DG_TERM_EV_TIMEOUT ? end(t, true) : 0;
	case DG_TERM_FINDING:
		if (ev == DG_TERM_EV_SERVER) {
			t->state = DG_TERM_MARKING;
			return DO(MARK);
		}
		return ev == DG_TERM_EV_NO_SERVER || ev == DG_TERM_EV_TIMEOUT
			       ? done(t, DO(ERROR))
			       : 0;
	case DG_TERM_MARKING:
		if (ev == DG_TERM_EV_NO_SERVER)
			return done(t, DO(ERROR));
		if (ev == DG_TERM_EV_MARKED)
			return end(t, false);
		return ev == DG_TERM_EV_UNMARKED || ev == DG_TERM_EV_TIMEOUT
			       ? end(t, true)
			       : 0;
	case DG_TERM_CALLING:
		if (ev == DG_TERM_EV_CALLED)
			return done(t, DO(OK));
		return ev == DG_TERM_EV_UNCALLED || ev == DG_TERM_EV_NO_SERVER
			       ? done(t, DO(ERROR))
			       : 0;
	case DG_TERM_DONE:
	default:
		return 0;
	}
}
