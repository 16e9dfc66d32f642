"""What the benches measure with: frames in memory, and the yardstick in C over the same."""
import ctypes
import pathlib
import random
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable
from typing import Any

HERE = pathlib.Path(__file__).parent
NFRAME = 4096


def c_loop() -> Callable[[Any, int, int], float]:
    """ns a frame of benches/c_loop.c: (buffer, stride, count)."""
    cc = shutil.which("cc") or shutil.which("gcc")
    if cc is None:
        raise SystemExit("benches/run.py needs a C compiler for its yardstick (cc)")
    with tempfile.TemporaryDirectory() as d:
        so = pathlib.Path(d) / "c_loop.so"
        subprocess.run([cc, "-O2", "-shared", "-fPIC", "-o", so, HERE / "c_loop.c"], check=True)
        lib = ctypes.CDLL(str(so))
    lib.verify.restype, lib.verify.argtypes = ctypes.c_long, [ctypes.c_void_p] + [ctypes.c_long] * 3

    def timed(buffer: Any, stride: int, count: int) -> float:
        address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
        t = time.perf_counter()
        good = lib.verify(address, stride, NFRAME, count)
        t = time.perf_counter() - t
        if good != count:
            raise SystemExit(f"the yardstick found {count - good} bad checksums")
        return t / count * 1e9
    return timed


class Workload:
    """4096 distinct frames in memory, 64-byte aligned, of `nflow` flows in a random order with a fixed seed."""

    def __init__(self, payload: int, nflow: int, first_port: int = 5000) -> None:
        from tests.frames import udp_frame
        rng = random.Random(1)
        self.flows = [rng.randrange(nflow) for _ in range(NFRAME)]
        self.length = 42 + payload
        self.stride = self.length + 63 & ~63
        self.buffer = bytearray(self.stride * NFRAME)
        self.expected = []
        for i, flow in enumerate(self.flows):
            head = struct.pack("<II", i, flow)
            frame = udp_frame(head + rng.randbytes(payload - 8), sport=40000 + flow % 20000, dport=first_port + flow,
                              src=f"10.0.{1 + flow // 250}.{2 + flow % 250}")
            self.buffer[i * self.stride:i * self.stride + len(frame)] = frame
            self.expected.append(struct.unpack("<q", head)[0])
        self.rss = bytearray(b"".join(struct.pack("<q", f * 0x9E3779B1 & 0x7FFFFFFF) for f in self.flows))

    def sum_of(self, count: int) -> int:
        whole, rest = divmod(count, NFRAME)
        return whole * sum(self.expected) + sum(self.expected[:rest])
