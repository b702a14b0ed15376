/* backend/process/env.h: the environment of a child; pure. */
#ifndef DG_BACKEND_PROCESS_ENV_H
#define DG_BACKEND_PROCESS_ENV_H

/* The agent's own BASE without what is only for daglet (systemd's notification and
 * sockets, test hooks), then OVER, then OURS; of two entries with one name the later
 * wins. Each list ends with NULL; the vector is the caller's to free, the strings stay
 * where they are. */
const char **dg_env_make(
	const char *const *base, const char *const *over, const char *const *ours);

#endif
