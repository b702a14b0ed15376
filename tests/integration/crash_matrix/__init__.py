"""The crash matrix: every role, and the whole agent, is killed at every crash point of the life
of a request, of a location and of a run (include/daglet/crash.h), stopped, and killed at random
moments; nothing that was recorded may be lost, answered wrongly or answered by two different
answers, no run may be started twice, and nothing may be left over.

  rig.py          devplane, an agent that obeys orders, what is asked of it, how it is judged
  rows.py         the matrix: which points are passed when what is done
  test_table.py   the points are those of the tables, and each has a row here
  test_points.py  the matrix
  test_signals.py every role is killed under load, and stopped
  test_random.py  kills at random moments, twenty runs in flight
  project.py      the definitions that the code server loads

A part of it runs in `tests/run.sh crash`, all of it in `make crash-matrix`:

  CRASH_MATRIX    "short" (default) or "full"
  CRASH_SEED      chooses the short form's part and the random moments; printed
  CRASH_PATIENCE  factor on the times that are asserted (1): for a machine that does other things

What may happen, because the protocol cannot prevent it, is counted and printed:

  lost        popped, but not recorded: a pop is destructive and has no acknowledgement. Only
              around the death of a queue's poller or of the agent.
  twice       an upload that the control plane accepted and whose reporter died before it could
              tell the ledger is made again, with the same bytes. Only around the death of a
              reporter or of the agent.
  error       an answer that is an error: only for expired requests, for a code server that was
              killed, for kinds that may not be asked again (on_lost is ERROR in request.h), and
              for a run whose own parent (daglet-run) was killed before it started.
"""
