/* base/err.h: one way to fail.
 *
 * A function that can fail for a reason somebody must read takes a `struct dg_err *`
 * as its last parameter and returns 0 (or a positive value) on success, and the
 * negated class on failure. The caller owns the struct; NULL is allowed. A text says
 * what failed, where (file:line:column, location, address), why, and what to do next.
 */
#ifndef DG_BASE_ERR_H
#define DG_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

enum dg_class {
	DG_TRANSPORT = 1, /* the world: network, disk, a peer that went away; retry */
	DG_USER,   /* the user's code says no; told at once, never retried unasked */
	DG_CONFIG, /* configuration; a person must change something */
	DG_LIMIT,  /* too big, too many, too long */
	DG_DENIED, /* not allowed */
	DG_BUG,    /* a peer or we ourselves broke a promise */
};

struct dg_err {
	int cls;        /* enum dg_class, 0 while nothing failed */
	int num;        /* errno, or 0 */
	char what[512]; /* what failed, and why */
	char where[256];
	char next[256]; /* what to do about it, may be empty */
};

/* Fill E (if not NULL), replacing what was there, and return -CLS. NUM is an errno or 0;
 * its text is appended to what the format says. */
int dg_fail(struct dg_err *e, int cls, int num, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Name the place, or the next step. Both return the (negative) class already in E. */
int dg_err_where(struct dg_err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int dg_err_next(struct dg_err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Put "text: " in front of what failed. Returns the class as above. */
int dg_err_wrap(struct dg_err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* "where: what; next", as one line into BUF; returns BUF. DG_ERR_TEXT is enough for all.
 */
#define DG_ERR_TEXT sizeof(struct dg_err)
const char *dg_err_text(const struct dg_err *e, char *buf, size_t size);

/* "transport", "user", ... for logs. */
const char *dg_class_name(int cls);

/* A promise that only our own code can break. Ends the process, with core. */
void dg_bug(const char *file, int line, const char *what) __attribute__((noreturn));
#define DG_ASSERT(x) ((x) ? (void)0 : dg_bug(__FILE__, __LINE__, #x))

#endif
