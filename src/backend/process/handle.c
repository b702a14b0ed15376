/* backend/process/handle.c: see handle.h. */
#include "backend/process/handle.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "json/json.h"
#include "json/write.h"

void
dg_handle_clear(struct dg_handle *h)
{
	free(h->deployment);
	free(h->location);
	free(h->socket);
	free(h->output);
	free(h->cgroup);
	memset(h, 0, sizeof *h);
}

/* A handle has at most 4 KB; names are in it for log lines only. */
#define NAME_MAX_BYTES 200

static void
add_text(struct dg_jw *w, const char *key, const char *value)
{
	if (value)
		dg_jw_kstr(w, key, value);
}

static void
add_name(struct dg_jw *w, const char *key, const char *value)
{
	if (!value)
		return;
	dg_jw_key(w, key);
	dg_jw_strn(w, dg_strn(value, strnlen(value, NAME_MAX_BYTES)));
}

void
dg_handle_write(const struct dg_handle *h, struct dg_buf *out)
{
	struct dg_jw w = dg_jw_compact(out);

	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "boot", h->boot);
	dg_jw_kint(&w, "pidns", (int64_t)h->pidns);
	dg_jw_kint(&w, "pid", h->pid);
	dg_jw_kint(&w, "start", (int64_t)h->start);
	if (h->parent) {
		dg_jw_kint(&w, "parent", h->parent);
		dg_jw_kint(&w, "parent_start", (int64_t)h->parent_start);
	}
	add_name(&w, "deployment", h->deployment);
	add_name(&w, "location", h->location);
	add_text(&w, "socket", h->socket);
	add_text(&w, "output", h->output);
	add_text(&w, "cgroup", h->cgroup);
	dg_jw_close_object(&w);
}

static bool
read_number(struct dg_str json, const char *key, int64_t max, unsigned long long *ret)
{
	int64_t v;

	if (!dg_json_member_int(json, key, &v) || v < 0 || v > max)
		return false;
	*ret = (unsigned long long)v;
	return true;
}

bool
dg_handle_read(struct dg_str json, struct dg_handle *h)
{
	unsigned long long pid = 0, parent = 0;
	auto_free char *boot = NULL;

	memset(h, 0, sizeof *h);
	if (dg_json_check(json, 4, NULL) < 0)
		return false;
	boot = dg_json_member_dup(json, "boot");
	if (!boot || strlen(boot) >= sizeof h->boot ||
		!read_number(json, "pidns", INT64_MAX, &h->pidns) ||
		!read_number(json, "pid", INT_MAX, &pid) || pid < 2 ||
		!read_number(json, "start", INT64_MAX, &h->start))
		goto bad;
	if (read_number(json, "parent", INT_MAX, &parent) &&
		!read_number(json, "parent_start", INT64_MAX, &h->parent_start))
		goto bad;
	memcpy(h->boot, boot, strlen(boot) + 1);
	h->pid = (pid_t)pid;
	h->parent = (pid_t)parent;
	h->deployment = dg_json_member_dup(json, "deployment");
	h->location = dg_json_member_dup(json, "location");
	h->socket = dg_json_member_dup(json, "socket");
	h->output = dg_json_member_dup(json, "output");
	h->cgroup = dg_json_member_dup(json, "cgroup");
	return true;
bad:
	memset(h, 0, sizeof *h);
	return false;
}

void
dg_run_name(const char *run_id, char name[DG_RUN_NAME + 1])
{
	unsigned char hash[DG_SHA256_SIZE];

	dg_sha256(dg_str(run_id), hash);
	dg_hex(hash, DG_RUN_NAME / 2, name);
}

bool
dg_marker_read(struct dg_str text, struct dg_handle *h, int *exec_errno)
{
	const char *line_end = text.n ? memchr(text.p, '\n', text.n) : NULL;
	auto_free char *copy = NULL;
	int at = 0;

	memset(h, 0, sizeof *h);
	*exec_errno = 0;
	if (!line_end)
		return false;
	copy = dg_str_dup(text);
	if (sscanf(copy, "%36s %llu %d %llu %d %llu\n%n", h->boot, &h->pidns, &h->parent,
		    &h->parent_start, &h->pid, &h->start, &at) != 6 ||
		h->pid < 2 || h->parent < 1) {
		memset(h, 0, sizeof *h);
		return false;
	}
	if (at && sscanf(copy + at, "exec %d", exec_errno) != 1)
		*exec_errno = 0;
	return true;
}

bool
dg_run_end_read(struct dg_str text, struct dg_run_end *end)
{
	auto_free char *copy = dg_str_dup(text);
	int n;

	*end = (struct dg_run_end){.code = -1};
	if (sscanf(copy, "exit %d", &n) == 1 && n >= 0 && n <= 255)
		end->code = n;
	else if (sscanf(copy, "signal %d", &n) == 1 && n > 0 && n <= 64)
		end->signal = n;
	else if (sscanf(copy, "exec %d", &n) == 1 && n > 0)
		end->exec_errno = n;
	else
		return false;
	end->oom = strstr(copy, " oom\n") != NULL;
	return true;
}
