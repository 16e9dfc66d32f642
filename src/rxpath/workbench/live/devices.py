"""A device by its name and the back end that it takes."""
from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from rxpath.backends.face import Backend, BackendError
from rxpath.backends.packet import Packet
from rxpath.backends.tap import Tap, configure
from rxpath.backends.xdp import Xdp

BACKENDS = ("auto", "tap", "packet", "xdp")


def kind_of(name: str) -> str:
    """"tap" for a TAP or a name that is not there; else "packet"."""
    folder = f"/sys/class/net/{name}"
    return "packet" if os.path.exists(folder) and not os.path.exists(f"{folder}/tun_flags") else "tap"


def open_device(backend: str, name: str, peer: str | None, queues: int) -> Sequence[Backend]:
    """The back ends of all queues.  peer: the address of the kernel's side of a TAP.  BackendError says what is wrong."""
    kind = kind_of(name) if backend == "auto" else backend
    if kind in ("packet", "xdp"):
        if peer is not None:
            raise BackendError(errno.EINVAL, f"{name}: --peer is the other side of a TAP, and this is none")
        return Packet.open_queues(name, queues) if kind == "packet" else Xdp.open_queues(name, queues)
    if kind_of(name) != "tap":
        raise BackendError(errno.EINVAL, f"{name}: no TAP device")
    ends = Tap.open_queues(name, queues)
    try:
        configure(ends[0].name, peer)
    except OSError as error:
        raise BackendError(error.errno, f"{name}: --peer {peer}: {error.strerror}") from None
    return ends
