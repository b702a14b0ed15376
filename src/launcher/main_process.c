/* launcher/main_process.c: the launcher for local processes. */
#include "launcher/launcher.h"

int
main(int argc, char **argv)
{
	return dg_launcher_main(&dg_backend_process, argc, argv);
}
