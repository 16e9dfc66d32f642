"""A case on the real kernel: a receiver's namespace made from the host file, frames from a raw socket of the sender's namespace.

The process stays on one CPU: a frame that sendto() hands to the veth has been through the receive path, replies included, when sendto()
returns.  So what a frame did is read right behind it.  Machine is one host; Kernel runs cases and makes a new Machine when the host
changes or a case wants one of its own."""
from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from rxpath.workbench.host import tables as hosttables
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.host.rules import rules as parse_rules
from rxpath.workbench.judge import case as cases
from rxpath.workbench.judge import frames
from rxpath.workbench.judge.calls import FIONREAD, Calls
from rxpath.workbench.judge.case import Case, Observation, errno_name
from rxpath.workbench.judge.kernel import netns, tracing
from rxpath.workbench.judge.kernel.owner import Owner
from rxpath.workbench.judge.kernel.repair import repaired
from rxpath.workbench.judge.kernel.undo import Journal, recover
from rxpath.workbench.judge.tcp.steps import Repair

ETH_P_ALL, SOL_PACKET, PACKET_IGNORE_OUTGOING, PACKET_VNET_HDR = 3, 263, 23, 15
NEEDS_CSUM, GSO_UDP_L4 = 1, 5                          # of struct virtio_net_hdr
JOIN_REPORT = 0.025                                     # seconds: the first membership report leaves a jiffy after the join
SNMP = ("/proc/thread-self/net/snmp", "/proc/thread-self/net/netstat")
QUIET = {                                               # nothing happens by itself while a case runs
    "net.ipv4.neigh.{nic}.delay_first_probe_time": 3600, "net.ipv4.neigh.{nic}.base_reachable_time_ms": 3_600_000,
    "net.ipv4.neigh.{nic}.retrans_time_ms": 3_600_000, "net.ipv4.neigh.default.gc_interval": 3600,
    "net.ipv4.route.min_pmtu": 1500,                    # an ICMP error cannot make the next answers shorter
    "net.ipv4.conf.{nic}.igmpv3_unsolicited_report_interval": 3_600_000,
    "net.ipv4.conf.{nic}.igmpv2_unsolicited_report_interval": 3_600_000,
    "net.ipv4.tcp_no_metrics_save": 1,                  # no connection changes what is known of a peer
    "net.ipv4.tcp_congestion_control": "reno",
}


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


class Machine(Calls):
    """One receiving host, up and quiet, with the sockets of its host file."""

    def __init__(self, host: Host, journal: Journal, number: int, cpu: int, tracer: tracing.Tracer) -> None:
        super().__init__()
        self.softnet_fd = -1
        self.owners: dict[str, Owner] = {}
        self.released: set[int] = set()                 # owners that are gone
        self.host, self.journal, self.cpu, self.tracer = host, journal, cpu, tracer
        self.cable = netns.Cable(journal, number, host.nic.name, host.nic.mac, host.device.mtu)
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
            with self.cable.receiver.inside():
                netns.wait_until_running(host.nic.name)
            for item in hosttables.open_sockets(host):
                self.listed(item)
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
        self.softnet_fd = os.open("/proc/net/softnet_stat", os.O_RDONLY | os.O_CLOEXEC)
        self.softnet_dropped = 0
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

    # ------------------------------------------------------------ system calls
    def new_socket(self, proto: str) -> socket.socket:
        return socket.socket(socket.AF_INET, (socket.SOCK_STREAM if proto.startswith("tcp") else socket.SOCK_DGRAM) | socket.SOCK_NONBLOCK)

    def entered(self) -> contextlib.AbstractContextManager[None]:
        return self.cable.receiver.inside()

    def disconnect(self, sock: socket.socket) -> None:
        netns.disconnect(sock.fileno())

    def fionread(self, sock: socket.socket) -> int:
        return int(struct.unpack("i", fcntl.ioctl(sock, FIONREAD, bytes(4)))[0])

    def fragments(self) -> tuple[int, int]:
        with self.entered(), open("/proc/thread-self/net/sockstat") as file:
            line = next(line for line in file if line.startswith("FRAG:")).split()
        return int(line[2]), int(line[4])

    def watch(self, socks: list[socket.socket]) -> None:
        self.epoll = select.epoll()
        for sock in socks:
            self.epoll.register(sock, select.EPOLLIN | select.EPOLLET)

    def ready(self) -> list[str]:
        names = {sock.fileno(): id_ for id_, sock in self.sockets.items()}
        return [names[fd] for fd, _ in self.epoll.poll(0)]

    def polled(self, sock: socket.socket) -> int:
        poll = select.poll()
        poll.register(sock, select.POLLIN | select.POLLPRI | select.POLLOUT | select.POLLRDHUP)
        return next((mask for _, mask in poll.poll(0)), 0)

    def hold(self, id_: str, waits: bool) -> str:
        owner = self.owners[id_] = Owner(self.sockets[id_].fileno(), waits)
        self.tracer.pids.add(owner.tid)                 # what the backlog drops, it drops
        return ""

    def release(self, id_: str) -> int | str:
        owner = self.owners.pop(id_)
        returned = owner.release()
        self.released.add(owner.tid)                    # its events are read behind this step
        return returned

    def repair(self, step: Repair, peer: tuple[str, int]) -> socket.socket:
        with self.entered():
            return repaired(step, self.address, peer)

    def cpu_called(self, name: str) -> int:
        return self.cpu ^ (name != "here")

    def sysctl(self, name: str, value: int | str) -> None:
        with self.entered():
            done = netns.write_sysctl(name, value)
        if not done:                                    # not of the namespace: of the machine
            self.journal.set_global(name, value)

    # ------------------------------------------------------------ what came of it
    def read(self, seen: Observation, waited: bool = False) -> None:
        """Everything that has moved since the last time, into `seen`."""
        dropped = self._softnet()
        if dropped != self.softnet_dropped:
            seen.softnet["dropped"] = seen.softnet.get("dropped", 0) + dropped - self.softnet_dropped
            self.softnet_dropped = dropped
        self._replies(seen)
        while True:                                     # what a timer sends meanwhile belongs to these counters too
            for name, n in self.counters.delta().items():
                seen.counters[name] = seen.counters.get(name, 0) + n
            values = self.stats.read()
            for key, n in self.tracer.drain(waited).items():
                seen.drops[key] = seen.drops.get(key, 0) + n
            if not self._replies(seen):
                break
        if values != self.stat_values:
            for name, was, now in zip(netns.STATS, self.stat_values, values, strict=False):
                if was != now:
                    seen.device[name] = seen.device.get(name, 0) + now - was
            self.stat_values = values
        for id_, sock in self.udp():
            drops = struct.unpack("=9I", sock.getsockopt(1, 55, 36))[8]
            if drops != self.drops[id_]:
                seen.sockets[id_] = seen.sockets.get(id_, 0) + drops - self.drops[id_]
                self.drops[id_] = drops
        self.tracer.pids -= self.released
        self.released.clear()
        if self.tracer.lost:
            seen.notes.append("the trace buffer lost events")
            self.tracer.lost = 0

    def replied(self, seen: Observation) -> None:
        self._replies(seen)

    def _replies(self, seen: Observation) -> int:
        """Frames that the host has sent; how many."""
        before = len(seen.replies)
        while True:
            try:
                seen.replies.append(self.wire.recv(65536))
            except BlockingIOError:
                return len(seen.replies) - before

    def _softnet(self) -> int:
        """Packets that our CPU's backlog had no room for.  Waits until nothing is in it: under load ksoftirqd may have taken over."""
        for _ in range(2000):
            for line in os.pread(self.softnet_fd, 65536, 0).splitlines():
                fields = line.split()
                if int(fields[12], 16) == self.cpu:
                    if int(fields[11], 16) == 0:
                        return int(fields[1], 16)
                    time.sleep(0.0001)
        return self.softnet_dropped

    def send(self, frames: tuple[bytes, ...], number: int, seen: Observation) -> None:
        for frame in frames:
            try:
                self.wire.send(frame)
            except OSError as error:
                seen.notes.append(f"step {number}: the sender's kernel refuses the frame: {errno_name(error)}")
        self._softnet()

    def burst(self, step: cases.Burst) -> None:
        """One packet with a GSO size: the veth gets its segments one after the other before bottom halves are enabled again."""
        n = len(step.payload)
        frame = bytearray(frames.eth(frames.ip(frames.udp(step.payload * step.count, dport=step.dport, check=0))))
        pseudo = struct.pack(">4s4sBBH", frame[26:30], frame[30:34], 0, 17, 8 + n * step.count)
        frame[40:42] = (~frames.csum(pseudo) & 0xFFFF).to_bytes(2, "big")
        header = struct.pack("<BBHHHH", NEEDS_CSUM, GSO_UDP_L4, 42, n, 34, 6)
        self.wire.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        try:
            self.wire.send(header + bytes(frame))
        finally:
            self.wire.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 0)

    def wait(self, ns: int) -> None:
        end = time.monotonic_ns() + ns
        if ns > 2_000_000:
            time.sleep((ns - 1_000_000) / 1e9)
        while time.monotonic_ns() < end:
            pass

    def close(self) -> None:
        for owner in self.owners.values():
            owner.release()
        for sock in self.sockets.values():
            sock.close()
        for thing in reversed(self.opened):
            thing.close()
        if self.softnet_fd >= 0:
            os.close(self.softnet_fd)
        self.journal.restore()


def claim_cpu(cpus: list[int], state: Path) -> tuple[int, BinaryIO]:
    """A CPU on which no other judge is at work, for as long as the file stays open: traces of one CPU would mix.  Waits for the first."""
    for cpu, how in [*((cpu, fcntl.LOCK_EX | fcntl.LOCK_NB) for cpu in cpus), (cpus[0], fcntl.LOCK_EX)]:
        file = open(state / f"cpu{cpu}.lock", "wb")
        if how == fcntl.LOCK_EX:
            print(f"rxpath: another judge is at work on each CPU: waiting for CPU {cpu} ({file.name})", file=sys.stderr)
        try:
            fcntl.flock(file, how)
            return cpu, file
        except BlockingIOError:
            file.close()
    raise AssertionError("unreachable")


@contextlib.contextmanager
def first_of_all() -> Iterator[None]:
    """Before every ordinary task of this CPU (SCHED_FIFO), so that a busy machine hardly delays a step.  Where that is not allowed, as they
    come."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


class Kernel:
    """Runs cases on this machine's kernel."""

    def __init__(self) -> None:
        self.recovered = recover()
        self.journal = Journal()
        self.affinity = os.sched_getaffinity(0)
        self.cpu, self.claim = claim_cpu(sorted(self.affinity, reverse=True), self.journal.state)
        os.sched_setaffinity(0, {self.cpu})
        self.number, self.machine, self.tracer = 0, None, None  # type: tuple[int, Machine | None, tracing.Tracer | None]
        self.key: object = None
        self.history: list[tuple[Case, Host]] = []      # what the present machine has been through
        self.pids = {os.getpid(), tracing.ksoftirqd(self.cpu)}

    def run(self, items: Iterable[tuple[Case, Host]]) -> Iterator[Observation]:
        """Each case's observation, in their order."""
        for case, host in items:
            yield self.one(case, host)

    def one(self, case: Case, host: Host, fresh: bool = False) -> Observation:
        with first_of_all():
            if self.machine is None or fresh or not case.shared or self.key is not host:
                self.renew(host)
                self.history = []
            assert self.machine is not None
            self.key = host if case.shared else None
            self.history.append((case, host))
            return self.machine.play(case)

    def again(self) -> Observation:
        """The last case once more, on a new machine that goes through the same before it."""
        for i, (case, host) in enumerate(list(self.history)):
            seen = self.one(case, host, fresh=i == 0)
        return seen

    def renew(self, host: Host) -> None:
        """A new machine for that host."""
        if self.machine is not None:
            machine, self.machine = self.machine, None
            machine.close()
        self.journal.between()
        if self.tracer is None:
            self.tracer = tracing.Tracer(self.journal, self.cpu, self.pids, host.nic.name)
        self.tracer.device = host.nic.name.encode()
        self.tracer.forget()
        self.number += 1
        self.machine = Machine(host, self.journal, self.number, self.cpu, self.tracer)

    def close(self) -> None:
        if self.machine is not None:
            self.machine.close()
        if self.tracer is not None:
            self.tracer.close()
        self.journal.close()
        self.claim.close()
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, self.affinity)

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
