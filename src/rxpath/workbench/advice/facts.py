"""What a run measured, as the plain numbers that the rules' conditions name: `{ fact = "ring_load", op = "<", value = 1 }`.

A fact is a function of a Seen (a finished run and where in it things happened) with a name, a unit and a sentence; docs/rules.md lists
them.  Loads are demand over supply at a stage, over the time that the traffic took: frames that came, times what one costs the CPU that
serves them, divided by the time.  Below 1 a queue can ride a burst out; above 1 no buffer helps.  They come from the run itself: costs
are the CPU time that was spent, divided by the frames that were served."""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from rxpath.abi.reasons import LOSSES
from rxpath.abi.sysctls import BY_NAME
from rxpath.workbench.host.model.programs import App, Socket
from rxpath.workbench.host.tables import threads
from rxpath.workbench.run.books import AppBooks, Cpu, Queue, SocketBooks
from rxpath.workbench.run.latency import Latency
from rxpath.workbench.run.outcome import Outcome

if TYPE_CHECKING:
    from rxpath.workbench.traffic.spec import Spec

IDLE_BUSY = 0.05                                            # a CPU that is busy for less than this share of the time is there to be used
STARVED = 99.0                                              # a load that cannot be measured: nothing at all was served
LASTS = 5_000_000                                           # ns: a single burst that is over sooner says nothing of what lasts
BUFFER_LOSSES = ("SOCKET_RCVBUFF", "SOCKET_BACKLOG")


class Seen:
    """A finished run and where in it things happened: the sockets that overflowed, their programs, the queues and CPUs that were busy."""

    def __init__(self, run: Outcome, spec: Spec | None = None) -> None:
        """spec: the traffic, if it was generated."""
        self.run, self.books, self.host, self.spec = run, run.books, run.host, spec
        self.duration = max(run.traffic.duration_ns, 1)
        self.lasts = max(self.duration, LASTS)              # what loads are averaged over

    # ---------------------------------------------------------------- places
    @cached_property
    def full_sockets(self) -> list[SocketBooks]:
        """UDP sockets that lost datagrams, worst first."""
        return sorted((s for s in self.books.sockets if s.drops and s.proto == "udp"), key=lambda s: (-s.drops, s.name))

    @cached_property
    def read_sockets(self) -> list[SocketBooks]:
        """The sockets that matter: those that lost, or when none did, all that got something."""
        return self.full_sockets or [s for s in self.books.sockets if s.received and s.proto == "udp"]

    @cached_property
    def _listed(self) -> dict[str, Socket]:
        return {sock.name: sock for sock in self.host.sockets}

    def tunable(self, sock: SocketBooks) -> str | None:
        """What --set calls an open socket: its name in the host file; for one that the replay opened by itself "udp5000"."""
        if (listed := self.listed(sock.name)) is not None:
            return listed.name
        opened = self.host.opens_from_capture and sock.proto == "udp" and sock.address == "0.0.0.0"
        return sock.name if opened else None

    def listed(self, name: str) -> Socket | None:
        """The host file's entry of an open socket: "dns", "dns:53" (of a range), "dns#1" (a thread's own)."""
        base = name.partition("#")[0]
        return self._listed.get(base) or self._listed.get(base.rpartition(":")[0])

    @cached_property
    def rcvbufs(self) -> dict[str, int]:
        """sk_rcvbuf by the name that --set knows, the largest."""
        out: dict[str, int] = {}
        for s in self.books.sockets:
            if (name := self.tunable(s)) is not None:
                out[name] = max(s.rcvbuf, out.get(name, 0))
        return out

    @cached_property
    def unread(self) -> list[SocketBooks]:
        """UDP sockets that got something and that no program reads."""
        return [s for s in self.books.sockets if s.proto == "udp" and s.received + s.queued + s.drops > 0
                and (s.proto, s.port) not in self.run.own and not any(self.reads(app, s) for app in self.host.apps)]

    @cached_property
    def readers(self) -> list[App]:
        """The programs that read these sockets."""
        names = {sock.name for s in self.read_sockets if (sock := self.listed(s.name)) is not None}
        unlisted = any(self.listed(s.name) is None for s in self.read_sockets)
        return [a for a in self.host.apps if names & set(a.sockets) or ("*" in a.sockets and (names or unlisted))]

    @cached_property
    def reader_threads(self) -> list[AppBooks]:
        names = {a.name for a in self.readers}
        return [a for a in self.books.apps if a.name in names]

    @cached_property
    def waits(self) -> set[str]:
        """How the threads of these programs wait: recv, epoll, poll, busy."""
        named = {a.name for a in self.readers}
        opened = "recv" if len(self.books.sockets) == 1 else "epoll"        # sockets that the replay opened decide
        return {opened if t.wait == "auto" else t.wait for t in threads(self.host) if t.app.name in named}

    def cpu(self, number: int) -> Cpu:
        return self.books.cpus[number]

    def kernel_busy(self, cpu: int) -> float:
        """Share of the traffic's time that interrupts and softirqs took of a CPU."""
        c = self.cpu(cpu)
        return (c.hardirq + c.softirq) / self.duration

    def others_busy(self, cpu: int) -> float:
        """Share of the traffic's time that the host's [[load]] took of a CPU: what no program of this run accounts for."""
        if not any(cpu in load.cpu for load in self.host.loads):
            return 0.0
        c = self.cpu(cpu)
        ours = sum(t.app_ns + t.syscall_ns for t in self.books.apps if t.cpu == cpu)
        return min(max(c.application + c.syscall - ours, 0) / self.duration, 1.0)

    def left(self, cpu: int) -> float:
        """Share of a CPU that a program can have: what interrupts and softirqs leave, less what others take; the scheduler gives it its
        share at least."""
        short = self.duration / self.lasts                  # shares of a burst's time count for as much of LASTS
        free = max(1 - self.kernel_busy(cpu) * short, 0.01)
        rivals = sum(load.share / 100 for load in self.host.loads if cpu in load.cpu)
        return max(free - self.others_busy(cpu) * short, free / (1 + rivals))

    def busy(self, cpu: int) -> float:
        c = self.cpu(cpu)
        return (c.hardirq + c.softirq + c.syscall + c.application) / self.duration

    @cached_property
    def idlest(self) -> list[int]:
        """CPUs, the idlest first."""
        return sorted(range(self.host.cpus), key=lambda c: (round(self.busy(c), 2), c))

    @cached_property
    def spare(self) -> list[int]:
        """CPUs that do next to nothing."""
        return [c for c in self.idlest if self.busy(c) < IDLE_BUSY]

    @cached_property
    def first_card(self) -> list[Queue]:
        """The queues that [nic], [ethtool] and [irq] are about."""
        return self.books.queues[:self.host.device.queue_count]

    @cached_property
    def used_queues(self) -> list[int]:
        """Queues that got frames, busiest first."""
        return [q.queue for q in sorted(self.first_card, key=lambda q: (-q.frames, q.queue)) if q.frames]

    @cached_property
    def lossy_queues(self) -> list[int]:
        """Queues whose ring overflowed; when none did, the busiest."""
        lossy = [q.queue for q in sorted(self.first_card, key=lambda q: (-q.missed, q.queue)) if q.missed]
        return lossy or self.used_queues[:1]

    def poll_cpu(self, queue: int) -> int:
        return self.host.device.napi_cpu(queue) if self.host.nic.napi == "threaded" else self.books.queues[queue].cpu

    @cached_property
    def poll_cpus(self) -> set[int]:
        """CPUs that take frames off the rings, or on which the sender of a device without rings runs."""
        return {self.poll_cpu(q) for q in self.used_queues}

    # ---------------------------------------------------------------- the machine
    def siblings(self, cpu: int) -> set[int]:
        """The other hyper-threads of a CPU's core."""
        return {c for group in self.host.cpu.siblings if cpu in group for c in group if c != cpu}

    def node(self, cpu: int) -> int:
        return next((i for i, group in enumerate(self.host.cpu.nodes) if cpu in group), 0)

    def node_of_card(self, queue: int) -> int:
        """Of the card that a queue belongs to."""
        card = self.books.queues[queue].card
        return next((dev.nic.node for dev in self.host.devices if dev.name == card), self.host.nic.node)

    @cached_property
    def frames_of_nodes(self) -> dict[int, int]:
        """Frames that came by the cards of each node."""
        nodes: dict[int, int] = {}
        for q in self.books.queues:
            if q.frames:
                nodes[self.node_of_card(q.queue)] = nodes.get(self.node_of_card(q.queue), 0) + q.frames
        return nodes

    @property
    def busiest_node(self) -> int:
        """The node whose cards got most frames."""
        return max(self.frames_of_nodes, key=self.frames_of_nodes.__getitem__, default=self.host.nic.node)

    @property
    def off_node(self) -> bool:
        """A CPU that polls is on another node than its card, or a program on one where no card is that got frames."""
        nodes = self.frames_of_nodes or {self.host.nic.node: 0}
        return any(self.node(self.poll_cpu(q)) != self.node_of_card(q) for q in self.used_queues) or \
            any(self.node(t.cpu) not in nodes for t in self.reader_threads)

    @cached_property
    def shared_cores(self) -> set[int]:
        """CPUs that share a core with one that polls."""
        return {other for c in self.poll_cpus for other in self.siblings(c)}

    # ---------------------------------------------------------------- loads
    def queue_load(self, queue: int) -> float:
        """Of the CPU that polls a queue: all frames that came for it, times what one costs there, over the time."""
        cpu = self.poll_cpu(queue)
        here = [q for q in self.books.queues if self.poll_cpu(q.queue) == cpu]
        came, served = sum(q.frames for q in here), sum(q.frames - q.missed for q in here)
        c = self.cpu(cpu)
        return came * ((c.hardirq + c.softirq) / served) / self.lasts if served else STARVED if came else 0.0

    def backlog_load(self, cpu: int) -> float:
        """Of a CPU that works off a backlog."""
        row, c = self.books.softnet[cpu], self.cpu(cpu)
        came = row["processed"] + row["dropped"]
        return came * ((c.hardirq + c.softirq) / row["processed"]) / self.lasts if row["processed"] else STARVED if came else 0.0

    def reads(self, app: App, sock: SocketBooks) -> bool:
        if (sock.proto, sock.port) in self.run.own:
            return False
        listed = self.listed(sock.name)
        return "*" in app.sockets or (listed is not None and listed.name in app.sockets)

    @cached_property
    def reader_load(self) -> float:
        """Of the program that is worst off: what came for its sockets, times what a datagram costs it, over the time of its threads."""
        return max((self._load_of(app, False) for app in self.readers), default=0.0)

    @cached_property
    def reader_demand(self) -> float:
        """The same over the time that its CPUs have left for it."""
        return max((self._load_of(app, True) for app in self.readers), default=0.0)

    def groups(self, app: App) -> list[tuple[list[AppBooks], list[SocketBooks]]]:
        """The threads of a program and what they read: together, or each its own."""
        threads = [t for t in self.books.apps if t.name == app.name]
        socks = [s for s in self.books.sockets if s.proto == "udp" and self.reads(app, s)]
        if app.threads > 1 and app.own_sockets:
            return [([t], [s for s in socks if s.name.endswith(f"#{t.thread}")]) for t in threads]
        if app.threads > 1 and app.divide_sockets:          # as hosttables.threads() and run/programs.py divide them
            listed, opened = ([s for s in socks if (self.listed(s.name) is not None) is there] for there in (True, False))
            return [([t], [*listed[t.thread::app.threads], *opened[t.thread::app.threads]]) for t in threads]
        return [(threads, socks)]

    def _load_of(self, app: App, left: bool) -> float:
        """Where each thread serves its own sockets: of the worst of those that lost."""
        groups = self.groups(app)
        if len(groups) > 1:
            groups = [(threads, [s for s in socks if s in self.read_sockets]) for threads, socks in groups]
        return max((self._load(app, threads, socks, left) for threads, socks in groups), default=0)

    def demand(self, app: App, threads: list[AppBooks], socks: list[SocketBooks]) -> float:
        """What came for some sockets, times what a datagram costs these threads, over the time that their CPUs have left for them."""
        return self._load(app, threads, socks, True)

    def _load(self, app: App, threads: list[AppBooks], socks: list[SocketBooks], left: bool) -> float:
        came = sum(s.received + s.drops + s.queued for s in socks)
        served = sum(t.received for t in threads)
        if not served or not threads:
            return STARVED if came else 0.0
        spent = sum(t.app_ns + (0 if app.wait == "busy" else t.syscall_ns) for t in threads)
        time = sum(self.left(t.cpu) if left else 1 for t in threads) * self.lasts
        return came * (spent / served) / time

    def lost(self, *reasons: str) -> int:
        return sum(self.books.dropped.get(r, 0) for r in reasons)


class Fact(NamedTuple):
    unit: str
    doc: str
    of: Callable[[Seen], float]


FACTS: dict[str, Fact] = {}


def fact(name: str, unit: str, doc: str) -> Callable[[Callable[[Seen], float]], Callable[[Seen], float]]:
    def keep(of: Callable[[Seen], float]) -> Callable[[Seen], float]:
        FACTS[name] = Fact(unit, doc, of)
        return of
    return keep


def measure(run: Outcome) -> dict[str, float]:
    """Every fact of a run."""
    seen = Seen(run)
    return {name: f.of(seen) for name, f in FACTS.items()}


def _reason(name: str) -> Callable[[Seen], float]:
    return lambda s: s.lost(name)


def _counter(name: str) -> Callable[[Seen], float]:
    return lambda s: s.books.netstat.get(name, 0)


# ---------------------------------------------------------------- losses
fact("lost", "frames", "lost, for whatever reason")(lambda s: s.books.frames_dropped)
fact("lost_share", "of 1", "of the offered frames")(lambda s: s.books.frames_dropped / max(s.books.offered, 1))
fact("load_lost", "frames", "lost because they came too fast: in a ring, a backlog, a receive buffer")(
    lambda s: s.lost("RX_MISSED", "CPU_BACKLOG", "PROTO_MEM", *BUFFER_LOSSES))
fact("buffer_lost", "datagrams", "that found a socket's receive buffer (or its 3.10 backlog) full")(
    lambda s: s.lost(*BUFFER_LOSSES) - s.books.lost_at.get("SOCKET_BACKLOG", {}).get("tcp_v4_rcv", 0))       # a connection's backlog: T4
for _drop in LOSSES:
    fact(f"lost.{_drop.name}", "frames", _drop.row.meaning)(_reason(_drop.name))


fact("unknown_protocol", "frames", "whose EtherType nobody here handles")(
    lambda s: s.books.lost_at.get("UNHANDLED_PROTO", {}).get("__netif_receive_skb_core", 0))
fact("other_hosts", "frames", "addressed to another MAC")(
    lambda s: s.lost("NIC_FILTER") + (s.lost("OTHERHOST") if not s.run.receiver.vlans else 0))

# ---------------------------------------------------------------- the device and its interrupts
fact("rings", "0 or 1", "the device has rings; without, frames enter by netif_rx")(lambda s: s.host.device.driver.has_ring)
fact("interrupts", "0 or 1", "the device has interrupts")(lambda s: s.host.device.driver.has_interrupts)
fact("cpus", "CPUs", "of the host")(lambda s: s.host.cpus)
fact("spare_cpus", "CPUs", "busy for less than 5 % of the traffic's time")(lambda s: len(s.spare))
fact("queues", "queues", "of the device")(lambda s: s.host.device.queue_count)
fact("queues_used", "queues", "that got frames")(lambda s: len(s.used_queues))
fact("poll_cpus", "CPUs", "that take frames off the rings")(lambda s: len(s.poll_cpus))
fact("napis_on_a_cpu", "queues", "with traffic on one CPU, at most")(
    lambda s: max((sum(s.poll_cpu(q) == c for q in s.used_queues) for c in s.poll_cpus), default=0))
fact("busiest_queue_share", "of 1", "of the frames came for the busiest queue")(
    lambda s: max((q.frames for q in s.books.queues), default=0) / max(s.books.offered, 1))
fact("ring_fill", "of 1", "a ring was full at most")(lambda s: max((q.fill_max / q.size for q in s.books.queues if q.size), default=0))
fact("ring_load", "of 1", "demand over supply of the CPU that polls the worst queue, over the traffic's time")(
    lambda s: max((s.queue_load(q) for q in s.lossy_queues), default=0))
fact("window_fill", "of 1", "of a ring comes at the mean rate while rx-usecs holds its interrupt back")(
    lambda s: 0 if s.host.device.rx_usecs < 10 else
    max((q.frames / s.duration * s.host.device.rx_usecs * 1000 / q.size for q in s.books.queues if q.size), default=0))
fact("rx_usecs", "us", "interrupt throttling; 0 off, 1 and 3 adaptive")(lambda s: s.host.device.rx_usecs)
fact("interrupts_per_s", "1/s", "of all queues, over the traffic's time")(
    lambda s: s.books.interrupts * 1e9 / s.duration)
fact("packets_per_interrupt", "frames", "")(
    lambda s: (sum(q.frames - q.missed for q in s.books.queues) / n) if (n := s.books.interrupts) else 0)
fact("hardirq_busy", "of 1", "of the traffic's time, on the CPU with most of it")(
    lambda s: max(c.hardirq for c in s.books.cpus) / s.duration)

# ---------------------------------------------------------------- softirq
fact("softirq_busy", "of 1", "interrupts and softirqs, of the traffic's time, on the CPU with most of it")(
    lambda s: max(s.kernel_busy(c) for c in range(s.host.cpus)))
fact("packet_ns", "ns", "hard interrupt and softirq together, for a frame that left the ring")(
    lambda s: sum(c.hardirq + c.softirq for c in s.books.cpus) / max(1, s.books.offered - s.lost("RX_MISSED", "NIC_FILTER")))
fact("time_squeeze", "times", "a net_rx_action pass ended with work left")(lambda s: sum(r["time_squeeze"] for r in s.books.softnet))
fact("budget_time", "of 1", "of netdev_budget_usecs that netdev_budget packets take here: above 1 passes end by time, below by budget")(
    lambda s: _budget_time(s))
fact("received_rps", "times", "a CPU was asked by another one to work off packets")(
    lambda s: sum(r["received_rps"] for r in s.books.softnet))
fact("backlog_high", "packets", "that waited in a CPU's backlog at its fullest")(
    lambda s: max((b["max"] for b in s.books.high_water["backlog"]), default=0))
fact("rps_cpus", "CPUs", "that RPS may choose from")(lambda s: len({c for cpus in s.host.rps.values() for c in cpus}))
fact("backlog_load", "of 1", "demand over supply of the CPU whose backlog overflowed")(
    lambda s: max((s.backlog_load(r["cpu"]) for r in s.books.softnet if r["dropped"]), default=0))
fact("budget", "packets", "net.core.netdev_budget")(lambda s: s.host.sysctls()["net.core.netdev_budget"])    # type: ignore[arg-type, return-value]
fact("gro", "0 or 1", "GRO is on")(lambda s: s.host.device.gro)
fact("udp_gro", "0 or 1", "some socket asked for UDP_GRO")(lambda s: any(k.udp_gro for k in s.host.sockets))
fact("rules_per_frame", "rules", "of iptables that a frame was held against, on average")(
    lambda s: s.books.stations.get("nf_rule", 0) / max(s.books.offered, 1))
fact("taps", "sockets", "packet sockets that see every frame (tcpdump)")(lambda s: len(s.host.taps))

# ---------------------------------------------------------------- sockets and programs
fact("reader_load", "of 1", "demand over supply of the programs whose sockets overflowed, over the traffic's time")(lambda s: s.reader_load)
fact("reader_demand", "of 1", "the same over the time that interrupts, softirqs and [[load]] leave these programs")(
    lambda s: s.reader_demand)
fact("unread_sockets", "sockets", "UDP sockets that got datagrams and that no program reads")(lambda s: len(s.unread))
fact("unread_share", "of 1", "of what receive buffers refused: for sockets that no program reads")(
    lambda s: sum(k.drops for k in s.unread) / max(sum(k.drops for k in s.full_sockets), 1))
fact("loads", "threads", "[[load]]: what else the machine does")(lambda s: sum(len(load.cpu) for load in s.host.loads))
fact("reader_cpu_load", "of 1", "of the traffic's time, that [[load]] takes of the CPUs of these programs, at most")(
    lambda s: max((s.others_busy(t.cpu) for t in s.reader_threads), default=0))
fact("reader_syscall_share", "of 1", "of the time of these programs that system calls take")(
    lambda s: sum(t.syscall_ns for t in s.reader_threads) / n
    if (n := sum(t.syscall_ns + t.app_ns for t in s.reader_threads)) else 1)
fact("lock_wait", "of 1", "of the time of softirqs and system calls: waiting for a socket's lock")(
    lambda s: sum(k.lock_wait_ns for k in s.books.sockets) / max(sum(c.softirq + c.syscall for c in s.books.cpus), 1))
fact("reader_threads", "threads", "of these programs")(lambda s: len(s.reader_threads))
fact("reader_sleeps", "0 or 1", "one of these programs sleeps in its calls (not: waits busily)")(lambda s: bool(s.waits - {"busy"}))
fact("readers_of_a_socket", "threads", "of these programs that share one socket, at most")(
    lambda s: max((1 if a.own_sockets or a.divide_sockets else a.threads for a in s.readers), default=0))
fact("reader_batch", "datagrams", "for each call, the smallest of these programs")(lambda s: min((a.batch for a in s.readers), default=0))
fact("reader_service_us", "us", "that the programs work on a datagram")(
    lambda s: sum(t.app_ns for t in s.reader_threads) / max(1, sum(t.received for t in s.reader_threads)) / 1000)
fact("reader_cpu_softirq", "of 1", "interrupts and softirqs on the CPUs of these programs, at most")(
    lambda s: max((s.kernel_busy(t.cpu) for t in s.reader_threads), default=0))
fact("reader_on_sibling", "0 or 1", "one of these programs runs on a hyper-thread of a CPU that polls")(
    lambda s: any(t.cpu in s.shared_cores for t in s.reader_threads))
fact("reader_off_node", "0 or 1", "one of these programs, or a CPU that polls, is not on the NIC's NUMA node")(
    lambda s: s.off_node)
fact("idle_depth", "0 to 4", "deepest idle state that the governor may choose: poll, C1, C1E, C3, C6")(
    lambda s: ("poll", "C1", "C1E", "C3", "C6").index(s.host.cpu.idle))
fact("rcvbuf_fill", "of 1", "a receive buffer was full at most")(
    lambda s: max((k.rmem_max / k.rcvbuf for k in s.books.sockets if k.rcvbuf), default=0))
fact("rcvbuf_unasked", "0 or 1", "a socket that overflowed never asked for a buffer (no SO_RCVBUF)")(
    lambda s: any((k := s.listed(f.name)) is None or (k.rcvbuf is None and k.rcvbufforce is None) for f in s.full_sockets))
fact("rcvbuf_capped", "0 or 1", "a socket asks for a larger buffer (SO_RCVBUF) than rmem_max allows")(
    lambda s: any((k.rcvbuf or 0) > s.host.sysctls()["net.core.rmem_max"] for k in s.host.sockets))     # type: ignore[operator]
fact("rmem_max_raised", "0 or 1", "net.core.rmem_max is above the kernel's default")(lambda s: _rmem_max_raised(s))
fact("charge_ratio", "times", "the memory that a queued datagram is charged, over its bytes on the wire")(lambda s: _charge_ratio(s))
fact("reuseport_sockets", "sockets", "that share their address and port")(lambda s: len(_twins(s)))
fact("reuseport_idle", "sockets", "of these that got nothing")(lambda s: sum(not k.received and not k.drops for k in _twins(s)))
fact("p50_us", "us", "wire to the end of the program's work on a datagram")(lambda s: s.books.done.quantiles["p50"] / 1000)
fact("p99_us", "us", "the same")(lambda s: s.books.done.quantiles["p99"] / 1000)
fact("waiting_share", "of 1", "of the mean time to the end of the program's work: throttle, interrupt, its softirq, waking up")(
    lambda s: _time_in(s, "throttle", "interrupt", "ring", "wake_up"))
fact("queued_share", "of 1", "of the mean time to the end of the program's work: in the socket, its reader at work")(
    lambda s: _time_in(s, "socket"))
fact("fragments", "frames", "fragments of datagrams")(lambda s: s.books.copies["fragments"])
fact("reassembly_failed", "times", "Ip.ReasmFails")(lambda s: s.books.snmp.get("Ip.ReasmFails", 0))
fact("frag_fill", "of 1", "the memory for reassembly was full at most")(
    lambda s: s.books.high_water["fragments"]["max"] / max(s.books.high_water["fragments"]["of"], 1))
fact("rp_filter", "mode", "as the device sees it: 0 off, 1 strict, 2 loose")(lambda s: s.host.conf("rp_filter"))


# ---------------------------------------------------------------- TCP
TCP = ("ListenOverflows", "ListenDrops", "TCPReqQFullDrop", "SyncookiesSent", "SyncookiesRecv", "TCPBacklogDrop", "PruneCalled",
       "RcvPruned", "TCPRcvCollapsed", "TCPRcvQDrop", "TCPOFODrop", "OfoPruned", "TCPDSACKOldSent", "TCPTimeWaitOverflow", "TCPRcvCoalesce",
       "PAWSEstab", "TCPChallengeACK", "BeyondWindow", "TCPDeferAcceptDrop", "DelayedACKs")
for _name in TCP:
    fact(f"tcp.{_name}", "times", f"TcpExt{_name} of nstat")(_counter(f"TcpExt.{_name}"))
fact("refused_ports", "datagrams", "and segments for which nobody listens")(
    lambda s: s.lost("NO_SOCKET") - s.books.lost_at.get("NO_SOCKET", {}).get("cookie_v4_check", 0))
fact("udp_memory_lost", "datagrams", "refused because all UDP sockets together hold udp_mem")(
    lambda s: sum(n for place, n in s.books.lost_at.get("PROTO_MEM", {}).items() if "udp" in place))
fact("syns_lost", "times", "ListenDrops, and frames lost in a ring: what a SYN can be lost to here")(
    lambda s: s.books.netstat.get("TcpExt.ListenDrops", 0) + s.lost("RX_MISSED"))
fact("syncookies", "mode", "net.ipv4.tcp_syncookies")(lambda s: int(str(s.host.sysctls().get("net.ipv4.tcp_syncookies", 0))))
fact("listen_rest", "SYNs", "ListenDrops that no full accept queue explains")(
    lambda s: max(s.books.netstat.get("TcpExt.ListenDrops", 0) - s.books.netstat.get("TcpExt.ListenOverflows", 0), 0))
fact("cookies_answered", "of 1", "SYN cookies that came back, of those that were sent; above 1: repeated ACKs")(
    lambda s: s.books.netstat.get("TcpExt.SyncookiesRecv", 0) / max(s.books.netstat.get("TcpExt.SyncookiesSent", 0), 1))
fact("tcp_rcvbuf_asked", "0 or 1", "a TCP listener asks for a buffer of its own (SO_RCVBUF): its connections do not grow theirs")(
    lambda s: any(k.proto == "tcp" and (k.rcvbuf is not None or k.rcvbufforce is not None) for k in s.host.sockets))
fact("window_limited", "of 1", "of the time of a client's transfer: what it takes by half a receive buffer a round trip")(
    lambda s: _window_limited(s))
fact("connect_p99_ms", "ms", "from the first SYN to the SYN-ACK, of the traffic's TCP clients")(
    lambda s: s.run.clients.connect_ns["p99"] / 1e6 if s.run.clients is not None else 0.0)


def _window_limited(s: Seen) -> float:
    c = s.run.clients
    buffers = [k.rcvbuf for k in s.books.sockets if k.proto == "tcp" and k.rcvbuf]
    if c is None or not buffers or not c.ended:
        return 0.0
    return c.acknowledged / c.ended / (min(buffers) / 2) * c.connect_ns["p50"] / max(c.transfer_ns["p50"], 1)


def _time_in(s: Seen, *places: str) -> float:
    """Of the time of all datagrams that programs are done with; 0 where the run did not keep it."""
    def total(latency: Latency) -> float:
        return latency.mean * latency.count
    spent = s.books.spent
    return sum(total(x.places[p]) for x in spent for p in places if p in x.places) / max(sum(total(x.done) for x in spent), 1)


def _budget_time(s: Seen) -> float:
    values = s.host.sysctls()
    limit = values.get("net.core.netdev_budget_usecs", 2_000_000 // s.host.ticks)
    budget = values["net.core.netdev_budget"]
    assert isinstance(limit, int) and isinstance(budget, int)
    return budget * FACTS["packet_ns"].of(s) / 1000 / max(limit, 1)


def _rmem_max_raised(s: Seen) -> bool:
    value, default = s.host.sysctls()["net.core.rmem_max"], BY_NAME["net.core.rmem_max"].default_for(s.host.kernel, s.host.ticks)
    assert isinstance(value, int) and isinstance(default, int)
    return value > default


def _charge_ratio(s: Seen) -> float:
    full = s.full_sockets[0] if s.full_sockets else None
    if full is None or not full.queue_max or not s.run.traffic.offered:
        return 0.0
    return full.rmem_max / full.queue_max / max(1, s.run.traffic.octets / s.run.traffic.offered)


def _twins(s: Seen) -> list[SocketBooks]:
    """Sockets with the same address and port: SO_REUSEPORT."""
    places = Counter((k.proto, k.address, k.port) for k in s.books.sockets)
    return [k for k in s.books.sockets if places[k.proto, k.address, k.port] > 1]
