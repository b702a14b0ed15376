/* launcher/uploads.c: snapshots on their way: what the saga in upload.c wants done. See
 * launcher.h.
 *
 * Texts stream from the code server through SHA-1 and deflate into memfds and from there
 * to the reporter; a repository of 90 MB is never in memory as such.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/mem.h"
#include "dagster/error.h"
#include "grpc/proto.h"
#include "launcher/launcher.h"
#include "launcher/upload.h"
#include "log/log.h"

struct dg_up_op {
	TAILQ_ENTRY(dg_up_op) link;
	struct dg_uploads *u;
	enum dg_upload_do what;
	size_t i;
	struct dg_call *call;
	struct dg_errand *errand;
	struct dg_pack *pack; /* of a repository */
	bool unary;           /* the server has no stream of repositories */
};

struct dg_uploads {
	struct dg_place *p;
	struct dg_server *s; /* NULL: an error is uploaded */
	struct dg_upload saga;
	TAILQ_HEAD(, dg_up_op) ops;
	struct dg_pack *entry; /* legacy: all in one */
	bool world;            /* what failed was neither the code's doing nor refused */
	bool busy;             /* inside pump() */
};

static void pump(struct dg_uploads *u);

struct dg_server *
dg_uploads_server(const struct dg_uploads *u)
{
	return u->s;
}

static void
op_free(struct dg_up_op *o)
{
	TAILQ_REMOVE(&o->u->ops, o, link);
	if (o->call)
		dg_call_cancel(o->call);
	dg_errand_forget(o->errand);
	dg_pack_free(o->pack);
	free(o);
}

static void
drop_ops(struct dg_uploads *u)
{
	struct dg_up_op *o;

	while ((o = TAILQ_FIRST(&u->ops)))
		op_free(o);
	dg_pack_free(TAKE_PTR(u->entry));
}

static void
uploads_free(struct dg_uploads *u)
{
	drop_ops(u);
	dg_upload_clear(&u->saga);
	free(u);
}

void
dg_uploads_stop(struct dg_place *p)
{
	if (p->upload)
		uploads_free(TAKE_PTR(p->upload));
}

void
dg_uploads_start(struct dg_place *p, struct dg_server *s)
{
	struct dg_uploads *u = dg_new(struct dg_uploads);

	dg_uploads_stop(p);
	p->upload = u;
	u->p = p;
	u->s = s;
	TAILQ_INIT(&u->ops);
	dg_upload_init(&u->saga, p->l->tuning.direct, dg_str(p->location),
		s ? dg_buf_str(&s->metadata) : dg_buf_str(&p->metadata),
		s            ? NULL
		: p->error.n ? p->error.p
			     : "{}");
	pump(u);
}

static struct dg_up_op *
op_new(struct dg_uploads *u, enum dg_upload_do what, size_t i)
{
	struct dg_up_op *o = dg_new(struct dg_up_op);

	o->u = u;
	o->what = what;
	o->i = i;
	TAILQ_INSERT_TAIL(&u->ops, o, link);
	return o;
}

static void
fail_text(struct dg_uploads *u, const char *text)
{
	drop_ops(u);
	dg_upload_fail(&u->saga, NULL, text);
}

static void
fail_err(struct dg_uploads *u, const struct dg_err *e)
{
	char text[DG_ERR_TEXT];

	fail_text(u, dg_err_text(e, text, sizeof(text)));
}

/* From the code server. */

static void
fail_reply(struct dg_uploads *u, const struct dg_reply *reply, dg_usec timeout)
{
	auto_buf error = DG_BUF_INIT;

	dg_error_add_unreachable(&error, dg_grpc_status_name(reply->status),
		(int64_t)(timeout / DG_SEC), false, reply->text);
	u->world |= reply->status == DG_GRPC_UNAVAILABLE ||
		    reply->status == DG_GRPC_DEADLINE_EXCEEDED ||
		    reply->status == DG_GRPC_CANCELLED;
	drop_ops(u);
	dg_upload_fail(&u->saga, error.p, NULL);
}

static dg_usec
timeout_of(const struct dg_uploads *u, enum dg_upload_do what, size_t i)
{
	const struct dg_tuning *t = &u->p->l->tuning;

	if (what == DG_UP_LIST)
		return t->list;
	if (what == DG_UP_FETCH && u->saga.snaps[i].kind == DG_SNAP_REPOSITORY)
		return t->repository;
	return what == DG_UP_FETCH && !t->direct ? t->job : t->unary;
}

/* The job's text as it came: all of it (legacy), or the snapshot inside. */
static int
pack_job(struct dg_uploads *u, struct dg_str job, struct dg_packed *ret, struct dg_err *e)
{
	struct dg_pack *k;
	int r;

	if (u->saga.direct && (r = dg_job_snapshot(job, &job, e)) < 0)
		return r;
	if ((r = dg_pack_new(&k, !u->saga.direct, e)) < 0)
		return r;
	if ((r = dg_pack_add(k, job, e)) < 0) {
		dg_pack_free(k);
		return r;
	}
	return dg_pack_end(k, ret, e);
}

/* Of the legacy entry. */
static int
end_repository(struct dg_uploads *u, struct dg_err *e)
{
	auto_buf text = DG_BUF_INIT;
	int r = dg_pack_end_quoted(u->entry, e);

	dg_entry_repository_end(&text);
	return r < 0 ? r : dg_pack_add(u->entry, dg_buf_str(&text), e);
}

static void
fetched(struct dg_uploads *u, struct dg_up_op *o, struct dg_reply *reply)
{
	struct dg_packed packed = DG_PACKED_NONE;
	struct dg_err e = {0};
	size_t i = o->i;
	int r = 0;

	if (u->saga.snaps[i].kind == DG_SNAP_JOB) {
		struct dg_str job = dg_buf_str(&reply->field[1]);

		if (!job.n) {
			auto_buf error = DG_BUF_INIT;

			dg_job_missing_error(&error, dg_buf_str(&reply->field[2]));
			drop_ops(u);
			dg_upload_fail(&u->saga, error.p, NULL);
			return;
		}
		r = pack_job(u, job, &packed, &e);
	} else if (u->saga.direct) {
		r = dg_pack_end(TAKE_PTR(o->pack), &packed, &e);
	} else {
		r = end_repository(u, &e);
	}
	op_free(o);
	if (r < 0)
		fail_err(u, &e);
	else
		dg_upload_fetched(&u->saga, i, &packed);
	dg_packed_clear(&packed);
}

static void fetch(struct dg_up_op *o);

static void
replied(void *arg, struct dg_call *c, struct dg_reply *reply)
{
	struct dg_up_op *o = arg;
	struct dg_uploads *u = o->u;
	enum dg_upload_do what = o->what;
	struct dg_str text = dg_buf_str(&reply->field[1]);

	(void)c;
	o->call = NULL;
	if (reply->status == DG_GRPC_UNIMPLEMENTED && what == DG_UP_FETCH && !o->unary) {
		o->unary = true;
		fetch(o);
	} else if (reply->status != DG_GRPC_OK) {
		fail_reply(u, reply, timeout_of(u, what, o->i));
	} else if (what == DG_UP_FETCH) {
		fetched(u, o, reply);
	} else {
		op_free(o);
		if (what == DG_UP_LIST)
			dg_upload_listed(&u->saga, text);
		else
			dg_upload_image(&u->saga, text);
	}
	pump(u);
}

static int
sink(void *arg, const char *p, size_t n, struct dg_err *e)
{
	struct dg_up_op *o = arg;

	return o->u->saga.direct ? dg_pack_add(o->pack, dg_strn(p, n), e)
				 : dg_pack_add_quoted(o->u->entry, dg_strn(p, n), e);
}

/* Where the text of a repository goes. */
static int
prepare(struct dg_up_op *o, struct dg_err *e)
{
	struct dg_uploads *u = o->u;
	auto_buf before = DG_BUF_INIT;
	int r;

	if (u->saga.direct)
		return o->pack ? 0 : dg_pack_new(&o->pack, false, e);
	if (!u->entry && (r = dg_pack_new(&u->entry, true, e)) < 0)
		return r;
	if (o->unary)
		return 0; /* the stream failed before it brought anything */
	dg_upload_entry_before(&u->saga, o->i, &before);
	return dg_pack_add(u->entry, dg_buf_str(&before), e);
}

static void
fetch(struct dg_up_op *o)
{
	struct dg_uploads *u = o->u;
	const struct dg_snap *snap = &u->saga.snaps[o->i];
	bool job = snap->kind == DG_SNAP_JOB;
	auto_buf m = DG_BUF_INIT, text = DG_BUF_INIT;
	struct dg_err e = {0};
	struct dg_call_spec spec = {
		.method = job        ? "ExternalJob"
			  : o->unary ? "ExternalRepository"
				     : "StreamingExternalRepository",
		.timeout = timeout_of(u, DG_UP_FETCH, o->i),
		.stream = !job && !o->unary,
		.bulk = true,
		.sink_field = job        ? 0
			      : o->unary ? 1
					 : 2,
		.sink = sink,
		.done = replied,
		.arg = o,
	};

	if (!job && prepare(o, &e) < 0) {
		fail_err(u, &e);
		return;
	}
	dg_repository_origin(&text, u->p->location, snap->repository);
	dg_pb_add_str(&m, 1, dg_buf_str(&text));
	if (job)
		dg_pb_add_str(&m, 2, dg_str(snap->job));
	else
		dg_pb_add_bool(&m, 2, true); /* defer_snapshots */
	o->call = dg_call_start(u->s->channel, &spec, &m);
}

/* To the control plane. */

static void
answered(void *arg, const struct dg_msg_call_done *m)
{
	struct dg_up_op *o = arg;
	struct dg_uploads *u = o->u;
	enum dg_upload_do what = o->what;
	struct dg_str body = dg_strn(m->body.p, m->body.n);
	auto_buf text = DG_BUF_INIT;
	size_t i = o->i;

	o->errand = NULL;
	op_free(o);
	if (m->cls) {
		u->world |= m->cls == DG_TRANSPORT || m->cls == DG_LIMIT;
		dg_buf_addstr(&text, m->text);
		fail_text(u, text.p ? text.p : "the control plane did not take it");
	} else {
		dg_upload_answer(&u->saga, what, i, body);
	}
	pump(u);
}

static void
ask(struct dg_up_op *o, enum dg_call_op op, const char *args, struct dg_blob *take_body)
{
	o->errand = dg_calls_send(&o->u->p->l->calls, op, o->u->p->deployment, NULL, args,
		NULL, take_body, answered, o);
}

static int
dup_blob(int fd, struct dg_blob *b, struct dg_err *e)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (copy < 0)
		return dg_fail(e, DG_TRANSPORT, errno, "cannot pass on a snapshot");
	return dg_blob_from_fd(b, copy, e);
}

static int
put_body(const struct dg_snap *s, struct dg_blob *b, struct dg_err *e)
{
	int fd;

	if (!s->as_text)
		return dup_blob(s->packed.fd, b, e);
	fd = dg_packed_text(&s->packed, e);
	return fd < 0 ? fd : dg_blob_from_fd(b, fd, e);
}

/* Legacy: the end of the entry, or all of it for an error. */
static int
close_entry(struct dg_uploads *u, struct dg_err *e)
{
	auto_buf text = DG_BUF_INIT;
	int r;

	if (u->saga.entry.fd >= 0)
		return 0;
	if (!u->entry) { /* no repository, or an error */
		if ((r = dg_pack_new(&u->entry, true, e)) < 0)
			return r;
		dg_upload_entry_before(&u->saga, 0, &text);
	}
	dg_upload_entry_end(&u->saga, &text);
	if ((r = dg_pack_add(u->entry, dg_buf_str(&text), e)) < 0)
		return r;
	return dg_pack_end(TAKE_PTR(u->entry), &u->saga.entry, e);
}

static int
call_out(struct dg_uploads *u, struct dg_up_op *o, struct dg_err *e)
{
	const struct dg_snap *s = o->i < u->saga.nsnaps ? &u->saga.snaps[o->i] : NULL;
	struct dg_blob b = DG_BLOB_INIT;
	auto_buf query = DG_BUF_INIT;
	int r = 0;

	switch (o->what) {
	case DG_UP_CHECK:
		dg_upload_query(s, &query);
		ask(o, DG_CALL_OP_CHECK_SNAPSHOT, query.p, &b);
		break;
	case DG_UP_PUT:
		if ((r = put_body(s, &b, e)) == 0)
			ask(o, DG_CALL_OP_PUT_SNAPSHOT, s->url, &b);
		break;
	case DG_UP_CONFIRM:
		if ((r = dg_blob_from(&b, dg_str(s->upload), e)) == 0)
			ask(o, DG_CALL_OP_CONFIRM_UPLOAD, NULL, &b);
		break;
	case DG_UP_UPDATE:
		if ((r = dg_blob_from(&b, dg_buf_str(&u->saga.result), e)) == 0)
			ask(o, DG_CALL_OP_UPDATE_RESULT, NULL, &b);
		break;
	case DG_UP_ENTRY:
		if ((r = close_entry(u, e)) == 0 &&
			(r = dup_blob(u->saga.entry.fd, &b, e)) == 0)
			ask(o, DG_CALL_OP_UPLOAD_ENTRY, NULL, &b);
		break;
	case DG_UP_JOB:
	default:
		if ((r = dup_blob(s->packed.fd, &b, e)) == 0)
			ask(o, DG_CALL_OP_UPLOAD_JOB, NULL, &b);
	}
	return r;
}

/* The saga. */

static int
error_text(struct dg_uploads *u, struct dg_err *e)
{
	auto_buf cut = DG_BUF_INIT, line = DG_BUF_INIT;
	struct dg_packed packed = DG_PACKED_NONE;
	struct dg_pack *k;
	int r;

	dg_error_truncate(dg_str(u->saga.error), u->p->l->tuning.upload_error, 5, &cut);
	dg_error_line(dg_buf_str(&cut), 300, &line);
	dg_logkv(LOG_ERR, DG_KV({"dep", u->p->deployment}, {"loc", u->p->location}),
		"the location's definitions are replaced by an error: %s",
		line.p ? line.p : "");
	if (u->saga.direct) {
		if ((r = dg_pack_new(&k, false, e)) < 0)
			return r;
		if ((r = dg_pack_add(k, dg_buf_str(&cut), e)) < 0) {
			dg_pack_free(k);
			return r;
		}
		if ((r = dg_pack_end(k, &packed, e)) < 0)
			return r;
	}
	dg_upload_error(&u->saga, dg_buf_str(&cut), &packed);
	return 0;
}

static void
over(struct dg_uploads *u)
{
	struct dg_place *p = u->p;
	struct dg_server *s = u->s;
	auto_buf line = DG_BUF_INIT;
	bool again;

	if (u->saga.error)
		dg_error_line(dg_str(u->saga.error), 300, &line);
	if (u->saga.ok)
		dg_logkv(LOG_INFO, DG_KV({"dep", p->deployment}, {"loc", p->location}),
			"the location's definitions are uploaded");
	else if (u->saga.failing)
		dg_logkv(LOG_WARNING, DG_KV({"dep", p->deployment}, {"loc", p->location}),
			"the upload ended without definitions: %s", line.p ? line.p : "");
	again = u->world && !u->saga.ok;
	p->upload = NULL;
	uploads_free(u);
	dg_place_event(p, &(struct dg_loc_event){.type = DG_LOC_UPLOADED,
				  .serial = s ? s->serial : 0,
				  .again = again});
}

static void
pump(struct dg_uploads *u)
{
	enum dg_upload_do what;
	struct dg_err e = {0};
	size_t i;

	if (u->busy)
		return;
	u->busy = true;
	while (dg_upload_next(&u->saga, &what, &i)) {
		struct dg_up_op *o;
		auto_buf m = DG_BUF_INIT;

		if (what == DG_UP_DONE) {
			over(u);
			return;
		}
		if (what == DG_UP_ERROR) {
			drop_ops(u);
			if (error_text(u, &e) < 0)
				fail_err(u, &e);
			continue;
		}
		o = op_new(u, what, i);
		if (what == DG_UP_LIST || what == DG_UP_IMAGE)
			o->call = dg_server_call(u->s,
				what == DG_UP_LIST ? "ListRepositories"
						   : "GetCurrentImage",
				timeout_of(u, what, i), &m, replied, o);
		else if (what == DG_UP_FETCH)
			fetch(o);
		else if (call_out(u, o, &e) < 0)
			fail_err(u, &e);
	}
	u->busy = false;
}
