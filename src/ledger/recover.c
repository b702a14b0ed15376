/* ledger/recover.c: see recover.h. */
#include "ledger/recover.h"

#include "base/mem.h"
#include "base/time.h"

enum is { ANY, NO, YES };

/* clang-format off */
static const struct row {
	int stage; /* 0: any */
	enum is twice, buried, body, answer, again;
	enum dg_recover what;
} rows[] = {
	/* stage            twice buried body answer again   done */
	{0,                 YES,  ANY,   ANY, ANY,   ANY,    DG_RECOVER_FORGET},
	{DG_REQ_ANSWERED,   ANY,  ANY,   ANY, YES,   ANY,    DG_RECOVER_DELIVER},
	{0,                 ANY,  YES,   ANY, ANY,   ANY,    DG_RECOVER_REPEAT},
	{0,                 ANY,  ANY,   NO,  ANY,   ANY,    DG_RECOVER_REFUSE},
	{DG_REQ_RECORDED,   ANY,  ANY,   YES, ANY,   ANY,    DG_RECOVER_DISPATCH},
	{DG_REQ_SENT,       ANY,  ANY,   YES, ANY,   ANY,    DG_RECOVER_LOOK},
	{DG_REQ_ANSWERED,   ANY,  ANY,   YES, NO,    YES,    DG_RECOVER_DISPATCH},
	{DG_REQ_ANSWERED,   ANY,  ANY,   YES, NO,    NO,     DG_RECOVER_LOOK},
	/* a stage that only a newer build knows */
	{0,                 ANY,  ANY,   YES, ANY,   ANY,    DG_RECOVER_LOOK},
};
/* clang-format on */

static bool
fits(enum is wanted, bool found)
{
	return wanted == ANY || (wanted == YES) == found;
}

enum dg_recover
dg_recover(const struct dg_found *f)
{
	for (size_t i = 0; i < DG_N(rows); i++) {
		const struct row *r = &rows[i];

		if ((!r->stage || r->stage == (int)f->stage) &&
			fits(r->twice, f->twice) && fits(r->buried, f->buried) &&
			fits(r->body, f->body) && fits(r->answer, f->answer) &&
			fits(r->again, f->on_lost == DG_LOST_AGAIN))
			return r->what;
	}
	return DG_RECOVER_REFUSE;
}

const char *
dg_recover_name(enum dg_recover r)
{
	static const char *const names[] = {"forgotten", "delivered",
		"answered as before", "dispatched", "looked for", "refused"};

	return (unsigned)r < DG_N(names) ? names[r] : "?";
}

bool
dg_tombstone_old(int64_t wall, int64_t now)
{
	int64_t keep = (int64_t)(DG_TOMBSTONE_DAYS * 24 * 60 * DG_MINUTE);

	return wall < now - keep || wall > now + keep;
}
