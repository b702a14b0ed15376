"""The REST endpoints: what agents, code servers and run workers send beside GraphQL.

A handler gets (plane, request, deployment) and returns (Reply, what to record of it).
"""

import json
import os
import zlib

from dagster._core.remote_representation.external_data import JobDataSnap
from dagster._serdes import deserialize_value, pack_value, serialize_value, unpack_value
from dagster_cloud.api.dagster_cloud_api import (
    CheckSnapshotResult,
    ConfirmUploadResult,
    DagsterCloudCodeLocationManifest,
    DagsterCloudCodeLocationUpdateResponse,
    DagsterCloudCodeLocationUpdateResult,
    DagsterCloudRepositoryManifest,
    DagsterCloudUploadWorkspaceEntry,
    DagsterCloudUploadWorkspaceResponse,
    SnapshotUploadData,
    StoreEventBatchRequest,
)

from . import requests, snapshots
from .bad import Bad
from .ops_events import store_events
from .record import TOKEN
from .server import Reply, json_reply
from .workspace import BadLocation

OK = b'{"ok": true}'


class Route:
    __slots__ = ("methods", "fn", "scope", "where")

    def __init__(self, methods, fn, scope, where):
        self.methods, self.fn, self.scope, self.where = methods, fn, scope, where


ROUTES = {}


def route(name, methods, scope="deployment", where="loop"):
    def register(fn):
        ROUTES[name] = Route(methods, fn, scope, where)
        return fn

    return register


def part(request, name):
    """The bytes of the only part of a multipart body; it must be called `name`."""
    kind = request.headers.get(b"content-type", b"")
    at = kind.find(b"boundary=")
    if not kind.startswith(b"multipart/form-data") or at < 0:
        raise Bad(f"the body is not multipart/form-data but {kind.decode('latin-1')!r}")
    boundary = b"--" + kind[at + 9:].split(b";")[0].strip(b'"')
    body = request.body
    if not body.startswith(boundary + b"\r\n"):
        raise Bad("the body does not start with its boundary")
    end = body.rfind(b"\r\n" + boundary + b"--")
    head_end = body.find(b"\r\n\r\n")
    if end < 0 or head_end < 0:
        raise Bad("the multipart body is not complete")
    head = body[len(boundary) + 2:head_end]
    wanted = name.encode()
    if b'name="%s"' % wanted not in head or b'filename="%s"' % wanted not in head:
        raise Bad(f"the part is not called {name}: {head.decode('latin-1')!r}")
    content = body[head_end + 4:end]
    if b"\r\n" + boundary + b"\r\n" in content:
        raise Bad("more than one part")
    return content


def inflated(request, name):
    packed = part(request, name)
    if packed[:1] != b"\x78":
        raise Bad(f"{name} is not a zlib stream")
    try:
        return zlib.decompress(packed)
    except zlib.error as e:
        raise Bad(f"{name} is not a zlib stream: {e}") from None


def decoded(text, cls):
    try:
        return deserialize_value(text, cls)
    except Exception as e:
        raise Bad(f"cannot be decoded as {cls.__name__}: {e}") from None


def unpacked(request, cls):
    try:
        return unpack_value(json.loads(request.body), cls)
    except Exception as e:
        raise Bad(f"cannot be decoded as {cls.__name__}: {e}") from None


def one(query, name):
    values = query.get(name)
    if not values:
        raise Bad(f"the parameter {name} is missing")
    return values[0]


# --- answers to requests -----------------------------------------------------------------------


@route("upload_api_response", ("PUT",))
def upload_api_response(plane, request, deployment):
    single = b'name="api_response.tmp"' in request.body[:400]
    payload = inflated(request, "api_response.tmp" if single else "api_response_batch.tmp")
    try:
        count = plane.requests.answer(payload, deployment)
    except requests.Refused as e:
        return Reply(400, str(e).encode(), b"text/plain"), {"refused": str(e)}
    return Reply(200, OK), count


# --- definitions -------------------------------------------------------------------------------


@route("check_snapshot", ("GET",))
def check_snapshot(plane, request, deployment):
    query = request.query
    type_, sha1 = one(query, "type"), one(query, "sha1")
    if type_ not in ("repository", "job", "error"):
        raise Bad(f"no such snapshot type: {type_}")
    try:
        size = int(one(query, "size"))
        stored, upload = plane.snapshots.offer(
            type_, sha1, size, query.get("formats", []), plane.base_url)
    except (ValueError, snapshots.Refused) as e:
        raise Bad(str(e)) from None
    result = CheckSnapshotResult(stored_snapshot=stored, upload_data=upload)
    return json_reply(pack_value(result)), query


@route("blob", ("PUT", "GET", "POST"), scope=None)
def blob(plane, request, deployment):
    """Presigned URLs: /blob/KIND/ID?signature=..."""
    _, _, kind, id = request.path.split("/", 3)
    seen = {"kind": kind, "id": id, "size": len(request.body)}
    if request.headers.get(TOKEN) is not None:
        raise Bad("a presigned URL was called with the agent's token")
    if b"signature=" not in request.query_string:
        return Reply(403, b"no signature", b"text/plain"), seen
    try:
        if request.method == "GET":
            with open(plane.snapshots.file(id), "rb") as f:
                return Reply(200, f.read(), b"application/octet-stream"), seen
        if request.method == "POST":
            plane.snapshots.put_file(id, file_of_form(request))
        elif kind == "snapshot":
            if b"content-type" in request.headers:
                raise Bad("a presigned PUT was sent with a Content-Type")
            plane.snapshots.put(id, request.body)
        else:
            plane.snapshots.put_file(id, request.body)
    except (snapshots.Refused, FileNotFoundError) as e:
        raise Bad(str(e), 404) from None
    return Reply(200, b"", b"application/xml"), seen


def file_of_form(request):
    """The bytes of the part called "file" of a form."""
    kind = request.headers.get(b"content-type", b"")
    boundary = b"--" + kind[kind.find(b"boundary=") + 9:].split(b";")[0].strip(b'"')
    for piece in request.body.split(boundary):
        head, _, content = piece.partition(b"\r\n\r\n")
        if b'name="file"' in head:
            return content[:-2] if content.endswith(b"\r\n") else content
    raise Bad("the form has no part `file`")


@route("confirm_upload", ("PUT",), where="write")
def confirm_upload(plane, request, deployment):
    data = unpacked(request, SnapshotUploadData)
    try:
        stored = plane.snapshots.confirm(data)
    except snapshots.Refused as e:
        raise Bad(str(e)) from None
    return json_reply(pack_value(ConfirmUploadResult(stored_snapshot=stored))), {
        "type": data.type, "sha1": data.sha1}


@route("code_location_update_result", ("PUT",), where="write")
def code_location_update_result(plane, request, deployment):
    result = unpacked(request, DagsterCloudCodeLocationUpdateResult)
    if (result.manifest is None) == (result.error_snapshot is None):
        raise Bad("exactly one of manifest and error_snapshot must be given")
    seen = json.loads(request.body)
    try:
        if result.error_snapshot is not None:
            plane.workspace.failed(deployment, result.location_name,
                                   plane.snapshots.read(result.error_snapshot.sha1))
            missing = []
        else:
            missing = plane.workspace.loaded(
                deployment, result.location_name, result.manifest)
    except (BadLocation, FileNotFoundError) as e:
        raise Bad(str(e)) from None
    response = DagsterCloudCodeLocationUpdateResponse(
        updated=not missing, message=said(missing),
        missing_job_snapshots=missing or None)
    return json_reply(pack_value(response)), seen


def said(missing):
    return f"{len(missing)} job snapshots are missing" if missing else "updated"


@route("upload_workspace_entry", ("PUT",), where="write")
def upload_workspace_entry(plane, request, deployment):
    text = inflated(request, "workspace_entry.tmp").decode()
    entry = decoded(text, DagsterCloudUploadWorkspaceEntry)
    missing = []
    try:
        if entry.upload_location_data is None:
            if entry.serialized_error_info is None:
                raise Bad("neither location data nor an error")
            plane.workspace.failed(deployment, entry.location_name,
                                   serialize_value(entry.serialized_error_info))
        else:
            missing = plane.workspace.loaded(
                deployment, entry.location_name, manifest_of(plane, entry))
    except BadLocation as e:
        raise Bad(str(e)) from None
    response = DagsterCloudUploadWorkspaceResponse(
        updated=not missing, message=said(missing), missing_job_snapshots=missing or None)
    return Reply(200, serialize_value(response).encode()), {"location": entry.location_name}


def manifest_of(plane, entry):
    data = entry.upload_location_data
    return DagsterCloudCodeLocationManifest(
        repositories=[
            DagsterCloudRepositoryManifest(
                name=r.repository_name, code_pointer=r.code_pointer,
                stored_snapshot=plane.snapshots.stored(
                    plane.snapshots.keep(r.serialized_repository_data.encode())))
            for r in data.upload_repository_datas
        ],
        container_image=data.container_image, executable_path=data.executable_path,
        dagster_library_versions=data.dagster_library_versions,
        code_location_deploy_data=entry.code_location_deploy_data)


@route("upload_job_snapshot", ("PUT",), where="write")
def upload_job_snapshot(plane, request, deployment):
    text = inflated(request, "job.tmp").decode()
    data = decoded(text, JobDataSnap)
    plane.snapshots.keep(serialize_value(data.job).encode())
    return Reply(200, OK), {"job": data.name}


# --- events, logs, artifacts -------------------------------------------------------------------


@route("store_events", ("POST",), where="write")
def store_events_http(plane, request, deployment):
    key = request.headers.get(b"idempotency-key")
    if key is None or request.headers.get(b"x-event-write") != b"true":
        raise Bad("store_events needs the headers Idempotency-Key and X-Event-Write: true")
    batch = decoded(inflated(request, "store_events.tmp").decode(), StoreEventBatchRequest)
    store_events(plane, deployment, list(batch.event_log_entries), key.decode("latin-1"))
    plane.hub.touch("runs")
    return json_reply({"ok": True}), {"events": len(batch.event_log_entries)}


@route("gen_logs_url", ("GET",), where="read")
def gen_logs_url(plane, request, deployment):
    query = request.query
    log_key, io_type = query.get("log_key") or [], one(query, "io_type")
    if not log_key or io_type not in ("stdout", "stderr"):
        raise Bad("log_key and io_type stdout or stderr are needed")
    if any(p in ("", ".", "..") or os.sep in p for p in log_key):
        raise Bad("log_key is not a list of plain names")
    path = plane.instances.log_path(deployment, log_key, io_type)
    return json_reply({"url": plane.snapshots.offer_file("log", path, plane.base_url)}), query


@route("gen_insights_url", ("GET",))
def gen_insights_url(plane, request, deployment):
    path = os.path.join(plane.home, "insights", os.urandom(8).hex())
    url = plane.snapshots.offer_file("insights", path, plane.base_url)
    return json_reply({"url": url, "fields": {"key": os.path.basename(path)}}), None


def artifact_path(plane, request, deployment):
    try:
        key = json.loads(request.body)["key"]
    except (ValueError, KeyError, TypeError):
        raise Bad("the body is not {\"key\": ...}") from None
    if not isinstance(key, str) or ".." in key.split("/") or key.startswith("/"):
        raise Bad("the key is not a plain relative path")
    return key, os.path.join(plane.home, "artifacts", deployment or "_organization", key)


@route("gen_artifact_post", ("POST",), scope="any")
def gen_artifact_post(plane, request, deployment):
    key, path = artifact_path(plane, request, deployment)
    url = plane.snapshots.offer_file("artifact", path, plane.base_url)
    return json_reply({"url": url, "fields": {"key": key}}), {"key": key}


@route("gen_artifact_get", ("POST",), scope="any")
def gen_artifact_get(plane, request, deployment):
    key, path = artifact_path(plane, request, deployment)
    if not os.path.exists(path):
        raise Bad(f"no artifact {key}", 404)
    return json_reply({"url": plane.snapshots.offer_file("artifact", path, plane.base_url)}), {
        "key": key}
