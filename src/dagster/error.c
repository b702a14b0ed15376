/* dagster/error.c: see error.h. */
#include "dagster/error.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/time.h"
#include "json/json.h"
#include "json/write.h"

#define CLS_NAME_MAX 1000
/* A chain of causes this long is a loop or an attack; Python itself stops near here. */
#define CHAIN_MAX 100

static struct dg_str
or_null(struct dg_str json)
{
	return json.n ? json : DG_STR("null");
}

/* The object with its members in the order of json.dumps(sort_keys=True). */
static void
compose(struct dg_buf *out, struct dg_str cause, struct dg_str cls_name,
	struct dg_str context, struct dg_str message, struct dg_str stack)
{
	struct dg_jw w = dg_jw(out);

	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "__class__", "SerializableErrorInfo");
	dg_jw_kraw(&w, "cause", or_null(cause));
	dg_jw_kraw(&w, "cls_name", or_null(cls_name));
	dg_jw_kraw(&w, "context", or_null(context));
	dg_jw_kraw(&w, "message", message);
	dg_jw_kraw(&w, "stack", stack.n ? stack : DG_STR("[]"));
	dg_jw_close_object(&w);
}

void
dg_error_add(struct dg_buf *out, const char *cls, struct dg_str text, struct dg_str cause)
{
	const char *dot = strrchr(cls, '.');
	auto_buf name = DG_BUF_INIT;
	auto_buf raw = DG_BUF_INIT;
	auto_buf message = DG_BUF_INIT;

	dg_json_add_str(&name, dg_str(dot ? dot + 1 : cls));
	dg_buf_addf(&raw, "%s: ", cls);
	dg_buf_addstr(&raw, text);
	dg_buf_addc(&raw, '\n');
	dg_json_add_str(&message, dg_buf_str(&raw));
	compose(out, cause, dg_buf_str(&name), DG_STR_NULL, dg_buf_str(&message),
		DG_STR_NULL);
}

void
dg_error_add_plain(struct dg_buf *out, struct dg_str message)
{
	auto_buf m = DG_BUF_INIT;

	dg_json_add_str(&m, message);
	compose(out, DG_STR_NULL, DG_STR_NULL, DG_STR_NULL, dg_buf_str(&m), DG_STR_NULL);
}

void
dg_error_add_unreachable(struct dg_buf *out, const char *status, int64_t seconds,
	bool sensor, struct dg_str details)
{
	auto_buf text = DG_BUF_INIT;
	auto_buf inner = DG_BUF_INIT;
	auto_buf cause = DG_BUF_INIT;

	if (!status)
		dg_buf_adds(&text, "Could not reach user code server");
	else if (strcmp(status, "DEADLINE_EXCEEDED") != 0)
		dg_buf_addf(&text,
			"Could not reach user code server. gRPC Error code: %s", status);
	else if (sensor)
		dg_buf_addf(&text,
			"The sensor tick timed out due to taking longer than %" PRId64
			" seconds to execute the sensor function. One way to avoid this "
			"error is to break up the sensor work into chunks, using cursors "
			"to "
			"let subsequent sensor calls pick up where the previous call "
			"left "
			"off.",
			seconds);
	else
		dg_buf_addf(&text,
			"User code server request timed out due to taking longer than "
			"%" PRId64 " seconds to complete.",
			seconds);
	if (status) {
		dg_buf_addf(&inner,
			"<_InactiveRpcError of RPC that terminated with:\n"
			"\tstatus = StatusCode.%s\n\tdetails = \"",
			status);
		dg_buf_addstr(&inner, details);
		dg_buf_addf(&inner, "\"\n\tdebug_error_string = \"%s:", status);
		dg_buf_addstr(&inner, details);
		dg_buf_adds(&inner, "\"\n>");
		dg_error_add(&cause, "grpc._channel._InactiveRpcError",
			dg_buf_str(&inner), DG_STR_NULL);
	} else if (details.n)
		dg_error_add(&cause, DG_CLS_EXCEPTION, details, DG_STR_NULL);
	dg_error_add(out, DG_CLS_UNREACHABLE, dg_buf_str(&text), dg_buf_str(&cause));
}

void
dg_error_add_no_server(
	struct dg_buf *out, struct dg_str deployment, struct dg_str location)
{
	auto_buf text = DG_BUF_INIT;

	dg_buf_addf(&text, "No server endpoint exists for %.*s:%.*s", DG_FMT(deployment),
		DG_FMT(location));
	dg_error_add(out, DG_CLS_UNREACHABLE, dg_buf_str(&text), DG_STR_NULL);
}

void
dg_error_add_server_failed(struct dg_buf *out, struct dg_str deployment,
	struct dg_str location, struct dg_str error)
{
	auto_buf text = DG_BUF_INIT;

	dg_buf_addf(&text, "Failure loading server endpoint for %.*s:%.*s:\n",
		DG_FMT(deployment), DG_FMT(location));
	dg_error_text(error, &text);
	dg_error_add(out, DG_CLS_UNREACHABLE, dg_buf_str(&text), DG_STR_NULL);
}

void
dg_error_add_not_allowed(
	struct dg_buf *out, struct dg_str deployment, struct dg_str location, bool branch)
{
	auto_buf text = DG_BUF_INIT;

	dg_buf_addf(&text, "Agent is not allowed to serve location '%.*s' ",
		DG_FMT(location));
	if (branch)
		dg_buf_adds(&text, "for branch deployments");
	else
		dg_buf_addf(&text, "in deployment '%.*s'", DG_FMT(deployment));
	dg_buf_adds(&text,
		". Location is not in the allowed locations list configured for this "
		"agent. "
		"Either configure this location's dagster_cloud.yaml file to use a "
		"different "
		"queue, or redeploy this agent with this location in the list of allowed "
		"locations.");
	dg_error_add(out, DG_CLS_EXCEPTION, dg_buf_str(&text), DG_STR_NULL);
}

void
dg_error_add_deprecated(struct dg_buf *out, const char *kind)
{
	auto_buf text = DG_BUF_INIT;

	dg_buf_addf(&text,
		"Failure condition: Unexpected deprecated request type "
		"DagsterCloudApi.%s",
		kind);
	dg_error_add(out, DG_CLS_CHECK, dg_buf_str(&text), DG_STR_NULL);
}

bool
dg_error_is(struct dg_str value)
{
	struct dg_str cls;

	return dg_json_member(value, "__class__", &cls) &&
	       dg_json_is(cls, "SerializableErrorInfo");
}

static struct dg_str
member(struct dg_str object, const char *key)
{
	struct dg_str v;

	if (!dg_json_member(object, key, &v) || dg_json_is_null(v))
		return DG_STR_NULL;
	return v;
}

static void
text_of(struct dg_str error, struct dg_buf *out, int depth)
{
	struct dg_str v, line;
	struct dg_json_iter it;

	(void)dg_json_decode(member(error, "message"), out);
	it = dg_json_iter(member(error, "stack"));
	for (bool first = true; dg_json_next_item(&it, &line); first = false) {
		if (first)
			dg_buf_adds(out, "\nStack Trace:\n");
		(void)dg_json_decode(line, out);
	}
	if (depth >= CHAIN_MAX)
		return;
	v = member(error, "cause");
	if (v.n) {
		dg_buf_adds(out,
			"\nThe above exception was caused by the following exception:\n");
		text_of(v, out, depth + 1);
	}
	v = member(error, "context");
	if (v.n) {
		dg_buf_adds(out,
			"\nThe above exception occurred during handling of the following "
			"exception:\n");
		text_of(v, out, depth + 1);
	}
}

void
dg_error_text(struct dg_str error, struct dg_buf *out)
{
	text_of(error, out, 0);
}

void
dg_error_line(struct dg_str error, size_t max, struct dg_buf *out)
{
	auto_buf m = DG_BUF_INIT;
	auto_buf cls = DG_BUF_INIT;
	struct dg_str s;
	const char *p;

	(void)dg_json_decode(member(error, "message"), &m);
	(void)dg_json_decode(member(error, "cls_name"), &cls);
	s = dg_buf_str(&m);
	/* "a.b.Name: text": the class's name and a colon end what is left out. */
	p = s.n && cls.n ? strstr(s.p, ": ") : NULL;
	if (p && (size_t)(p - s.p) >= cls.n && memcmp(p - cls.n, cls.p, cls.n) == 0 &&
		!memchr(s.p, ' ', (size_t)(p - s.p))) {
		s.n -= (size_t)(p + 2 - s.p);
		s.p = p + 2;
	}
	p = s.n ? memchr(s.p, '\n', s.n) : NULL;
	if (p)
		s.n = (size_t)(p - s.p);
	if (s.n > max)
		for (s.n = max; s.n && ((unsigned char)s.p[s.n] & 0xc0) == 0x80;)
			s.n--;
	dg_buf_addstr(out, s);
}

/* Characters as Python counts them; a surrogate (three bytes) is one. */
static size_t
chars(struct dg_str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static size_t
chars_of(struct dg_str json_string)
{
	auto_buf b = DG_BUF_INIT;

	(void)dg_json_decode(json_string, &b);
	return chars(dg_buf_str(&b));
}

/* STRING itself, or its first LIMIT characters and " (TRUNCATED)" made in SCRATCH. */
static struct dg_str
cut(struct dg_str string, size_t limit, struct dg_buf *scratch)
{
	auto_buf b = DG_BUF_INIT;
	size_t i = 0;

	/* A character has at least one byte: a short string needs no counting. */
	if (!string.n || string.n - 2 <= limit)
		return string;
	(void)dg_json_decode(string, &b);
	if (chars(dg_buf_str(&b)) <= limit)
		return string;
	for (size_t n = 0; i < b.n; i++)
		if (((unsigned char)b.p[i] & 0xc0) != 0x80 && n++ == limit)
			break;
	b.n = i;
	dg_buf_adds(&b, " (TRUNCATED)");
	dg_json_add_str(scratch, dg_buf_str(&b));
	return dg_buf_str(scratch);
}

static struct dg_str
cut_inner(struct dg_str inner, const char *name, size_t limit, int depth,
	struct dg_buf *scratch)
{
	auto_buf text = DG_BUF_INIT;

	if (!inner.n)
		return inner;
	if (depth > 0)
		dg_error_truncate(inner, limit, depth - 1, scratch);
	else if (inner.n <= limit)
		return inner;
	else {
		dg_buf_addf(&text, "(%s truncated due to size limitations)", name);
		dg_error_add_plain(scratch, dg_buf_str(&text));
	}
	return dg_buf_str(scratch);
}

static void
cut_stack(struct dg_str stack, size_t limit, struct dg_buf *out)
{
	struct dg_json_iter it = dg_json_iter(stack);
	struct dg_jw w = dg_jw(out);
	struct dg_str line;
	size_t sum = 0;

	dg_jw_open_array(&w);
	while (dg_json_next_item(&it, &line)) {
		sum += chars_of(line);
		if (sum > limit) {
			dg_jw_str(&w, "(TRUNCATED)");
			break;
		}
		dg_jw_raw(&w, line);
	}
	dg_jw_close_array(&w);
}

void
dg_error_truncate(struct dg_str error, size_t limit, int depth, struct dg_buf *out)
{
	auto_buf cause = DG_BUF_INIT;
	auto_buf context = DG_BUF_INIT;
	auto_buf message = DG_BUF_INIT;
	auto_buf name = DG_BUF_INIT;
	auto_buf stack = DG_BUF_INIT;
	struct dg_str m = member(error, "message");

	cut_stack(member(error, "stack"), limit, &stack);
	compose(out, cut_inner(member(error, "cause"), "Cause", limit, depth, &cause),
		cut(member(error, "cls_name"), CLS_NAME_MAX, &name),
		cut_inner(member(error, "context"), "Context", limit, depth, &context),
		cut(m.n ? m : DG_STR("\"\""), limit, &message), dg_buf_str(&stack));
}

void
dg_error_add_timestamped(struct dg_buf *out, struct dg_str error, int64_t wall_usec)
{
	struct dg_jw w = dg_jw(out);
	char t[32];

	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "__class__", "TimestampedError");
	dg_jw_kraw(&w, "error", error);
	dg_jw_kraw(&w, "timestamp", dg_str(dg_wall_json(wall_usec, t)));
	dg_jw_close_object(&w);
}
