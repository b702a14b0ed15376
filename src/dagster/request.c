/* dagster/request.c: the table of daglet/request.h, looked up. */
#include "daglet/request.h"

#include <string.h>

#include "base/mem.h"

static const struct dg_request_row rows[] = {
#define X(kind, how_, method_, fallback_, where_, arg_, ref_, deadline_, reply_, lane_,  \
	lost_)                                                                           \
	[DG_REQ_##kind] = {#kind, DG_HOW_##how_, method_, fallback_, DG_WHERE_##where_,  \
		DG_ARG_##arg_, ref_, DG_DL_##deadline_, reply_, DG_LANE_##lane_,         \
		DG_LOST_##lost_},
	DG_REQUEST_TABLE(X)
#undef X
};
_Static_assert(DG_N(rows) == DG_REQ_COUNT, "one row per kind");

const struct dg_request_row *
dg_request_row(enum dg_request_kind k)
{
	return (unsigned)k < DG_REQ_COUNT ? &rows[k] : NULL;
}

enum dg_request_kind
dg_request_kind(const char *name, size_t n)
{
	for (size_t i = 0; i < DG_N(rows); i++)
		if (strlen(rows[i].name) == n && memcmp(rows[i].name, name, n) == 0)
			return (enum dg_request_kind)i;
	return DG_REQ_UNKNOWN;
}
