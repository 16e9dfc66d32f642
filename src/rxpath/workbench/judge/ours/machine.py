"""The same case through the path: a host on a veth, compiled (or plain), its clock virtual.

System calls of the steps happen between two slices of the engine, by a thread that the engine does not run, on the sockets that every
program has (programs/sockets.py).  Where a frame was lost comes from the trail: the station at which it ended, by the name of the kernel
function that frees it there."""
from __future__ import annotations

import errno
import socket
from typing import Any

from rxpath import boot, outputs
from rxpath._compile import forget, numbers
from rxpath.abi.limits import NCPU, NTHREAD
from rxpath.abi.mib import DevStat, Mib
from rxpath.abi.numbers import IPPROTO, PACKET_ROOM, Op, Out, Trail
from rxpath.abi.reasons import Drop
from rxpath.abi.sock import EP_ET
from rxpath.path import Stage
from rxpath.programs.process import BUFFER, Process
from rxpath.programs.sockets import Socket
from rxpath.user import eventpoll
from rxpath.user import sock as socks
from rxpath.user import socket as sockets
from rxpath.user.poll import poll_now
from rxpath.user.sendmsg import send_now
from rxpath.user.wait import wake_up
from rxpath.vtime import setup as vtime
from rxpath.vtime import waiting
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host import tables as hosttables
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.judge import case as cases
from rxpath.workbench.judge import frames
from rxpath.workbench.judge.calls import FIONREAD, Calls
from rxpath.workbench.judge.case import Case, Observation
from rxpath.workbench.judge.compare import QUIET_REASONS
from rxpath.workbench.run import assemble
from rxpath.workbench.run.simulation import Simulation

READER = NTHREAD - 1                        # a thread that the engine does not run
HELD_NS = 20_000_000                        # how late that interrupt is
CALL_NS = 2_000                             # after a call on a stream
PROFILE = "bm36"                            # whatever a calibration of this machine says: idle states of its own outlast GAP_NS
GAP_NS = 20_000                             # between two frames: the first has been through the path when the second comes
MIBS = [(int(m), m.text()) for m in Mib if not m.name.startswith("Rxpath")]
DEVICE = [(int(d), d.name) for d in DevStat]
ICMP_SEND = Stage["__icmp_send"]
OF_BACKLOG = ("SOCKET_BACKLOG", "TCP_CSUM")
OF_DEFRAG = (Stage.ip_defrag, Stage.ip_expire)
FREED_BY = {                                # our station -> the kernel function in which the skb is freed
    Stage.__udp_enqueue_schedule_skb: "udp_queue_rcv_one_skb", Stage.ip_protocol_deliver_rcu: "ip_local_deliver_finish",
    Stage.__udp4_lib_mcast_deliver: "__udp4_lib_rcv", Stage.udplite_rcv: "__udp4_lib_rcv", Stage.veth_xmit: "__dev_forward_skb2",
}


def freed_by(stage: Stage, reason: str) -> str:
    """The kernel function that frees an skb which ends at this station."""
    if reason == "FRAG_TOO_FAR":                        # its queue is purged
        return "inet_frag_rbtree_purge"
    if reason == "FRAG_REASM_TIMEOUT":
        return "ip_expire"
    return FREED_BY.get(stage, stage.name)


def _added(rows: list[Any]) -> list[int]:
    """Arrays of i64, one for each CPU, added up."""
    return [sum(values) for values in zip(*(numbers(row) for row in rows), strict=True)]


class Caller(Process):
    """Who makes system calls: a thread that the engine does not run.  Its calls never wait."""

    def __init__(self, sim: Simulation) -> None:
        super().__init__(sim.boot)
        self.sim = sim
        self._memory, address = boot.buffer(BUFFER)
        th = self.thread()
        th.cpu, th.buf_addr, th.buf_len, th.msg_name, th.wait = 0, address, BUFFER, 1, READER

    def thread(self) -> Any:
        return self.net.thread[READER]

    def memory(self) -> Any:
        return self._memory

    def now(self) -> int:
        return int(self.net.sim.now)

    def busy_poll(self, sk: int, ns: int) -> None:
        self.call(vtime.set_busy_poll)(self.net, sk, ns)

    def wakes(self) -> None:
        """What its calls have left behind - segments, timers, wake-ups - is seen by the engine."""
        sim = self.sim
        sim.t = max(sim.t, *(self.net.cpu[c].now for c in range(sim.host.cpus)))
        raised = self.call(waiting.host_bh_enable)(self.net, 0, sim.t)
        sim.run(sim.t + (GAP_NS if raised else CALL_NS))

    def ask(self, op: int) -> None:
        th = self.thread()
        if op == Op.ACCEPT:
            th.result = self.call(sockets.inet_accept)(self.net, 0, th.sock)
        elif op == Op.SEND:
            th.result = self.call(send_now)(self.net, 0, READER)
        else:
            th.result = self.call(sockets.recv_now)(self.net, 0, READER)
        if op != Op.RECV or self.net.socks[th.sock].protocol == IPPROTO.TCP:    # a datagram that was read leaves nothing behind
            self.wakes()


class Machine(Calls):
    """One receiving host in virtual time."""

    def __init__(self, host: Host, plain: bool = False) -> None:
        super().__init__()
        opened = hosttables.open_sockets(host)
        self.sim = sim = Simulation(hostfile.revise(host, {"socket": [], "listen": "listed", "profile": PROFILE}), plain=plain,
                                    packets=assemble.packets_needed(host, len(opened)))
        self.host, self.net, self.call = sim.host, sim.net, sim.call
        self.left: list[outputs.Output] = []
        self.marks: list[outputs.Mark] = []
        sim.time.add_sink(self.left.append)
        sim.time.add_watcher(self.marks.append)
        self.net.trail = Trail.ALL
        self.net.dev[0].sender_room = PACKET_ROOM       # the kernel's frames come from a packet socket
        self.caller = Caller(sim)
        self.last: dict[int, int] = {}                  # skb -> its last station
        self.answered: set[int] = set()                 # skbs about which an ICMP error was to be sent
        self.held: dict[str, OSError | None] = {}       # sockets of hold(); what its recv() has returned already
        self.cpus = range(host.cpus)
        sim.run(1_000_000)
        for item in opened:
            self.listed(item)
        self.snmp, self.device = self._snmp(), self._device()
        self._leave(Observation())

    def _snmp(self) -> list[int]:
        return _added([self.net.snmp[c] for c in self.cpus])

    def _device(self) -> list[int]:
        return _added([self.net.dev_stat[c][0] for c in self.cpus])

    # ------------------------------------------------------------ system calls
    def new_socket(self, proto: str) -> Socket:
        kind = socket.SOCK_STREAM if proto.startswith("tcp") else socket.SOCK_DGRAM
        return Socket(self.caller, type=kind | socket.SOCK_NONBLOCK)

    def disconnect(self, sock: Socket) -> None:
        sock.disconnect()

    def fionread(self, sock: Socket) -> int:
        return int(sock.ioctl(FIONREAD))

    def polled(self, sock: Socket) -> int:
        return int(self.call(poll_now)(self.net, 0, sock.sk))

    def hold(self, id_: str, waits: bool) -> str:
        """As a recv() that sleeps while it copies: between hold() and release() nothing but the backlog can change, so the copy happens
        before the socket is let go."""
        sock, self.held[id_] = self.sockets[id_], None
        try:
            sock.recv(1, socket.MSG_PEEK)
        except OSError as error:                        # nothing to copy: its recv() has returned, and holds nothing
            self.held[id_] = error
            return ""
        sock.setblocking(waits)
        if not self.call(socks.own_sock)(self.net, 0, sock.sk, READER):
            raise OSError(errno.EBUSY, "somebody else holds it")
        return ""

    def release(self, id_: str) -> int:
        sock, failed = self.sockets[id_], self.held.pop(id_)
        if failed is not None:
            raise failed
        try:
            return len(sock.recv(4096))
        finally:
            sock.setblocking(False)

    def fragments(self) -> tuple[int, int]:
        return int(self.net.frag_nqueues), int(self.net.frag_mem)

    def watch(self, socks: list[Any]) -> None:
        self.net.thread[READER].epoll = ep = eventpoll.epoll(self.sim.boot)
        for sock in socks:
            eventpoll.epoll_watch(self.sim.boot, ep, sock.sk, EP_ET)

    def ready(self) -> list[str]:
        """Everything that epoll_wait() has, one by one."""
        names = {sock.sk: id_ for id_, sock in self.udp()}
        found = []
        while (i := self.call(eventpoll.sleep_in_epoll)(self.net, 0, READER)) >= 0:
            found.append(names[i])
        self.call(wake_up)(self.net, READER)
        return found

    def cpu_called(self, name: str) -> int:
        return 0 if name == "here" else 1

    def sysctl(self, name: str, value: int | str) -> None:
        sim = self.sim
        try:
            sim.host = self.host = hostfile.revise(sim.host, {"sysctl": {**sim.host.sysctl, name: value}})
        except hostfile.HostError:
            raise OSError(errno.EINVAL, name) from None
        assemble.sysctls(sim)
        for flag in assemble.CONF:
            setattr(self.net.dev[0], flag, sim.host.conf(flag))

    def burst(self, step: cases.Burst) -> None:
        """The other CPU, to which rps steers, comes to poll only when all are there."""
        sim, cost = self.sim, [self.net.cost[c] for c in self.cpus]
        usual = [int(row[Stage.IPI_LATENCY]) for row in cost]
        for row in cost:
            row[Stage.IPI_LATENCY] = HELD_NS
        for i in range(step.count):
            sim.send(frames.eth(frames.ip(frames.udp(step.payload, dport=step.dport), ident=1 + i)), sim.t + 1000)
        sim.run(sim.t + HELD_NS // 2)
        for row, ns in zip(cost, usual, strict=True):
            row[Stage.IPI_LATENCY] = ns
        sim.run(sim.t + HELD_NS)

    # ------------------------------------------------------------ what came of it
    def _leave(self, seen: Observation) -> None:
        """Frames that left and the marks of those that were lost."""
        self.sim.time.collect(last=True)
        seen.replies += [out.data for out in self.left if out.kind == Out.TX]
        self.left.clear()
        for mark in self.marks:
            if mark.stage == Stage.kfree_skb:
                reason, stage = Drop(mark.end()).name, Stage(mark.where())
                answered = mark.skb in self.answered
                self.answered.discard(mark.skb)
                last = self.last.pop(mark.skb, 0)       # a part of a datagram, or of a segment that it was joined to: no event of its own
                part = ((last == Stage.ip_defrag and stage not in OF_DEFRAG) or last == Stage.tcp_try_coalesce
                        or (last == Stage.tcp_add_backlog and reason not in OF_BACKLOG))
                if reason not in QUIET_REASONS and mark.skb >= 0 and not part:
                    where = freed_by(stage, reason)
                    if where == "ip_expire" and not answered:           # ip_expire itself frees what it has told the sender about
                        where = "inet_frag_rbtree_purge"
                    seen.drops[reason, where] = seen.drops.get((reason, where), 0) + 1
            elif mark.stage == ICMP_SEND:
                self.answered.add(mark.skb)
            else:
                self.last[mark.skb] = mark.stage
        self.marks.clear()

    def replied(self, seen: Observation) -> None:
        self._leave(seen)

    def read(self, seen: Observation, waited: bool = False) -> None:
        """Everything that has moved since the last time.  Our timers are in the marks like all else."""
        self._leave(seen)
        snmp, device = self._snmp(), self._device()
        if snmp != self.snmp:
            for m, name in MIBS:
                if snmp[m] != self.snmp[m]:
                    seen.counters[name] = snmp[m] - self.snmp[m]
            self.snmp = snmp
        for d, name in DEVICE:
            if device[d] != self.device[d]:
                seen.device[name] = device[d] - self.device[d]
        self.device = device
        for id_, sock in self.udp():
            drops = self.net.socks[sock.sk].drops
            if drops != self.drops[id_]:
                seen.sockets[id_] = drops - self.drops[id_]
                self.drops[id_] = drops

    def send(self, frames: tuple[bytes, ...], number: int, seen: Observation) -> None:
        sim = self.sim
        for frame in frames:
            sim.t = max(sim.t, *(self.net.cpu[c].now for c in self.cpus))       # system calls have taken their time
            sim.send(frame, sim.t + GAP_NS)
            sim.run(sim.t + GAP_NS)
            if len(frames) > 100:
                self._leave(seen)

    def wait(self, ns: int) -> None:
        self.sim.run(self.sim.t + ns)

    def play(self, case: Case) -> Observation:
        dropped = self._backlog_dropped()
        seen = super().play(case)
        if self._backlog_dropped() != dropped:
            seen.softnet["dropped"] = self._backlog_dropped() - dropped
        return seen

    def _backlog_dropped(self) -> int:
        return sum(self.net.input[c].dropped for c in range(NCPU))

    def close(self) -> None:
        forget(self.net.thread[READER].buf_addr)
        del self.net
        self.sim.close()


class Ours:
    """Runs cases through the path."""

    def __init__(self, plain: bool = False) -> None:
        self.plain = plain
        self.machine: Machine | None = None
        self.key: object = None

    def one(self, case: Case, host: Host, fresh: bool = False) -> Observation:
        if self.machine is None or fresh or not case.shared or self.key is not host:
            self.close()
            self.machine = Machine(host, self.plain)
        self.key = host if case.shared else None
        return self.machine.play(case)

    def close(self) -> None:
        if self.machine is not None:
            machine, self.machine = self.machine, None
            machine.close()

    def __enter__(self) -> Ours:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
