"""A pair of descriptors in place of a device: what one end transmits the other pulls.  For tests, and for a peer that is a program: a
SOCK_SEQPACKET pair keeps the bounds of frames."""
import errno
import os
import socket
from collections.abc import Iterable

from .face import Backend, BackendError, Batch, Capabilities, Statistics

MAX_FRAME = 65535 + 18


class End(Backend):
    """One end.  name: for messages."""

    def __init__(self, end: socket.socket, name: str, mtu: int) -> None:
        super().__init__()
        end.setblocking(False)
        self.end, self.name, self.mtu = end, name, mtu

    def fileno(self) -> int:
        return self.end.fileno()

    def pull(self, batch: Batch) -> int:
        n, total = 0, 0
        try:
            while n < batch.most:
                length = os.readv(self.end.fileno(), (batch.views[n],))
                if length == 0:                      # the other end is closed
                    if n == 0:
                        raise BackendError(errno.ENODEV, f"{self.name}: the other end is gone")
                    break
                batch.put(n, length)
                total += length
                n += 1
        except BlockingIOError:
            pass
        self.counted.rx_frames += n
        self.counted.rx_bytes += total
        return n

    def transmit(self, frames: Iterable[bytes]) -> int:
        return self._send(frames, self.end.send, self._failed)

    def _failed(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError | ConnectionResetError):
            raise BackendError(errno.ENODEV, f"{self.name}: the other end is gone") from None

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(self.mtu + 18)

    def statistics(self) -> Statistics:
        """Nothing is lost before pull(): a full pair refuses."""
        return self.counted

    def close(self) -> None:
        self.end.close()


def pair(mtu: int = 1500) -> tuple[End, End]:
    """Both ends."""
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return End(a, "pair0", mtu), End(b, "pair1", mtu)
