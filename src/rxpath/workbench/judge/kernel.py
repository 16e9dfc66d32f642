"""A case on the real kernel: a receiver's namespace made from the host file, frames from a raw socket of the sender's namespace.

The process stays on one CPU: a frame that sendto() hands to the veth has been through the receive path, replies included, when sendto()
returns.  So what a frame did is read right behind it.  Machine is one host; Kernel runs cases and makes a new Machine when the host
changes or a case wants one of its own."""
from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from typing import Any

from rxpath.workbench import hosttables, units
from rxpath.workbench.host import Host
from rxpath.workbench.hostfile import rules as parse_rules
from rxpath.workbench.judge import case as cases
from rxpath.workbench.judge import netns, tracing
from rxpath.workbench.judge.case import OPTIONS, Case, Observation, Received, Step
from rxpath.workbench.judge.journal import Journal, recover
from rxpath.workbench.mistakes import BadInput

ETH_P_ALL, SOL_PACKET, PACKET_IGNORE_OUTGOING = 3, 263, 23
FIONREAD = 0x541B
JOIN_REPORT = 0.025                                     # seconds: the first membership report leaves a jiffy after the join
SNMP = ("/proc/thread-self/net/snmp", "/proc/thread-self/net/netstat")
QUIET = {                                               # nothing happens by itself while a case runs
    "net.ipv4.neigh.{nic}.delay_first_probe_time": 3600, "net.ipv4.neigh.{nic}.base_reachable_time_ms": 3_600_000,
    "net.ipv4.neigh.{nic}.retrans_time_ms": 3_600_000, "net.ipv4.neigh.default.gc_interval": 3600,
    "net.ipv4.route.min_pmtu": 1500,                    # an ICMP error cannot make the next answers shorter
    "net.ipv4.conf.{nic}.igmpv3_unsolicited_report_interval": 3_600_000,
    "net.ipv4.conf.{nic}.igmpv2_unsolicited_report_interval": 3_600_000,
}
MSG_NAMES = {socket.MSG_TRUNC: "MSG_TRUNC", socket.MSG_CTRUNC: "MSG_CTRUNC", socket.MSG_ERRQUEUE: "MSG_ERRQUEUE"}


def errno_name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error.errno))


class Counters:
    """/proc/net/snmp and netstat of the namespace in which this was made, read through files that stay open."""

    def __init__(self) -> None:
        self.fds = [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in SNMP]
        self.raw = [b""] * len(self.fds)
        self.before: dict[bytes, bytes] = {}
        self.names: dict[bytes, list[str]] = {}

    def delta(self) -> dict[str, int]:
        """What has moved since the last time."""
        moved: dict[str, int] = {}
        for i, fd in enumerate(self.fds):
            raw = os.pread(fd, 65536, 0)
            if raw == self.raw[i]:
                continue
            self.raw[i] = raw
            lines = raw.split(b"\n")
            for k in range(1, len(lines), 2):
                group, _, now = lines[k].partition(b":")
                before = self.before.get(group)
                if now == before or group == b"IcmpMsg":        # IcmpMsg's columns come and go; Icmp has the same by name
                    continue
                self.before[group] = now
                if before is None:
                    self.names[group] = [f"{group.decode()}.{n}" for n in lines[k - 1].decode().split()[1:]]
                    continue
                for name, was, new in zip(self.names[group], before.split(), now.split(), strict=True):
                    if was != new:
                        moved[name] = int(new) - int(was)
        return moved

    def close(self) -> None:
        for fd in self.fds:
            os.close(fd)


class Machine:
    """One receiving host, up and quiet, with the sockets of its host file."""

    def __init__(self, host: Host, journal: Journal, number: int, cpu: int, tracer: tracing.Tracer) -> None:
        self.host, self.journal, self.cpu, self.tracer = host, journal, cpu, tracer
        self.sockets: dict[str, socket.socket] = {}
        self.drops: dict[str, int] = {}
        self.buffer = memoryview(bytearray(65536))
        self.cable = netns.Cable(journal, number, host.nic.name, host.nic.mac, host.mtu)
        self.opened: list[Any] = [self.cable]
        try:
            self._receiver()
            with self.cable.sender.inside():
                self.cable.sender.ip([f"link set {netns.PEER} arp off up"])
                self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(ETH_P_ALL))
                self.wire.bind((netns.PEER, ETH_P_ALL))
                self.wire.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
                self.wire.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)                # SO_RCVBUFFORCE
            self.opened.append(self.wire)
            for item in hosttables.open_sockets(host):
                self._listed(item)
            if any(s.join for s in host.sockets):
                time.sleep(JOIN_REPORT)
            self.read(Observation())                    # from here on
        except BaseException:
            self.close()
            raise

    # ------------------------------------------------------------ set-up
    def _receiver(self) -> None:
        host, space, nic = self.host, self.cable.receiver, self.host.nic.name
        with space.inside():
            space.ip(["link set lo up", f"link set {nic} up"])
            self.settings()
            lines = [f"addr add {a} dev {nic} brd +" for a in host.nic.addresses]
            for r in host.routes:
                lines.append(f"route replace {r.type} {r.dst}" + (f" via {r.via}" if r.via else "")
                             + (f" dev {r.dev or nic}" if r.type in ("unicast", "local", "broadcast") else "")
                             + (" onlink" if r.via else ""))
            lines += [f"neigh replace {n.ip} lladdr {n.mac} dev {nic} nud permanent" for n in host.neighbours]
            space.ip(lines)
            self._rules()
            self.counters = Counters()
            self.stats = netns.DeviceStats(socket.if_nametoindex(nic))
            self.ifindex = socket.if_nametoindex(nic)
        self.opened += [self.counters, self.stats]
        self.stat_values = self.stats.read()
        self.softnet_dropped = self._softnet()

    def settings(self) -> None:
        """Sysctls: those of the namespace all as the host file has them, global ones only where the file names them."""
        nic = self.host.nic.name
        for name, quiet in QUIET.items():
            netns.write_sysctl(name.format(nic=nic), quiet)
        again = []
        for name, value in self.host.sysctls().items():
            text = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            try:
                if not name.startswith("net.core.") and netns.write_sysctl(name, text):
                    continue
            except OSError:                             # such as a low mark above the high one, which comes later
                again.append((name, text))
                continue
            if name in self.host.sysctl and not netns.write_sysctl(name, text):
                self.journal.set_global(name, text)
        for name, text in again:
            netns.write_sysctl(name, text)

    def _rules(self) -> None:
        ruleset = parse_rules(self.host)
        if ruleset is None:
            return
        text = self.host.iptables.text or ""
        if self.host.iptables.file is not None:
            with open(self.host.iptables.file) as file:
                text = file.read()
        netns.run([netns.tool("iptables-legacy-restore")], text)

    def _listed(self, item: Any) -> None:
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
            raise BadInput(f"socket {item.name}: the kernel says {failed}")

    # ------------------------------------------------------------ steps
    def open(self, step: cases.Open) -> str:
        """"" or the name of an errno."""
        kind = socket.SOCK_STREAM if step.proto == "tcp" else socket.SOCK_DGRAM
        with self.cable.receiver.inside():
            sock = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK)
            try:
                for name, wanted in (("SO_REUSEADDR", step.reuseaddr), ("SO_REUSEPORT", step.reuseport)):
                    if wanted:
                        self.set_option(sock, name, 1)
                for name, value in step.options:
                    self.set_option(sock, name, value)
                if step.bind is not None:
                    sock.bind(step.bind)
                if step.proto == "tcp":
                    sock.listen(128)
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

    def set_option(self, sock: socket.socket, name: str, value: int | str) -> None:
        level, number = OPTIONS[name]
        if name == "SO_INCOMING_CPU" and isinstance(value, str):
            value = self.cpu ^ (value != "here")
        if name == "SO_RCVTIMEO":
            sock.setsockopt(level, number, struct.pack("ll", *divmod(int(value), 1_000_000_000)))
        else:
            sock.setsockopt(level, number, value.encode() if isinstance(value, str) else value)

    def membership(self, sock: socket.socket, group: str, option: int) -> None:
        sock.setsockopt(socket.IPPROTO_IP, option, struct.pack("=4s4si", socket.inet_aton(group), bytes(4), self.ifindex))

    def answer(self, step: Step) -> Any:
        """What a step of system calls returns; an errno's name if it fails."""
        if getattr(step, "id", None) not in (None, *self.sockets):
            return "EBADF"
        try:
            if isinstance(step, cases.Frags):
                return self.fragments()
            if isinstance(step, cases.Watch):
                self.epoll = select.epoll()
                for id_ in step.ids:
                    self.epoll.register(self.sockets[id_], select.EPOLLIN | select.EPOLLET)
            if isinstance(step, cases.Ready):
                names = {sock.fileno(): id_ for id_, sock in self.sockets.items()}
                return [names[fd] for fd, _ in self.epoll.poll(0)]
            if isinstance(step, cases.GetOpt):
                return self.get_option(self.sockets[step.id], step.name)
            if isinstance(step, cases.SetOpt):
                with self.cable.receiver.inside():
                    self.set_option(self.sockets[step.id], step.name, step.value)
            elif isinstance(step, cases.Connect):
                sock = self.sockets[step.id]
                if step.peer is None:
                    self._disconnect(sock)
                else:
                    sock.connect(step.peer)
            elif isinstance(step, cases.Join):
                self.membership(self.sockets[step.id], step.group,
                                socket.IP_DROP_MEMBERSHIP if step.leave else socket.IP_ADD_MEMBERSHIP)
            elif isinstance(step, cases.Close):
                self.sockets.pop(step.id).close()
                self.drops.pop(step.id)
            elif isinstance(step, cases.Sysctl):
                with self.cable.receiver.inside():
                    if not netns.write_sysctl(step.name, step.value):
                        self.journal.set_global(step.name, step.value)
        except OSError as error:
            return errno_name(error)
        return ""

    def fragments(self) -> tuple[int, int]:
        with self.cable.receiver.inside(), open("/proc/thread-self/net/sockstat") as file:
            line = next(line for line in file if line.startswith("FRAG:")).split()
        return int(line[2]), int(line[4])

    def _disconnect(self, sock: socket.socket) -> None:
        import ctypes

        netns._libc.connect(sock.fileno(), ctypes.create_string_buffer(16), 16)             # AF_UNSPEC

    def get_option(self, sock: socket.socket, name: str) -> Any:
        if name == "SO_MEMINFO":
            m = struct.unpack("=9I", sock.getsockopt(1, 55, 36))
            return m[0], m[1], m[4], m[8]
        if name == "FIONREAD":
            import fcntl

            return struct.unpack("i", fcntl.ioctl(sock, FIONREAD, bytes(4)))[0]
        level, number = OPTIONS[name]
        if name == "SO_RCVTIMEO":
            seconds, micros = struct.unpack("ll", sock.getsockopt(level, number, 16))
            return seconds * 1_000_000_000 + micros * 1000
        if name == "SO_BINDTODEVICE":
            return sock.getsockopt(level, number, 16).rstrip(b"\0").decode()
        return sock.getsockopt(level, number)

    def receive(self, id_: str, size: int = 65536, flags: tuple[str, ...] = ()) -> Received:
        if id_ not in self.sockets:
            return Received(errno="EBADF")
        bits = socket.MSG_DONTWAIT
        for flag in flags:
            bits |= getattr(socket, flag)
        view = self.buffer[:min(size, len(self.buffer))]
        try:
            length, anc, got, sender = self.sockets[id_].recvmsg_into([view], 256, bits)
        except OSError as error:
            return Received(errno=errno_name(error))
        names = tuple(name for bit, name in MSG_NAMES.items() if got & bit)
        return Received(bytes(view[:min(length, size)]), sender or ("", 0), length, names,
                        tuple(sorted(self._ancillary(item) for item in anc)))

    def _ancillary(self, item: tuple[int, int, bytes]) -> tuple[str, Any]:
        level, kind, data = item
        if (level, kind) == (0, 8):
            ifindex, _spec, addr = struct.unpack("=i4s4s", data)
            return "IP_PKTINFO", ("nic" if ifindex == self.ifindex else ifindex, socket.inet_ntoa(addr))
        if (level, kind) == (1, 40):
            return "SO_RXQ_OVFL", struct.unpack("=I", data)[0]
        if (level, kind) == (17, 104):
            return "UDP_GRO", struct.unpack_from("=i", data)[0]
        return f"{level}/{kind}", data

    # ------------------------------------------------------------ what came of it
    def read(self, seen: Observation, timers: bool = False) -> None:
        """Everything that has moved since the last time, into `seen`."""
        self._replies(seen)
        while True:                                     # what a timer sends meanwhile belongs to these counters too
            for name, n in self.counters.delta().items():
                seen.counters[name] = seen.counters.get(name, 0) + n
            values = self.stats.read()
            if not self._replies(seen):
                break
        if values != self.stat_values:
            for name, was, now in zip(netns.STATS, self.stat_values, values, strict=False):
                if was != now:
                    seen.device[name] = seen.device.get(name, 0) + now - was
            self.stat_values = values
        for key, n in self.tracer.drain(timers).items():
            seen.drops[key] = seen.drops.get(key, 0) + n
        for id_, sock in self.sockets.items():
            if sock.type & 0xF == socket.SOCK_DGRAM:
                drops = struct.unpack("=9I", sock.getsockopt(1, 55, 36))[8]
                if drops != self.drops[id_]:
                    seen.sockets[id_] = seen.sockets.get(id_, 0) + drops - self.drops[id_]
                    self.drops[id_] = drops

    def _replies(self, seen: Observation) -> int:
        """Frames that the host has sent; how many."""
        before = len(seen.replies)
        while True:
            try:
                seen.replies.append(self.wire.recv(65536))
            except BlockingIOError:
                return len(seen.replies) - before

    def _softnet(self) -> int:
        with open("/proc/net/softnet_stat") as file:
            return sum(int(line.split()[1], 16) for line in file)

    def play(self, case: Case) -> Observation:
        """The case, from the state that the host is in."""
        seen = Observation()
        timers = any(isinstance(step, cases.Wait) for step in case.steps)
        for number, step in enumerate(case.steps):
            if isinstance(step, cases.Send):
                for frame in step.frames:
                    try:
                        self.wire.send(frame)
                    except OSError as error:
                        seen.notes.append(f"step {number}: the sender's kernel refuses the frame: {errno_name(error)}")
            elif isinstance(step, cases.Wait):
                self._wait(step.ns)
            elif isinstance(step, cases.Settle):
                self._wait(step.ns)
                self.read(Observation(), True)
            elif isinstance(step, cases.Recv):
                for _ in range(step.count or 1_000_000):
                    got = self.receive(step.id, step.size, step.flags)
                    seen.received.setdefault(step.id, []).append(got)
                    if got.errno and not step.count:
                        break
            elif isinstance(step, cases.Open):
                seen.answers.append((f"{number} Open {step.id}", self.open(step)))
            else:
                seen.answers.append((label(number, step), self.answer(step)))
        for id_, sock in self.sockets.items():
            if sock.type & 0xF == socket.SOCK_DGRAM:
                while (got := self.receive(id_)).errno != "EAGAIN":
                    seen.received.setdefault(id_, []).append(got)
        self.read(seen, timers)
        if not case.shared:
            dropped = self._softnet()
            if dropped != self.softnet_dropped:
                seen.softnet["dropped"] = dropped - self.softnet_dropped
        if self.tracer.lost:
            seen.notes.append("the trace buffer lost events")
            self.tracer.lost = 0
        return seen

    def _wait(self, ns: int) -> None:
        end = time.monotonic_ns() + ns
        if ns > 2_000_000:
            time.sleep((ns - 1_000_000) / 1e9)
        while time.monotonic_ns() < end:
            pass

    def close(self) -> None:
        for sock in self.sockets.values():
            sock.close()
        for thing in reversed(self.opened):
            thing.close()
        self.journal.restore()


def label(number: int, step: Step) -> str:
    """What an answer is called, on both sides."""
    return f"{number} {type(step).__name__} {getattr(step, 'id', '')} {getattr(step, 'name', '')}".rstrip()


class Kernel:
    """Runs cases on this machine's kernel."""

    def __init__(self) -> None:
        self.recovered = recover()
        self.journal = Journal()
        self.affinity = os.sched_getaffinity(0)
        self.cpu = max(self.affinity)
        os.sched_setaffinity(0, {self.cpu})
        self.number, self.machine, self.tracer = 0, None, None  # type: tuple[int, Machine | None, tracing.Tracer | None]
        self.key: object = None
        self.pids = {os.getpid(), tracing.ksoftirqd(self.cpu)}

    def run(self, items: Iterable[tuple[Case, Host]]) -> Iterator[Observation]:
        """Each case's observation, in their order."""
        for case, host in items:
            yield self.one(case, host)

    def one(self, case: Case, host: Host, fresh: bool = False) -> Observation:
        if self.machine is None or fresh or not case.shared or self.key is not host:
            self.renew(host)
        assert self.machine is not None
        self.key = host if case.shared else None
        return self.machine.play(case)

    def renew(self, host: Host) -> None:
        """A new machine for that host."""
        if self.machine is not None:
            machine, self.machine = self.machine, None
            machine.close()
        if self.tracer is None:
            self.tracer = tracing.Tracer(self.journal, self.cpu, self.pids, host.nic.name)
        self.tracer.device = host.nic.name.encode()
        self.number += 1
        self.machine = Machine(host, self.journal, self.number, self.cpu, self.tracer)

    def close(self) -> None:
        if self.machine is not None:
            self.machine.close()
        if self.tracer is not None:
            self.tracer.close()
        self.journal.close()
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, self.affinity)

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
