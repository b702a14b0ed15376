"""The rows of docs/compare.md: what the Python agent was measured at or read to do wrong, each with
an id, in two parts. A figure says which scenario it comes from and under which name; `less` is
better unless said otherwise. `slack` is how much worse daglet may look before it is called
worse: (share, absolute), for what varies from one run to the next.

To add a row is to add it here and its scenario to scenarios.py; compare.py refuses a table in
which one of them is missing."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    scenario: str
    name: str
    text: str
    unit: str = ""
    more: bool = False  # more is better
    slack: tuple = (0.0, 0.0)


@dataclass(frozen=True)
class Row:
    id: str
    title: str
    figures: tuple


def seconds(scenario, name, text, absolute=1.0, share=0.1, **more):
    return Figure(scenario, name, text, "s", slack=(share, absolute), **more)


def count(scenario, name, text, **more):
    return Figure(scenario, name, text, **more)


def bench(scenario, name, text, unit, share=0.1, absolute=0.0, more=False):
    """A figure of `make bench`, by the name that it has there."""
    return Figure(scenario, name, text, unit, more, (share, absolute))


MEASURED = (
    Row("start", "Start", (
        bench("bench start", "start to first call", "to the first call", "ms"),
        bench("bench start", "start to first poll", "to the first pop", "ms"),
        bench("bench start", "processor time of the start", "processor time until then", "s"))),
    Row("memory", "Memory", (
        *(bench("bench idle", f"memory, {n} locations, PSS", f"with {n} locations (PSS)", "MB")
          for n in (0, 1, 10)),
        bench("bench idle", "threads added", "threads that ten locations add", "",),
        bench("bench idle", "code server", "each code server (PSS)", "MB", absolute=3.0))),
    Row("idle-cpu", "Processor time when idle", tuple(
        bench("bench idle", f"idle processor time, {n} locations", f"with {n} locations",
              "% of a core", absolute=0.05) for n in (0, 1, 10))),
    Row("throughput", "Requests per second", (
        bench("bench flood", "requests per second, round trip 1 ms", "as it comes", "1/s",
              more=True),
        bench("bench flood", "processor time per request, round trip 1 ms",
              "processor time of each", "ms"),
        bench("bench tuned", "requests per second, round trip 1 ms",
              "with all that environment variables allow", "1/s", more=True),
        bench("bench tuned", "processor time per request, round trip 1 ms",
              "processor time of each, so", "ms"),
        bench("bench tuned", "idle", "processor time when idle, so", "% of a core"))),
    Row("latency", "From enqueued to answered", (
        bench("bench latency", "enqueue to answer one at a time, p50", "one at a time, p50", "ms"),
        bench("bench latency", "enqueue to answer one at a time, p99", "one at a time, p99", "ms"),
        bench("bench latency", "enqueue to answer at 20/s, p50", "at 20 per second, p50", "ms"),
        bench("bench latency", "enqueue to answer at 50/s, p50", "at 50 per second, p50", "ms"))),
    Row("slow-sensors", "A ping while 20 sensors take 30 s each", (
        bench("bench sensors", "ping behind 20 sensors, p50", "p50", "ms"),)),
    Row("redeploy-beside", "A location is deployed while another one", (
        seconds("redeploy", "loading", "takes 40 s to load: deployed after"),
        seconds("redeploy", "stuck", "has a server that stands still: deployed after"))),
    Row("slow-start", "Start with a location that takes 60 s to load", (
        seconds("slow start", "first answer", "first answer of another location after"),
        seconds("slow start", "first heartbeat", "first heartbeat after"))),
    Row("killed", "kill -9 of the agent, started again", (
        count("killed", "lost calls", "calls never answered, of 20 under way"),
        count("killed", "lost runs", "runs never started, of 10 just popped"),
        count("killed", "runs twice", "runs started more than once, of these"))),
    Row("restart", "Restart with two locations", (
        seconds("restart", "first answer", "first answer after"),
        count("restart", "started", "code servers started anew"),
        count("restart", "idle servers", "old code servers still there 10 s later, unused"))),
    Row("sigterm", "SIGTERM", (
        seconds("stopped", "idle", "idle: ends after", 0.3),
        count("stopped", "exit", "exit status"),
        seconds("stopped", "busy", "with a call of 20 s: ends after", 2.0),
        count("stopped", "lost", "calls lost, of 1"))),
    Row("refused", "The control plane refuses connections for 60 s, or is silent for 90 s", (
        count("refused", "lost", "results lost, of 3 that became ready meanwhile"),
        seconds("refused", "resumed", "asks again after it was refused"),
        seconds("silent", "resumed", "asks again after the silence"))),
    Row("down-at-start", "The control plane is down, or says 401 or 500, at the start", (
        seconds("down at start", "lived", "down: the agent ends after", more=True),
        seconds("refused at start", "lived 401", "401: the agent ends after", more=True),
        seconds("refused at start", "lived 500", "500: the agent ends after", more=True),
        count("refused at start", "polls 401", "works once it is let in (401)", more=True),
        count("refused at start", "polls 500", "works once it is over (500)", more=True))),
    Row("upload-refused", "The upload of an answer is refused once", (
        count("upload refused", "lost 500", "with 500: answers lost, of 1"),
        count("upload refused", "lost 401", "with 401: answers lost, of 1"))),
    Row("pop-broken", "The answer to a pop of ten requests", (
        count("pop broken", "cut", "is cut in the middle: requests lost"),
        count("pop broken", "lost", "never comes: requests lost"))),
    Row("call-hangs", "One call takes 15 s: the longest wait of a ping", (
        seconds("hangs", "workspace", "the workspace query"),
        seconds("hangs", "heartbeat", "a heartbeat"))),
    Row("server-lost", "A code server", (
        seconds("server killed", "again", "is killed: serves again after"),
        count("server killed", "errors", "error answers meanwhile, asked once a second"),
        seconds("server stopped", "again", "is stopped (SIGSTOP): serves again after"),
        seconds("server stuck", "again", "is stuck in Python's lock: serves again after"))),
    Row("run-killed", "A run's worker is killed", (
        seconds("run killed", "told", "told as failed after"),
        count("run killed", "left", "its processes that are left"))),
    Row("bad-request", "A request that cannot be decoded, in one pop with a launch and 7 pings", (
        count("bad request", "lost", "good requests lost, of 8"),
        count("bad request", "workers", "run workers started for the one run"))),
    Row("replicas", "Two replicas, one is killed with calls under way and started again", (
        count("replicas", "lost", "calls lost, of 20 that both had"),
        count("replicas", "servers", "code servers of one location"))),
)

READ = (
    Row("monitor-not-isolated", "A run's worker is killed beside a run that is not isolated", (
        seconds("run killed beside", "told", "told as failed after"),)),
    Row("hung-server", "A code server that accepts calls and never answers", (
        seconds("server stuck", "again", "replaced and serving after"),)),
    Row("exits-at-import", "A code server that ends when it imports its code", (
        seconds("exits", "told", "told after"),)),
    Row("shutdown-joins", "SIGTERM", (
        seconds("stopped while", "loading", "while a location takes 40 s to load: ends after"),
        seconds("stopped while", "silent", "while the control plane is silent: ends after"))),
    Row("upload-502", "The upload of an answer is refused once with 502", (
        count("upload refused", "lost 502", "answers lost, of 1"),)),
    Row("unreachable-at-start", "The control plane cannot be reached at the start", (
        seconds("down at start", "lived", "the agent ends after", more=True),
        seconds("down at start", "resumed", "asks once it is there, after"))),
    Row("proxy-verify", "`proxies` and `verify` hold for every call", (
        count("proxied", "direct", "calls past the proxy (a deploy and a run)"),
        count("unverified", "not served", "locations not served with `verify: false`, of 1"))),
    Row("token-option", "`agent run HOME --agent-token TOKEN`", (
        count("token option", "refused", "refused"),)),
    Row("terminate", "Termination", (
        seconds("terminate deaf", "gone", "a run that ignores SIGINT is gone after"),
        count("terminate other", "signalled", "somebody who has its former pid is signalled"))),
    Row("pex-beside", "A code server is killed beside a dead PEX server (time-out 20 s)", (
        seconds("beside a pex", "again", "serves again after"),)),
    Row("leftovers", "Five deploys of one location, its server killed before each", (
        count("leftovers", "files", "sockets and files that are left"),)),
    Row("retry-after", "429 with `Retry-After: 8`, then two resets", (
        seconds("retry after", "asks again", "asks again well after"),)),
    Row("health-threads", "Health checks limited to one thread, four servers stand still", (
        count("health threads", "threads", "threads that they take"),)),
    Row("allow-list-log", "A location outside the allow list", (
        count("not allowed", "lines", "lines in the log in 30 s"),)),
    Row("ready-too-early", "Calls at the start take 600 ms", (
        count("readiness", "too early", "says it is ready before any server was started"),)),
)

ROWS = MEASURED + READ
