"""A conversation on one side: its steps in their order, and behind each one what it did.

An answer stands for each thing that moved: "3 replies", "3 counters", "3 drops", "3 memory c", "3 state c", and what a call returned.  The
two sides are compared answer by answer, so that what differs is named by its step.  `Machine` is either side's (calls.py)."""
from __future__ import annotations

import contextlib
import itertools
import select
import struct
from dataclasses import dataclass
from typing import Any

from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge.case import Case, Close, Observation, Open, Recv, Settle, Wait, errno_name
from rxpath.workbench.judge.compare import MODELLED
from rxpath.workbench.judge.tcp import steps as s
from rxpath.workbench.judge.tcp import wire

FIRST_PORT = 20_000
TCP_INFO, TCP_WINDOW_CLAMP, SO_LINGER = 11, 10, 13
STATES = ("", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN",
          "CLOSING")
LISTEN = STATES.index("LISTEN")
POLLS = {select.POLLIN: "IN", select.POLLPRI: "PRI", select.POLLOUT: "OUT", select.POLLERR: "ERR", select.POLLHUP: "HUP",
         select.POLLRDHUP: "RDHUP"}


@dataclass(slots=True)
class Other:
    """The other end of one connection, as far as it is known."""
    peer: s.Peer
    sport: int
    tsval: int = s.TS_FIRST
    host_isn: int | None = None         # from the SYN or SYN-ACK that it was sent
    scale: int = 0                      # the host's
    echo: int = 0                       # the last time stamp that the host has sent
    syn_ack_ts: int = 0                 # and that of its last SYN-ACK
    acked: int = 0                      # what it has acknowledged last, relative to the peer's first byte

    def heard(self, reply: wire.Reply) -> None:
        if reply.flags & 2:
            self.host_isn = reply.seq
            self.scale = next((v[0] for k, v in reply.options if k == wire.WINDOW_SCALE and v), 0)
        if reply.flags & 16:
            self.acked = wire.relative(reply.ack, self.peer.isn + 1)
        self.echo = reply.timestamp or self.echo
        if reply.is_syn_ack:
            self.syn_ack_ts = self.echo

    @property
    def host_first(self) -> int:
        return 0 if self.host_isn is None else self.host_isn + 1

    def line(self, reply: wire.Reply) -> str:
        return wire.line(reply, self.peer.isn + 1, None if self.host_isn is None else self.host_first, self.scale)


class Talk:
    """One conversation with a machine."""

    def __init__(self, machine: Any) -> None:
        self.machine = machine
        self.others: dict[str, Other] = {}
        self.ports: dict[str, int] = {}                     # of listeners
        self.cookie = b""                                   # of fast open: the last one that the host has given
        self.held: set[str] = set()
        self.memory: dict[str, Any] = {}                    # what was said last
        self.state: dict[str, Any] = {}
        self.answers: list[tuple[str, Any]] = []

    def play(self, case: Case) -> Observation:
        seen = Observation()
        self.answers = seen.answers
        self.machine.read(Observation())                    # from here on
        try:
            for number, step in enumerate(case.steps):
                self.one(number, step, seen)
        finally:
            self.end()
        return seen

    def one(self, number: int, step: Any, seen: Observation) -> None:
        """A step, and what it did."""
        if isinstance(step, s.Cause):
            return
        moved = Observation()
        if isinstance(step, s.Handshake):
            self.handshake(number, step, moved)
        elif isinstance(step, s.Segment):
            for frame in self.frames(step):
                self.send(frame, number, moved)
        elif isinstance(step, s.Peer):
            self.meet(step)
        elif isinstance(step, (Wait, Settle)):
            self.machine.wait(step.ns)
        else:
            self.say(number, step)
        if isinstance(step, Settle):
            self.machine.read(Observation(), True)
            return
        self.machine.read(moved, isinstance(step, Wait))
        self.hear(number, moved)
        for what in ("counters", "drops"):
            for key, n in sorted(getattr(moved, what).items()):
                if str(key).startswith("Ip") and key not in MODELLED:
                    continue
                self.answers.append((f"{number} {what} {' @ '.join(key) if isinstance(key, tuple) else key}", n))
        self.look(number)
        seen.notes += moved.notes

    # ------------------------------------------------------------ what the peer does
    def meet(self, peer: s.Peer) -> Other:
        self.machine.next_port = port = getattr(self.machine, "next_port", FIRST_PORT) + 1
        other = self.others[peer.id] = Other(peer, peer.sport or port)
        return other

    def handshake(self, number: int, step: s.Handshake, moved: Observation) -> None:
        other = self.meet(s.Peer(step.id, self.ports[step.listener], 0, step.source, step.isn, step.timestamps, step.window))
        options = wire.syn_options(step.mss, step.window_scale, step.sack, other.tsval if step.timestamps else None)
        self.send(self.frame(other, s.Segment(step.id, "S", -1, ack=None, options=options)), number, moved)
        if other.host_isn is None:
            self.answers.append((f"{number} handshake", "no SYN-ACK"))
            return
        if step.wait_ns:
            self.machine.wait(step.wait_ns)
        self.send(self.frame(other, s.Segment(step.id, "A")), number, moved)
        if step.accept:
            self.answers.append((f"{number} accept", self.accept(step.id, step.listener)))

    def send(self, frame: bytes, number: int, moved: Observation) -> None:
        """A frame; what the host answered is known to its peer before the next one."""
        known = len(moved.replies)
        self.machine.send((frame,), number, moved)
        self.machine.replied(moved)
        self.learn(moved.replies[known:])

    def learn(self, replies: list[bytes]) -> None:
        for raw in replies:
            reply = wire.parsed(raw)
            for other in self.others.values():
                if reply is not None and reply.dport == other.sport and reply.destination == other.peer.source:
                    other.heard(reply)
                    self.cookie = next((v for k, v in reply.options if k == wire.FASTOPEN and v), self.cookie)

    def frames(self, step: s.Segment) -> Any:
        """Made when they are sent: what the host has said meanwhile is in them."""
        other = self.others[step.id]
        first = step.seq + (other.acked if step.follows else 0)
        for i in range(step.count):
            yield self.frame(other, step, first + i * (step.stride or step.data))

    def frame(self, other: Other, step: s.Segment, seq: int | None = None) -> bytes:
        peer, at = other.peer, step.seq if seq is None else seq
        options = step.options
        if options is None:
            options = b""
            if peer.timestamps and step.tsval != -1:
                if step.tsval is None and not step.same_tsval:
                    other.tsval += 1
                tsval = other.tsval if step.tsval is None else step.tsval
                echo = other.syn_ack_ts if step.syn_ack_ts else other.echo
                options = wire.timestamps(tsval, 0 if step.tsecr is None else echo + step.tsecr)
        if step.blocks:
            options += wire.sack_blocks(tuple((a + other.host_first, b + other.host_first) for a, b in step.blocks))
        if step.cookie:
            options += wire.padded(bytes((wire.FASTOPEN, 2 + len(self.cookie))) + self.cookie)
        segment = f.tcp(wire.stream(at + ("S" in step.flags), step.data), other.sport, peer.port, peer.isn + 1 + at & 0xFFFFFFFF,
                        0 if step.ack is None else other.host_first + step.ack & 0xFFFFFFFF, wire.flag_bits(step.flags), peer.source,
                        options=options, window=peer.window if step.window is None else step.window, doff=step.doff, urgent=step.urgent)
        if step.bad_checksum:
            segment = segment[:16] + bytes((segment[16] ^ 0x55, segment[17] ^ 0x55)) + segment[18:]
        return f.eth(f.ip(segment, peer.source, proto=6, ttl=step.ttl, tos=step.tos))

    # ------------------------------------------------------------ what the program does
    def say(self, number: int, step: Any) -> None:
        """A call, and what it returned."""
        name, machine = f"{number} {type(step).__name__} {getattr(step, 'id', '')}".rstrip(), self.machine
        id_ = getattr(step, "id", None)
        if isinstance(step, Open):
            if step.bind is not None:
                self.ports[step.id] = step.bind[1]
            self.answers.append((name, machine.open(step)))
        elif isinstance(step, s.Repair):
            self.answers.append((name, self.repair(step)))
        elif isinstance(step, s.Accept):
            self.answers.append((name, self.accept(step.id, step.listener)))
        elif id_ is not None and id_ not in machine.sockets:
            self.answers.append((name, "EBADF"))
        elif isinstance(step, Recv):
            for i in range(step.count or 1_000_000):
                got = machine.receive(step.id, step.size, step.flags, step.room)
                self.answers.append((f"{name} {i}", self.received(got)))
                if (got.errno or not got.data) and not step.count:
                    break
        elif isinstance(step, s.Write):
            self.answers.append((name, self.tried(lambda: machine.sockets[step.id].send(wire.stream(0, step.size)))))
        elif isinstance(step, s.Hold):
            self.held.add(step.id)
            self.answers.append((name, self.tried(lambda: machine.hold(step.id, step.waits))))
        elif isinstance(step, s.Release):
            self.held.discard(step.id)
            self.answers.append((name, self.tried(lambda: machine.release(step.id))))
        elif isinstance(step, s.Poll):
            mask = machine.polled(machine.sockets[step.id])
            self.answers.append((name, "|".join(text for bit, text in POLLS.items() if mask & bit)))
        else:
            self.answers.append((f"{name} {getattr(step, 'name', '')}".rstrip(), machine.answer(step)))
            if isinstance(step, Close):
                self.memory.pop(step.id, None)
                self.state.pop(step.id, None)

    @staticmethod
    def tried(call: Any) -> Any:
        try:
            return call()
        except OSError as error:
            return errno_name(error)

    def accept(self, id_: str, listener: str) -> str:
        def call() -> str:
            sock, address = self.machine.sockets[listener].accept()
            sock.setblocking(False)
            self.machine.sockets[id_] = sock
            self.machine.drops[id_] = 0
            who = [name for name, other in self.others.items() if (other.peer.source, other.sport) == tuple(address)]
            return who[-1] if who else str(address)
        return str(self.tried(call))

    def repair(self, step: s.Repair) -> str:
        other = self.meet(s.Peer(step.id, step.port, 0, isn=step.peer_seq - 1 & 0xFFFFFFFF, timestamps=step.timestamp is not None,
                                 window=1000))
        other.host_isn, other.scale, other.echo = step.host_seq - 1 & 0xFFFFFFFF, step.scales[1], step.timestamp or 0

        def call() -> str:
            self.machine.sockets[step.id] = self.machine.repair(step, (other.peer.source, other.sport))
            self.machine.drops[step.id] = 0
            return ""
        return str(self.tried(call))

    @staticmethod
    def received(got: Any) -> str:
        """How a read is told: where in the stream its bytes lie, if that is what they are."""
        if got.errno:
            return str(got.errno)
        if not got.data:
            return "EOF" if not got.length else f"{got.length} bytes discarded"
        return " ".join([f"{got.length}: {wire.told(got.data)}", *got.flags, *(f"{k} {v}" for k, v in got.ancillary)])

    # ------------------------------------------------------------ what came of it
    def hear(self, number: int, moved: Observation) -> None:
        """The replies, each as a line.  What a former conversation still sends is not this one's."""
        self.learn(moved.replies)
        lines = []
        for raw in moved.replies:
            reply = wire.parsed(raw)
            if reply is None:
                lines.append(f"frame {raw.hex()}")
                continue
            other = next((o for o in self.others.values() if o.sport == reply.dport and o.peer.source == reply.destination), None)
            lines.append(wire.line(reply, 0, None, 0) if other is None else other.line(reply))
        for i, (text, same) in enumerate((text, len(list(run))) for text, run in itertools.groupby(lines)):
            self.answers.append((f"{number} reply {i}", text if same == 1 else f"{same} x {text}"))

    def look(self, number: int) -> None:
        """Memory and state of each socket that is not as it was."""
        for id_, sock in list(self.machine.sockets.items()):
            with contextlib.suppress(OSError):
                m = struct.unpack("=9I", sock.getsockopt(1, 55, 36))
                memory = f"rmem {m[0]} rcvbuf {m[1]} fwd {m[4]} backlog {m[7]} drops {m[8]}"
                if self.memory.get(id_) != memory:
                    self.memory[id_] = memory
                    self.answers.append((f"{number} memory {id_}", memory))
            if id_ in self.held:                            # asking for the rest would wait for its owner
                continue
            state = self.told(sock)
            if self.state.get(id_) != state:
                self.state[id_] = state
                self.answers.append((f"{number} state {id_}", state))

    @staticmethod
    def told(sock: Any) -> str:
        """TCP_INFO, but for what depends on the clock; of a listener how many wait to be accepted, and how many may."""
        try:
            info = sock.getsockopt(6, TCP_INFO, 104)
        except OSError as error:
            return f"TCP_INFO: {error.strerror}"
        if info[0] == LISTEN:
            return "LISTEN {} of {}".format(*struct.unpack_from("=2I", info, 24))
        fields = struct.unpack_from("=24I", info, 8)
        clamp = sock.getsockopt(6, TCP_WINDOW_CLAMP)
        return (f"{STATES[info[0]]} rcv_mss {fields[3]} rcv_ssthresh {fields[14]} advmss {fields[19]} clamp {clamp}")

    def end(self) -> None:
        """Everything is closed by RST, and nothing of it is looked at."""
        machine = self.machine
        for id_ in sorted(self.held):
            with contextlib.suppress(OSError):
                machine.release(id_)
        for sock in machine.sockets.values():
            with contextlib.suppress(OSError):
                sock.setsockopt(1, SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        machine.sockets.clear()
        machine.drops.clear()
        machine.read(Observation())
