"""In the process of the program that `rxpath run` has started, before its first line: the host, its devices, its sockets.

Imported by startup/sitecustomize.py.  What is wrong is one line and the end of the process: a program that went on would talk by the
kernel's sockets instead of ours."""
from __future__ import annotations

import atexit
import json
import os
import sys
import threading
from typing import Any

from rxpath import live
from rxpath import socket as live_socket
from rxpath.workbench.live.devices import open_device
from rxpath.workbench.live.summary import summary


def start(folder: str) -> None:
    """The host that RXPATH_RUN describes.  folder: ours in PYTHONPATH; programs that this one starts do not find it."""
    settings = json.loads(os.environ.pop("RXPATH_RUN"))
    os.environ.pop("RXPATH_RUN_ROOT", None)
    left = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p and os.path.abspath(p) != folder]
    os.environ["PYTHONPATH"] = os.pathsep.join(left)
    if not left:
        del os.environ["PYTHONPATH"]
    try:
        host = bring_up(settings)
    except (OSError, ValueError) as error:
        print(f"rxpath: {getattr(error, 'strerror', None) or error}", file=sys.stderr, flush=True)
        os._exit(2)
    atexit.register(end, host, settings)


def bring_up(settings: dict[str, Any]) -> live.Host:
    ends = open_device(settings["backend"], settings["dev"], settings["peer"], settings["queues"])
    host = live.Host(ends, settings["addr"], settings["gateway"], kernel=settings["kernel"])
    live_socket.use(host)
    live_socket.install()
    os.register_at_fork(after_in_child=lambda: live_socket.use(None))        # no thread of the host is in a child
    return host


def end(host: live.Host, settings: dict[str, Any]) -> None:
    """At the end of the program: what is said of it, if it was asked for."""
    if settings["stats"] and threading.current_thread() is threading.main_thread():
        print(summary(host), file=sys.stderr, flush=True)
    host.close()
