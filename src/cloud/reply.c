/* cloud/reply.c: see reply.h. */
#include "cloud/reply.h"

#include "cloud/repr.h"
#include "json/json.h"

/* What is shown of a body that explains a refusal. */
#define DETAIL_MAX 2000

static dg_usec
seconds(struct dg_str object, const char *key)
{
	double v;

	if (!dg_json_member_double(object, key, &v) || !(v > 0) || v > 1e9)
		return 0;
	return (dg_usec)(v * (double)DG_SEC);
}

static bool
maintenance(struct dg_str body, struct dg_reply *r)
{
	struct dg_str m;

	if (!dg_json_member(body, "maintenance", &m))
		return false;
	r->outcome = DG_OUTCOME_MAINTENANCE;
	r->interval = seconds(m, "retry_interval");
	r->timeout = seconds(m, "timeout");
	r->detail = DG_STR_NULL;
	return true;
}

static struct dg_str
cut(struct dg_str s)
{
	if (s.n > DETAIL_MAX) {
		s.n = DETAIL_MAX;
		while (s.n && ((unsigned char)s.p[s.n] & 0xc0) == 0x80)
			s.n--;
	}
	return s;
}

static bool
is_object(struct dg_str body)
{
	return dg_json_type(dg_json_trim(body)) == DG_JSON_OBJECT &&
	       dg_json_check(body, DG_JSON_DEPTH_MAX, NULL) == 0;
}

struct dg_reply
dg_reply_graphql(int status, struct dg_str body)
{
	struct dg_reply r = {DG_OUTCOME_OK, 0, 0, DG_STR_NULL};
	bool object = is_object(body);
	struct dg_str v;

	body = dg_json_trim(body);
	if (object && maintenance(body, &r))
		return r;
	if (object && dg_json_member(body, "errors", &v)) {
		r.outcome = DG_OUTCOME_ERRORS;
		r.detail = cut(v);
		return r;
	}
	if (object && dg_json_member(body, "data", &v))
		return r;
	r.outcome = status >= 400 ? DG_OUTCOME_STATUS : DG_OUTCOME_UNEXPECTED;
	r.detail = cut(body);
	return r;
}

struct dg_reply
dg_reply_rest(int status, struct dg_str body)
{
	struct dg_reply r = {DG_OUTCOME_OK, 0, 0, DG_STR_NULL};

	if (status >= 200 && status < 300 && body.n < 65536 && is_object(body) &&
		maintenance(dg_json_trim(body), &r))
		return r;
	if (status >= 200 && status < 300)
		return r;
	if (is_object(body) && maintenance(dg_json_trim(body), &r))
		return r;
	r.outcome = DG_OUTCOME_STATUS;
	r.detail = cut(body);
	return r;
}

void
dg_reply_text(const struct dg_reply *reply, enum dg_http_error error,
	const char *error_text, int status, struct dg_buf *out)
{
	switch (reply->outcome) {
	case DG_OUTCOME_OK:
		break;
	case DG_OUTCOME_TRANSPORT:
		dg_buf_addf(out, "the control plane cannot be reached (%s): %s",
			dg_http_error_name(error), error_text);
		break;
	case DG_OUTCOME_STATUS:
		dg_buf_addf(out, "the control plane answered HTTP %d: %.*s", status,
			DG_FMT(reply->detail));
		break;
	case DG_OUTCOME_UNEXPECTED:
		dg_buf_addf(out, "Unexpected GraphQL response (HTTP %d): %.*s", status,
			DG_FMT(reply->detail));
		break;
	case DG_OUTCOME_ERRORS:
		dg_buf_adds(out, "Error in GraphQL response: ");
		dg_repr_add(out, reply->detail);
		break;
	case DG_OUTCOME_MAINTENANCE:
		dg_buf_adds(out, "the control plane is in scheduled maintenance");
		break;
	}
}

int
dg_reply_class(const struct dg_reply *reply, enum dg_http_error error, int status)
{
	switch (reply->outcome) {
	case DG_OUTCOME_OK:
		return 0;
	case DG_OUTCOME_TRANSPORT:
		return error == DG_HTTP_TOO_LARGE ? DG_LIMIT : DG_TRANSPORT;
	case DG_OUTCOME_STATUS:
		if (status == 401 || status == 403)
			return DG_DENIED;
		if (status == 413)
			return DG_LIMIT;
		return status >= 500 || status == 429 || status == 409 || status == 408
			       ? DG_TRANSPORT
			       : DG_USER;
	case DG_OUTCOME_MAINTENANCE:
	case DG_OUTCOME_UNEXPECTED:
		return DG_TRANSPORT;
	default:
		return DG_USER;
	}
}
