/* dagster/popped.c: see popped.h. */
#include "dagster/popped.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daglet/limits.h"
#include "dagster/args.h"
#include "json/json.h"
#include "json/scan.h"

static const char array_key[] = "\"popUserCloudAgentRequests\"";

struct dg_popped_split {
	dg_popped_fn *fn;
	void *arg;
	enum {
		SEEK_KEY,
		SEEK_COLON,
		SEEK_ARRAY,
		BETWEEN,
		ELEMENT,
		CLOSED,
		GIVEN_UP
	} state;
	size_t matched; /* bytes of array_key */
	char before;    /* last byte that was not space, outside the key */
	size_t count;
	struct dg_json_scan scan;
	struct dg_buf element;
};

struct dg_popped_split *
dg_popped_split_new(dg_popped_fn *fn, void *arg)
{
	struct dg_popped_split *s = dg_new(struct dg_popped_split);

	s->fn = fn;
	s->arg = arg;
	dg_popped_split_reset(s);
	return s;
}

void
dg_popped_split_free(struct dg_popped_split *s)
{
	if (!s)
		return;
	dg_buf_clear(&s->element);
	free(s);
}

void
dg_popped_split_reset(struct dg_popped_split *s)
{
	s->state = SEEK_KEY;
	s->matched = 0;
	s->before = '\0';
	s->count = 0;
	dg_buf_reset(&s->element);
}

bool
dg_popped_split_closed(const struct dg_popped_split *s)
{
	return s->state == CLOSED;
}

size_t
dg_popped_split_count(const struct dg_popped_split *s)
{
	return s->count;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* A quote that opens a key follows a brace or a comma; inside a string it would follow a
 * backslash. */
static void
seek_key(struct dg_popped_split *s, char c)
{
	if (s->matched == 0) {
		if (c == '"' && (s->before == '{' || s->before == ','))
			s->matched = 1;
		if (!is_space(c))
			s->before = c;
		return;
	}
	if (c == array_key[s->matched]) {
		if (array_key[++s->matched] == '\0')
			s->state = SEEK_COLON;
		return;
	}
	s->matched = 0;
	s->before = c;
}

/* One byte outside of elements. */
static void
outside(struct dg_popped_split *s, char c)
{
	if (s->state == SEEK_KEY) {
		seek_key(s, c);
		return;
	}
	if (is_space(c))
		return;
	switch (s->state) {
	case SEEK_COLON:
		s->state = c == ':' ? SEEK_ARRAY : SEEK_KEY;
		s->matched = 0;
		s->before = c;
		break;
	case SEEK_ARRAY:
		s->state = c == '[' ? BETWEEN : SEEK_KEY; /* null: nothing was popped */
		s->before = c;
		break;
	case BETWEEN:
		if (c == ']')
			s->state = CLOSED;
		break;
	default:
		break;
	}
}

int
dg_popped_split_feed(struct dg_popped_split *s, struct dg_str bytes, struct dg_err *e)
{
	size_t i = 0;

	while (i < bytes.n && s->state != CLOSED && s->state != GIVEN_UP) {
		size_t used;

		if (s->state == BETWEEN && bytes.p[i] != ']' && bytes.p[i] != ',' &&
			!is_space(bytes.p[i])) {
			s->state = ELEMENT;
			s->scan = DG_JSON_SCAN_INIT;
			dg_buf_reset(&s->element);
		}
		if (s->state != ELEMENT) {
			outside(s, bytes.p[i++]);
			continue;
		}
		used = dg_json_scan(&s->scan, bytes.p + i, bytes.n - i);
		if (s->element.n + used > DG_HTTP_BODY_MAX) {
			s->state = GIVEN_UP;
			return dg_fail(e, DG_LIMIT, 0,
				"a popped request is larger than %d bytes",
				DG_HTTP_BODY_MAX);
		}
		dg_buf_add(&s->element, bytes.p + i, used);
		i += used;
		if (s->scan.state == DG_SCAN_DONE) {
			s->count++;
			s->state = BETWEEN;
			dg_popped_decode(dg_buf_str(&s->element), s->fn, s->arg);
			if (s->element.cap > 1 << 20)
				dg_buf_clear(&s->element);
		}
	}
	return 0;
}

/* A string member into OUT; false when it is absent, null or something else. */
static bool
text(struct dg_str object, const char *key, struct dg_buf *out)
{
	struct dg_str v;

	return dg_json_member(object, key, &v) && dg_json_decode(v, out);
}

static const char enum_prefix[] = "DagsterCloudApi.";

/* The kind that the body names; the envelope only says whether it is known at all. */
static bool
body_kind(struct dg_str body, enum dg_request_kind *ret)
{
	auto_buf name = DG_BUF_INIT;
	struct dg_str api;

	if (!dg_json_member(body, "request_api", &api) || !text(api, "__enum__", &name) ||
		!dg_str_starts(dg_buf_str(&name), enum_prefix))
		return false;
	*ret = dg_request_kind(
		name.p + sizeof enum_prefix - 1, name.n - (sizeof enum_prefix - 1));
	return *ret != DG_REQ_UNKNOWN;
}

static int
decode_body(struct dg_str body, struct dg_popped *item, struct dg_buf *location,
	struct dg_err *e)
{
	const struct dg_request_row *row;
	struct dg_str args;
	double expire;
	int r = dg_json_check(body, DG_JSON_DEPTH_MAX, e);

	if (r < 0)
		return dg_err_wrap(e, "requestBody");
	if (dg_json_type(body) != DG_JSON_OBJECT)
		return dg_fail(e, DG_USER, 0, "requestBody is no object");
	if (!body_kind(body, &item->kind))
		return dg_fail(
			e, DG_USER, 0, "requestBody names no request_api that is known");
	if (dg_json_member_double(body, "expire_at", &expire) && expire > 0 &&
		expire < 9e12)
		item->expire = (uint64_t)(expire * 1e6);
	row = dg_request_row(item->kind);
	if (row->how == DG_HOW_DEPRECATED || row->how == DG_HOW_CHECK)
		return 0;
	if (!dg_json_member(body, "request_args", &args) ||
		dg_json_type(args) != DG_JSON_OBJECT)
		return dg_fail(
			e, DG_USER, 0, "request_args of %s is no object", row->name);
	if (!dg_args_location(args, row->where, location) ||
		(row->where != DG_WHERE_NONE && !location->n))
		return dg_fail(e, DG_USER, 0, "request_args of %s names no code location",
			row->name);
	if (location->n > DG_NAME_MAX ||
		memchr(location->p ? location->p : "", 0, location->n))
		return dg_fail(e, DG_USER, 0, "the code location's name is not usable");
	return 0;
}

void
dg_popped_decode(struct dg_str element, dg_popped_fn *fn, void *arg)
{
	auto_buf id = DG_BUF_INIT;
	auto_buf api = DG_BUF_INIT;
	auto_buf deployment = DG_BUF_INIT;
	auto_buf body = DG_BUF_INIT;
	auto_buf location = DG_BUF_INIT;
	struct dg_popped item = {.kind = DG_REQ_UNKNOWN};
	struct dg_err e = {0};
	int r = dg_json_check(element, DG_JSON_DEPTH_MAX, &e);

	if (r == 0) {
		if (!text(element, "requestId", &id) || !id.n || id.n > DG_NAME_MAX) {
			dg_buf_reset(&id);
			r = dg_fail(
				&e, DG_USER, 0, "a popped request without a requestId");
		} else if (!text(element, "requestApi", &api) || api.n > DG_NAME_MAX) {
			dg_buf_reset(&api);
			r = dg_fail(
				&e, DG_USER, 0, "a popped request without a requestApi");
		} else if (!text(element, "deploymentName", &deployment) ||
			   !deployment.n || deployment.n > DG_NAME_MAX) {
			dg_buf_reset(&deployment);
			r = dg_fail(&e, DG_USER, 0,
				"a popped request without a deploymentName");
		}
		(void)dg_json_member_bool(element, "isBranchDeployment", &item.branch);
	}
	if (r == 0 && dg_request_kind(api.p, api.n) != DG_REQ_UNKNOWN) {
		r = text(element, "requestBody", &body)
			    ? decode_body(dg_buf_str(&body), &item, &location, &e)
			    : dg_fail(&e, DG_USER, 0,
				      "a popped request without a requestBody");
		if (r < 0) /* it is of a known kind all the same: an error is its answer
			    */
			item.kind = dg_request_kind(api.p, api.n);
	}
	item.request_id = dg_buf_str(&id);
	item.api = dg_buf_str(&api);
	item.deployment = dg_buf_str(&deployment);
	item.body = dg_buf_str(&body);
	item.location = r < 0 ? DG_STR("") : dg_buf_str(&location);
	item.error = r < 0 ? dg_str(e.what) : DG_STR("");
	fn(arg, &item);
}
