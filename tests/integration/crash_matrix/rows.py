"""The matrix: for each life, which step is passed when what is done, and how often.

A row is (how, times): `how` names what test_points.py does in that life so that the step is
passed, `times` at which passings the process is killed. A step has two points, before and after.
"""

import dataclasses
import itertools
import random

REQUEST = {
    # in: the poller
    "POP": ("ask", 1),
    "KEEP": ("ask", 1),
    "POLLER_POP_RAW": ("poller dies", 1),
    "POLLER_REQUEST": ("ask", 1, 4),
    "POLLER_POP_END": ("ask", 1),
    "POLLER_HAVE_END": ("ledger dies", 1),
    # remembered: the ledger
    "SPOOL": ("large", 1, 2),
    "WRITE_RECORD": ("ask", 1, 4),
    "LEDGER_RECORDED": ("ask", 1),
    "LEDGER_CREDIT": ("poller dies", 1),
    "LEDGER_SCOPE": ("poller dies", 1),
    "LEDGER_DO": ("ask", 1, 4),
    "WRITE_ANSWER": ("ask", 1, 4),
    "LEDGER_ANSWERED": ("ask", 1),
    "LEDGER_DELIVER": ("ask", 1, 4),
    "WRITE_FORGET": ("ask", 1, 4),
    "LEDGER_CALL": ("ask", 1),
    "LEDGER_CALL_DONE": ("ask", 1),
    # done: the launcher
    "GRPC": ("ask", 1, 4),
    "LAUNCHER_ANSWER": ("ask", 1, 4),
    "LAUNCHER_CALL": ("ask", 1),
    "LAUNCHER_HAVE": ("ledger dies at work", 1),
    "LAUNCHER_HAVE_END": ("ledger dies", 1),
    # out: the reporter
    "UPLOAD": ("ask", 1, 4),
    "REPORTER_DELIVERED": ("ask", 1, 4),
    "REPORTER_REFUSED": ("refuse", 1),
    "CALL": ("ask", 1),
    "REPORTER_CALL_DONE": ("ask", 1),
    "REPORTER_HAVE": ("ledger dies at delivery", 1),
    "REPORTER_HAVE_END": ("ledger dies", 1),
}

LOCATION = {
    # what is wanted
    "ASK": ("deploy", 1),
    "POLLER_SCOPE": ("ledger dies", 1),
    "POLLER_WORKSPACE": ("deploy", 1),
    "POLLER_UNCHANGED": ("look", 1),
    "WRITE_META": ("deploy", 1),
    "LEDGER_DESIRED": ("deploy", 1),
    "LEDGER_UNCHANGED": ("look", 1),
    "LAUNCHER_TTL_DEPLOYMENTS": ("wake", 1),
    "LEDGER_TTL_DEPLOYMENTS": ("wake", 1),
    # the next one comes up, the old one goes
    "SERVER": ("deploy", 1),
    "LAUNCHER_HANDLE": ("deploy", 1, 2),
    "WRITE_HANDLE": ("deploy", 1, 2),
    "LEDGER_HANDLE_OK": ("deploy", 1, 2),
    "GRPC": ("deploy", 1, 2, 3, 5, 8),
    "LAUNCHER_CALL": ("deploy", 1, 2, 3),
    "LEDGER_CALL": ("deploy", 1, 2, 3),
    "CALL": ("deploy", 1, 2, 3),
    "REPORTER_CALL_DONE": ("deploy", 1, 2, 3),
    "LEDGER_CALL_DONE": ("deploy", 1, 2, 3),
    "STOP": ("deploy", 1),
    # it is shown
    "LAUNCHER_STATE": ("deploy", 1, 3),
    "LEDGER_STATE": ("deploy", 1, 3),
    "BEAT": ("deploy", 1),
    # it is found again
    "LEDGER_KNOWN": ("launcher dies", 1),
    "LEDGER_KNOWN_END": ("launcher dies", 1),
    "LAUNCHER_HAVE_END": ("ledger dies", 1),
    "MASTER_CHILD_EXIT": ("orphan dies", 1),
}

RUN = {
    # in
    "WRITE_RECORD": ("launch", 1),
    "WRITE_SENT": ("launch", 1),
    "LEDGER_DO": ("launch", 1),
    # started
    "LAUNCHER_INTENT": ("launch", 1),
    "WRITE_HANDLE": ("launch", 1, 2, 3),  # intent, handle, end
    "LEDGER_INTENT_OK": ("launch", 1),
    "PARENT": ("launch", 1),
    "FORK": ("launch", 1),
    "LAUNCHER_HANDLE": ("launch", 1, 2),
    "LEDGER_HANDLE_OK": ("launch", 1, 2),
    "GATE": ("launch", 1),
    "MARKER": ("launch", 1),
    "EXEC": ("launch", 1),
    # told
    "LAUNCHER_CALL": ("launch", 1, 2, 3),
    "LEDGER_CALL": ("launch", 1, 2, 3),
    "CALL": ("launch", 1, 2, 3),
    "REPORTER_CALL_DONE": ("launch", 1, 2, 3),
    "LEDGER_CALL_DONE": ("launch", 1, 2, 3),
    "LAUNCHER_ANSWER": ("launch", 1),
    "WRITE_ANSWER": ("launch", 1),
    "LEDGER_DELIVER": ("launch", 1),
    "UPLOAD": ("launch", 1),
    "REPORTER_DELIVERED": ("launch", 1),
    "WRITE_BURY": ("launch", 1),
    # watched
    "LAUNCHER_STATE": ("launch", 1, 2),
    "LEDGER_STATE": ("launch", 1, 2),
    "BEAT": ("launch", 1),
    "LEDGER_KNOWN": ("launcher dies", 1),
    "LEDGER_KNOWN_END": ("launcher dies", 1),
    # ended
    "STOP": ("terminate", 1),
    "EXIT": ("launch", 1),
    "MASTER_CHILD_EXIT": ("orphan ends", 1),
}

LIVES = {"request": REQUEST, "location": LOCATION, "run": RUN}


@dataclasses.dataclass(frozen=True)
class Case:
    life: str
    step: str
    side: str    # before, after
    nth: int
    who: str     # the program that is at the point
    how: str
    action: str  # KILL: that process; AGENT: master and roles

    @property
    def point(self):
        return f"{self.step}.{self.side}"

    def __str__(self):
        return f"{self.life}-{self.point}-{self.nth}-{self.action}"


def every(steps):
    """All cases; STEPS are those of the binary."""
    who = {s["name"]: s["who"] for s in steps}
    return [Case(life, step, side, nth, who[step], how, action)
            for life, rows in LIVES.items() for step, (how, *times) in rows.items()
            if step in who for nth in times for side in ("before", "after")
            for action in ("KILL", "AGENT")]


def some(cases, seed):
    """The short form: every point of a request's life with the role killed, a fifth
    with the agent killed; of the lives that take seconds each, less."""
    draw = random.Random(seed)
    share = {("request", "KILL"): 1.0, ("request", "AGENT"): 0.2, ("location", "KILL"): 0.1,
             ("location", "AGENT"): 0.05, ("run", "KILL"): 0.1, ("run", "AGENT"): 0.05}
    chosen = []
    for key, group in itertools.groupby(
            sorted((c for c in cases if c.nth == 1), key=lambda c: (c.life, c.action)),
            key=lambda c: (c.life, c.action)):
        group = list(group)
        chosen += draw.sample(group, round(share[key] * len(group)))
    return [c for c in cases if c in set(chosen)]
