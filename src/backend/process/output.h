/* backend/process/output.h: one file per server or run for what it prints.
 *
 * The child writes (O_APPEND, stdout and stderr alike) and never notices us: no reader
 * can block or kill it. We read what is new, give it to the log line by line, keep the
 * file small by copying it to FILE.1 and truncating it, and find its last lines. Without
 * a folder the file is a memfd.
 */
#ifndef DG_BACKEND_PROCESS_OUTPUT_H
#define DG_BACKEND_PROCESS_OUTPUT_H

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/str.h"

struct dg_output;

/* All outputs: one inotify instance, one timer. */
struct dg_outputs {
	sd_event *event;
	int inotify; /* -1: none to be had, then they are looked at every second */
	sd_event_source *changed, *timer;
	struct dg_output *list;
	bool armed;
	off_t max; /* a file is copied away and truncated when it is larger */
};

#define DG_OUTPUT_MAX ((off_t)8 << 20) /* where the settings do not say */

int dg_outputs_open(struct dg_outputs *all, sd_event *event, off_t max, struct dg_err *e);
void dg_outputs_close(struct dg_outputs *all); /* after every output is freed */

/* For log lines. */
struct dg_output_names {
	const char *kind; /* "srv" or "run" */
	const char *id, *deployment, *location;
};

/* A new one; PATH NULL: in memory. */
int dg_output_new(struct dg_outputs *all, const char *path,
	const struct dg_output_names *names, struct dg_output **ret, struct dg_err *e);
/* The one that another process of ours made; PATH NULL: the stdout of PID. What it holds
 * already is not given to the log again. */
int dg_output_adopt(struct dg_outputs *all, const char *path, pid_t pid,
	const struct dg_output_names *names, struct dg_output **ret, struct dg_err *e);

int dg_output_fd(const struct dg_output *o);
/* NULL: in memory. */
const char *dg_output_path(const struct dg_output *o);

/* Its last N lines (at most MAX bytes), clean for showing, appended to OUT. */
void dg_output_tail(
	const struct dg_output *o, unsigned n, size_t max, struct dg_buf *out);
/* The same of a file that nobody tails any more. */
void dg_output_tail_file(const char *path, unsigned n, size_t max, struct dg_buf *out);

/* The child is gone: what is unread goes to the log. NULL is nothing. REMOVE takes the
 * files away. */
void dg_output_free(struct dg_output *o, bool remove);
void dg_output_remove(const char *path);

/* Pure: where copying starts when a file of SIZE is rotated; -1: it is not. */
off_t dg_output_rotate_from(off_t size, off_t max);

#endif
