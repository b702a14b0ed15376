/* launcher/launch.c: see launch.h. */
#include "launcher/launch.h"

#define DO(x) DG_LAUNCH_DO_##x

unsigned
dg_launch_begin(struct dg_launch *l, bool isolated, enum dg_launch_known known)
{
	*l = (struct dg_launch){.isolated = isolated};
	if (known == DG_KNOWN_STARTED) {
		l->state = DG_LAUNCH_DONE;
		return DO(OK);
	}
	if (known == DG_KNOWN_NOTHING) {
		l->state = DG_LAUNCH_INTENT;
		return DO(INTENT) | DO(HELLO);
	}
	if (isolated) { /* the backend looks by itself */
		l->state = DG_LAUNCH_STARTING;
		l->committed = l->heard = true;
		return DO(HELLO) | DO(EVENTS) | DO(START);
	}
	l->state = DG_LAUNCH_SERVER;
	l->look = l->again = true;
	return DO(SERVER);
}

static unsigned
done(struct dg_launch *l, unsigned what)
{
	l->state = DG_LAUNCH_DONE;
	return what;
}

static unsigned
call(struct dg_launch *l)
{
	l->state = DG_LAUNCH_CALLING;
	l->look = true;
	l->again = false;
	return DO(PLACE) | DO(CALL);
}

/* The intent is committed, and the control plane has not said that it knows no such run. */
static unsigned
intended(struct dg_launch *l, enum dg_launch_event ev)
{
	if (ev == DG_LAUNCH_EV_STRANGER)
		return done(l, DO(FORGET) | DO(ERROR));
	l->committed |= ev == DG_LAUNCH_EV_INTENT_OK;
	l->heard |= ev == DG_LAUNCH_EV_HEARD;
	if (!l->committed || !l->heard)
		return 0;
	l->state = l->isolated ? DG_LAUNCH_STARTING : DG_LAUNCH_SERVER;
	return DO(EVENTS) | (l->isolated ? DO(START) : DO(SERVER));
}

static unsigned
isolated(struct dg_launch *l, enum dg_launch_event ev)
{
	switch (ev) {
	case DG_LAUNCH_EV_HANDLE:
		if (l->state != DG_LAUNCH_STARTING)
			return 0;
		l->state = DG_LAUNCH_COMMIT;
		return DO(HANDLE);
	case DG_LAUNCH_EV_HANDLE_OK:
		if (l->state != DG_LAUNCH_COMMIT)
			return 0;
		l->state = DG_LAUNCH_RELEASED;
		return DO(RELEASE);
	case DG_LAUNCH_EV_STARTED:
		return done(l, DO(TAGS) | DO(OK));
	case DG_LAUNCH_EV_FAILED:
		return done(l, DO(FORGET) | DO(ERROR));
	default:
		return 0;
	}
}

static unsigned
on_server(struct dg_launch *l, enum dg_launch_event ev)
{
	switch (ev) {
	case DG_LAUNCH_EV_SERVER:
		if (l->state != DG_LAUNCH_SERVER)
			return 0;
		if (!l->look)
			return call(l);
		l->state = DG_LAUNCH_LOOKING;
		return DO(LOOK);
	case DG_LAUNCH_EV_NO_SERVER:
		return done(l, l->look ? DO(MAYBE) : DO(FORGET) | DO(ERROR));
	case DG_LAUNCH_EV_ACCEPTED:
		return done(l, DO(MARK) | DO(OK));
	case DG_LAUNCH_EV_REFUSED:
		return done(l, DO(FORGET) | DO(ERROR));
	case DG_LAUNCH_EV_LOST:
		l->state = DG_LAUNCH_LOOKING;
		return DO(TROUBLE) | DO(LOOK);
	case DG_LAUNCH_EV_CURRENT:
	case DG_LAUNCH_EV_BEGUN:
		return done(l, DO(MARK) | DO(OK));
	case DG_LAUNCH_EV_NOT_CURRENT:
		if (l->state != DG_LAUNCH_LOOKING)
			return 0;
		l->state = DG_LAUNCH_ASKING; /* it may be over already */
		return DO(ASK);
	case DG_LAUNCH_EV_NOT_BEGUN:
		/* A call that we made ourselves may still wait in the server. */
		return l->again ? call(l) : done(l, DO(MAYBE));
	case DG_LAUNCH_EV_BLIND:
		return done(l, DO(MAYBE));
	default:
		return 0;
	}
}

unsigned
dg_launch_event(struct dg_launch *l, enum dg_launch_event ev)
{
	if (l->state == DG_LAUNCH_DONE)
		return 0;
	if (l->state == DG_LAUNCH_INTENT)
		return intended(l, ev);
	return l->isolated ? isolated(l, ev) : on_server(l, ev);
}
