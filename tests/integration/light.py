"""A location's executable that is not Python: `worker` makes one in a folder.

A run of it is no dagster run: the program writes its pid into $LIGHT_MARKS/<run id> and ends. So
thousands of runs can be started on a small machine, and how often each was started is seen. A
code server of it is the real dagster, which says that its runs are executed by this program; or,
with `server`, the program given there (tests/soak/light_server.py).
"""

import sys
from pathlib import Path

WORKER = """\
#!/bin/sh
# a stand-in for `python -m dagster`: see tests/integration/light.py
case "$*" in
*execute_run*)
	id=$(printf '%s' "$* $DAGSTER_EXECUTE_RUN_ARGS" |
		sed -n 's/.*"pipeline_run_id": *"\\([^"]*\\)".*/\\1/p')
	echo $$ >>"$LIGHT_MARKS/${id:?}"
	exit 0 ;;
*)
	shift 2
	exec @SERVER@ "$@" ;;
esac
"""

REAL = """\
@PYTHON@ -c 'import runpy, sys
sys.executable = "@SELF@"
sys.argv[0] = "dagster"
runpy.run_module("dagster", run_name="__main__", alter_sys=False)'"""


def worker(directory, name="light-python", server=None):
    """The program's path; `server` is what is executed as its code server, a shell's words
    ending before `api grpc`. Its environment must have LIGHT_MARKS, a folder."""
    path = Path(directory) / name
    real = REAL.replace("@PYTHON@", sys.executable).replace("@SELF@", str(path))
    path.write_text(WORKER.replace("@SERVER@", server or real))
    path.chmod(0o755)
    return path


def started(marks, run_id):
    """How often a run was started."""
    path = Path(marks) / run_id
    return len(path.read_text().split()) if path.exists() else 0
