"""One script against the simulated host, in virtual time.

Events happen one after the other, each at its time: a segment is put on the cable, a system call is made by a program of the host, a packet
that must leave is waited for, within the tolerance.  A call that may block (`+0...0.2`) is a thread of its own and goes on beside what
follows; it must return at the time that the script says."""
from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rxpath.abi.numbers import Out
from rxpath.outputs import Output
from rxpath.vtime.queued import next_event
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.packetdrill import compare, shell, tcp_info, wire
from rxpath.workbench.packetdrill import host as hosts
from rxpath.workbench.packetdrill.calls import BIND_PORT, Calls, Outcome
from rxpath.workbench.packetdrill.code import Snippets
from rxpath.workbench.packetdrill.missing import Differs, Missing
from rxpath.workbench.packetdrill.script import Call, Code, Datagram, Event, Icmp, Script, Segment, Shell
from rxpath.workbench.run import assemble
from rxpath.workbench.run.simulation import Simulation

START_NS = 1_000_000                                    # the script's time 0: the host is up
SETTLE_NS = 20_000                                      # a packet has been through the stack by then
STEP_NS = 20_000                                        # how far time goes at once while a packet is waited for
LONGEST_NS = 600_000_000_000                            # that `*` waits
REMOTE_PORT = 32768                                     # of the first connection that a script opens
MOST_NS = 3_600_000_000_000                             # of a script
MOST_CALLS = 500                                        # threads that there are for them


@dataclass
class Result:
    """What became of a script.  missing: what it asks for and is not there, (kind, name); what: the difference, or that, at that line."""
    name: str
    events: int
    line: int = 0
    what: str = ""
    missing: tuple[str, str] | None = None
    unreadable: bool = False
    notes: list[str] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.what


@dataclass
class Pending:
    """A system call under way: since when, and until when the script lets it."""
    event: Event
    call: Call
    ends: int | None
    outcome: Outcome | None = None
    raised: Exception | None = None
    done_at: int = 0
    done: bool = False


class Player:
    def __init__(self, script: Script, host: Host, plain: bool = False) -> None:
        """host: as host.make() makes it; the script's own sysctls are set on top."""
        self.script, self.plain = script, plain
        self.result = Result(script.name, len(script.events))
        self.tolerance, self.ends = hosts.tolerance(script), hosts.ends()
        self.folder = Path(script.name).parent
        self.host, self.calls, self.snippets = host, Calls(self.ends.local, self.ends.remote), Snippets()
        self.flows: dict[tuple[int, int] | None, wire.Flow] = {}
        self.left: deque[wire.Seen] = deque()
        self.blocked: Pending | None = None
        self.base, self.ident, self.made = START_NS, 1, 0
        self.line = 1                                   # at which the script is

    # ------------------------------------------------------------ the whole
    def play(self) -> Result:
        try:
            if self.script.init is not None:
                self.line, text = self.script.init
                self.host = self._settings(text)
            with Simulation(self.host, plain=self.plain) as sim:
                self.sim = sim
                sim.time.add_sink(self._leaves)
                sim.run(START_NS)
                for event in self.script.events:
                    self.line = event.line
                    self._event(event)
                self._await()
        except Missing as e:
            self.result.missing = e.kind, e.name
            self.result.line, self.result.what = self.line, str(e)
        except Differs as e:
            self.result.line, self.result.what = self.line, str(e)
        self.result.printed = self.snippets.printed
        return self.result

    def _settings(self, text: str) -> Host:
        host, notes = hosts.with_sysctls(self.host, shell.settings(text, self.folder, self.result.notes))
        self.result.notes += notes
        return host

    def _event(self, event: Event) -> None:
        when, what = event.when, event.action
        base = 0 if when.kind == "absolute" else self.base - START_NS
        at = START_NS + (base + when.at if when.kind != "any" else base)
        if max(at, when.until or 0, (isinstance(what, Call) and what.ends) or 0) > MOST_NS:
            raise Missing("time", f"beyond {MOST_NS // 1_000_000_000:,} seconds of a script")
        if isinstance(what, Call):
            self._await()                               # one call at a time, as in packetdrill
        if isinstance(what, Segment | Datagram | Icmp) and not what.inbound:
            self._expect(event, at, START_NS + base + when.until if when.until is not None else None)
            return
        self._until(at)
        self.base = at
        if isinstance(what, Segment | Datagram | Icmp):
            self._inject(what)
        elif isinstance(what, Call):
            self._call(event, what, START_NS + base + what.ends if what.ends is not None else None)
        elif isinstance(what, Code):
            self.snippets.run(what.text, self._names())
        elif isinstance(what, Shell):
            self._shell(what.text)

    # ------------------------------------------------------------ what it needs of the host, in virtual time
    @property
    def now(self) -> int:
        """ns"""
        return self.sim.t

    def _until(self, t: int) -> None:
        if t > self.now:
            self.sim.run(t)
            self.sim.time.collect(last=True)

    def _wait(self, limit: int, done: Callable[[], object]) -> None:
        """Until then, or until it is done: in small steps, or over a time in which nothing happens."""
        while not done() and self.now < limit:
            event = int(self.sim.call(next_event)(self.sim.net))
            self._until(min(limit, max(self.now, event) + STEP_NS))

    def _send(self, frame: bytes) -> None:
        """Onto the cable; back when it has been through the stack."""
        self.sim.send(frame, self.now + 1)
        self._until(self.now + SETTLE_NS)

    def _start(self, function: Callable[[Any], None]) -> None:
        """A program of the host."""
        self.sim.program(function, start=self.now + 1)

    def _clock(self, s: Any) -> int:
        """ns, at that program."""
        return int(s.time_ns())

    def _script_time(self, t: int) -> str:
        return f"{(t - START_NS) / 1e9:.6f}"

    # ------------------------------------------------------------ packets
    def _leaves(self, out: Output) -> None:
        seen = wire.frame_in(out.t, out.data) if out.kind == Out.TX else None
        if seen is not None:
            self.left.append(seen)

    def _flow(self, p: Segment | Datagram | Icmp) -> wire.Flow:
        """Whose packet it is.  Without ports: of the one connection that a script speaks of."""
        pair = getattr(p, "ports", None)
        if pair is None:
            return self.flows.setdefault(None, wire.Flow(BIND_PORT, REMOTE_PORT))
        local, remote = (pair[1], pair[0]) if p.inbound else pair
        return self.flows.setdefault((local, remote), wire.Flow(local, remote))

    def _inject(self, p: Segment | Datagram | Icmp) -> None:
        flow = self._flow(p)
        if isinstance(p, Segment):
            frame = wire.segment_out(self.ends, flow, p, self.ident)
        elif isinstance(p, Datagram):
            frame = wire.datagram_out(self.ends, flow, p, self.ident)
        else:
            frame = wire.icmp_out(self.ends, flow, p, self.ident)
        self.ident += 1
        self._send(frame)

    def _expect(self, event: Event, at: int, until: int | None) -> None:
        expected = event.action
        assert isinstance(expected, Segment | Datagram | Icmp)
        any_time = event.when.kind == "any"
        limit = self.now + LONGEST_NS if any_time else max(until or at, at) + self.tolerance
        self._wait(limit, lambda: self.left)
        if not self.left:
            raise Differs(f"no packet left until {self._script_time(limit)}; expected: {compare.text(expected)}")
        seen = self.left.popleft()
        flow = self._flow(expected)
        if isinstance(expected, Segment) and flow.offset is None and expected.ports is None and "S" in expected.flags \
                and "." not in expected.flags and seen.ports[0]:
            flow.local_port, flow.remote_port = seen.ports                  # connect() has chosen its port
        found = compare.difference(expected, seen, flow)
        if found:
            raise Differs(f"{found}; expected: {compare.text(expected)}; left: {compare.text(seen.in_script(flow))}")
        if not any_time and not at - self.tolerance <= seen.at <= (until or at) + self.tolerance:
            raise Differs(f"left at {self._script_time(seen.at)}, expected at {self._script_time(at)}"
                          + (f" to {self._script_time(until)}" if until else "")
                          + f" with a tolerance of {self.tolerance / 1e6:g} ms: {compare.text(expected)}")
        self.base = seen.at if any_time else at

    # ------------------------------------------------------------ calls
    def _call(self, event: Event, call: Call, ends: int | None) -> None:
        if self.made >= MOST_CALLS:
            raise Missing("thread", f"for more than {MOST_CALLS} system calls")
        self.made += 1
        pending = Pending(event, call, ends)

        def program(s: Any) -> None:
            try:
                pending.outcome = self.calls.make(s, call)
            except Exception as e:                      # told outside of the engine
                pending.raised = e
            pending.done_at, pending.done = self._clock(s), True

        self._start(program)
        if ends is not None:
            self.blocked = pending
            self._until(self.now + SETTLE_NS)
            return
        limit = self.now + self.tolerance
        self._wait(limit, lambda: pending.done)
        if not pending.done:
            raise Differs(f"{call.name}() blocks: the script says that it returns at once (+0...TIME says until when it may block)")
        self._returned(pending)

    def _returned(self, pending: Pending) -> None:
        if pending.raised is not None:
            raise pending.raised
        assert pending.outcome is not None
        self.calls.judge(pending.call, pending.outcome)

    def _await(self) -> None:
        """Until the call that blocks has returned; when it was to."""
        pending, self.blocked = self.blocked, None
        if pending is None:
            return
        assert pending.ends is not None
        self.line, line = pending.event.line, self.line
        limit = pending.ends + self.tolerance
        self._wait(limit, lambda: pending.done)
        if not pending.done:
            raise Differs(f"{pending.call.name}() still blocks at {self._script_time(limit)}")
        self._returned(pending)
        if abs(pending.done_at - pending.ends) > self.tolerance:
            raise Differs(f"{pending.call.name}() returned at {self._script_time(pending.done_at)}, expected at "
                          f"{self._script_time(pending.ends)}")
        self.line = line

    # ------------------------------------------------------------ the rest
    def _names(self) -> Mapping[str, Any]:
        """What %{ }% knows: struct tcp_info of the newest socket, and the constants that go with it."""
        return tcp_info.names(self.calls.newest)

    def _shell(self, text: str) -> None:
        self.host = self._settings(text)
        self.sim.host = self.host
        assemble.sysctls(self.sim)


def play(script: Script, host: Host, plain: bool = False) -> Result:
    return Player(script, host, plain).play()
