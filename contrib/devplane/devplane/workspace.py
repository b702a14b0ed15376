"""Code locations: what is wanted, and what agents uploaded about them.

A location is made from an entry of a `dagster_cloud.yaml` (the list form or the old map form).
Paths in it are taken relative to that file, unless the location names an image: then they are
left alone, they mean something inside the image.
"""

import json
import os
import time

import yaml
from dagster._core.definitions.selector import JobSelector
from dagster._core.origin import RepositoryPythonOrigin
from dagster._core.remote_origin import RegisteredCodeLocationOrigin
from dagster._core.remote_representation.external import RemoteRepository
from dagster._core.remote_representation.external_data import (
    JobDataSnap,
    RepositoryErrorSnap,
    RepositorySnap,
)
from dagster._core.remote_representation.handle import RepositoryHandle
from dagster._core.snap import JobSnap
from dagster._serdes import deserialize_value, pack_value, serialize_value, unpack_value
from dagster_cloud.api.dagster_cloud_api import DagsterCloudCodeLocationManifest
from dagster_cloud_cli.core.workspace import CodeLocationDeployData, GitMetadata, PexMetadata
from dagster_shared.serdes.objects.models.defs_state_info import DefsStateInfo

SOURCES = ("python_file", "package_name", "module_name", "autoload_defs_module_name")
PLAIN = ("image", "working_directory", "executable_path", "attribute", "container_context",
         "agent_queue")


class BadLocation(Exception):
    """The YAML or an entry of it cannot be used; the text says why."""


def read_cloud_yaml(path):
    """{location name: fields of CodeLocationDeployData} of a dagster_cloud.yaml."""
    with open(path, encoding="utf-8") as f:
        document = yaml.safe_load(f)
    if not isinstance(document, dict) or "locations" not in document:
        raise BadLocation(f"{path}: no `locations`")
    defaults = document.get("defaults") or {}
    entries = document["locations"]
    if isinstance(entries, dict):
        entries = [{"location_name": name, **(entry or {})} for name, entry in entries.items()]
    if not isinstance(entries, list):
        raise BadLocation(f"{path}: `locations` is neither a list nor a map")
    base = os.path.dirname(os.path.abspath(path))
    found = {}
    for entry in entries:
        name = entry.get("location_name") if isinstance(entry, dict) else None
        if not name:
            raise BadLocation(f"{path}: a location without location_name")
        if name in found:
            raise BadLocation(f"{path}: location {name} stands there twice")
        found[name] = _fields(name, {**defaults, **entry}, base)
    return found


def _fields(name, entry, base):
    source = entry.get("code_source") or entry
    fields = {key: source[key] for key in SOURCES if source.get(key)}
    if len(fields) != 1:
        raise BadLocation(f"location {name}: give exactly one of {', '.join(SOURCES)}")
    fields |= {key: entry[key] for key in PLAIN if entry.get(key) is not None}
    git = entry.get("git") or entry.get("git_metadata")
    if git:
        fields["git_metadata"] = git
    if entry.get("pex_tag"):
        fields["pex_metadata"] = {"pex_tag": entry["pex_tag"],
                                  "python_version": entry.get("python_version")}
    if not fields.get("image") and not fields.get("pex_metadata"):
        directory = fields.get("working_directory") or (entry.get("build") or {}).get(
            "directory") or "."
        fields["working_directory"] = os.path.normpath(os.path.join(base, directory))
        if "python_file" in fields:
            fields["python_file"] = os.path.join(
                fields["working_directory"], fields["python_file"])
    return fields


def deploy_data(fields, deployment, is_branch):
    fields = dict(fields)
    if fields.get("git_metadata"):
        fields["git_metadata"] = GitMetadata(**fields["git_metadata"])
    if fields.get("pex_metadata"):
        fields["pex_metadata"] = PexMetadata(**fields["pex_metadata"])
    if fields.get("defs_state_info"):
        fields["defs_state_info"] = unpack_value(fields["defs_state_info"], DefsStateInfo)
    fields["cloud_context_env"] = {
        "DAGSTER_CLOUD_DEPLOYMENT_NAME": deployment,
        "DAGSTER_CLOUD_IS_BRANCH_DEPLOYMENT": "1" if is_branch else "0",
        **(fields.get("cloud_context_env") or {}),
    }
    return CodeLocationDeployData(**fields)


class Location:
    def __init__(self, deployment, name, fields, is_branch):
        self.deployment, self.name, self.is_branch = deployment, name, is_branch
        self.timestamp = 0.0
        self.outdated = True
        self.error = None
        self.manifest = None
        self.loads = 0
        self.replace(fields)

    def replace(self, fields):
        """New metadata (or the same again), newer than all before."""
        self.fields = fields
        self.timestamp = max(time.time(), self.timestamp + 0.001)
        self.outdated = True
        self.metadata = fields.get("raw_metadata")
        if self.metadata is None:
            self.metadata = serialize_value(deploy_data(fields, self.deployment, self.is_branch))

    @property
    def queue(self):
        return self.fields.get("agent_queue")

    def entry(self):
        return {
            "locationName": self.name,
            "serializedDeploymentMetadata": self.metadata,
            "hasOutdatedData": self.outdated, "hasLoadError": self.error is not None,
            "metadataTimestamp": self.timestamp,
        }

    def describe(self, full=False):
        shown = {
            "deployment": self.deployment, "name": self.name, "queue": self.queue,
            "timestamp": self.timestamp, "outdated": self.outdated, "loads": self.loads,
            "error": self.error["message"] if self.error else None,
            "loaded": self.manifest is not None and not self.outdated,
            "repositories": [r["name"] for r in self.manifest["repositories"]]
            if self.manifest else [],
        }
        if full:
            shown |= {"fields": self.fields, "manifest": self.manifest, "error": self.error}
        return shown


class Workspace:
    def __init__(self, hub, store, snapshots, branches):
        self.hub, self.store, self.snapshots, self.branches = hub, store, snapshots, branches
        self.locations = {}
        self._repositories = {}
        for _, text in store.load("location"):
            d = json.loads(text)
            location = Location(d["deployment"], d["name"], d["fields"], d["is_branch"])
            location.timestamp, location.outdated = d["timestamp"], d["outdated"]
            location.error, location.manifest = d["error"], d["manifest"]
            self.locations[location.deployment, location.name] = location

    def save(self, location):
        self.store.put_json("location", f"{location.deployment}/{location.name}", {
            "deployment": location.deployment, "name": location.name,
            "fields": location.fields, "is_branch": location.is_branch,
            "timestamp": location.timestamp, "outdated": location.outdated,
            "error": location.error, "manifest": location.manifest,
        })
        self.hub.touch("locations")

    def put(self, deployment, name, fields):
        """Add a location or give it new metadata."""
        location = self.locations.get((deployment, name))
        if location is None:
            location = Location(deployment, name, fields, deployment in self.branches)
            self.locations[deployment, name] = location
        else:
            location.replace(fields)
        self.save(location)
        return location

    def remove(self, deployment, name):
        del self.locations[deployment, name]
        self.store.delete("location", f"{deployment}/{name}")
        self.hub.touch("locations")

    def get(self, deployment, name):
        location = self.locations.get((deployment, name))
        if location is None:
            raise BadLocation(f"no location {name} in deployment {deployment}")
        return location

    def entries(self, deployment, queues):
        """Workspace entries for an agent that serves `queues` (None: all queues)."""
        return [
            location.entry() for (d, _), location in self.locations.items()
            if d == deployment and (queues is None or location.queue in queues)
        ]

    # --- what agents upload ---

    def loaded(self, deployment, name, manifest):
        """The missing job snapshots as JobSelectors; an empty list means that it is taken."""
        location = self.get(deployment, name)
        missing = []
        for repository in manifest.repositories:
            text = self.snapshots.read(repository.stored_snapshot.sha1)
            snap = deserialize_value(text)
            if isinstance(snap, RepositoryErrorSnap):
                self.failed(deployment, name, serialize_value(snap.error))
                return []
            for ref in snap.job_refs or ():
                if not self.snapshots.has(ref.snapshot_id):
                    missing.append(JobSelector(
                        location_name=name, repository_name=repository.name, job_name=ref.name))
        if missing:
            return missing
        location.manifest = pack_value(manifest)
        location.error = None
        location.outdated = (
            serialize_value(manifest.code_location_deploy_data) != location.metadata)
        location.loads += 1
        self.save(location)
        return []

    def failed(self, deployment, name, error_text):
        location = self.get(deployment, name)
        location.error = json.loads(error_text)
        location.outdated = False
        location.loads += 1
        self.save(location)

    # --- reading what was uploaded ---

    def _snap(self, sha1):
        value = deserialize_value(self.snapshots.read(sha1))
        if not isinstance(value, RepositorySnap):
            raise BadLocation(f"repository snapshot {sha1} is a {type(value).__name__}: {value}")
        return value

    def manifest(self, deployment, name):
        location = self.get(deployment, name)
        if location.manifest is None:
            raise BadLocation(f"location {name} has not been uploaded yet")
        return unpack_value(location.manifest, DagsterCloudCodeLocationManifest)

    def job_data(self, ref):
        """The JobDataSnap behind a JobRefSnap, from the uploaded job snapshot."""
        value = deserialize_value(self.snapshots.read(ref.snapshot_id))
        if isinstance(value, JobSnap):
            return JobDataSnap(name=ref.name, job=value, parent_job=None,
                               active_presets=ref.active_presets)
        return value

    def repositories(self, deployment, name):
        """RemoteRepository objects of a location, as the web server of dagster would have."""
        manifest = self.manifest(deployment, name)
        context = manifest.code_location_deploy_data.container_context
        found = []
        for repository in manifest.repositories:
            key = (deployment, name, repository.name, repository.stored_snapshot.sha1)
            if key not in self._repositories:
                handle = RepositoryHandle(
                    repository_name=repository.name,
                    code_location_origin=RegisteredCodeLocationOrigin(name),
                    repository_python_origin=RepositoryPythonOrigin(
                        executable_path=manifest.executable_path or "python",
                        code_pointer=repository.code_pointer,
                        container_image=manifest.container_image,
                        entry_point=None,
                        container_context=context or {}),
                    display_metadata={})
                self._repositories[key] = RemoteRepository(
                    self._snap(repository.stored_snapshot.sha1), handle,
                    auto_materialize_use_sensors=True, ref_to_data_fn=self.job_data)
            found.append(self._repositories[key])
        return found
