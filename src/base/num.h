/* base/num.h: numbers as Python writes them. */
#ifndef DG_BASE_NUM_H
#define DG_BASE_NUM_H

#define DG_REPR_MAX 32

/* The finite V as Python's repr(): the shortest text that reads back as V, with a point
 * or an exponent ("0.1", "1.0", "1e+16", "5e-324"). Returns BUF. */
char *dg_double_repr(double v, char buf[DG_REPR_MAX]);

#endif
