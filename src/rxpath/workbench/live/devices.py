"""A device by its name and the back end that it takes."""
from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from rxpath.backends.face import Backend, BackendError
from rxpath.backends.tap import Tap, configure

BACKENDS = ("auto", "tap")


def kind_of(name: str) -> str:
    """"tap" for a TAP or a name that is not there; else "packet"."""
    folder = f"/sys/class/net/{name}"
    return "packet" if os.path.exists(folder) and not os.path.exists(f"{folder}/tun_flags") else "tap"


def open_device(backend: str, name: str, peer: str | None, queues: int) -> Sequence[Backend]:
    """The back ends of all queues.  peer: the address of the kernel's side of a TAP.  BackendError says what is wrong."""
    kind = kind_of(name) if backend == "auto" else backend
    if kind != "tap":
        raise BackendError(errno.EINVAL, f"{name}: no TAP device")
    ends = Tap.open_queues(name, queues)
    try:
        configure(ends[0].name, peer)
    except OSError as error:
        raise BackendError(error.errno, f"{name}: --peer {peer}: {error.strerror}") from None
    return ends
