/* base/mem.h: memory that frees itself at the end of its scope.
 *
 * `auto_free`, `auto_close` and one `DG_AUTO(x)` per own type; hand ownership on with
 * TAKE_PTR and TAKE_FD. The dg_x* allocators end the process when there is no memory:
 * a worker may die, the master starts another.
 */
#ifndef DG_BASE_MEM_H
#define DG_BASE_MEM_H

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define DG_CLEANUP(fn) __attribute__((cleanup(fn)))

static inline void
dg_freep(void *p)
{
	free(*(void **)p);
}

static inline void
dg_closep(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		close(*fd);
		errno = saved;
	}
}

#define auto_free DG_CLEANUP(dg_freep)
#define auto_close DG_CLEANUP(dg_closep)

#define TAKE_PTR(p)                                                                      \
	({                                                                               \
		__typeof__(p) *pp_ = &(p);                                               \
		__typeof__(p) v_ = *pp_;                                                 \
		*pp_ = NULL;                                                             \
		v_;                                                                      \
	})
#define TAKE_FD(fd)                                                                      \
	({                                                                               \
		int *fp_ = &(fd);                                                        \
		int v_ = *fp_;                                                           \
		*fp_ = -1;                                                               \
		v_;                                                                      \
	})

#define DG_N(a) (sizeof(a) / sizeof((a)[0]))

void *dg_xcalloc(size_t n, size_t size) __attribute__((malloc));
void *dg_xrealloc(void *p, size_t n, size_t size);
char *dg_xstrdup(const char *s) __attribute__((malloc));
char *dg_xstrndup(const char *s, size_t n) __attribute__((malloc));
char *dg_xasprintf(const char *fmt, ...) __attribute__((malloc, format(printf, 1, 2)));

/* NULL gives NULL. */
static inline char *
dg_dup(const char *s)
{
	return s ? dg_xstrdup(s) : NULL;
}

#define dg_new(type) ((type *)dg_xcalloc(1, sizeof(type)))

#endif
