/* backend/process/emit.c: events on their way to the launcher: told from the loop, never
 * from inside one of its calls. */
#include "backend/process/process.h"

#include <string.h>

#include "base/mem.h"

struct dg_emitted {
	struct dg_emitted *next;
	struct dg_backend_event ev;
	char *id, *handle, *text, *endpoint, *tail;
	struct dg_err err;
	struct dg_unit *unit; /* of its last event, or NULL */
};

static void
emitted_free(struct dg_emitted *m)
{
	free(m->id);
	free(m->handle);
	free(m->text);
	free(m->endpoint);
	free(m->tail);
	if (m->unit)
		dg_unit_free(m->unit);
	free(m);
}

static int
on_emit(sd_event_source *s, void *arg)
{
	struct dg_backend *b = arg;
	struct dg_emitted *m = b->first;

	b->first = m->next;
	if (!b->first)
		b->last = &b->first;
	(void)sd_event_source_set_enabled(s, b->first ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
	b->telling = m->unit;
	b->host.emit(b->host.arg, &m->ev);
	b->telling = NULL;
	emitted_free(m);
	return 0;
}

int
dg_emit_open(struct dg_backend *b, struct dg_err *e)
{
	int r = sd_event_add_defer(b->host.event, &b->emitter, on_emit, b);

	b->last = &b->first;
	/* What happened is told before it is seen what happened next. */
	if (r >= 0)
		r = sd_event_source_set_priority(b->emitter, SD_EVENT_PRIORITY_IMPORTANT);
	if (r >= 0)
		r = sd_event_source_set_enabled(b->emitter, SD_EVENT_OFF);
	return r < 0 ? dg_fail(e, DG_TRANSPORT, -r, "cannot queue events") : 0;
}

void
dg_emit_close(struct dg_backend *b)
{
	sd_event_source_disable_unref(b->emitter);
	while (b->first) {
		struct dg_emitted *m = b->first;

		b->first = m->next;
		emitted_free(m);
	}
}

static struct dg_str
keep(struct dg_str s, char **owner)
{
	*owner = s.p ? dg_str_dup(s) : NULL;
	return dg_strn(*owner, s.n);
}

static struct dg_emitted *
queue(struct dg_backend *b, const struct dg_backend_event *ev)
{
	struct dg_emitted *m = dg_new(struct dg_emitted);

	m->ev = *ev;
	m->ev.id = m->id = ev->id ? dg_xstrdup(ev->id) : NULL;
	m->ev.handle = keep(ev->handle, &m->handle);
	m->ev.text = keep(ev->text, &m->text);
	m->ev.exit.tail = keep(ev->exit.tail, &m->tail);
	m->ev.endpoint = m->endpoint = ev->endpoint ? dg_xstrdup(ev->endpoint) : NULL;
	if (ev->err) {
		m->err = *ev->err;
		m->ev.err = &m->err;
	}
	*b->last = m;
	b->last = &m->next;
	(void)sd_event_source_set_enabled(b->emitter, SD_EVENT_ONESHOT);
	return m;
}

void
dg_emit(struct dg_backend *b, const struct dg_backend_event *ev)
{
	(void)queue(b, ev);
}

void
dg_emit_last(struct dg_unit *u, const struct dg_backend_event *ev)
{
	dg_unit_end(u);
	queue(u->b, ev)->unit = u;
}

struct dg_unit *
dg_emit_ending(const struct dg_backend *b, const char *id)
{
	for (struct dg_emitted *m = b->first; m; m = m->next)
		if (m->unit && strcmp(m->id, id) == 0)
			return m->unit;
	return b->telling && strcmp(b->telling->id, id) == 0 ? b->telling : NULL;
}
