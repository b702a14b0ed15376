/* launcher/location.c: see location.h. */
#include "launcher/location.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "daglet/state.h"

static void
act(struct dg_loc_actions *out, enum dg_loc_do what, unsigned serial, dg_usec at,
	enum dg_loc_why why)
{
	DG_ASSERT(out->n < DG_N(out->a));
	out->a[out->n++] = (struct dg_loc_action){what, serial, at, why};
}

/* A start may be dropped so often in a row for a newer version. */
#define DROPS_MAX 2

#define ACT(what, serial) act(out, DG_DO_##what, serial, 0, DG_WHY_EVENT)

void
dg_loc_init(struct dg_loc *l, const struct dg_loc_limits *limits)
{
	*l = (struct dg_loc){
		.limits = limits, .retry_at = DG_USEC_NEVER, .tell_at = DG_USEC_NEVER};
	dg_backoff_init(&l->retry, limits->retry_min, limits->retry_max);
	dg_backoff_init(&l->recover, limits->recover_min, limits->recover_max);
	dg_backoff_init(&l->upload_retry, limits->retry_min, limits->recover_max);
}

unsigned
dg_loc_adopt(struct dg_loc *l, struct dg_loc_version v)
{
	if (l->cur.serial)
		return 0;
	l->cur = (struct dg_loc_inst){
		.serial = ++l->serial,
		.phase = DG_PHASE_STARTING,
		.version = v,
		.adopted = true,
	};
	return l->cur.serial;
}

static struct dg_loc_inst *
find(struct dg_loc *l, unsigned serial)
{
	if (!serial)
		return NULL;
	if (l->cur.serial == serial)
		return &l->cur;
	if (l->next.serial == serial)
		return &l->next;
	for (unsigned i = 0; i < l->nold; i++)
		if (l->old[i].serial == serial)
			return &l->old[i];
	return NULL;
}

const struct dg_loc_inst *
dg_loc_inst(const struct dg_loc *l, unsigned serial)
{
	return find((struct dg_loc *)l, serial);
}

static void
forget(struct dg_loc *l, struct dg_loc_inst *i)
{
	if (i->phase == DG_PHASE_UPLOADING || i->uploading)
		l->upload = l->wanted; /* what it did not finish, another will */
	if (i >= l->old && i < l->old + DG_LOC_OLD_MAX) {
		size_t at = (size_t)(i - l->old);

		memmove(i, i + 1, (l->nold - at - 1) * sizeof(*i));
		l->nold--;
	} else {
		*i = (struct dg_loc_inst){0};
	}
}

/* Move an instance to the old ones and let it drain, stop or die. */
static void
retire(struct dg_loc *l, struct dg_loc_inst *i, enum dg_loc_do how, dg_usec now,
	struct dg_loc_actions *out)
{
	struct dg_loc_inst was = *i;

	if (!was.serial)
		return;
	forget(l, i);
	if (l->nold == DG_LOC_OLD_MAX) { /* its exit will be news of nobody */
		ACT(KILL, l->old[0].serial);
		forget(l, &l->old[0]);
	}
	was.uploading = was.reloading = false;
	was.phase = how == DG_DO_DRAIN ? DG_PHASE_DRAINING : DG_PHASE_STOPPING;
	was.until = now + l->limits->drain;
	l->old[l->nold++] = was;
	act(out, how, was.serial, how == DG_DO_DRAIN ? was.until : 0, DG_WHY_EVENT);
}

static bool
serves(const struct dg_loc_inst *i)
{
	return i->serial && i->phase == DG_PHASE_SERVING;
}

/* Stop it in the way that its state deserves. */
static enum dg_loc_do
farewell(const struct dg_loc_inst *i)
{
	if (!serves(i))
		return DG_DO_STOP;
	return i->hung ? DG_DO_KILL : DG_DO_DRAIN;
}

/* Half of the wait for sure, the other half by lot. */
static dg_usec
jittered(dg_usec wait, unsigned jitter)
{
	return wait / 2 + wait / 2 * (jitter & 1023) / 1023;
}

static void
start(struct dg_loc *l, dg_usec now, struct dg_loc_actions *out)
{
	l->retry_at = DG_USEC_NEVER;
	l->next = (struct dg_loc_inst){
		.serial = ++l->serial,
		.phase = DG_PHASE_STARTING,
		.version = l->want,
		.since = now,
		.last_ok = now,
		.firm = l->dropped >= DROPS_MAX,
	};
	l->burst = 0;
	ACT(START, l->next.serial);
}

/* In a burst of versions the newest is started when it has been quiet. */
static bool
hasty(struct dg_loc *l, dg_usec now)
{
	dg_usec quiet = l->changed + l->limits->quiet;
	dg_usec end = l->burst + l->limits->burst_max;

	if (!l->burst || now >= quiet || now >= end)
		return false;
	l->retry_at = quiet < end ? quiet : end;
	return true;
}

/* What serves is what is wanted: does the control plane have its definitions? */
static void
publish(struct dg_loc *l, dg_usec now, struct dg_loc_actions *out)
{
	bool due = l->upload || (l->ailing && l->cured != l->want.timestamp);

	if (!due || !serves(&l->cur) || l->cur.uploading || l->cur.reloading ||
		now < l->upload_at)
		return;
	l->upload = false;
	l->cured = l->want.timestamp;
	l->cur.uploading = true;
	ACT(UPLOAD, l->cur.serial);
}

/* Bring what is there nearer to what is wanted. */
static void
reconcile(struct dg_loc *l, dg_usec now, struct dg_loc_actions *out)
{
	if (!l->wanted)
		return;
	if (l->next.serial && l->next.version.timestamp != l->want.timestamp &&
		!l->next.firm) {
		retire(l, &l->next, DG_DO_STOP, now, out);
		l->dropped++;
	}
	if (l->cur.serial && !l->cur.bad &&
		l->cur.version.timestamp == l->want.timestamp) {
		retire(l, &l->next, DG_DO_STOP, now, out);
		l->retry_at = DG_USEC_NEVER;
		publish(l, now, out);
		return;
	}
	if (l->next.serial || l->cur.reloading)
		return;
	if ((l->broken || l->failures) && l->failed == l->want.timestamp)
		return; /* retry_at says when */
	if (l->retry_at != DG_USEC_NEVER && l->retry_at > now)
		return; /* it dies too often */
	if (serves(&l->cur) && !l->cur.bad && !l->cur.uploading &&
		l->cur.version.rest == l->want.rest &&
		l->cur.version.meta != l->want.meta &&
		l->no_reload != l->want.timestamp) {
		l->cur.reloading = true;
		l->target = l->want;
		ACT(RELOAD, l->cur.serial);
		return;
	}
	if (!hasty(l, now))
		start(l, now, out);
}

/* The start of I failed; GONE: the instance is no more. */
static void
fail(struct dg_loc *l, struct dg_loc_inst *i, bool user, bool gone, enum dg_loc_why why,
	dg_usec now, unsigned jitter, struct dg_loc_actions *out)
{
	unsigned serial = i->serial;

	if (l->wanted && i->version.timestamp != l->want.timestamp) {
		/* a start that was brought to its end: the newest will tell */
		if (gone)
			forget(l, i);
		else
			retire(l, i, DG_DO_STOP, now, out);
		l->dropped = 0;
		reconcile(l, now, out);
		return;
	}
	if (serves(&l->cur) && l->cur.renew && i != &l->cur &&
		l->cur.version.timestamp == l->want.timestamp)
		user = false; /* its code is well: something else is not */
	if (l->failed != l->want.timestamp) {
		l->failures = 0;
		l->failed = l->want.timestamp;
	}
	l->failures++;
	l->dropped = 0;
	act(out, DG_DO_FAIL, serial, 0, why);
	if (gone)
		forget(l, i);
	else
		retire(l, i, why == DG_WHY_TIMEOUT ? DG_DO_KILL : DG_DO_STOP, now, out);
	if (!l->wanted)
		return;
	if (user) {
		l->broken = true;
		retire(l, &l->cur, farewell(&l->cur), now, out);
		l->retry_at =
			l->healthy && !l->upload && l->limits->recover_min
				? now + jittered(dg_backoff_fail(&l->recover), jitter)
				: DG_USEC_NEVER;
	} else {
		l->retry_at = now + jittered(dg_backoff_fail(&l->retry), jitter);
	}
	if (l->upload && (user || l->failures == 1))
		ACT(UPLOAD_ERROR, 0);
	if (user)
		l->upload = false;
	if (dg_loc_verdict(l) == DG_LOC_ERROR)
		ACT(TELL, 0);
}

static void
serve(struct dg_loc *l, struct dg_loc_inst *i, dg_usec now, struct dg_loc_actions *out)
{
	i->phase = DG_PHASE_SERVING;
	i->served = i->last_ok = now;
	if (i == &l->next) {
		struct dg_loc_inst fresh = *i;

		l->next = (struct dg_loc_inst){0};
		retire(l, &l->cur, farewell(&l->cur), now, out);
		l->cur = fresh;
	}
	l->failures = l->dropped = 0;
	l->tell_at = DG_USEC_NEVER;
	l->broken = false;
	l->retry_at = DG_USEC_NEVER;
	dg_backoff_reset(&l->recover);
	ACT(SERVE, l->cur.serial);
	act(out, DG_DO_PING, l->cur.serial, now + l->limits->health, DG_WHY_EVENT);
	reconcile(l, now, out);
}

/* An adopted server that is of no use: away with it, and a new one at once. */
static void
disown(struct dg_loc *l, bool gone, enum dg_loc_do how, dg_usec now,
	struct dg_loc_actions *out)
{
	if (gone)
		forget(l, &l->cur);
	else
		retire(l, &l->cur, how, now, out);
	reconcile(l, now, out);
}

/* A serving one does not answer. */
static void
silent(struct dg_loc *l, struct dg_loc_inst *i, const struct dg_loc_look *look,
	dg_usec now, struct dg_loc_actions *out)
{
	static const enum dg_loc_why whys[] = {
		[DG_HEALTH_UNREACHABLE] = DG_WHY_UNREACHABLE,
		[DG_HEALTH_STOPPED] = DG_WHY_STOPPED,
		[DG_HEALTH_STUCK] = DG_WHY_STUCK,
		[DG_HEALTH_BUSY] = DG_WHY_BUSY,
	};
	struct dg_health_facts f = {
		.silent = now - i->last_ok,
		.refused = look->refused,
		.stopped = look->stopped,
		.seen = look->seen,
	};
	enum dg_health h;

	if (look->works)
		i->worked = now;
	f.idle = now - (i->worked > i->last_ok ? i->worked : i->last_ok);
	h = dg_health_judge(&f, &l->limits->silent);
	if (h == DG_HEALTH_WAIT || i->hung)
		return;
	i->bad = i->hung = true;
	act(out, DG_DO_FAIL, i->serial, 0, whys[h]);
	reconcile(l, now, out);
}

static void
ping_failed(struct dg_loc *l, struct dg_loc_inst *i, const struct dg_loc_look *look,
	dg_usec now, unsigned jitter, struct dg_loc_actions *out)
{
	if (i->phase == DG_PHASE_WAITING) {
		dg_usec limit = i->adopted ? l->limits->adopt : l->limits->startup;

		if (now - i->since < limit)
			act(out, DG_DO_PING, i->serial, now + l->limits->ping,
				DG_WHY_EVENT);
		else if (i->adopted)
			disown(l, false, DG_DO_KILL, now, out);
		else
			fail(l, i, false, false, DG_WHY_TIMEOUT, now, jitter, out);
	} else if (i->phase == DG_PHASE_SERVING) {
		act(out, DG_DO_PING, i->serial, now + DG_SEC, DG_WHY_EVENT);
		silent(l, i, look, now, out);
	}
}

static void
ping_ok(struct dg_loc *l, struct dg_loc_inst *i, dg_usec now, struct dg_loc_actions *out)
{
	i->last_ok = now;
	if (i->phase == DG_PHASE_WAITING) {
		i->phase = DG_PHASE_LOADING;
		ACT(LIST, i->serial);
	} else if (i->phase == DG_PHASE_SERVING) {
		act(out, DG_DO_PING, i->serial, now + l->limits->health, DG_WHY_EVENT);
		if (i->hung) { /* it answers after all */
			i->bad = i->hung = false;
			l->failures = 0;
			ACT(SERVE, i->serial);
			reconcile(l, now, out);
		}
	}
}

static void
listed(struct dg_loc *l, struct dg_loc_inst *i, dg_usec now, struct dg_loc_actions *out)
{
	if (i->phase != DG_PHASE_LOADING)
		return;
	i->last_ok = now;
	if (l->upload && i->version.timestamp == l->want.timestamp) {
		l->upload = false;
		l->cured = l->want.timestamp;
		i->phase = DG_PHASE_UPLOADING;
		ACT(UPLOAD, i->serial);
	} else {
		serve(l, i, now, out);
	}
}

/* When an upload is made again that the world kept from its end. */
static dg_usec
upload_again(struct dg_loc *l, dg_usec now, unsigned jitter)
{
	return now + jittered(dg_backoff_fail(&l->upload_retry), jitter);
}

static void
uploaded(struct dg_loc *l, struct dg_loc_inst *i, bool again, dg_usec now,
	unsigned jitter, struct dg_loc_actions *out)
{
	if (again && l->wanted) {
		l->upload = true;
		l->upload_at = upload_again(l, now, jitter);
	} else {
		dg_backoff_reset(&l->upload_retry);
		l->upload_at = 0;
	}
	if (i->phase == DG_PHASE_UPLOADING) {
		serve(l, i, now, out);
	} else if (i->uploading) {
		i->uploading = false;
		reconcile(l, now, out);
	}
}

static void
exited(struct dg_loc *l, struct dg_loc_inst *i, bool user, dg_usec now, unsigned jitter,
	struct dg_loc_actions *out)
{
	bool served = i->phase == DG_PHASE_SERVING;

	if (i == &l->next) {
		fail(l, i, user, true, DG_WHY_EVENT, now, jitter, out);
	} else if (i == &l->cur && !served) {
		disown(l, true, DG_DO_STOP, now, out);
	} else if (i == &l->cur) {
		bool again = l->wanted && i->version.timestamp == l->want.timestamp;

		if (now - i->served < l->limits->short_life) {
			l->short_lives++;
		} else {
			l->short_lives = 0;
			dg_backoff_reset(&l->retry);
		}
		if (again && l->short_lives > 1) {
			fail(l, i, false, true, DG_WHY_EVENT, now, jitter, out);
		} else {
			forget(l, i);
			reconcile(l, now, out);
		}
	} else {
		forget(l, i);
	}
}

static void
want(struct dg_loc *l, const struct dg_loc_event *ev, dg_usec now, unsigned jitter,
	struct dg_loc_actions *out)
{
	bool again = l->wanted && l->want.timestamp == ev->version.timestamp;

	if (!again && l->wanted && now - l->changed < l->limits->calm)
		l->burst = l->burst ? l->burst : now;
	else if (!again)
		l->burst = 0;
	l->wanted = true;
	l->want = ev->version;
	l->healthy = ev->healthy;
	l->ailing = ev->ailing;
	l->upload |= ev->upload;
	if (ev->upload)
		l->upload_at = 0;
	if (!again) {
		l->changed = now;
		l->upload_at = 0;
		l->tell_at = DG_USEC_NEVER;
		dg_backoff_reset(&l->upload_retry);
		l->failures = l->short_lives = 0;
		l->broken = false;
		l->retry_at = DG_USEC_NEVER;
		dg_backoff_reset(&l->retry);
		dg_backoff_reset(&l->recover);
	} else if (l->broken) {
		if (ev->upload) { /* asked to upload what there is: the error */
			ACT(UPLOAD_ERROR, 0);
			l->upload = false;
		}
		if (!l->healthy || ev->upload || !l->limits->recover_min)
			l->retry_at = DG_USEC_NEVER;
		else if (l->retry_at == DG_USEC_NEVER && !l->next.serial)
			l->retry_at =
				now + jittered(dg_backoff_fail(&l->recover), jitter);
	} else if (ev->upload && l->failures && !serves(&l->cur)) {
		ACT(UPLOAD_ERROR, 0); /* and what will serve one day, when it does */
	}
	reconcile(l, now, out);
}

static void
tick(struct dg_loc *l, dg_usec now, struct dg_loc_actions *out)
{
	for (unsigned i = 0; i < l->nold; i++) {
		struct dg_loc_inst *o = &l->old[i];

		if (o->phase == DG_PHASE_DRAINING && now >= o->until) {
			o->phase = DG_PHASE_STOPPING;
			ACT(STOP, o->serial);
		}
	}
	if (l->tell_at <= now) {
		l->tell_at = DG_USEC_NEVER;
		ACT(UPLOAD_ERROR, 0);
	}
	if (l->wanted && l->retry_at <= now && !l->next.serial)
		start(l, now, out);
	else
		reconcile(l, now, out);
}

/* Is the location's own error what there is to be told of it? */
static bool
failing(const struct dg_loc *l)
{
	return l->wanted && !serves(&l->cur) && (l->broken || l->failures);
}

void
dg_loc_event(struct dg_loc *l, const struct dg_loc_event *ev, dg_usec now,
	unsigned jitter, struct dg_loc_actions *out)
{
	struct dg_loc_inst *i = find(l, ev->serial);

	out->n = 0;
	switch (ev->type) {
	case DG_LOC_WANT:
		want(l, ev, now, jitter, out);
		break;
	case DG_LOC_UNWANT:
		l->wanted = l->upload = false;
		l->retry_at = l->tell_at = DG_USEC_NEVER;
		retire(l, &l->next, DG_DO_STOP, now, out);
		retire(l, &l->cur, farewell(&l->cur), now, out);
		ACT(TELL, 0);
		break;
	case DG_LOC_TICK:
		tick(l, now, out);
		break;
	case DG_LOC_RENEW: /* beside, as for a newer timestamp */
		retire(l, &l->next, DG_DO_STOP, now, out);
		l->cur.bad = l->cur.renew = l->cur.serial != 0;
		reconcile(l, now, out);
		break;
	default:
		if (!i) { /* news of nobody, or of the error */
			if (ev->type == DG_LOC_UPLOADED && ev->again && failing(l))
				l->tell_at = upload_again(l, now, jitter);
			return;
		}
		break;
	}
	switch (ev->type) {
	case DG_LOC_UP:
		if (i->phase == DG_PHASE_STARTING) {
			i->phase = DG_PHASE_WAITING;
			i->since = i->last_ok = now;
			act(out, DG_DO_PING, i->serial, now, DG_WHY_EVENT);
		}
		break;
	case DG_LOC_PING_OK:
		ping_ok(l, i, now, out);
		break;
	case DG_LOC_PING_FAIL:
		ping_failed(l, i, &ev->look, now, jitter, out);
		break;
	case DG_LOC_ALIVE:
		i->last_ok = now;
		break;
	case DG_LOC_LISTED:
		listed(l, i, now, out);
		break;
	case DG_LOC_LIST_FAIL:
		if (i->phase != DG_PHASE_LOADING)
			break;
		if (i->adopted &&
			(!ev->user || i->version.timestamp != l->want.timestamp))
			disown(l, false, DG_DO_STOP, now, out);
		else
			fail(l, i, ev->user, false, DG_WHY_EVENT, now, jitter, out);
		break;
	case DG_LOC_UPLOADED:
		uploaded(l, i, ev->again, now, jitter, out);
		break;
	case DG_LOC_RELOADED:
	case DG_LOC_RELOAD_FAIL:
		if (!i->reloading)
			break;
		i->reloading = false;
		if (ev->type == DG_LOC_RELOADED)
			i->version = l->target;
		else
			l->no_reload = l->target.timestamp;
		reconcile(l, now, out);
		break;
	case DG_LOC_START_FAIL:
	case DG_LOC_EXIT:
		exited(l, i, ev->user, now, jitter, out);
		break;
	case DG_LOC_CLOGGED:
		if (serves(i) && !i->bad) {
			i->bad = true;
			act(out, DG_DO_FAIL, i->serial, 0, DG_WHY_CLOGGED);
			reconcile(l, now, out);
		}
		break;
	case DG_LOC_DRAINED:
		if (i->phase == DG_PHASE_DRAINING) {
			i->phase = DG_PHASE_STOPPING;
			ACT(STOP, i->serial);
		}
		break;
	default:
		break;
	}
	if (!l->wanted && !l->cur.serial && !l->next.serial && l->nold == 0)
		ACT(GONE, 0);
}

dg_usec
dg_loc_due(const struct dg_loc *l)
{
	dg_usec due = l->next.serial ? DG_USEC_NEVER : l->retry_at;

	if (l->tell_at < due)
		due = l->tell_at;
	if (l->upload && serves(&l->cur) && !l->cur.uploading && !l->cur.bad &&
		l->cur.version.timestamp == l->want.timestamp && l->upload_at < due)
		due = l->upload_at;
	for (unsigned i = 0; i < l->nold; i++)
		if (l->old[i].phase == DG_PHASE_DRAINING && l->old[i].until < due)
			due = l->old[i].until;
	return due;
}

enum dg_loc_verdict
dg_loc_verdict(const struct dg_loc *l)
{
	if (serves(&l->cur))
		return DG_LOC_SERVE;
	return !l->wanted || l->broken || l->failures > 1 ? DG_LOC_ERROR : DG_LOC_HOLD;
}

const char *
dg_loc_status(const struct dg_loc *l)
{
	if (serves(&l->cur))
		return DG_STATUS_RUNNING;
	return l->broken || l->failures ? DG_STATUS_FAILED : DG_STATUS_STARTING;
}

const char *
dg_loc_phase_name(enum dg_loc_phase p)
{
	static const char *const names[] = {
		[DG_PHASE_STARTING] = "STARTING",
		[DG_PHASE_WAITING] = "WAITING",
		[DG_PHASE_LOADING] = "LOADING",
		[DG_PHASE_UPLOADING] = "UPLOADING",
		[DG_PHASE_SERVING] = "SERVING",
		[DG_PHASE_DRAINING] = "DRAINING",
		[DG_PHASE_STOPPING] = "STOPPING",
	};

	return names[p];
}

const char *
dg_loc_state(const struct dg_loc *l)
{
	if (!l->wanted)
		return "STOPPING";
	if (serves(&l->cur))
		return "SERVING";
	if (l->next.serial)
		return dg_loc_phase_name(l->next.phase);
	if (l->broken)
		return "BROKEN";
	if (l->failures)
		return "RETRY";
	return l->cur.serial ? dg_loc_phase_name(l->cur.phase) : "WANTED";
}

bool
dg_loc_settled(const struct dg_loc *l)
{
	return serves(&l->cur) || l->broken || l->failures;
}
