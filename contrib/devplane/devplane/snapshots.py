"""Blobs that go over presigned URLs: definition snapshots, captured logs, artifacts.

A snapshot is stored inflated under its SHA-1. An upload has an id; what was PUT under it is
checked (SHA-1 and size of the inflated bytes) before it counts as stored.
"""

import hashlib
import os
import uuid
import zlib

from dagster_cloud.api.dagster_cloud_api import SnapshotUploadData, StoredSnapshot

FORMATS = ("json.gz", "json")


class Refused(Exception):
    """What was uploaded is not what was announced; the text says why."""


class Snapshots:
    def __init__(self, home):
        self.directory = os.path.join(home, "snapshots")
        os.makedirs(self.directory, exist_ok=True)
        self.uploads = {}
        self.files = {}

    def _path(self, sha1):
        return os.path.join(self.directory, sha1)

    def has(self, sha1):
        return os.path.exists(self._path(sha1))

    def read(self, sha1):
        with open(self._path(sha1), "rb") as f:
            return f.read().decode()

    def keep(self, content):
        """Store inflated bytes; returns their SHA-1."""
        sha1 = hashlib.sha1(content).hexdigest()
        if not self.has(sha1):
            temporary = self._path(sha1) + ".tmp"
            with open(temporary, "wb") as f:
                f.write(content)
            os.rename(temporary, self._path(sha1))
        return sha1

    def stored(self, sha1, format="json.gz"):
        return StoredSnapshot(sha1=sha1, format=format, uri=f"devplane://snapshots/{sha1}",
                              decompressed_size=os.path.getsize(self._path(sha1)))

    # --- snapshots ---

    def offer(self, type_, sha1, size, formats, base_url):
        """(StoredSnapshot, None) if it is here already, else (None, SnapshotUploadData)."""
        if self.has(sha1):
            return self.stored(sha1), None
        format = next((f for f in formats if f in FORMATS), None)
        if format is None:
            raise Refused(f"none of the formats {formats} is known here")
        id = uuid.uuid4().hex
        data = SnapshotUploadData(
            sha1=sha1, format=format, uri=f"devplane://snapshots/{sha1}",
            presigned_put_url=f"{base_url}/blob/snapshot/{id}?signature={uuid.uuid4().hex}",
            id=id, type=type_)
        self.uploads[id] = {"data": data, "size": size, "content": None}
        return None, data

    def put(self, id, content):
        if id not in self.uploads:
            raise Refused(f"no upload {id} was offered")
        self.uploads[id]["content"] = content

    def confirm(self, data):
        upload = self.uploads.get(data.id)
        if upload is None:
            raise Refused(f"no upload {data.id} was offered")
        if upload["data"] != data:
            raise Refused(f"confirm_upload does not echo what check_snapshot gave for {data.id}")
        content = upload["content"]
        if content is None:
            raise Refused(f"nothing was PUT for {data.id}")
        if data.format == "json.gz":
            try:
                content = zlib.decompress(content)
            except zlib.error as e:
                raise Refused(f"{data.id} is not a zlib stream: {e}") from None
        if len(content) != upload["size"]:
            raise Refused(f"{data.id} has {len(content)} bytes, {upload['size']} were announced")
        sha1 = hashlib.sha1(content).hexdigest()
        if sha1 != data.sha1:
            raise Refused(f"{data.id} has SHA-1 {sha1}, {data.sha1} was announced")
        self.keep(content)
        del self.uploads[data.id]
        return self.stored(sha1, data.format)

    # --- other files ---

    def offer_file(self, kind, path, base_url):
        """A presigned URL for a file that will be (or is) at `path`."""
        id = uuid.uuid4().hex
        self.files[id] = path
        return f"{base_url}/blob/{kind}/{id}?signature={uuid.uuid4().hex}"

    def file(self, id):
        if id not in self.files:
            raise Refused(f"no file {id} was offered")
        return self.files[id]

    def put_file(self, id, content):
        path = self.file(id)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content)
