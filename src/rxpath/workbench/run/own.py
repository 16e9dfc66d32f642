"""Programs of the user's own in a run: Python code that reads sockets of the host, in virtual time."""
from __future__ import annotations

import copy
import itertools
import weakref
from collections.abc import Sequence

from rxpath.abi.limits import NCPU, NTHREAD
from rxpath.abi.numbers import IPPROTO
from rxpath.programs.sockets import Socket
from rxpath.vtime.program import Program as Modules
from rxpath.vtime.program import Programs
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.run import left_open
from rxpath.workbench.run.machine import Machine, Opened, Running
from rxpath.workbench.traffic import capture as traffic
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput, one_line

__all__ = ["Modules", "Program"]

FIRST_THREAD = NTHREAD // 2                                 # of programs; the host's threads are numbered below


class Program:
    """An application of your own for rxpath.replay(..., programs=[...]).  Subclass it and write run().

        class Statsd(rxpath.Program):
            sockets = "udp:8125"
            cpu = 1

            def run(self, s):
                sock = s.socket(s.AF_INET, s.SOCK_DGRAM)
                sock.bind(("0.0.0.0", 8125))
                while True:
                    data, peer = sock.recvfrom(8192)
                    s.work(20_000)

    sockets  the ports that run() binds, as listen= has them: "udp:8125", "udp:5000-5003", or several; neither the host file nor the
             capture opens a socket on these, and an application of the host that has no other socket does not run
    cpu      the CPU that it runs on, 0 to the host's last
    nice     as of nice(1), -20 to 19
    name     what reports call it; none: the class's name"""

    sockets: str | Sequence[str] = ()
    cpu: int = 0
    nice: int = 0
    name: str = ""

    def run(self, s: Modules) -> None:
        """The program.  s: stands for the modules socket, select, selectors and time (rxpath.Modules); s.work(ns) takes CPU time.
         An exception ends the run with ProgramError, whose __cause__ it is; returning ends the program."""
        raise NotImplementedError(f"{type(self).__name__} has no run(self, s)")

    def called(self) -> str:
        return self.name or type(self).__name__


def checked(programs: Sequence[Program], host: Host) -> set[tuple[str, int]]:
    """The (protocol, port) that these bind.  Raises BadInput for what cannot run on this host."""
    bound: dict[tuple[str, int], str] = {}
    names: set[str] = set()
    if not isinstance(programs, (list, tuple)):
        raise BadInput(f"programs: must be a list of rxpath.Program, not {type(programs).__name__}")
    for p in programs:
        if not isinstance(p, Program):
            hint = ": give an object, " + p.__name__ + "()" if isinstance(p, type) else ""
            raise BadInput(f"programs: {p!r} is not an rxpath.Program{hint}")
        name = p.called()
        if name in names:
            raise BadInput(f"programs: two are called {name}: give each its own name")
        if any(a.name == name for a in host.apps):
            raise BadInput(f"programs: {name} is also an application of the host: give the program another name")
        names.add(name)
        for key, low, high in (("cpu", 0, host.cpus - 1), ("nice", -20, 19)):
            value = getattr(p, key)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise BadInput(f"program {name}: {key} = {value!r} is not allowed: {low} to {high}"
                               f"{' on this host' if key == 'cpu' else ''}")
        try:
            ports = traffic.listening(p.sockets)
        except (BadInput, TypeError, AttributeError):
            raise BadInput(f"program {name}: sockets = {p.sockets!r} is not allowed: must be like \"udp:5000\", \"tcp:80\", "
                           "\"udp:5000-5099\", or several") from None
        for proto, _, port in ports:
            other = bound.setdefault((proto, port), name)
            if other != name:
                raise BadInput(f"program {name}: {proto}:{port} is {other}'s already: name it in one program, which may hand it on")
    return set(bound)


class Copies:
    """Programs for many runs: each run gets copies of what was given, as it was then, so that no run sees what another has left in them.
    A worker is forked and finds them by number: pickle would ask for classes that other modules can import."""

    __slots__ = ("__weakref__", "number", "programs")

    def __init__(self, programs: Sequence[Program], host: Host) -> None:
        checked(programs, host)
        self.programs, self.number = _copied(programs), next(_numbers)
        _known[self.number] = self

    def fresh(self) -> list[Program]:
        """For one run."""
        return _copied(self.programs)

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return _of_number, (self.number,)


_numbers = itertools.count()
_known: weakref.WeakValueDictionary[int, Copies] = weakref.WeakValueDictionary()


def _of_number(number: int) -> Copies:
    return _known[number]


def _copied(programs: Sequence[Program]) -> list[Program]:
    made = []
    for p in programs:
        try:
            made.append(copy.deepcopy(p))
        except Exception as error:
            raise BadInput(f"program {p.called()}: cannot be copied, and each run needs its own copy ({one_line(error)}): make files, "
                           "locks and connections in run()") from None
    return made


def start(m: Machine, programs: Sequence[Program]) -> None:
    """Each on its CPU, when the host's own programs start."""
    if not programs:
        return
    if m.threads and max(t.index for t in m.threads) >= FIRST_THREAD:
        raise BadInput(f"programs beside more than {FIRST_THREAD - NCPU} threads of the host")
    m.time.programs = Programs(m.boot, FIRST_THREAD)
    for p in programs:
        thread = m.time.programs.add(p.run, p.cpu, left_open.lead_ns(m.host) + 1000, p.called(), p.nice)
        m.threads.append(Running(thread.n, p.called(), 0, p.cpu))


def found(m: Machine) -> None:
    """The sockets that the programs have open at the end join the host's, so that reports show them."""
    known, bound = {s.index for s in m.sockets}, {(s.proto, s.port) for s in m.sockets}
    for what in m.time.programs.fds.values() if m.time.programs is not None else ():
        if isinstance(what, Socket) and what.sk not in known:
            sk = m.net.socks[what.sk]
            proto = "tcp" if sk.protocol == IPPROTO.TCP else "udp"
            if (proto, sk.port) in m.own and (proto == "udp" or m.net.tcp[what.sk].max_ack_backlog):
                known.add(what.sk)
                bound.add((proto, int(sk.port)))
                m.sockets.append(Opened(what.sk, f"{proto}{sk.port}", proto, units.ipv4_text(sk.rcv_saddr_lo), int(sk.port)))
    for proto, port in sorted(m.own - bound):
        note = f"no program has a socket at {proto}:{port} at the end, though one says that it binds it"
        if note not in m.notes:
            m.notes.append(note)
