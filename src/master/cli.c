/* master/cli.c: see cli.h. */
#include "master/cli.h"

#include <stddef.h>
#include <string.h>

#include "base/mem.h"

const char dg_cli_help[] =
	"Usage: daglet run [DAGSTER_HOME] [OPTION...]\n"
	"       daglet check-config [DAGSTER_HOME]\n"
	"       daglet sample-config\n"
	"\n"
	"An agent for Dagster+ Hybrid. DAGSTER_HOME holds dagster.yaml (the Python "
	"agent's,\n"
	"unmodified) and, if wanted, daglet.yaml; it defaults to the environment "
	"variable of\n"
	"that name. `dagster-cloud agent run` and `dagster-plus agent run` mean the same "
	"as\n"
	"`daglet run` when daglet is called by these names, as does `daglet agent run`.\n"
	"\n"
	"Commands\n"
	"  run              serve until SIGTERM or SIGINT\n"
	"  check-config     read and check the configuration, say all errors, exit 78 if "
	"any\n"
	"  sample-config    print a daglet.yaml with every key, its default and its "
	"meaning\n"
	"\n"
	"Options of run\n"
	"      --state-dir DIR       where requests, servers and runs are remembered\n"
	"                            (default: $STATE_DIRECTORY, else "
	"DAGSTER_HOME/.daglet)\n"
	"      --log-level LEVEL     debug, info, warning, error\n"
	"      --log-format FORMAT   auto, text, json, journal\n"
	"\n"
	"Without a dagster.yaml (ephemeral mode; needs the first two, or --config)\n"
	"  -a, --agent-token TOKEN   better given as the variable "
	"DAGSTER_CLOUD_AGENT_TOKEN\n"
	"                            in a dagster.yaml: others can see arguments\n"
	"  -d, --deployment NAME     deployment to serve\n"
	"  -l, --agent-label LABEL   shown beside the agent's name\n"
	"      --config JSON         instance configuration, laid over the ephemeral "
	"one\n"
	"      --user-code-launcher CLASS, --user-code-launcher-config JSON\n"
	"      --agent-logging-config-path FILE, --agent-logging-config-string JSON\n"
	"                            Python logging configuration: level and format are "
	"used\n"
	"\n"
	"  -h, --help     this text\n"
	"      --version  version of daglet and of the protocol it speaks\n"
	"\n"
	"Signals: SIGTERM and SIGINT stop in order (SIGINT ends code servers too), a "
	"second\n"
	"one at once; SIGHUP reads the configuration again. Exit codes: 0 nothing is "
	"left\n"
	"undone, 75 something is and waits in the store, 78 configuration. Status and "
	"commands:\n"
	"dagletctl. Manual: daglet(8), daglet.yaml(5).\n";

static const struct option {
	char letter;
	const char *name;
	size_t field;
	bool ephemeral;
} options[] = {
	{'a', "agent-token", offsetof(struct dg_cli, flags.token), true},
	{'d', "deployment", offsetof(struct dg_cli, flags.deployment), true},
	{'l', "agent-label", offsetof(struct dg_cli, flags.label), true},
	{0, "config", offsetof(struct dg_cli, flags.config), true},
	{0, "user-code-launcher", offsetof(struct dg_cli, flags.launcher), true},
	{0, "user-code-launcher-config", offsetof(struct dg_cli, flags.launcher_config),
		true},
	{0, "agent-logging-config-path", offsetof(struct dg_cli, logging_path), false},
	{0, "agent-logging-config-string", offsetof(struct dg_cli, logging_text), false},
	{0, "state-dir", offsetof(struct dg_cli, state_dir), false},
	{0, "log-level", offsetof(struct dg_cli, log_level), false},
	{0, "log-format", offsetof(struct dg_cli, log_format), false},
};

static const struct option *
find_option(const char *arg, const char **ret_value)
{
	*ret_value = NULL;
	for (size_t i = 0; i < DG_N(options); i++) {
		size_t n = strlen(options[i].name);

		if (arg[1] == options[i].letter && options[i].letter) {
			if (arg[2])
				*ret_value = arg[2] == '=' ? arg + 3 : arg + 2;
			return &options[i];
		}
		if (arg[1] == '-' && strncmp(arg + 2, options[i].name, n) == 0 &&
			(arg[2 + n] == '\0' || arg[2 + n] == '=')) {
			if (arg[2 + n] == '=')
				*ret_value = arg + 3 + n;
			return &options[i];
		}
	}
	return NULL;
}

/* The words before options: which command. Returns how many were eaten. */
static int
parse_command(int argc, char **argv, struct dg_cli *cli, struct dg_err *e)
{
	static const struct {
		const char *word;
		enum dg_command command;
	} rows[] = {
		{"run", DG_CMD_RUN},
		{"check-config", DG_CMD_CHECK_CONFIG},
		{"sample-config", DG_CMD_SAMPLE_CONFIG},
		{"--list-crashpoints", DG_CMD_CRASHPOINTS},
		{"help", DG_CMD_HELP},
		{"--help", DG_CMD_HELP},
		{"-h", DG_CMD_HELP},
		{"--version", DG_CMD_VERSION},
		{"-V", DG_CMD_VERSION},
	};
	const char *self =
		argc && strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	bool alias = argc && (strcmp(self, "dagster-cloud") == 0 ||
				     strcmp(self, "dagster-plus") == 0);

	if (argc > 2 && strcmp(argv[1], "agent") == 0 && strcmp(argv[2], "run") == 0) {
		cli->command = DG_CMD_RUN;
		return 3;
	}
	for (size_t i = 0; argc > 1 && i < DG_N(rows); i++)
		if (strcmp(argv[1], rows[i].word) == 0 && (!alias || argv[1][0] == '-')) {
			cli->command = rows[i].command;
			return 2;
		}
	if (alias)
		dg_fail(e, DG_CONFIG, 0, "as %s, daglet knows only `agent run`", self);
	else if (argc > 1)
		dg_fail(e, DG_CONFIG, 0, "'%s' is no command", argv[1]);
	else
		dg_fail(e, DG_CONFIG, 0, "no command is given");
	return dg_err_next(e, "see daglet --help");
}

int
dg_cli_parse(int argc, char **argv, struct dg_cli *ret, struct dg_err *e)
{
	bool words_only = false;
	int i = 0, at;

	*ret = (struct dg_cli){.command = DG_CMD_HELP};
	at = parse_command(argc, argv, ret, e);
	if (at < 0)
		return at;
	for (i = at; i < argc; i++) {
		const struct option *o;
		const char *value;

		if (!words_only && strcmp(argv[i], "--") == 0) {
			words_only = true;
			continue;
		}
		if (words_only || argv[i][0] != '-' || !argv[i][1]) {
			if (ret->home)
				return dg_fail(e, DG_CONFIG, 0,
					"one DAGSTER_HOME is enough: '%s'", argv[i]);
			ret->home = argv[i];
			continue;
		}
		if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
			ret->command = DG_CMD_HELP;
			return 0;
		}
		o = find_option(argv[i], &value);
		if (!o) {
			dg_fail(e, DG_CONFIG, 0, "'%s' is no option", argv[i]);
			return dg_err_next(e, "see daglet --help");
		}
		if (!value && i + 1 >= argc)
			return dg_fail(e, DG_CONFIG, 0, "--%s needs a value", o->name);
		if (!value)
			value = argv[++i];
		*(const char **)(void *)((char *)ret + o->field) = value;
		ret->ephemeral |= o->ephemeral;
	}
	if (ret->logging_path && ret->logging_text)
		return dg_fail(e, DG_CONFIG, 0,
			"--agent-logging-config-path and --agent-logging-config-string "
			"exclude "
			"each other");
	if (ret->ephemeral && ret->home)
		return dg_fail(e, DG_CONFIG, 0,
			"a DAGSTER_HOME and flags that stand for its dagster.yaml "
			"exclude each other");
	return 0;
}
