"""devplane's own small database: what must survive a restart of devplane, written in batches.

Runs, events and ticks are not here: those are in dagster's storages (instances.py). Tables are
plain key/value: a kind, a key, a JSON text. Everything is read once, at start.
"""

import json
import queue
import sqlite3
import threading

BATCH = 2000


class Store:
    def __init__(self, path):
        self.path = path
        self.queue = queue.SimpleQueue()
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute(
                "CREATE TABLE IF NOT EXISTS items"
                " (kind TEXT, key TEXT, value TEXT, PRIMARY KEY (kind, key))")
        db.close()
        self.thread = threading.Thread(target=self._write, name="store", daemon=True)
        self.thread.start()

    def put(self, kind, key, value):
        self.queue.put((kind, key, value))

    def put_json(self, kind, key, value):
        self.queue.put((kind, key, json.dumps(value)))

    def delete(self, kind, key):
        self.queue.put((kind, key, None))

    def load(self, kind):
        """(key, JSON text) of every item of a kind, in the order of first writing."""
        db = sqlite3.connect(self.path)
        try:
            return db.execute(
                "SELECT key, value FROM items WHERE kind = ? ORDER BY rowid", (kind,)).fetchall()
        finally:
            db.close()

    def close(self):
        self.queue.put(None)
        self.thread.join()

    def _write(self):
        db = sqlite3.connect(self.path)
        db.execute("PRAGMA synchronous=NORMAL")
        more = True
        while more:
            batch = [self.queue.get()]
            while len(batch) < BATCH and not self.queue.empty():
                batch.append(self.queue.get())
            if batch[-1] is None or None in batch:
                more = False
                batch = [item for item in batch if item is not None]
            with db:
                for kind, key, value in batch:
                    if value is None:
                        db.execute("DELETE FROM items WHERE kind = ? AND key = ?", (kind, key))
                    else:
                        text = value.decode() if isinstance(value, bytes) else value
                        db.execute(
                            "INSERT INTO items VALUES (?, ?, ?) ON CONFLICT (kind, key)"
                            " DO UPDATE SET value = excluded.value", (kind, key, text))
        db.close()
