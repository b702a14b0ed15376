/* The requests in memory. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/mem.h"
#include "ledger/book.h"

static struct dg_entry *
add(struct dg_book *b, const char *request_id, enum dg_request_kind kind, size_t bytes)
{
	struct dg_msg_request m = {.kind = kind,
		.request_id = dg_str(request_id),
		.api = DG_STR("X"),
		.deployment = DG_STR("prod"),
		.location = DG_STR("etl")};
	auto_free char *p = dg_xcalloc(bytes + 1, 1);
	struct dg_body body = DG_BODY(p, bytes);

	return dg_book_add(b, 0, &m, &body);
}

Test(book, finds_by_both_names_and_forgets)
{
	struct dg_book b;
	struct dg_entry *x, *y;

	dg_book_init(&b);
	x = add(&b, "r-1", DG_REQ_PING_LOCATION, 10);
	y = add(&b, "r-2", DG_REQ_LAUNCH_RUN, 20);
	cr_assert_eq(x->id + 1, y->id);
	cr_assert_eq(dg_book_by_id(&b, x->id), x);
	cr_assert_eq(dg_book_by_request(&b, DG_STR("r-2")), y);
	cr_assert_eq(b.bytes, 30);
	dg_book_drop(&b, x);
	cr_assert_null(dg_book_by_request(&b, DG_STR("r-1")));
	cr_assert_eq(b.bytes, 20);
	cr_assert_eq(b.count, 1);
	dg_book_clear(&b);
}

Test(book, ids_from_the_store_push_the_next_one_on)
{
	struct dg_book b;
	struct dg_msg_request m = {.request_id = DG_STR("old")};
	struct dg_body body = DG_BODY_NONE;

	dg_book_init(&b);
	cr_assert_eq(dg_book_add(&b, 41, &m, &body)->id, 41);
	cr_assert_eq(add(&b, "new", 0, 0)->id, 42);
	dg_book_clear(&b);
}

Test(book, room_ends_with_requests_and_with_bytes)
{
	struct dg_book b;
	char id[32];

	dg_book_init(&b);
	cr_assert_eq(dg_book_room(&b), DG_PENDING_MAX);
	for (int i = 0; i < DG_PENDING_MAX; i++) {
		snprintf(id, sizeof id, "r-%d", i);
		add(&b, id, DG_REQ_PING_LOCATION, 0);
	}
	cr_assert_eq(dg_book_room(&b), 0);
	cr_assert_eq(dg_book_room_bytes(&b), DG_PENDING_BYTES);
	dg_book_clear(&b);
}

Test(book, a_tombstone_keeps_the_last_answer)
{
	struct dg_book b;

	dg_book_init(&b);
	cr_assert_null(dg_book_tombstone(&b, DG_STR("r")));
	dg_book_bury(&b, DG_STR("r"), DG_STR("one"), 1);
	dg_book_bury(&b, DG_STR("r"), DG_STR("two"), 2);
	cr_assert_str_eq(dg_book_tombstone(&b, DG_STR("r"))->answer.p, "two");
	dg_book_clear(&b);
}

Test(book, what_may_not_happen_twice_is_marked_before_it_goes)
{
	static const struct {
		enum dg_request_kind kind;
		bool sent;
	} rows[] = {
		{DG_REQ_PING_LOCATION, false},
		{DG_REQ_GET_EXTERNAL_SENSOR_EXECUTION_DATA, false},
		{DG_REQ_TERMINATE_RUN, false},
		{DG_REQ_LAUNCH_RUN, true},
		{DG_REQ_REFRESH_COMPONENT_STATE, true},
		{DG_REQ_UNKNOWN, false},
	};
	struct dg_book b;

	dg_book_init(&b);
	for (size_t i = 0; i < DG_N(rows); i++) {
		char id[16];

		snprintf(id, sizeof id, "%zu", i);
		cr_assert_eq(dg_entry_needs_sent(add(&b, id, rows[i].kind, 0)),
			rows[i].sent, "row %zu", i);
	}
	dg_book_clear(&b);
}
