"""The order of stations: our trail of one packet beside the kernel's own order of functions, recorded live.

The function tracers would say it all, but a locked-down kernel refuses them (why_no_tracer() says how), so the order is read from
tracepoints: each event of a packet's way comes with the stack on which it was met, and a function is entered where it first stands on one.
So only functions that have a tracepoint somewhere below them are seen.  Two things are judged: names that both sides have come in the same
order, and no station of ours that the kernel met on its way is left out.

The trees of igb under function_graph, with every function, are judged by tests/test_order.py and tests/network/test_order.py."""
from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rxpath.path import Stage
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge.case import Case, Recv, Send
from rxpath.workbench.judge.cases.causes import rules
from rxpath.workbench.judge.hosts import host
from rxpath.workbench.judge.kernel.machine import Kernel
from rxpath.workbench.judge.kernel.netns import PEER
from rxpath.workbench.judge.kernel.undo import TRACEFS, Journal
from rxpath.workbench.judge.ours import machine as ours

EVENTS = ("net", "napi", "skb", "sock", "udp", "icmp", "fib", "neigh", "kmem/kmem_cache_alloc", "kmem/kmem_cache_free", "kmem/kmalloc",
          "kmem/kfree")
ROOTS = ("veth_xmit", "__netif_rx", "net_rx_action", "recvmsg", "do_softirq")        # stacks of the packet's way have one of these
SUFFIX = re.compile(r"\.(isra|constprop|part|cold|llvm)\b.*")
# stations whose kernel namesake does something else as well, or that one side enters at another moment for a reason that is known
NOT_COMPARED = {
    "kfree_skb": "ours marks every end of a packet with it",
    "sock_def_readable": "the kernel asks whether anybody waits inside it, ours before it: tests/test_order.py has it with a reader",
    "skb_clone": "the kernel clones the last fragment to put the first in its place; ours has indices",
    "ip_route_output_key_hash": "the kernel looks up a route for what it answers; ours answers by the device that the packet came by",
    "ip_output": "as ip_route_output_key_hash: ours marks it for what programs send, and on the way of an answer it does not pass it",
}


@dataclass(frozen=True, slots=True)
class Tree:
    """One packet's way.  case: its last Send's last frame is the one that is watched; a Recv after it is part of the way."""
    name: str
    case: Case


@dataclass(frozen=True, slots=True)
class Order:
    name: str
    both: list[str]                         # names that both have, in the kernel's order
    ours: list[str]                         # the same in ours
    missing: list[str]                      # stations that the kernel met and ours did not

    @property
    def agrees(self) -> bool:
        return self.both == self.ours and not self.missing


def trees() -> list[Tree]:
    ok, pair = f.udp(b"x" * 64), f.fragments(f.udp(b"y" * 1000), [504])
    member = f.udp_frame(dst="239.1.1.1", mac=f.multicast_mac("239.1.1.1"))
    full = [{"name": "a", "bind": "*:5000", "rcvbuf": 2304}]
    connected = [{"name": "a", "bind": "10.0.0.1:5000", "connect": "10.0.0.2:40000"}]
    joined = [{"name": n, "bind": "*:5000", "join": ["239.1.1.1"], "reuseaddr": True} for n in "ab"]
    stranger = {"sysctl": {"net.ipv4.conf.all.rp_filter": 1}}
    rows: list[tuple[str, tuple[bytes, ...], dict[str, Any], bool]] = [
        ("open", (f.udp_frame(),), {}, True),
        ("closed", (f.udp_frame(dport=9),), {}, False),
        ("connected", (f.udp_frame(),), {"sockets": connected}, True),
        ("bad UDP checksum", (f.eth(f.ip(f.udp(b"x" * 64, check=0x1234))),), {}, False),
        ("bad UDP checksum, long", (f.eth(f.ip(f.udp(b"x" * 640, check=0x1234))),), {}, True),
        ("bad IP checksum", (f.eth(f.ip(ok, check=0x1234)),), {}, False),
        ("otherhost", (f.udp_frame(mac=bytes.fromhex("020000000099")),), {}, False),
        ("martian source", (f.udp_frame(src="127.0.0.1"),), {}, False),
        ("no way back", (f.udp_frame(src="172.16.0.9"),), stranger, False),
        ("not our address", (f.udp_frame(dst="10.9.9.9"),), {}, False),
        ("unknown protocol", (f.eth(f.ip(b"x" * 64, proto=200)),), {}, False),
        ("unknown EtherType", (f.eth(b"x" * 64, proto=0x1234),), {}, False),
        ("first fragment", tuple(pair[:1]), {}, False),
        ("last fragment", tuple(pair), {}, True),
        ("arp", (f.arp(),), {}, False),
        ("echo", (f.eth(f.ip(f.icmp(), proto=1)),), {}, False),
        ("syn_closed", (f.eth(f.ip(f.tcp(), proto=6)),), {}, False),
        ("drop_prerouting", (f.udp_frame(),), {"rules": rules("raw", "PREROUTING", "DROP")}, False),
        ("drop_input", (f.udp_frame(),), {"rules": rules("filter", "INPUT", "DROP")}, False),
        ("reject", (f.udp_frame(),), {"rules": rules("filter", "INPUT", "REJECT --reject-with icmp-port-unreachable")}, False),
        ("rcvbuf_full", (f.udp_frame(),) * 6, {"sockets": full}, False),
        ("multicast to two", (member,), {"sockets": joined}, True),
        ("VLAN", (f.eth(f.ip(ok), vlan=5),), {}, False),
        ("IP options", (f.eth(f.ip(ok, options=b"\x07\x07\x04\x00\x00\x00\x00\x00")),), {}, True),
    ]
    return [Tree(name, Case(name, "network", host(**settings), (Send(sent), *([Recv("a")] if read else [])), "order"))
            for name, sent, settings, read in rows]


# ---------------------------------------------------------------- the kernel's order
def why_no_tracer() -> str:
    """Why the function tracers cannot be used here; "" when they can."""
    with contextlib.suppress(OSError):
        tracers = (TRACEFS / "available_tracers").read_text().split()
        if "function_graph" not in tracers:
            said = f"function_graph is not among available_tracers ({' '.join(tracers)})"
        else:
            said = ""
        try:
            with open(TRACEFS / "available_filter_functions") as file:
                file.readline()
        except OSError as error:
            said += f"{'; ' if said else ''}available_filter_functions and set_ftrace_filter: {error.strerror} (lockdown)"
        return said
    return f"no tracefs at {TRACEFS}"


class Stacks:
    """A trace instance of our own in which every event of this process comes with its stack."""

    def __init__(self, journal: Journal) -> None:
        self.journal, self.name = journal, f"rxo{os.getpid()}"
        self.root = TRACEFS / "instances" / self.name
        journal.will_make("trace", self.name)
        self.root.mkdir(exist_ok=True)
        for name, text in (("tracing_on", "0"), ("buffer_size_kb", "4096"), ("options/stacktrace", "1"),
                           ("set_event_pid", str(os.getpid()))):
            (self.root / name).write_text(text)
        for event in EVENTS:
            with contextlib.suppress(FileNotFoundError):
                (self.root / "events" / event / "enable").write_text("1")

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        (self.root / "trace").write_text("")
        (self.root / "tracing_on").write_text("1")
        try:
            yield
        finally:
            (self.root / "tracing_on").write_text("0")

    def functions(self) -> list[str]:
        """Functions in the order in which they were entered."""
        entered: list[str] = []
        before: list[str] = []
        answered = False
        for event, stack in stacks((self.root / "trace").read_text()):
            answered = answered or (f"dev={PEER} " in event and "netif_receive_skb" in event)         # the reply's way at the sender
            if any("recvmsg" in name for name in stack):
                answered = False
            if answered or not any(root in name for name in stack for root in ROOTS):
                continue
            same = 0
            while same < min(len(stack), len(before)) and stack[same] == before[same]:
                same += 1
            entered += stack[same:]
            before = stack
        return entered

    def close(self) -> None:
        with contextlib.suppress(OSError):
            (self.root / "events" / "enable").write_text("0")
            self.root.rmdir()
        self.journal.gone("trace", self.name)


def stacks(text: str) -> list[tuple[str, list[str]]]:
    """Each event of a trace and its stack, outermost function first."""
    found: list[tuple[str, list[str]]] = []
    event = ""
    for line in text.splitlines():
        if "<stack trace>" in line:
            found.append((event, []))
        elif not line.startswith(" => "):
            event = line + " "
        elif found:
            found[-1][1].insert(0, SUFFIX.sub("", line[4:].split("+")[0].strip()))
    return found


def kernels(tree: Tree, kernel: Kernel, tracer: Stacks) -> list[str]:
    """What the kernel entered for the watched frame, and for the system call that reads it."""
    described = hostfile.build(dict(tree.case.host), tree.name)                             # type: ignore[arg-type]
    kernel.renew(described)
    machine = kernel.machine
    assert machine is not None
    *first, last = tree.case.steps[0].frames                                                # type: ignore[union-attr]
    for frame in first:
        machine.wire.send(frame)
    with tracer.recording():
        machine.wire.send(last)
        if len(tree.case.steps) > 1:
            machine.receive("a")
    return tracer.functions()


# ---------------------------------------------------------------- ours
def stations(tree: Tree, plain: bool = False) -> list[str]:
    machine = ours.Machine(hostfile.build(dict(tree.case.host), tree.name), plain)          # type: ignore[arg-type]
    try:
        *first, last = tree.case.steps[0].frames                                            # type: ignore[union-attr]
        for number, frame in enumerate((*first, last)):
            if number == len(first):
                machine.sim.time.collect(last=True)
                machine.marks.clear()
            machine.sim.send(frame, machine.sim.t + ours.GAP_NS)
            machine.sim.run(machine.sim.t + ours.GAP_NS)
        if len(tree.case.steps) > 1:
            machine.receive("a")
        machine.sim.time.collect(last=True)
        return [Stage(m.stage).name for m in machine.marks]
    finally:
        machine.close()


def first_met(names: list[str], known: set[str]) -> list[str]:
    """Each known name once, where it is met first."""
    return list(dict.fromkeys(n for n in names if n in known))


def compared(name: str, mine: list[str], theirs: list[str]) -> Order:
    known = set(mine) & set(theirs) - set(NOT_COMPARED)
    stages = {s.name for s in Stage} - set(NOT_COMPARED)
    return Order(name, first_met(theirs, known), first_met(mine, known), first_met(theirs, stages - set(mine)))


def judged(kernel: Kernel, plain: bool = False) -> Iterator[Order]:
    tracer = Stacks(kernel.journal)
    try:
        for tree in trees():
            yield compared(tree.name, stations(tree, plain), kernels(tree, kernel, tracer))
    finally:
        tracer.close()
