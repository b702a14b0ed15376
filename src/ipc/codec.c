/* ipc/codec.c: see codec.h.
 *
 * A rule is the list of a message's field kinds; the payload structs hold their fields in
 * that order, so one walk packs, unpacks and releases every type.
 */
#include "ipc/codec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"

struct rule {
	const char *name;
	unsigned from, to;
	const char *kinds; /* one letter per field: U S B F */
	size_t size;
};

#define KIND_U(n) "U"
#define KIND_S(n) "S"
#define KIND_B(n) "B"
#define KIND_F(n) "F"

static const struct rule rules[] = {
#define X(name_, lower, from_, to_, fields)                                              \
	[DG_MSG_##name_] = {#name_, from_, to_,                                          \
		"" fields(KIND_U, KIND_S, KIND_B, KIND_F),                               \
		sizeof(struct dg_msg_##lower)},
	DG_MSG_TABLE(X)
#undef X
};
_Static_assert(DG_N(rules) == DG_MSG_COUNT, "one rule per message");
_Static_assert(sizeof(struct dg_msg_head) == 16, "the header has no holes");

const char *
dg_msg_name(unsigned type)
{
	return type < DG_MSG_COUNT ? rules[type].name : "?";
}

bool
dg_msg_allowed(unsigned type, enum dg_role from, enum dg_role to)
{
	return type < DG_MSG_COUNT && rules[type].from & DG_ROLE_BIT(from) &&
	       rules[type].to & DG_ROLE_BIT(to);
}

/* The field of kind K at *AT, which moves behind it. */
static void *
field_at(char kind, void *payload, size_t *at)
{
	static const struct {
		char kind;
		size_t size, align;
	} rows[] = {
		{'U', sizeof(uint64_t), _Alignof(uint64_t)},
		{'S', sizeof(struct dg_str), _Alignof(struct dg_str)},
		{'B', sizeof(struct dg_body), _Alignof(struct dg_body)},
		{'F', sizeof(int), _Alignof(int)},
	};

	for (size_t i = 0; i < DG_N(rows); i++)
		if (rows[i].kind == kind) {
			size_t start = (*at + rows[i].align - 1) & ~(rows[i].align - 1);

			*at = start + rows[i].size;
			return (char *)payload + start;
		}
	DG_ASSERT(!"a field kind");
	return NULL;
}

static int
pack_body(const struct dg_body *b, struct dg_buf *out, int *ret_fd, bool *own,
	struct dg_err *e)
{
	uint64_t len = b->n;
	int fd = b->fd;

	if (b->n > DG_BODY_MAX)
		return dg_fail(e, DG_LIMIT, 0, "a body of %zu bytes is too large", b->n);
	if (fd < 0 && b->n > DG_INLINE_MAX) {
		fd = dg_memfd_sealed("daglet-body", b->p, b->n, e);
		if (fd < 0)
			return fd;
		*own = true;
	}
	dg_buf_add(out, &len, sizeof len);
	if (fd < 0)
		dg_buf_add(out, b->p, b->n);
	*ret_fd = fd;
	return 0;
}

int
dg_msg_pack(enum dg_msg_type type, uint32_t epoch, uint64_t id, const void *payload,
	struct dg_buf *out, int *ret_fd, bool *own, struct dg_err *e)
{
	struct dg_msg_head head = {(uint16_t)type, 0, epoch, id};
	size_t start = out->n, at = 0;
	int r;

	*ret_fd = -1;
	*own = false;
	dg_buf_add(out, &head, sizeof head);
	for (const char *k = rules[type].kinds; *k; k++) {
		const void *field = field_at(*k, (void *)(uintptr_t)payload, &at);

		if (*k == 'U') {
			dg_buf_add(out, field, sizeof(uint64_t));
		} else if (*k == 'S') {
			const struct dg_str *s = field;
			uint32_t n = (uint32_t)s->n;

			if (s->n > DG_MSG_STRING_MAX)
				return dg_fail(e, DG_LIMIT, 0,
					"%s: a string of %zu bytes is too long",
					rules[type].name, s->n);
			dg_buf_add(out, &n, sizeof n);
			dg_buf_add(out, s->p, s->n);
		} else if (*k == 'B') {
			r = pack_body(field, out, ret_fd, own, e);
			if (r < 0)
				return r;
		} else {
			*ret_fd = *(const int *)field;
			DG_ASSERT(*ret_fd >= 0);
		}
	}
	if (out->n - start > DG_DATAGRAM_MAX)
		return dg_fail(e, DG_LIMIT, 0, "%s: a message of %zu bytes is too long",
			rules[type].name, out->n - start);
	if (*ret_fd >= 0) {
		head.flags = DG_MSG_FLAG_FD;
		memcpy(out->p + start, &head, sizeof head);
	}
	return 0;
}

/* A payload that owns nothing: release is safe at any moment from here on. */
static void
blank(const struct rule *rule, void *payload)
{
	size_t at = 0;

	memset(payload, 0, rule->size);
	for (const char *k = rule->kinds; *k; k++) {
		void *field = field_at(*k, payload, &at);

		if (*k == 'B')
			*(struct dg_body *)field = DG_BODY_NONE;
		else if (*k == 'F')
			*(int *)field = -1;
	}
}

static int
bad(struct dg_err *e, const struct rule *rule, const char *why)
{
	return dg_fail(e, DG_BUG, 0, "message %s: %s", rule->name, why);
}

static int
unpack_body(const struct rule *rule, struct dg_str *in, int *fd, struct dg_body *b,
	struct dg_err *e)
{
	struct dg_str map;
	uint64_t len;
	int seals, r;

	if (in->n < sizeof len)
		return bad(e, rule, "too short for its body");
	memcpy(&len, in->p, sizeof len);
	in->p += sizeof len;
	in->n -= sizeof len;
	if (*fd < 0) {
		if (len > in->n)
			return bad(e, rule, "too short for its body");
		*b = (struct dg_body){in->p, (size_t)len, -1};
		in->p += len;
		in->n -= (size_t)len;
		return 0;
	}
	seals = fcntl(*fd, F_GET_SEALS);
	if (seals < 0 || (seals & (F_SEAL_WRITE | F_SEAL_SHRINK)) !=
				 (F_SEAL_WRITE | F_SEAL_SHRINK))
		return bad(e, rule, "its body is not sealed");
	r = dg_map(*fd, DG_BODY_MAX, &map, e);
	if (r < 0)
		return r;
	if (map.n != len) {
		dg_unmap(map);
		return bad(e, rule, "its body has another length");
	}
	*b = (struct dg_body){map.p, map.n, TAKE_FD(*fd)};
	return 0;
}

static int
unpack_fields(const struct rule *rule, struct dg_str in, int *fd, void *payload,
	struct dg_err *e)
{
	size_t at = 0;
	int r;

	for (const char *k = rule->kinds; *k; k++) {
		void *field = field_at(*k, payload, &at);

		if (*k == 'U') {
			if (in.n < sizeof(uint64_t))
				return bad(e, rule, "too short");
			memcpy(field, in.p, sizeof(uint64_t));
			in.p += sizeof(uint64_t);
			in.n -= sizeof(uint64_t);
		} else if (*k == 'S') {
			uint32_t n;

			if (in.n < sizeof n)
				return bad(e, rule, "too short");
			memcpy(&n, in.p, sizeof n);
			if (n > DG_MSG_STRING_MAX || in.n - sizeof n < n)
				return bad(e, rule, "a string is too long");
			*(struct dg_str *)field = dg_strn(in.p + sizeof n, n);
			in.p += sizeof n + n;
			in.n -= sizeof n + n;
		} else if (*k == 'B') {
			r = unpack_body(rule, &in, fd, field, e);
			if (r < 0)
				return r;
		} else {
			if (*fd < 0)
				return bad(e, rule, "without its descriptor");
			*(int *)field = TAKE_FD(*fd);
		}
	}
	return in.n ? bad(e, rule, "too long") : 0;
}

int
dg_msg_unpack(const char *p, size_t n, int take_fd, struct dg_msg_head *head,
	union dg_msg_any *payload, struct dg_err *e)
{
	auto_close int fd = take_fd;
	const struct rule *rule;
	int r;

	if (n < sizeof *head)
		return dg_fail(e, DG_BUG, 0, "a message of %zu bytes", n);
	memcpy(head, p, sizeof *head);
	if (head->type >= DG_MSG_COUNT)
		return dg_fail(
			e, DG_BUG, 0, "a message of the unknown type %u", head->type);
	rule = &rules[head->type];
	if ((fd >= 0) != (head->flags == DG_MSG_FLAG_FD))
		return bad(e, rule, "a descriptor that nobody announced, or none");
	blank(rule, payload);
	r = unpack_fields(
		rule, dg_strn(p + sizeof *head, n - sizeof *head), &fd, payload, e);
	if (r == 0 && fd >= 0)
		r = bad(e, rule, "an uninvited descriptor");
	if (r < 0)
		dg_msg_release(head->type, payload);
	return r;
}

void
dg_msg_release(enum dg_msg_type type, union dg_msg_any *payload)
{
	size_t at = 0;

	for (const char *k = rules[type].kinds; *k; k++) {
		void *field = field_at(*k, payload, &at);

		if (*k == 'B') {
			struct dg_body *b = field;

			if (b->fd >= 0) {
				dg_unmap(dg_strn(b->p, b->n));
				close(b->fd);
			}
			*b = DG_BODY_NONE;
		} else if (*k == 'F') {
			dg_closep(field);
			*(int *)field = -1;
		}
	}
}

void
dg_body_take(struct dg_body *b, struct dg_blob *ret)
{
	if (b->fd >= 0)
		*ret = (struct dg_blob){(char *)(uintptr_t)b->p, b->n, b->fd};
	else
		*ret = (struct dg_blob){dg_xstrndup(b->p, b->n), b->n, -1};
	*b = DG_BODY_NONE;
}

int
dg_blob_from_fd(struct dg_blob *b, int take_fd, struct dg_err *e)
{
	auto_close int fd = take_fd;
	struct dg_str map;
	int r = dg_map(fd, DG_BODY_MAX, &map, e);

	if (r < 0)
		return r;
	*b = (struct dg_blob){(char *)(uintptr_t)map.p, map.n, TAKE_FD(fd)};
	return 0;
}

int
dg_blob_from(struct dg_blob *b, struct dg_str s, struct dg_err *e)
{
	int fd;

	if (s.n <= DG_INLINE_MAX) {
		*b = (struct dg_blob){dg_xstrndup(s.p, s.n), s.n, -1};
		return 0;
	}
	fd = dg_memfd_sealed("daglet-body", s.p, s.n, e);
	return fd < 0 ? fd : dg_blob_from_fd(b, fd, e);
}

struct dg_body
dg_blob_body(const struct dg_blob *b)
{
	return (struct dg_body){b->p ? b->p : "", b->n, b->fd};
}

struct dg_str
dg_blob_str(const struct dg_blob *b)
{
	return dg_strn(b->p ? b->p : "", b->n);
}

void
dg_blob_clear(struct dg_blob *b)
{
	if (b->fd >= 0) {
		dg_unmap(dg_strn(b->p, b->n));
		close(b->fd);
	} else {
		free(b->p);
	}
	*b = DG_BLOB_INIT;
}
