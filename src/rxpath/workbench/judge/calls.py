"""The steps of a case that are system calls: the same code for both sides.

The kernel's side gives it the standard library's sockets, in the receiver's namespace; ours the sockets of Python programs on the simulated
host (programs/sockets.py), which have the same methods.  So what is compared is what a program sees."""
from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
from typing import Any

from rxpath.workbench.host.tables import OpenSocket
from rxpath.workbench.judge import case as cases
from rxpath.workbench.judge.case import OPTIONS, Case, Observation, Received, Step, errno_name
from rxpath.workbench.judge.tcp.steps import Repair
from rxpath.workbench.judge.tcp.talk import Talk
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

FIONREAD = 0x541B
ADD_SOURCE, DROP_SOURCE = 39, 40                        # IP_ADD_SOURCE_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP
MSG_NAMES = {socket.MSG_TRUNC: "MSG_TRUNC", socket.MSG_CTRUNC: "MSG_CTRUNC", socket.MSG_ERRQUEUE: "MSG_ERRQUEUE"}


def label(number: int, step: Step) -> str:
    """What an answer is called, on both sides."""
    return f"{number} {type(step).__name__} {getattr(step, 'id', '')} {getattr(step, 'name', '')}".rstrip()


class Calls:
    """A host's sockets by their ids."""
    address = "10.0.0.1"                                # of the NIC
    ifindex = 1                                         # of the NIC

    def __init__(self) -> None:
        self.sockets: dict[str, Any] = {}
        self.drops: dict[str, int] = {}
        self.buffer = memoryview(bytearray(65536))
        self.seen = Observation()                       # of the case that runs

    # ------------------------------------------------------------ what the sides do in their own way
    def new_socket(self, proto: str) -> Any:
        raise NotImplementedError

    def disconnect(self, sock: Any) -> None:
        """connect(AF_UNSPEC)"""
        raise NotImplementedError

    def fionread(self, sock: Any) -> int:
        raise NotImplementedError

    def sysctl(self, name: str, value: int | str) -> None:
        raise NotImplementedError

    def fragments(self) -> tuple[int, int]:
        """What reassembly holds: queues, bytes."""
        raise NotImplementedError

    def cpu_called(self, name: str) -> int:
        """"here": the CPU that frames are received on; "other": not that one."""
        raise NotImplementedError

    def watch(self, socks: list[Any]) -> None:
        """A new epoll instance, edge-triggered."""
        raise NotImplementedError

    def ready(self) -> list[str]:
        """epoll_wait() of the last one: ids in their order."""
        raise NotImplementedError

    def replied(self, seen: Observation) -> None:
        """The frames that the host has sent meanwhile, into `seen`."""
        raise NotImplementedError

    def polled(self, sock: Any) -> int:
        """What poll() says of it."""
        raise NotImplementedError

    def hold(self, id_: str, waits: bool) -> str:
        """A recv() of the socket comes to rest in the middle, and owns it."""
        raise NotImplementedError

    def release(self, id_: str) -> int | str:
        """It goes on: what it returned."""
        raise NotImplementedError

    def repair(self, step: Repair, peer: tuple[str, int]) -> Any:
        """A socket that TCP_REPAIR has made established."""
        raise NotImplementedError

    def entered(self) -> contextlib.AbstractContextManager[None]:
        """In the receiver's namespace."""
        return contextlib.nullcontext()

    def send(self, frames: tuple[bytes, ...], number: int, seen: Observation) -> None:
        """A step's frames, each through the whole path before the next one."""
        raise NotImplementedError

    def burst(self, step: cases.Burst) -> None:
        raise NotImplementedError

    def wait(self, ns: int) -> None:
        raise NotImplementedError

    def read(self, seen: Observation, waited: bool = False) -> None:
        """What has moved since the last reading.  waited: timers may have gone off, on whatever CPU."""
        raise NotImplementedError

    # ------------------------------------------------------------ steps
    def play(self, case: Case) -> Observation:
        """The case, from the state that the host is in."""
        if case.by_step:
            return Talk(self).play(case)
        seen = self.seen = Observation()
        for number, step in enumerate(case.steps):
            if isinstance(step, cases.Send):
                self.send(step.frames, number, seen)
            elif isinstance(step, cases.Burst):
                self.burst(step)
            elif isinstance(step, cases.Wait):
                self.wait(step.ns)
            elif isinstance(step, cases.Settle):
                self.wait(step.ns)
                self.read(Observation(), True)
            elif isinstance(step, cases.Recv):
                for _ in range(step.count or 1_000_000):
                    got = self.receive(step.id, step.size, step.flags, step.room)
                    seen.received.setdefault(step.id, []).append(got)
                    if got.errno and not step.count:
                        break
            elif isinstance(step, cases.Open):
                seen.answers.append((f"{number} Open {step.id}", self.open(step)))
            else:
                seen.answers.append((label(number, step), self.answer(step)))
        for id_, _ in self.udp():
            while (got := self.receive(id_)).errno != "EAGAIN":
                seen.received.setdefault(id_, []).append(got)
        self.read(seen, any(isinstance(step, cases.Wait) for step in case.steps))
        return seen

    def listed(self, item: OpenSocket) -> None:
        """A socket of the host file."""
        w = item.listed
        options: list[tuple[str, int | str]] = []
        for name, value in (("SO_RCVBUF", w.rcvbuf), ("SO_RCVBUFFORCE", w.rcvbufforce), ("SO_INCOMING_CPU", w.incoming_cpu),
                            ("SO_BINDTODEVICE", w.bindtodevice), ("UDP_GRO", w.udp_gro or None),
                            ("IP_MULTICAST_ALL", None if w.multicast_all else 0)):
            if value is not None:
                options.append((name, value))
        peer = None if item.peer is None else (units.ipv4_text(item.peer[0]), item.peer[1])
        failed = self.open(cases.Open(item.name, (units.ipv4_text(item.address), item.port), peer, w.join, w.reuseaddr, w.reuseport,
                                      tuple(options), w.proto))
        if failed:
            raise BadInput(f"socket {item.name}: {failed}")

    def open(self, step: cases.Open) -> str:
        """"" or the name of an errno."""
        with self.entered():
            sock = self.new_socket(step.proto)
            try:
                for name, wanted in (("SO_REUSEADDR", step.reuseaddr), ("SO_REUSEPORT", step.reuseport)):
                    if wanted:
                        self.set_option(sock, name, 1)
                for option, value in step.options:
                    self.set_option(sock, option, value)
                if step.bind is not None:
                    sock.bind(step.bind)
                if step.proto == "tcp":
                    sock.listen(step.backlog)
                if step.connect is not None:
                    sock.connect(step.connect)
                for group in step.join:
                    self.membership(sock, group, socket.IP_ADD_MEMBERSHIP)
            except OSError as error:
                sock.close()
                return errno_name(error)
        self.sockets[step.id] = sock
        self.drops[step.id] = 0
        return ""

    def set_option(self, sock: Any, name: str, value: int | str | bytes) -> None:
        level, number = OPTIONS[name]
        if name == "SO_INCOMING_CPU" and isinstance(value, str):
            value = self.cpu_called(value)
        if name in ("SO_ATTACH_REUSEPORT_CBPF", "SO_ATTACH_FILTER") and isinstance(value, bytes):      # struct sock_fprog
            program = ctypes.create_string_buffer(value, len(value) or 1)
            sock.setsockopt(level, number, struct.pack("=H6xQ", len(value) // 8 & 0xFFFF, ctypes.addressof(program)))
        elif name == "SO_RCVTIMEO" and isinstance(value, int):
            seconds, ns = divmod(value, 1_000_000_000)
            sock.setsockopt(level, number, struct.pack("ll", seconds, ns // 1000))
        else:
            sock.setsockopt(level, number, value.encode() if isinstance(value, str) else value)

    def membership(self, sock: Any, group: str, option: int) -> None:
        sock.setsockopt(socket.IPPROTO_IP, option, struct.pack("=4s4si", socket.inet_aton(group), bytes(4), self.ifindex))

    def answer(self, step: Step) -> Any:
        """What a step of system calls returns; an errno's name if it fails."""
        if getattr(step, "id", None) not in (None, *self.sockets):
            return "EBADF"
        try:
            if isinstance(step, cases.Frags):
                return self.fragments()
            if isinstance(step, cases.Watch):
                self.watch([self.sockets[id_] for id_ in step.ids])
            if isinstance(step, cases.Ready):
                return self.ready()
            if isinstance(step, cases.GetOpt):
                return self.get_option(self.sockets[step.id], step.name, step.length)
            if isinstance(step, cases.SetOpt):
                with self.entered():
                    self.set_option(self.sockets[step.id], step.name, step.value)
            elif isinstance(step, cases.Connect):
                sock = self.sockets[step.id]
                if step.peer is None:
                    self.disconnect(sock)
                else:
                    sock.connect(step.peer)
            elif isinstance(step, cases.SendTo):
                return self.sendmsg(self.sockets[step.id], step)
            elif isinstance(step, cases.Shutdown):
                self.sockets[step.id].shutdown(step.how)
            elif isinstance(step, cases.Bind):
                self.sockets[step.id].bind(step.address)
            elif isinstance(step, cases.Join) and step.source:
                mreq = b"".join(socket.inet_aton(a) for a in (step.group, self.address, step.source))
                self.sockets[step.id].setsockopt(socket.IPPROTO_IP, DROP_SOURCE if step.leave else ADD_SOURCE, mreq)
            elif isinstance(step, cases.Join):
                self.membership(self.sockets[step.id], step.group,
                                socket.IP_DROP_MEMBERSHIP if step.leave else socket.IP_ADD_MEMBERSHIP)
            elif isinstance(step, cases.Close):
                self.sockets.pop(step.id).close()
                self.drops.pop(step.id)
            elif isinstance(step, cases.Sysctl):
                self.sysctl(step.name, step.value)
        except OSError as error:
            return errno_name(error)
        return ""

    def sendmsg(self, sock: Any, step: cases.SendTo) -> int:
        bits = socket.MSG_DONTWAIT
        for flag in step.flags:
            bits |= getattr(socket, flag)
        return int(sock.sendmsg([step.data], step.ancillary, bits, step.to))

    def get_option(self, sock: Any, name: str, length: int = 0) -> Any:
        if name in ("getsockname", "getpeername"):
            return getattr(sock, name)()
        if name == "SO_MEMINFO":
            m = struct.unpack("=9I", sock.getsockopt(1, 55, 36))
            return m[0], m[1], m[4], m[8]
        if name == "FIONREAD":
            return self.fionread(sock)
        level, number = OPTIONS[name]
        if length:
            return sock.getsockopt(level, number, length)
        if name == "SO_RCVTIMEO":
            seconds, micros = struct.unpack("ll", sock.getsockopt(level, number, 16))
            return seconds * 1_000_000_000 + micros * 1000
        if name == "SO_BINDTODEVICE":
            return sock.getsockopt(level, number, 16).rstrip(b"\0").decode()
        return sock.getsockopt(level, number)

    def receive(self, id_: str, size: int = 65536, flags: tuple[str, ...] = (), room: int = 256) -> Received:
        if id_ not in self.sockets:
            return Received(errno="EBADF")
        bits = socket.MSG_DONTWAIT
        for flag in flags:
            bits |= getattr(socket, flag)
        view = self.buffer[:min(size, len(self.buffer))]
        try:
            length, anc, got, sender = self.sockets[id_].recvmsg_into([view], room, bits)
        except OSError as error:
            return Received(errno=errno_name(error))
        names = tuple(name for bit, name in MSG_NAMES.items() if got & bit)
        return Received(bytes(view[:min(length, size)]), sender or ("", 0), length, names,
                        tuple(self._ancillary(item) for item in anc))

    def _ancillary(self, item: tuple[int, int, bytes]) -> tuple[str, Any]:
        level, kind, data = item
        if (level, kind) in ((1, 29), (1, 35)):             # a clock of its own on each side
            return "time stamp", (kind, len(data))
        if (level, kind) == (0, 8) and len(data) < 12:      # cut: the device's number is not the same
            return "IP_PKTINFO", (len(data), data[4:])
        if (level, kind) == (0, 8):
            ifindex, spec, addr = struct.unpack("=i4s4s", data)
            return "IP_PKTINFO", ("nic" if ifindex == self.ifindex else ifindex, socket.inet_ntoa(spec), socket.inet_ntoa(addr))
        if (level, kind) == (1, 40) and len(data) == 4:
            return "SO_RXQ_OVFL", struct.unpack("=I", data)[0]
        if (level, kind) == (17, 104) and len(data) >= 4:
            return "UDP_GRO", struct.unpack_from("=i", data)[0]
        return f"{level}/{kind}", data

    def udp(self) -> list[tuple[str, Any]]:
        """The UDP sockets that are open."""
        return [(id_, sock) for id_, sock in self.sockets.items() if sock.type & 0xF == socket.SOCK_DGRAM]
