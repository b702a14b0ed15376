/* log/log.h: one line per event, to the journal or to stderr, as text or as JSON.
 *
 * The edge (an event callback, main) logs once; libraries return errors instead. A line
 * has a text for people and fields for programs (role inst pid epoch dep loc req kind run
 * srv attempt dur_us outcome). Request bodies and secrets are never given to it. stderr
 * is written without blocking: lines that a stalled pipe does not take are counted and
 * named in the next line that gets through.
 */
#ifndef DG_LOG_LOG_H
#define DG_LOG_LOG_H

#include <stdbool.h>
#include <syslog.h>

#include "base/err.h"

enum dg_log_format { DG_LOG_TEXT, DG_LOG_JSON, DG_LOG_JOURNAL };

struct dg_kv {
	const char *key, *value; /* value NULL: left out */
};

/* Who speaks: role ("poller") and instance ("gpu", or ""). Call once; kept by copy. */
void dg_log_init(const char *role, const char *inst, enum dg_log_format f, int max_prio);
/* The format that fits this process: the journal when stderr is connected to it
 * (JOURNAL_STREAM), else text. */
enum dg_log_format dg_log_format_auto(void);
/* "text", "json", "journal", "auto"; -DG_CONFIG when unknown. Levels: the syslog names,
 * and Python's (DEBUG INFO WARNING ERROR CRITICAL). */
int dg_log_format_parse(const char *name, enum dg_log_format *ret, struct dg_err *e);
int dg_log_level_parse(const char *name, int *ret, struct dg_err *e);
bool dg_log_on(int prio);

void dg_log_(int prio, const struct dg_kv *kv, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define DG_KV(...) ((const struct dg_kv[]){__VA_ARGS__, {NULL, NULL}})

/* dg_log(LOG_INFO, "..."); dg_logkv(LOG_INFO, DG_KV({ "dep", d }, { "loc", l }), "...").
 */
#define dg_log(prio, ...) (dg_log_on(prio) ? dg_log_(prio, NULL, __VA_ARGS__) : (void)0)
#define dg_logkv(prio, kv, ...)                                                          \
	(dg_log_on(prio) ? dg_log_(prio, kv, __VA_ARGS__) : (void)0)
/* An error with its place and next step. */
void dg_log_err(int prio, const struct dg_err *e, const struct dg_kv *kv);

#endif
