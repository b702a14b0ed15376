/* The command line, with every alias. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "master/cli.h"

Test(cli, rows)
{
	static const struct {
		const char *argv[8];
		int r;
		enum dg_command command;
		const char *home, *token, *error;
	} rows[] = {
		{{"daglet"}, -DG_CONFIG, 0, NULL, NULL, "no command"},
		{{"daglet", "fly"}, -DG_CONFIG, 0, NULL, NULL, "'fly' is no command"},
		{{"daglet", "run"}, 0, DG_CMD_RUN, NULL, NULL, NULL},
		{{"daglet", "run", "/h"}, 0, DG_CMD_RUN, "/h", NULL, NULL},
		{{"daglet", "run", "/h", "/i"}, -DG_CONFIG, 0, NULL, NULL,
			"one DAGSTER_HOME"},
		{{"daglet", "agent", "run", "/h"}, 0, DG_CMD_RUN, "/h", NULL, NULL},
		{{"/usr/bin/dagster-cloud", "agent", "run", "/h"}, 0, DG_CMD_RUN, "/h",
			NULL, NULL},
		{{"dagster-plus", "agent", "run"}, 0, DG_CMD_RUN, NULL, NULL, NULL},
		{{"dagster-plus", "run"}, -DG_CONFIG, 0, NULL, NULL, "only `agent run`"},
		{{"dagster-plus", "--version"}, 0, DG_CMD_VERSION, NULL, NULL, NULL},
		{{"daglet", "run", "-a", "t", "-d", "prod"}, 0, DG_CMD_RUN, NULL, "t",
			NULL},
		{{"daglet", "run", "-at"}, 0, DG_CMD_RUN, NULL, "t", NULL},
		{{"daglet", "run", "--agent-token=t"}, 0, DG_CMD_RUN, NULL, "t", NULL},
		{{"daglet", "run", "--agent-token"}, -DG_CONFIG, 0, NULL, NULL,
			"needs a value"},
		{{"daglet", "run", "--agent-tokens", "x"}, -DG_CONFIG, 0, NULL, NULL,
			"no option"},
		{{"daglet", "run", "/h", "-l", "x"}, -DG_CONFIG, 0, NULL, NULL,
			"exclude"},
		{{"daglet", "run", "--", "-h"}, 0, DG_CMD_RUN, "-h", NULL, NULL},
		{{"daglet", "run", "-h"}, 0, DG_CMD_HELP, NULL, NULL, NULL},
		{{"daglet", "run", "--agent-logging-config-path", "p",
			 "--agent-logging-config-string", "{}"},
			-DG_CONFIG, 0, NULL, NULL, "exclude each other"},
		{{"daglet", "check-config", "/h"}, 0, DG_CMD_CHECK_CONFIG, "/h", NULL,
			NULL},
		{{"daglet", "sample-config"}, 0, DG_CMD_SAMPLE_CONFIG, NULL, NULL, NULL},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_cli cli;
		struct dg_err e = {0};
		int argc = 0;

		while (argc < 8 && rows[i].argv[argc])
			argc++;
		cr_assert_eq(
			dg_cli_parse(argc, (char **)(uintptr_t)rows[i].argv, &cli, &e),
			rows[i].r, "row %zu: %s", i, e.what);
		if (rows[i].r < 0) {
			cr_assert(
				strstr(e.what, rows[i].error), "row %zu: %s", i, e.what);
			continue;
		}
		cr_assert_eq(cli.command, rows[i].command, "row %zu", i);
		cr_assert_eq(!cli.home, !rows[i].home, "row %zu", i);
		if (rows[i].home)
			cr_assert_str_eq(cli.home, rows[i].home);
		if (rows[i].token)
			cr_assert_str_eq(cli.flags.token, rows[i].token);
		cr_assert_eq(cli.ephemeral, rows[i].token != NULL);
	}
}
