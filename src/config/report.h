/* config/report.h: what is wrong with a configuration, all of it, for people.
 *
 *	dagster.yaml:14:5: unknown key 'tiemout' in dagster_cloud_api (did you mean
 *'timeout'?) tiemout: 5
 *	      ^
 *
 * Values that look like secrets are not shown.
 */
#ifndef DG_CONFIG_REPORT_H
#define DG_CONFIG_REPORT_H

#include "base/str.h"
#include "yaml/yaml.h"

struct dg_report_file {
	const char *name;   /* as messages call it */
	struct dg_str text; /* for the line below the message */
};

/* More messages than this help nobody: further ones are counted. */
#define DG_REPORT_MAX 100

struct dg_report {
	struct dg_report_line *lines;
	size_t n, errors, left_out;
};

void dg_report_clear(struct dg_report *r);

/* AT.line 0: about the whole file. FILE NULL: about no file (the environment). The files
 * are of one array, in whose order messages come, and outlive the report. */
void dg_report_error(struct dg_report *r, const struct dg_report_file *file,
	struct dg_yaml_mark at, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void dg_report_warning(struct dg_report *r, const struct dg_report_file *file,
	struct dg_yaml_mark at, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* All errors with line and caret, or all warnings one line each; in the order of files
 * and lines. */
void dg_report_write_errors(struct dg_report *r, struct dg_buf *out);
void dg_report_write_warnings(struct dg_report *r, struct dg_buf *out);

/* " (did you mean 'X'?)" for the nearest of N candidates, or nothing. */
void dg_report_suggest(
	struct dg_buf *out, const char *wrong, const char *const *candidates, size_t n);

#endif
