/* cloud/retry.c: see retry.h. */
#include "cloud/retry.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

bool
dg_retry_after(const char *value, int64_t wall, dg_usec *ret)
{
	const char *p = value;
	size_t digits;
	int64_t wait;

	if (!value)
		return false;
	while (isspace((unsigned char)*p))
		p++;
	digits = strspn(p, "0123456789");
	if (digits && p[digits + strspn(p + digits, " \t\r\n")] == '\0') {
		wait = digits > 9 ? INT32_MAX : strtol(p, NULL, 10);
	} else {
		time_t date = curl_getdate(value, NULL);

		if (date == -1)
			return false;
		wait = (int64_t)date - wall / (int64_t)DG_SEC;
	}
	if (wait <= 0)
		return false;
	*ret = (dg_usec)wait * DG_SEC;
	if (*ret > DG_RETRY_AFTER_MAX)
		*ret = DG_RETRY_AFTER_MAX;
	return true;
}

static bool
passing_status(int status)
{
	return status == 502 || status == 503 || status == 504 || status == 429 ||
	       status == 409;
}

/* Trouble of the control plane's side, or with our rights there: for those with patience.
 * Behind a presigned URL a refusal means that the URL is no good: a new one is needed. */
static bool
worth_patience(const struct dg_retry_ask *a)
{
	return a->elapsed < a->patience &&
	       (a->status >= 500 || a->status == 408 ||
		       (a->policy != DG_RETRY_PRESIGNED &&
			       (a->status == 401 || a->status == 403)));
}

/* May this end be followed by another try at all? ENDLESS: and without counting. */
static bool
may_pass(const struct dg_retry_ask *a, bool *endless)
{
	bool dated = a->retry_after &&
		     (a->status == 413 || a->status == 429 || a->status == 503);

	*endless = false;
	switch (a->outcome) {
	case DG_OUTCOME_TRANSPORT:
		if (a->error == DG_HTTP_TOO_LARGE || a->error == DG_HTTP_OTHER)
			return a->policy == DG_RETRY_DELIVER;
		*endless = a->policy == DG_RETRY_DELIVER;
		return a->idempotent ||
		       (a->error != DG_HTTP_READ_TIMEOUT && a->error != DG_HTTP_CUT);
	case DG_OUTCOME_STATUS:
		if (a->policy == DG_RETRY_DELIVER) {
			*endless = a->status >= 500 || a->status == 429 ||
				   a->status == 408 || a->status == 401 ||
				   a->status == 403;
			/* a conflict or a redirect may pass, but not for ever */
			return *endless || dated || a->status == 409 || a->status < 400;
		}
		if (worth_patience(a) ||
			(a->policy == DG_RETRY_PRESIGNED && a->status == 500))
			return true;
		return passing_status(a->status) ||
		       (dated && a->policy != DG_RETRY_GRAPHQL);
	default: /* UNEXPECTED, ERRORS */
		return false;
	}
}

/* Before try TRIES + 1: GraphQL f*2^n; REST nothing, then f*2^(n-1); all of it jitter. */
static dg_usec
backoff(const struct dg_retry_ask *a)
{
	dg_usec max =
		a->policy == DG_RETRY_DELIVER ? DG_RETRY_DELIVER_MAX : DG_RETRY_WAIT_MAX;
	unsigned n = a->tries < 30 ? a->tries : 30;
	double base = a->backoff_factor * (double)(1u << n) * (double)DG_SEC;

	if (a->policy != DG_RETRY_GRAPHQL)
		base = n <= 1 ? 0 : base / 2;
	if (!(base < (double)max))
		base = (double)max;
	return (dg_usec)(base * (double)a->random / 4294967296.0);
}

struct dg_retry_answer
dg_retry(const struct dg_retry_ask *a)
{
	static const struct dg_retry_answer done = {DG_RETRY_DONE, 0, false};
	struct dg_retry_answer r = {DG_RETRY_FAIL, 0, false};
	bool endless, late = a->give_up && a->wall > a->give_up;

	if (a->outcome == DG_OUTCOME_OK)
		return done;
	if (a->outcome == DG_OUTCOME_MAINTENANCE) {
		dg_usec timeout = a->timeout ? a->timeout : DG_MAINTENANCE_TIMEOUT;

		r.wait = a->interval ? a->interval : DG_MAINTENANCE_INTERVAL;
		if (r.wait > DG_RETRY_AFTER_MAX)
			r.wait = DG_RETRY_AFTER_MAX;
		r.asked = true;
		if (a->policy != DG_RETRY_NONE && !late &&
			(a->elapsed <= timeout || a->policy == DG_RETRY_DELIVER))
			r.act = DG_RETRY_AGAIN;
		return r;
	}
	r.asked = dg_retry_after(a->retry_after, a->wall, &r.wait);
	if (a->policy == DG_RETRY_NONE || late || !may_pass(a, &endless))
		return r;
	if (!endless && a->tries > a->retries && a->elapsed >= a->patience)
		return r;
	r.act = DG_RETRY_AGAIN;
	if (r.asked)
		return r;
	/* A kept connection was dead: that says nothing about the peer. Once. */
	if (a->outcome == DG_OUTCOME_TRANSPORT && a->error == DG_HTTP_STALE &&
		a->idempotent && a->tries == 1)
		return r;
	r.wait = backoff(a);
	return r;
}
