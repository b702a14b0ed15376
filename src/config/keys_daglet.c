/* config/keys_daglet.c: daglet.yaml: daglet's own settings, all optional. */
#include "base/mem.h"
#include "config/keys.h"

#define ALL DG_KEYS_FOR_ALL
#define MASTER DG_KEYS_FOR_MASTER
#define LAUNCHER DG_KEYS_FOR_LAUNCHER

/* clang-format off */
static const struct dg_key rows[] = {
	/* path               type           flags default    range                 roles              change            help */
	{"on_stop",           DG_KEY_STR,    0,    "auto",    "auto|keep|remove",   MASTER,            DG_CHANGE_RELOAD, "what becomes of code servers when daglet ends; auto: kept across restarts, removed by Ctrl-C and by a stop that systemd asks for"},
	{"on_token_change",   DG_KEY_STR,    0,    "keep",    "keep|replace",       LAUNCHER,          DG_CHANGE_RELOAD, "running code servers after a new token: keep them with the old one, or replace them"},
	{"token_file",        DG_KEY_STR,    0,    NULL,      NULL,                 MASTER,            DG_CHANGE_RELOAD, "file that holds the agent's token, in place of dagster_cloud_api.agent_token"},
	{"replicas",          DG_KEY_STR,    0,    "none",    "none|shared",        MASTER,            DG_CHANGE_AGENT,  "shared: several daglets share the state directory, each in a slot of its own"},
	{"state_dir",         DG_KEY_STR,    0,    NULL,      NULL,                 ALL,               DG_CHANGE_AGENT,  "where requests, servers and runs are remembered; default $STATE_DIRECTORY, else .daglet in DAGSTER_HOME"},
	{"runtime_dir",       DG_KEY_STR,    0,    NULL,      NULL,                 ALL,               DG_CHANGE_AGENT,  "where sockets stand; default $RUNTIME_DIRECTORY, else a folder in /tmp"},
	{"log_level",         DG_KEY_STR,    0,    "info",    "debug|info|notice|warning|error", ALL,   DG_CHANGE_RELOAD, "what is logged"},
	{"log_format",        DG_KEY_STR,    0,    "auto",    "auto|text|json|journal", ALL,           DG_CHANGE_RELOAD, "auto: the journal where stderr goes there, else text"},
	{"status_socket",     DG_KEY_STR,    0,    NULL,      NULL,                 ALL,               DG_CHANGE_ROLE,   "path of the status socket; default status.sock in runtime_dir where one is given, else in state_dir"},
	{"status_listen",     DG_KEY_STR,    0,    NULL,      NULL,                 DG_ROLE_BIT(DG_ROLE_STATUS), DG_CHANGE_ROLE, "ADDRESS:PORT to show the status on over TCP; absent: not at all"},
	{"drain_timeout",     DG_KEY_INT,    0,    "60",      "0..86400",           MASTER,            DG_CHANGE_RELOAD, "seconds that requests under way get to end when daglet stops"},
	{"run_grace",         DG_KEY_INT,    0,    "30",      "0..86400",           LAUNCHER,          DG_CHANGE_RELOAD, "seconds that a run gets to end when it is terminated: an interrupt first, after that time TERM, after as long again (at most 10) the end of all that it started; 0: that at once"},
	{"server_stuck_timeout", DG_KEY_INT, 0,    "90",      "0..86400",           LAUNCHER,          DG_CHANGE_RELOAD, "seconds after which a code server is replaced that answers nothing and uses no processor time (it waits for Python's lock, or in a call that does not return); 0: never"},
	{"server_busy_timeout", DG_KEY_INT,  0,    "600",     "0..86400",           LAUNCHER,          DG_CHANGE_RELOAD, "the same for one that answers nothing but computes; 0: never"},
	{"server_output_max", DG_KEY_INT,    0,    "8388608", "65536..1073741824",  LAUNCHER,          DG_CHANGE_ROLE,   "bytes of a code server's output that are kept on disk"},
};
/* clang-format on */

const struct dg_key_table dg_keys_daglet = {rows, DG_N(rows)};
