"""The control plane: all of its parts, and the way of a call through it.

A call is checked (token, scope headers), named (REST path or the GraphQL fields in it), given
to the faults, served, recorded. Nothing here or below looks at the user agent, at a version
header or at the type of the agent.
"""

import asyncio
import json
import logging
import secrets
import time
from concurrent.futures import ThreadPoolExecutor

from . import faults as fault
from .bad import Bad
from .faults import Faults
from .graphql import Call, DocumentError, Documents, result_of
from .instances import Instances
from .monitor import Monitor
from .record import TOKEN, Hub, Record
from .requests import Requests
from .rest import ROUTES
from .server import Reply, Server, json_reply, text_reply
from .snapshots import Snapshots
from .store import Store
from .workspace import Workspace
from . import ops_agent, ops_assets, ops_events, ops_pools, ops_runs, ops_schedules  # noqa: F401

log = logging.getLogger("devplane")

SCOPE = b"dagster-cloud-scope"
DEPLOYMENT = b"dagster-cloud-deployment"
READERS = 3


class Plane:
    def __init__(self, home, deployments, branches, token, record_limit=50000,
                 keep_requests=200000, bodies=False):
        self.home = home
        self.full = list(deployments)
        self.branches = list(branches)
        self.token = token
        self.admin_token = secrets.token_hex(16)
        self.hub = Hub()
        self.record = Record(self.hub, record_limit, bodies)
        self.store = Store(f"{home}/devplane.db")
        self.instances = Instances(home)
        self.snapshots = Snapshots(home)
        self.requests = Requests(self.hub, self.store, self.record.problem, keep_requests)
        self.workspace = Workspace(self.hub, self.store, self.snapshots, self.branches)
        self.faults = Faults()
        self.documents = Documents()
        self.agents = ops_agent.Agents(self.hub)
        self.monitor = Monitor(self)
        self.secrets = {k: json.loads(v) for k, v in self.store.load("secret")}
        self.defs_state = {k: json.loads(v) for k, v in self.store.load("defs_state")}
        self.seen_keys = {}
        self.rtt = 0.0
        self.base_url = None
        self.server = Server(self.serve, self.bad_request)
        self.admin = None
        self.writer = ThreadPoolExecutor(1, "write")
        self.readers = ThreadPoolExecutor(READERS, "read")

    def close(self):
        self.server.close()
        self.writer.shutdown()
        self.readers.shutdown()
        self.instances.close()
        self.store.close()

    def is_branch(self, deployment):
        return deployment in self.branches

    def known(self, deployment):
        return deployment in self.full or deployment in self.branches

    async def run_in(self, where, fn, *args):
        pool = self.writer if where == "write" else self.readers
        return await asyncio.get_running_loop().run_in_executor(pool, fn, *args)

    def bad_request(self, text):
        self.record.problem("violation", f"not HTTP/1.1: {text}")

    # --- the way of a call ---

    def serve(self, request):
        """Reply, or a coroutine of one."""
        path = request.path
        if path.startswith("/devplane/"):
            return self.admin.serve(request)
        if path == "/graphql":
            return self._late(self._graphql(request))
        if path.startswith("/blob/"):
            name = "blob"
        else:
            name = path[1:]
        route = ROUTES.get(name)
        if route is None or request.method not in route.methods:
            self.record.problem("unimplemented", f"{request.method} {path}")
            self.record.call(request, (name,), 404, None, None)
            return text_reply(f"devplane does not have {request.method} {path}", 404)
        return self._late(self._rest(request, name, route))

    def _late(self, reply):
        """Add the constant round trip time."""
        if not self.rtt:
            return reply
        if isinstance(reply, Reply):
            reply.delay += self.rtt
            return reply
        return self._late_later(reply)

    async def _late_later(self, coroutine):
        reply = await coroutine
        reply.delay += self.rtt
        return reply

    def _refusal(self, request, scope, name):
        """Reply for a call whose token or scope headers are wrong, else None."""
        headers = request.headers
        if headers.get(TOKEN, b"").decode("latin-1") != self.token:
            self.record.problem("violation", f"{name}: wrong or missing Dagster-Cloud-Api-Token")
            return text_reply("wrong or missing Dagster-Cloud-Api-Token", 401)
        said = headers.get(SCOPE, b"").decode("latin-1")
        deployment = headers.get(DEPLOYMENT)
        deployment = deployment.decode("latin-1") if deployment is not None else None
        text = None
        if said not in ("organization", "deployment"):
            text = f"Dagster-Cloud-Scope is {said!r}, not organization or deployment"
        elif said == "organization" and scope not in ("organization", "any"):
            text = f"{name} is called with Dagster-Cloud-Scope deployment, not organization"
        elif said == "deployment" and scope == "organization":
            text = f"{name} is called with Dagster-Cloud-Scope organization, not deployment"
        elif said == "organization" and deployment is not None:
            text = "Dagster-Cloud-Deployment does not go with Dagster-Cloud-Scope organization"
        elif scope == "deployment" and deployment is None:
            text = f"{name} needs the header Dagster-Cloud-Deployment"
        elif deployment is not None and not self.known(deployment):
            text = f"there is no deployment {deployment}"
        if text is None:
            return None
        self.record.problem("violation", f"{name}: {text}")
        return text_reply(text, 400)

    def _fault(self, request, names):
        if not self.faults.faults:
            return None
        deployment = request.headers.get(DEPLOYMENT)
        found = self.faults.find(names, deployment.decode("latin-1") if deployment else None)
        if found is not None and found["kind"] == "duplicate":
            self.requests.duplicates = int(found.get("duplicates", 1))
        return found

    def _finish(self, request, names, reply, variables, found, detail=None):
        if found is not None:
            reply = fault.after(found, reply)
        self.record.call(request, names, reply.status, variables,
                         found["kind"] if found else None, detail)
        return reply

    # --- REST ---

    def _rest(self, request, name, route):
        if route.scope is not None:
            refused = self._refusal(request, route.scope, name)
            if refused is not None:
                self.record.call(request, (name,), refused.status, None, None)
                return refused
        found = self._fault(request, (name, request.path))
        if found is not None and not fault.serves(found):
            return self._finish(request, (name,), fault.instead(found), None, found)
        deployment = request.headers.get(DEPLOYMENT, b"").decode("latin-1")
        if route.where != "loop":
            return self._rest_later(request, name, route, deployment, found)
        try:
            reply, variables = route.fn(self, request, deployment)
        except Exception as e:
            reply, variables = self._broken(name, e), None
        return self._finish(request, (name,), reply, variables, found)

    async def _rest_later(self, request, name, route, deployment, found):
        try:
            reply, variables = await self.run_in(
                route.where, route.fn, self, request, deployment)
        except Exception as e:
            reply, variables = self._broken(name, e), None
        return self._finish(request, (name,), reply, variables, found)

    def _broken(self, name, e):
        if isinstance(e, Bad):
            self.record.problem("violation", f"{name}: {e}")
            return text_reply(str(e), e.status)
        log.exception("%s failed", name)
        self.record.problem("failure", f"{name}: {type(e).__name__}: {e}")
        return text_reply(f"{type(e).__name__}: {e}", 500)

    # --- GraphQL ---

    def _graphql(self, request):
        if request.method != "POST":
            return text_reply("POST only", 405)
        try:
            body = json.loads(request.body)
            text, variables = body["query"], body.get("variables") or {}
            if not isinstance(text, str) or not isinstance(variables, dict):
                raise ValueError("query is not a text or variables are not an object")
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            return self._graphql_refused(request, ("graphql",), None, 400,
                                         [f"not a GraphQL request: {e}"], "violation")
        try:
            plan = self.documents.plan(text, body.get("operationName"))
            given = self.documents.arguments(plan, variables)
        except DocumentError as e:
            kind = "unimplemented" if e.unknown_fields else "violation"
            return self._graphql_refused(request, ("graphql",), variables, 400, e.messages, kind)
        names = tuple(plan.ops)
        scopes = {step.op.scope for step in plan.steps}
        scope = scopes.pop() if len(scopes) == 1 else "any"
        refused = self._refusal(request, scope, names[0] if names else "graphql")
        if refused is not None:
            return self._finish(request, names, refused, variables, None)
        found = self._fault(request, (*names, plan.name or "", request.path))
        if found is not None and not fault.serves(found):
            return self._finish(request, names, fault.instead(found), variables, found)
        deployment = request.headers.get(DEPLOYMENT)
        call = Call(self, deployment.decode("latin-1") if deployment else None, request.headers)
        places = {step.op.where for step in plan.steps}
        if places <= {"loop"}:
            return self._finish(request, names, self._answer(plan, call, given), variables,
                                found)
        where = "write" if "write" in places else "read"
        return self._graphql_later(request, plan, call, given, where, variables, found)

    async def _graphql_later(self, request, plan, call, given, where, variables, found):
        reply = await self.run_in(where, self._answer, plan, call, given)
        if where == "write":
            self.hub.touch("runs")
        return self._finish(request, tuple(plan.ops), reply, variables, found)

    def _answer(self, plan, call, given):
        variables, arguments = given
        try:
            results = [step.op.fn(call, **args) for step, args in zip(plan.steps, arguments)]
            return json_reply({"data": result_of(plan, results, variables)})
        except Bad as e:
            self.record.problem("violation", f"{', '.join(plan.ops)}: {e}")
            return json_reply({"errors": [{"message": str(e)}]}, e.status)
        except Exception as e:
            log.exception("%s failed", plan.ops)
            self.record.problem("failure", f"{', '.join(plan.ops)}: {type(e).__name__}: {e}")
            return json_reply({"errors": [{"message": f"{type(e).__name__}: {e}"}]})

    def _graphql_refused(self, request, names, variables, status, messages, kind):
        self.record.problem(kind, "; ".join(messages), document=request.body[:4000].decode(
            "utf-8", "replace"))
        reply = json_reply({"errors": [{"message": m} for m in messages]}, status)
        return self._finish(request, names, reply, variables, None)

    # --- small things shared by resolvers ---

    def first_time(self, key):
        """False if this Idempotency-Key was seen before."""
        now = time.time()
        if key in self.seen_keys:
            return False
        self.seen_keys[key] = now
        if len(self.seen_keys) > 100000:
            for old in list(self.seen_keys)[:50000]:
                del self.seen_keys[old]
        return True
