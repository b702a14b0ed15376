"""The admin API from Python: Client("http://127.0.0.1:PORT") or Client.of_home(DIR).

    plane = Client.of_home("dp")
    plane.location_add(path="dagster_cloud.yaml")
    plane.location_wait(name="etl", server="RUNNING", wait=60)
    print(plane.request(kind="PING_LOCATION", location="etl", wait=10)["answer"])

Every verb of admin.py is a method here; its parameters are keywords. Uses nothing but the
standard library, so it can be imported without dagster.
"""

import http.client
import json
import os
import socket
from urllib.parse import urlsplit

SLACK = 30.0


class Failed(Exception):
    """A verb was refused; `status` is the HTTP status."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class _Local(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.socket_path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.socket_path)


class Client:
    def __init__(self, url=None, socket_path=None, info=None):
        self.url, self.socket_path, self.info = url, socket_path, info or {}

    @classmethod
    def of_home(cls, home):
        """The devplane that serves `home` (it says where in devplane.json)."""
        path = os.path.join(home, "devplane.json")
        try:
            with open(path, encoding="utf-8") as f:
                info = json.load(f)
        except FileNotFoundError:
            raise Failed(0, f"no devplane is running in {home}") from None
        return cls(info["url"], info["socket"], info)

    @property
    def token(self):
        """The agent token that this devplane accepts."""
        return self.info["token"]

    def call(self, verb, **given):
        timeout = float(given.get("wait") or 0) + float(given.get("timeout") or 0) + SLACK
        if verb == "feed":
            timeout += float(given.get("seconds") or 3600)
        if self.socket_path:
            connection = _Local(self.socket_path, timeout)
        else:
            parts = urlsplit(self.url)
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        try:
            connection.request("POST", f"/devplane/{verb}", json.dumps(given).encode(),
                               {"Content-Type": "application/json"})
            response = connection.getresponse()
            body = json.loads(response.read())
        finally:
            connection.close()
        if response.status >= 400:
            raise Failed(response.status, body.get("error", str(body)))
        return body

    def __getattr__(self, verb):
        if verb.startswith("_"):
            raise AttributeError(verb)
        return lambda **given: self.call(verb, **given)
