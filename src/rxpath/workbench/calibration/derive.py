"""From what was measured to the costs of a profile.

A measured figure is a sum of stations and events.  The model itself says which: it runs the same calls (in_model.call) with the cost that
is sought at nothing, and what then is missing is that cost.  So a profile gives back what was measured, in the order below; what nobody can
measure here is bm36's, times how much longer this machine takes for the softirq work of a datagram, and says so."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rxpath.path import Stage
from rxpath.vtime.costs import load_profile
from rxpath.workbench.calibration.in_model import STEP, Call, call
from rxpath.workbench.calibration.measure import HALTS, RULES, Measured, Value
from rxpath.workbench.words import units

BASE = "bm36"
WAIT = Stage.__skb_wait_for_more_packets                    # here: inside a class its name would be another
BYTES_MORE = 1400 - 64                                      # of the two sizes that are received
RECEIVER_WORKS, APART, MANY = 12_000, 10_000, 200           # a reader that always finds data queued: work, gap, datagrams
SAME_CPU_GAP = 400_000                                      # the sender sleeps in between, or the reader would never run
SWITCH_SHARE = 0.6                                          # of what a reader's sleeping and waking takes, as in vm; the wait has the rest
LEAST_WAKE = 200
LEAST_INTERRUPTS = 0.5                                      # of RPS, a packet: fewer say too little of one


@dataclass(frozen=True, slots=True)
class Cost:
    """ns of a station or event (a byte's with decimals), what it was measured by, and the spread of that, in the same unit."""
    ns: float
    source: str
    low: float
    high: float


@dataclass
class Derived:
    """factor: of BASE for what is not in costs.  halt: (ns halted, ns that the way back takes more).  stalls: (a second, ns of one,
    source)."""
    factor: float
    factor_source: str
    costs: dict[Stage, Cost] = field(default_factory=dict)
    halt: list[tuple[int, Cost]] = field(default_factory=list)
    stalls: tuple[float, float, str] | None = None
    hz: int = 0


class Solver:
    """ns: the profile as far as it is known; each step adds to it."""

    def __init__(self, measured: Measured) -> None:
        self.m, self.values = measured, measured.values
        self.base = load_profile(BASE)
        self.ns: dict[Stage, float] = {s: float(v) for s, v in self.base.ns.items()}
        factor, source = self._factor()
        self.out = Derived(factor, source)
        self.ns = {s: v * factor for s, v in self.ns.items()}

    def has(self, *names: str) -> bool:
        return all(name in self.values for name in names)

    def call(self, without: tuple[Stage, ...] = (), **how: object) -> Call:
        return call({**self.ns, **dict.fromkeys(without, 0.0)}, **how)          # type: ignore[arg-type]

    def set(self, stage: Stage, ns: float, by: Value, source: str, each: float = 1.0, least: float = 0.0) -> None:
        """each: how many of `by` make one of the stage; its spread is that much of the measured one's."""
        ns = max(ns, least)
        away = (by.low - by.value) / each, (by.high - by.value) / each
        self.out.costs[stage] = Cost(ns, source, max(min(least, 0.0), ns + away[0]), ns + away[1])
        self.ns[stage] = ns if stage not in (Stage.BYTE_COPY, Stage.BYTE_CSUM) else ns * 1024

    # ------------------------------------------------------------ the steps
    def _factor(self) -> tuple[float, str]:
        """How much longer the softirq work of a datagram takes than BASE's."""
        v = self.values
        if self.has("send_full", "rps_send_saturated"):
            here = v["send_full"].value - v["rps_send_saturated"].value
            there = self.call(full=True).send - self.call(full=True, rps=True, saturated=True).send
            if here > 0.1 * there:
                return here / there, (f"not measured here; softirq work of a datagram is {here:.0f} ns here, {there:.0f} there (send() "
                                      f"{v['send_full'].value:.0f}, handed to another CPU {v['rps_send_saturated'].value:.0f})")
        if self.has("send_full"):
            there = self.call(full=True).send
            return v["send_full"].value / there, (f"not measured here; a send() through the softirq is {v['send_full'].value:.0f} ns here, "
                                                  f"{there:.0f} there")
        if self.has("system_call"):
            there = self.ns[Stage.SYSCALL_ENTRY] + self.ns[Stage.SYSCALL_EXIT]
            here = v["system_call"].value
            return here / there, f"not measured here; a system call is {here:.0f} ns here, {there:.0f} there"
        return 1.0, "not measured here"

    def calls(self) -> None:
        v = self.values
        if self.has("system_call"):
            one = v["system_call"]
            for stage in (Stage.SYSCALL_ENTRY, Stage.SYSCALL_EXIT):
                self.set(stage, one.value / 2, one, f"[M] half of a null system call, {one.value:.0f}", 2)
        if self.has("recv_64_same", "recv_1400_same"):
            more = max(v["recv_1400_same"].p10 - v["recv_64_same"].p10, 0.0)
            spread = Value(more, more, more, more, more, 0)
            self.set(Stage.BYTE_COPY, more / BYTES_MORE, spread, f"[M] recvfrom() of 1400 bytes takes {more:.0f} longer than of 64",
                     BYTES_MORE, 0.005)
        elif self.has("memcpy_1472"):
            one = v["memcpy_1472"]
            self.set(Stage.BYTE_COPY, one.value / 1472, one, f"[M] memcpy of 1472 hot bytes {one.value:.0f}", 1472, 0.005)
        if self.has("send_full", "send_full_rules"):
            more = v["send_full_rules"].value - v["send_full"].value
            self.set(Stage.nf_rule, more / RULES, v["send_full_rules"], f"[M] {RULES} rules take {more:.0f}", RULES)

    def sender(self) -> None:
        v = self.values
        if not self.has("send_full"):
            return
        whole = v["send_full"]
        rest = self.call((Stage.SENDER,), full=True).send
        self.set(Stage.SENDER, whole.value - rest, whole,
                 f"[M] send() into a full socket {whole.value:.0f}, less softirq and device {rest:.0f}")
        if self.has("send_full_3_fragments"):
            three = v["send_full_3_fragments"]
            rest = self.call((Stage.SENDER_FRAGMENT,), full=True, length=4000).send
            self.set(Stage.SENDER_FRAGMENT, (three.value - rest) / 2, three,
                     f"[M] send() of 4000 bytes in three fragments {three.value:.0f}, less one call and three softirqs {rest:.0f}", 2)

    def reader(self) -> None:
        """The receiving call in its place; the lines that wander between the CPUs."""
        v, clock = self.values, self.values["clock"].value if "clock" in self.values else 0.0
        if self.has("send_in_place", "send_paced", "recv_in_place", "recv_64_same"):
            inside, apart, taken, same = v["send_in_place"], v["send_paced"], v["recv_in_place"], v["recv_64_same"]
            more = min(inside.mean - apart.mean, taken.mean - clock - same.mean)      # on each side: no more than either side shows
            self.set(Stage.BOUNCE, more, inside,
                     f"[M] send() {inside.mean:.0f} while another CPU receives, {apart.mean:.0f} while none does; recvfrom() there "
                     f"{taken.mean - clock:.0f}, of what came from its own CPU {same.mean:.0f}")
        waits = (Stage.SWITCH, WAIT, Stage.WAKE)
        if self.has("recv_in_place"):
            one = v["recv_in_place"]
            took = one.mean - clock
            rest = self.call((Stage.udp_recvmsg, *waits), reader=1, service=RECEIVER_WORKS, gap=APART, n=MANY).receive
            self.set(Stage.udp_recvmsg, took - rest, one,
                     f"[M] recvfrom() with data queued while datagrams come from the other CPU {took:.0f} on average, less system call, "
                     f"copy and BOUNCE {rest:.0f}")
        elif self.has("recv_64_same"):
            one = v["recv_64_same"]
            rest = self.ns[Stage.SYSCALL_ENTRY] + self.ns[Stage.SYSCALL_EXIT]
            self.set(Stage.udp_recvmsg, one.value - rest, one, f"[M] recvfrom() with data queued {one.value:.0f}, less the system call")

    def wakes_on_one_cpu(self) -> None:
        """schedule() and try_to_wake_up(), without an interrupt."""
        v = self.values
        if not self.has("wake_latency_same_cpu", "wake_cpu_same_cpu"):
            return
        spent, latency = v["wake_cpu_same_cpu"], v["wake_latency_same_cpu"]
        how = {"reader": 0, "gap": SAME_CPU_GAP}
        rest = self.call((Stage.SWITCH, WAIT), **how).receive
        more = max(spent.value - rest, 0.0)
        said = f"[M] a reader's CPU time for each wake-up {spent.value:.0f}, less the call {rest:.0f}"
        self.set(Stage.SWITCH, more * SWITCH_SHARE, spent, f"{said}: {SWITCH_SHARE:.0%} of the rest", 1 / SWITCH_SHARE)
        self.set(WAIT, more * (1 - SWITCH_SHARE), spent, f"{said} and SWITCH", 1 / (1 - SWITCH_SHARE))
        rest = self.call((Stage.WAKE,), **how).latency
        ns, said = latency.value - rest, (f"[M] from send() to the return of recvfrom() on one CPU {latency.value:.0f}, less what is known "
                                          f"of it {rest:.0f}")
        if self.has("wake_send_100us"):                     # the interrupt in it costs no less than nothing
            one = v["wake_send_100us"]
            rest = self.call((Stage.WAKE, Stage.IPI_SEND), reader=1).send
            if one.value - rest < ns:
                ns, said = one.value - rest, (f"[M] a send() that wakes a reader on an idle CPU {one.value:.0f}, less what is known of it "
                                              f"{rest:.0f}; on one CPU there are {ns:.0f} in its place, not all of which can be this")
        self.set(Stage.WAKE, ns, latency, said, least=LEAST_WAKE)
        if self.has("nanosleep_cpu"):
            one = v["nanosleep_cpu"]
            rest = self.ns[Stage.SYSCALL_ENTRY] + self.ns[Stage.SYSCALL_EXIT] + self.ns[Stage.SWITCH]
            self.set(Stage.NANOSLEEP, (one.value - rest) / 2, one,
                     f"[M] each way: CPU time of nanosleep(50 us) {one.value:.0f}, less a system call and SWITCH", 2)

    def interrupts(self) -> None:
        """Wake-ups across CPUs: who sends the interrupt, who takes it, how long it is on its way; then how long an idle CPU takes."""
        v = self.values
        if self.has("wake_send_spinning"):
            one = v["wake_send_spinning"]
            rest = self.call((Stage.IPI_SEND_BUSY,), reader=1, busy=True).send
            self.set(Stage.IPI_SEND_BUSY, one.value - rest, one,
                     f"[M] a send() that wakes a reader on a CPU at work {one.value:.0f}, less what is known of it {rest:.0f}")
        each = v["rps_interrupts_each"].value if self.has("rps_send_each", "rps_taken_each", "rps_interrupts_each") else 0.0
        if each > LEAST_INTERRUPTS and (one := v["rps_taken_each"]).value > 0:
            rest = self.call((Stage.IPI_BUSY,), full=True, rps=True, busy=True).other
            self.set(Stage.IPI_BUSY, (one.value - rest) / each, one,
                     f"[M] RPS at {each:.2f} interrupts a packet takes {one.value:.0f} of the other CPU for each packet, less softirq "
                     f"{rest:.0f}", each)
        if self.has("wake_send_100us"):
            one = v["wake_send_100us"]
            rest = self.call((Stage.IPI_SEND,), reader=1).send
            self.set(Stage.IPI_SEND, one.value - rest, one,
                     f"[M] a send() that wakes a reader on an idle CPU {one.value:.0f}, less what is known of it {rest:.0f}")
        if self.has("wake_latency_spinning"):
            one = v["wake_latency_spinning"]
            rest = self.call((Stage.IPI_LATENCY,), reader=1, busy=True).latency
            early = -self.ns[Stage.IPI_SEND_BUSY]               # not before it is sent
            self.set(Stage.IPI_LATENCY, one.value - rest, one,
                     f"[M] from send() to the return of recvfrom() on a CPU at work {one.value:.0f}, less what is known of it {rest:.0f}",
                     least=early)
        if each > LEAST_INTERRUPTS and self.has("rps_send_saturated"):
            self._dense(each)
        self._idle()

    def _dense(self, each: float) -> None:
        """A hypervisor sends one interrupt after the other faster than now and then one, and in bursts its cost decides."""
        one, none = self.values["rps_send_each"], self.values["rps_send_saturated"]
        with_, without = (self.call((Stage.IPI_SEND_BUSY, Stage.IPI_LATENCY), full=True, rps=True, **how).send
                          for how in ({"busy": True}, {"saturated": True}))
        self.set(Stage.IPI_SEND_BUSY, (one.value - none.value - (with_ - without)) / each, one,
                 f"[M] a send() under RPS to a CPU at work {one.value:.0f} at {each:.2f} interrupts a packet, {none.value:.0f} at none; of "
                 f"that what is known {with_ - without:.0f}", each)

    def _idle(self) -> None:
        v = self.values
        found = [(name, v[f"wake_latency_{name}"]) for name in HALTS if self.has(f"wake_latency_{name}")]
        if not found:
            return
        name, first = found[0]
        rest = self.call((Stage.IDLE_EXIT,), reader=1).latency
        source = f"[M] from send() to the return of recvfrom() after {name} {first.value:.0f}, less what is known of it {rest:.0f}"
        for stage in (Stage.IDLE_EXIT, Stage.IDLE_EXIT_C1E, Stage.IDLE_EXIT_C3, Stage.IDLE_EXIT_C6):
            self.set(stage, first.value - rest, first, source)
        model, least, longest = self.call(reader=1), 0.0, 0
        for name, one in found:                                 # of the time from one to the next, the CPU is halted for the rest
            more = least = max(one.value - model.latency, least)
            halted = round((units.duration_ns(name) - STEP + model.halted - more) / 1000) * 1000
            if halted > longest:
                longest = halted
                source = f"[M] one every {name}: {one.value:.0f}"
                self.out.halt.append((halted, Cost(more, source, max(0.0, one.low - model.latency), max(0.0, one.high - model.latency))))

    def taken(self) -> None:
        """Ticks, and stalls by the hypervisor."""
        noise = self.m.noise
        if noise is None:
            return
        self.out.hz = round(noise.hz)
        if noise.hz >= 20:
            ns = noise.small * 1e9 / noise.hz
            source = f"[M] a loop loses {noise.small:.2%} of its CPU in gaps below 200 us, {noise.hz:.0f} ticks a second"
            if noise.grain:
                source += f"; {noise.grain:.2%} more in gaps so short and frequent that all other figures hold them"
            self.out.costs[Stage.TICK] = Cost(ns, source, ns, ns)
        if noise.stalls:
            self.out.stalls = (noise.stalls, noise.stall_ns,
                               f"[M] a loop on each CPU at once: {noise.stalls:.1f} gaps a second above 200 us")


STEPS: tuple[Callable[[Solver], None], ...] = (
    Solver.calls, Solver.sender, Solver.reader, Solver.wakes_on_one_cpu, Solver.interrupts, Solver.taken)


def derive(measured: Measured) -> Derived:
    solver = Solver(measured)
    for step in STEPS:
        step(solver)
    return solver.out
