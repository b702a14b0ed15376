/* config/keys_docker.c: the keys of user_code_launcher.config of the Docker backend. */
#include "base/mem.h"
#include "config/keys.h"

#define C "user_code_launcher.config."

/* clang-format off */
static const struct dg_key rows[] = {
	/* path                  type            flags default  range  roles change          help */
	{C "networks",           DG_KEY_LIST,    0,    NULL,    NULL,  0,    DG_CHANGE_ROLE, "networks that containers join; the first is the one that code servers are reached by"},
	{C "networks[]",         DG_KEY_STR_SRC, 0,    NULL,    NULL,  0,    DG_CHANGE_ROLE, "name or id"},
	{C "env_vars",           DG_KEY_LIST,    0,    NULL,    NULL,  0,    DG_CHANGE_ROLE, "environment of all containers"},
	{C "env_vars[]",         DG_KEY_STR,     0,    NULL,    NULL,  0,    DG_CHANGE_ROLE, "KEY=VALUE, or KEY: the agent's own value"},
	{C "container_kwargs",   DG_KEY_OPEN,    0,    NULL,    NULL,  0,    DG_CHANGE_ROLE, "more of a container's configuration, in docker-py's words"},
};
/* clang-format on */

const struct dg_key_table dg_keys_docker = {rows, DG_N(rows)};
