"""When nothing but a location's defs state changed, the running code server loads it in place
(ReloadCodeWithState): same process, new definitions, no call lost."""

import json

import harness
import pytest
from crash_matrix.rig import Rig, meaning

NAME = "stateful"

pytestmark = pytest.mark.skipif(bool(harness.why_not("daglet")),
                                reason=str(harness.why_not("daglet")))


class Stateful(Rig):
    def __init__(self, bench):
        self.bench = bench
        self.plane = bench.devplane("--log-level", "warning")
        self.plane.location_add(path=str(harness.EXAMPLES / NAME / "dagster_cloud.yaml"))
        self.start()
        self.loads = 1
        self.wait()

    def wait(self):
        self.shown = self.plane.location_wait(
            name=NAME, loads=self.loads, server="RUNNING", wait=120)
        assert not self.shown["error"], self.shown

    def refresh(self):
        """New state is stored; what the control plane is told of it."""
        (i,) = self.plane.request(kind="REFRESH_COMPONENT_STATE", location=NAME,
                                  keys=["feed"])["ids"]
        (got,) = self.plane.answers(ids=[i], wait=120, full=True)["answers"]
        info = json.loads(meaning(got["answers"][0])["response"]["serialized_response_or_error"])
        assert info["__class__"] == "DefsStateInfo", info
        return info

    def update(self, **fields):
        self.loads += 1
        self.plane.location_update(name=NAME, fields=fields)
        self.wait()

    def assets(self):
        """The definitions that the control plane has."""
        (one,) = self.shown["manifest"]["repositories"]
        text = self.plane.snapshot(sha1=one["stored_snapshot"]["sha1"])["text"]
        return text

    def pid(self):
        return harness.until(self.server, 30, "it serves")


def test_only_the_state_changed(bench):
    s = Stateful(bench)
    pid = s.pid()
    assert "at_" not in s.assets()
    info = s.refresh()
    s.update(defs_state_info=info)
    assert "at_" in s.assets(), "the new definitions are not uploaded"
    assert s.pid() == pid and harness.alive(pid)
    assert "starting a code server" in s.agent.output()
    assert s.agent.output().count("starting a code server") == 1
    # what else changed needs a new server
    s.update(defs_state_info=info, container_context={"process": {}})
    harness.until(lambda: s.pid() != pid, 30, "the new one serves")
    harness.until(lambda: not harness.alive(pid), 30, "the old one ends")
    assert "at_" in s.assets()
