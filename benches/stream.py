"""TCP in real time, on one core, ring -> hard IRQ -> softirq -> read(); called by run.py.

W10   in-order segments of 1,448 bytes on one connection, with and without GRO; each read() takes 1,448 bytes.
      W10/copied: with GRO, each frame copied into the ring's buffer.
W11   10,000 connections, a request of 256 bytes on each in turn, read as it comes.

The card vouches for checksums.  W10 posts frames where they lie, as W1 and W2 do: a card's DMA takes no time of the CPU.  ACKs are built
in buffers that frames have come in, so each frame comes once in a lap.  Between laps, outside the time, the ring gets its own buffers
back, and the beginnings of the frames are written anew, with the next sequence numbers.  W10/copied and W11 copy each frame into the ring's
buffer, which is part of their time."""
import struct
import time
from typing import Any

import numpy as np

from benches.workload import NFRAME

MSS, HEAD = 1448, 14 + 20 + 32
ANEW = 128                                           # of each frame: GRO mends its headers, and an ACK may have been built there
SEQ_AT = 14 + 20 + 4
M32 = 0xFFFFFFFF
PORT, LOCAL_PORT, ISN = 40000, 80, 1000
BURST = 64


class Stream:
    """A booted host with accepted connections; the next `frames` segments lie in memory, one connection's after the other's."""

    def __init__(self, gro: bool, connections: int = 1, size: int = MSS, frames: int = NFRAME, copied: bool = False) -> None:
        from rxpath import boot
        from rxpath.abi.limits import BUFSTRIDE, NDESC, NQ
        from rxpath.network.setup import add_neighbour
        from rxpath.user import socket as sockets
        from rxpath.walltime import burst, engine
        from tests.frames import eth, ip, ip4, tcp
        self.burst, self.frames, self.size, self.connections, nskb = burst, frames, size, connections, 8192
        self.copied = copied
        self.length, self.stride = HEAD + size, HEAD + size + 63 & ~63
        self.boot = boot.Booted(nskb=nskb, npool=2, extra_memory=self.stride * (frames + 1) + 4096)
        net = self.net = self.boot.net
        self.boot.igb_open(1, 1024, [0])
        self.boot.add_address(ip4("10.0.0.1"), 16)
        add_neighbour(self.boot, ip4("10.0.1.2"), 0x020000000002, permanent=True)
        net.dev[0].gro = int(gro)
        engine.rt_init(net, 0, 0)
        listener = self.boot.tcp_listener(0, LOCAL_PORT)
        net.socks[listener].rcvbuf = 1 << 22
        self.first = (nskb + NQ * NDESC) * BUFSTRIDE + 4095 & ~4095
        self.rss = bytearray(b"".join(struct.pack("<q", i % connections * 0x9E3779B1 & 0x7FFFFFFF) for i in range(frames)))

        def put(n: int, seq: int, ack: int, flags: int, options: bytes, payload: bytes = b"", at: int = 0) -> int:
            segment = tcp(payload, PORT - n, LOCAL_PORT, seq, ack, flags, "10.0.1.2", "10.0.0.1", options, 64240)
            frame = eth(ip(segment, proto=6, src="10.0.1.2", dst="10.0.0.1"))
            start = self.first + at * self.stride
            self.boot.memory[start:start + len(frame)] = frame
            return len(frame)

        def stamps(echo: int) -> bytes:
            return b"\1\1" + struct.pack(">BBII", 8, 10, 1, echo)

        known, socks = [], []
        for n in range(connections):
            self._post(put(n, ISN, 0, 2, struct.pack(">BBH", 2, 4, 1460) + b"\4\2" + stamps(0)[2:] + b"\1\3\3\7"))
            request = next(net.reqs[i] for i in range(net.req_used) if net.reqs[i].in_use)
            known.append((int(request.snt_isn) + 1 & M32, stamps(int(request.snt_tsval_last))))
            self._post(put(n, ISN + 1, known[n][0], 16, known[n][1]))
            socks.append(sockets.accept(self.boot, listener))
        self.socks = bytearray(b"".join(struct.pack("<q", socks[i % connections]) for i in range(frames)))
        memory, address = boot.buffer(BUFSTRIDE)
        self.keep = memory
        net.thread[0].buf_addr, net.thread[0].buf_len = address, size
        if connections == 1:
            engine.rt_reader(net, 0, socks[0])
        for i in range(frames):
            n = i % connections
            put(n, ISN + 1 + i // connections * size, known[n][0], 16 if connections == 1 else 24, known[n][1],
                struct.pack("<q", i) + bytes(size - 8), i)
        lie = np.frombuffer(self.boot.memory, np.uint8, frames * self.stride, self.first).reshape(frames, self.stride)
        self.begin, self.seq = lie[:, :ANEW], lie[:, SEQ_AT:SEQ_AT + 4]
        self.as_sent = self.begin.copy()
        self.numbers = np.arange(frames, dtype=np.uint64) // connections * size + ISN + 1
        for _ in range(4):                           # warm: the window opens
            self.lap(8)

    def _post(self, length: int) -> None:
        self.burst.rt_serve_copied(self.net, 0, 1, self.first, self.stride, 1, length, 1, self.rss)

    def lap(self, burst: int = BURST) -> float:
        """All the segments once, in seconds; then they are the next ones."""
        net, n, before = self.net, self.frames, int(self.net.thread[0].sum)
        t = time.perf_counter()
        if self.connections == 1:
            serve = self.burst.rt_serve_copied if self.copied else self.burst.rt_serve_verified
            got = serve(net, 0, n, self.first, self.stride, n, self.length, burst, self.rss)
        else:
            got = self.burst.rt_requests(net, 0, n, self.first, self.stride, self.length, burst, self.rss, 0, self.socks)
        t = time.perf_counter() - t
        if got != n or net.thread[0].sum - before != n * (n - 1) // 2:
            raise SystemExit(f"W10, W11: {got} of {n} segments were read, or other bytes than were sent")
        if not self.copied:
            self.burst.rt_own_buffers(net, 0)
            self.begin[:] = self.as_sent
        self.numbers += n // self.connections * self.size
        self.seq[:] = (self.numbers & M32).astype(">u4").view(np.uint8).reshape(n, 4)
        return t

    def timed(self, count: int) -> float:
        """ns a segment."""
        laps = max(1, count // self.frames)
        return sum(self.lap() for _ in range(laps)) / (laps * self.frames) * 1e9


def cases() -> dict[str, Any]:
    return {"W10": Stream(gro=True), "W10/no GRO": Stream(gro=False), "W10/copied": Stream(gro=True, copied=True),
            "W11": Stream(True, 10_000, 256, 10_000, copied=True)}
