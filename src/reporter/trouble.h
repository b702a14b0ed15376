/* reporter/trouble.h: the newest errors, for heartbeats. Pure.
 *
 * A ring of 25, newest first; each is cut to size when it is added (10,000 characters,
 * depth 3) and sent with every heartbeat until it is a day old or 25 newer ones came.
 */
#ifndef DG_REPORTER_TROUBLE_H
#define DG_REPORTER_TROUBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define DG_TROUBLE_MAX 25
#define DG_TROUBLE_AGE ((int64_t)24 * 3600 * 1000000)

struct dg_trouble {
	int64_t wall;
	struct dg_buf error; /* SerializableErrorInfo, cut */
};

struct dg_troubles {
	struct dg_trouble ring[DG_TROUBLE_MAX]; /* [0] is the newest */
	size_t n;
	size_t limit; /* characters */
};

void dg_troubles_init(struct dg_troubles *t, size_t limit);
void dg_troubles_clear(struct dg_troubles *t);
/* Adds the error of WALL (real time, microseconds); false when it is there already (a new
 * ledger says all of them again) or no error at all. */
bool dg_troubles_add(struct dg_troubles *t, int64_t wall, struct dg_str error);
/* Appends the packed TimestampedErrors that are younger than a day, as a JSON array of
 * strings; *CHARS is the sum of their lengths. */
void dg_troubles_json(
	const struct dg_troubles *t, int64_t wall, struct dg_buf *out, size_t *chars);

#endif
