"""`devplane serve`: open the home, listen, say where, serve until SIGTERM or SIGINT."""

import asyncio
import gc
import json
import logging
import os
import shutil
import signal
import ssl
import tempfile

import uvloop

from .admin import Admin
from .plane import Plane

MAX_SOCKET_PATH = 100


def serve(options):
    logging.basicConfig(
        level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s")
    home = os.path.abspath(options.home)
    os.makedirs(home, exist_ok=True)
    uvloop.run(_serve(options, home))


async def _serve(options, home):
    loop = asyncio.get_running_loop()
    plane = Plane(home, options.deployment or ["prod"], options.branch or [], options.token,
                  options.record, options.keep, options.bodies)
    plane.hub.attach(loop)
    plane.admin = Admin(plane)
    plane.rtt = options.rtt / 1000.0
    host, _, port = options.listen.rpartition(":")
    tls = None
    if options.tls_cert:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(options.tls_cert, options.tls_key)
    await plane.server.listen(host or "127.0.0.1", int(port), tls)
    scheme, (host, port) = "https" if tls else "http", plane.server.where
    plane.base_url = options.public_url or f"{scheme}://{host}:{port}"

    directory, path = None, os.path.join(home, "admin.sock")
    if len(path) > MAX_SOCKET_PATH:
        directory = tempfile.mkdtemp(prefix="devplane-")
        path = os.path.join(directory, "admin.sock")
    if os.path.exists(path):
        os.unlink(path)
    await plane.server.listen_local(path)
    os.chmod(path, 0o600)

    for deployment in plane.full + plane.branches:
        await plane.run_in("write", plane.instances.get, deployment)
    # cycles are few and what is remembered is much: never stop to walk through all of it
    gc.freeze()
    gc.set_threshold(20000, 20, 1000000)
    info = os.path.join(home, "devplane.json")
    with open(info + ".tmp", "w", encoding="utf-8") as f:
        os.fchmod(f.fileno(), 0o600)
        json.dump({"url": plane.base_url, "socket": path, "pid": os.getpid(),
                   "token": plane.token, "admin_token": plane.admin_token}, f)
    os.rename(info + ".tmp", info)
    print(f"devplane: {plane.base_url} (home {home})", flush=True)

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    os.unlink(info)
    plane.close()
    if os.path.exists(path):
        os.unlink(path)
    if directory is not None:
        shutil.rmtree(directory)
