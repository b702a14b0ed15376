/* base/time.h: the two clocks. Nobody else calls time() or clock_gettime().
 *
 * `dg_usec` is monotonic microseconds (CLOCK_MONOTONIC), for timers and ages. Real time
 * (microseconds since 1970) is for the wire, for the disk and for expiry only.
 */
#ifndef DG_BASE_TIME_H
#define DG_BASE_TIME_H

#include <stdint.h>

typedef uint64_t dg_usec; /* the one typedef: a unit, not a struct */

#define DG_MSEC ((dg_usec)1000)
#define DG_SEC ((dg_usec)1000000)
#define DG_MINUTE (60 * DG_SEC)
#define DG_USEC_NEVER UINT64_MAX

dg_usec dg_now(void);
int64_t dg_wall_usec(void);

/* Real time in microseconds as the JSON float Dagster expects: always with a decimal
 * point ("1700000000.5", "1700000000.0"). BUF has at least 32 bytes; returns BUF. */
char *dg_wall_json(int64_t wall_usec, char *buf);

#endif
