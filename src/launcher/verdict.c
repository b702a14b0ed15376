/* launcher/verdict.c: see verdict.h. */
#include "launcher/verdict.h"

#include <string.h>

#include "daglet/state.h"

#define LAST_WORDS (250 * DG_MSEC)
#define ASK_MIN DG_SEC
#define ASK_MAX (30 * DG_SEC)

static bool
is_clean(const struct dg_exit *x)
{
	return x->known && !x->signal && x->code == 0;
}

const char *
dg_verdict(const struct dg_exit *x, enum dg_record record)
{
	if (is_clean(x) || record == DG_RECORD_CLOSED)
		return DG_WORKER_SUCCESS;
	if (record == DG_RECORD_UNASKED || record == DG_RECORD_SILENT)
		return NULL;
	return x->known ? DG_WORKER_FAILED : DG_WORKER_NOT_FOUND;
}

dg_usec
dg_verdict_wait(unsigned n)
{
	dg_usec wait = ASK_MIN;

	if (n == 0)
		return LAST_WORDS;
	while (--n && wait < ASK_MAX)
		wait *= 2;
	return wait < ASK_MAX ? wait : ASK_MAX;
}

static size_t
characters(struct dg_str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

/* The last LIMIT characters, from the beginning of a line where there is one. */
static struct dg_str
last(struct dg_str s, size_t limit)
{
	const char *line;
	size_t n;

	for (n = characters(s); n > limit; n--)
		do {
			s.p++;
			s.n--;
		} while (s.n && ((unsigned char)*s.p & 0xc0) == 0x80);
	if (s.n && s.p[-1] != '\n' && (line = memchr(s.p, '\n', s.n - 1))) {
		s.n -= (size_t)(line + 1 - s.p);
		s.p = line + 1;
	}
	return s;
}

void
dg_verdict_text(
	const struct dg_exit *x, const char *status, size_t limit, struct dg_buf *out)
{
	bool over = strcmp(status, DG_WORKER_SUCCESS) == 0;
	struct dg_str tail = x->tail;
	size_t n, before = out->n;

	if (is_clean(x))
		return;
	if (!x->known)
		dg_buf_addf(
			out, "The run's process is gone, and nobody saw how it ended");
	else if (x->signal)
		dg_buf_addf(out, "The run's process was killed by signal %d (%s)%s",
			x->signal, strsignal(x->signal),
			x->oom ? "; it ran out of memory" : "");
	else
		dg_buf_addf(out, "The run's process exited with code %d%s", x->code,
			x->oom ? " after it ran out of memory" : "");
	dg_buf_adds(out, over ? ", after the run had ended." : ".");
	n = out->n - before + 1; /* what was said is ASCII */
	if (over || !tail.n || n >= limit)
		return;
	if (characters(tail) > limit - n)
		tail = last(tail, limit - n);
	dg_buf_addf(out, "\n%.*s", DG_FMT(tail));
}
