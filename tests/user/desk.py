"""Sockets without a cable: datagrams go straight into them, threads that no engine runs read them."""
from rxpath import boot
from rxpath.abi.limits import NCPU
from rxpath.abi.mib import Mib
from rxpath.abi.numbers import NEVER, Note
from rxpath.user import queue
from rxpath.user import socket as sockets


class Desk:
    def __init__(self, plain: bool, kernel: str = "6.18", nskb: int = 8192) -> None:
        self.boot = boot.Booted(kernel=kernel, nskb=nskb, plain=plain)
        self.net = self.boot.net
        for c in range(4):
            self.net.cpu[c].horizon = self.net.cpu[c].private = NEVER
        self.threads, self.buffers = 0, []

    def socket(self, rcvbuf: int = 212992, port: int = 5000) -> int:
        return self.boot.udp_socket(0, port, rcvbuf)

    def thread(self, sk: int, size: int = 65536, flags: int = 0) -> int:
        t = NCPU + self.threads
        self.threads += 1
        m, addr = boot.buffer(size)
        self.buffers.append(m)
        th = self.net.thread[t]
        th.sock, th.buf_addr, th.buf_len, th.flags, th.wait = sk, addr, size, flags, t
        own = self.net.wait[t]
        own.thread, own.sk = t, -1
        return t

    def put(self, sk: int, truesize: int = 832, length: int = 64) -> bool:
        """Was it admitted?"""
        before = self.net.socks[sk].in_packets
        self.boot.call(queue.deliver_blank)(self.net, 0, sk, truesize, length)
        return self.net.socks[sk].in_packets > before

    def fits(self, sk: int, truesize: int, length: int = 64) -> int:
        n = 0
        while self.put(sk, truesize, length):
            n += 1
        return n

    def read(self, t: int, flags: int = 0) -> int:
        self.net.thread[t].flags = flags
        return sockets.recv(self.boot, t)

    def woken(self, cpu: int = 0) -> list[int]:
        """Threads that the driver was told to wake, since the last question; they are threads of this desk, counted from 0."""
        sd, told = self.net.sd[cpu], []
        while sd.note_head != sd.note_tail:
            note = self.net.note[cpu][sd.note_head % len(self.net.note[cpu])]
            sd.note_head += 1
            assert note & 255 == Note.WAKE_READER
            told.append((note >> 8) - NCPU)
        self.net.cpu[cpu].horizon = self.net.cpu[cpu].private = NEVER
        return told

    def mib(self, m: Mib) -> int:
        return sum(self.net.snmp[c][m] for c in range(4))
