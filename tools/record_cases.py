"""Record cases of real losses on this machine, in network namespaces that are made for it and removed: a dozen kinds, each a case file.

    sudo python tools/record_cases.py DIRECTORY [KIND...]       # then rxpath replay DIRECTORY/KIND.rxcase
    python tools/record_cases.py --table DIRECTORY              # the table of docs/case.md, from the cases there

Root, iproute2, two CPUs: the sender on the first, the reader and the recorder on the second.  Nothing outside the namespaces is touched but
net.core.netdev_max_backlog, which is put back.  The recorder is the script of `rxpath record --script`, as a server would run it."""
from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rxpath.workbench.judge.kernel.netns import Cable, run, setns, tool
from rxpath.workbench.judge.kernel.undo import Journal

NIC, MAC, PORT = "eth0", "02:00:00:00:00:01", 5000
SENDER, RECEIVER = "10.9.0.1", "10.9.0.2"
UDP_SEGMENT = 103


# ---------------------------------------------------------------- what is sent
def at_rate(pps: float, port: int = PORT, size: int = 120) -> Callable[[float], None]:
    """Evenly, as far as a Python program can."""
    def send(seconds: float) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((RECEIVER, port))
            data, begun, n = bytes(size), time.monotonic(), 0
            while (now := time.monotonic()) < begun + seconds:
                for _ in range(min(int((now - begun) * pps) - n, 64)):
                    with contextlib.suppress(OSError):      # a port unreachable of before
                        sock.send(data)
                    n += 1
                time.sleep(max(0.0, begun + (n + 1) / pps - time.monotonic() - 50e-6))
    return send


def in_bursts(burst: int, every: float, port: int = PORT, size: int = 120) -> Callable[[float], None]:
    """So many back to back, again and again."""
    def send(seconds: float) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((RECEIVER, port))
            data, due, end = bytes(size), time.monotonic(), time.monotonic() + seconds
            while time.monotonic() < end:
                for _ in range(burst):
                    with contextlib.suppress(OSError):
                        sock.send(data)
                due += every
                time.sleep(max(0.0, due - time.monotonic()))
    return send


def segmented(every: float, port: int = PORT, segments: int = 64, size: int = 120) -> Callable[[float], None]:
    """One send() with UDP_SEGMENT: so many frames leave in one go, without an interrupt in between."""
    def send(seconds: float) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
            sock.connect((RECEIVER, port))
            data, due, end = bytes(size * segments), time.monotonic(), time.monotonic() + seconds
            while time.monotonic() < end:
                with contextlib.suppress(OSError):
                    sock.send(data)
                due += every
                time.sleep(max(0.0, due - time.monotonic()))
    return send


def halves(pps: float) -> Callable[[float], None]:
    """First fragments whose second ones never come."""
    def send(seconds: float) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
            begun, n = time.monotonic(), 0
            while (now := time.monotonic()) < begun + seconds:
                for _ in range(min(int((now - begun) * pps) - n, 64)):
                    n += 1
                    body = struct.pack(">HHHH", 4000, PORT, 2000, 0) + bytes(1392)
                    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), n & 0xFFFF, 0x2000, 64, 17, 0,
                                       socket.inet_aton(SENDER), socket.inet_aton(RECEIVER))
                    sock.sendto(head + body, (RECEIVER, 0))
                time.sleep(0.001)
    return send


def together(*parts: Callable[[float], None]) -> Callable[[float], None]:
    """The first in this process, the others in children of it."""
    def send(seconds: float) -> None:
        pids = []
        for part in parts[1:]:
            pid = os.fork()
            if pid == 0:
                part(seconds)
                os._exit(0)
            pids.append(pid)
        parts[0](seconds)
        for pid in pids:
            os.waitpid(pid, 0)
    return send


# ---------------------------------------------------------------- who reads
def computes(us: float) -> Callable[[socket.socket], None]:
    def read(sock: socket.socket) -> None:
        while True:
            sock.recv(2048)
            end = time.perf_counter() + us * 1e-6
            while time.perf_counter() < end:
                pass
    return read


def sleeps(us: float) -> Callable[[socket.socket], None]:
    def read(sock: socket.socket) -> None:
        while True:
            sock.recv(2048)
            time.sleep(us * 1e-6)
    return read


def stalls(every: float, length: float, us: float = 5.0) -> Callable[[socket.socket], None]:
    """Quick, but it stands still now and then."""
    def read(sock: socket.socket) -> None:
        due = time.monotonic() + every
        while True:
            sock.recv(2048)
            if time.monotonic() > due:
                time.sleep(length)
                due += every
    return read


def nobody(sock: socket.socket) -> None:
    while True:
        signal.pause()


@dataclass(frozen=True)
class Scene:
    """what: in words.  sysctls: of the whole machine; before: lines for `ip` and commands in the receiver's namespace."""
    what: str
    send: Callable[[float], None]
    read: Callable[[socket.socket], None] | None
    sysctls: dict[str, object] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)


SCENES: dict[str, Scene] = {
    "slow-reader": Scene("a reader that computes 100 us for each datagram, at 14,000 a second", at_rate(14_000), computes(100)),
    "sleeping-reader": Scene("a reader that sleeps 50 us after each datagram, at 12,000 a second", at_rate(12_000), sleeps(50)),
    "bursts": Scene("bursts of 600 every 0.1 s to a reader that computes 50 us", in_bursts(600, 0.1), computes(50)),
    "stalls": Scene("a quick reader that stands still for 0.3 s every second, at 5,000 a second", at_rate(5_000), stalls(1.0, 0.3)),
    "unread-socket": Scene("a socket that nobody reads, at 500 a second", at_rate(500), nobody),
    "small-backlog": Scene("64 frames in one go 200 times a second, netdev_max_backlog 20", segmented(0.005), computes(1),
                           {"net.core.netdev_max_backlog": 20}),
    "rps": Scene("the same steered by RPS to the reader's CPU, netdev_max_backlog 40", segmented(0.005), computes(1),
                 {"net.core.netdev_max_backlog": 40}, files={"/sys/class/net/eth0/queues/rx-0/rps_cpus": "2"}),
    "rules": Scene("a rule drops every datagram of one port of two", together(at_rate(1000), at_rate(1000, PORT + 1)), computes(1),
                   commands=(f"iptables-legacy -A INPUT -p udp --dport {PORT + 1} -j DROP",)),
    "closed-port": Scene("a third of the traffic goes to a port that nobody listens on",
                         together(at_rate(1000), at_rate(500, PORT + 7)), computes(1)),
    "fragments": Scene("first fragments without their second ones, ipfrag_time 1 s", together(at_rate(500), halves(300)), computes(1),
                       files={"/proc/sys/net/ipv4/ipfrag_time": "1"}),
    "small-buffer": Scene("bursts of 64 to a receive buffer of 16 kB", in_bursts(64, 0.02), computes(20),
                          files={"/proc/sys/net/ipv4/udp_rmem_min": "4096"}),
    "no-loss": Scene("a reader that keeps up, at 3,000 a second", at_rate(3_000), computes(10)),
}
SMALL_BUFFER = {"small-buffer": 8192}                       # SO_RCVBUF


# ---------------------------------------------------------------- the recording
@contextlib.contextmanager
def child(cpu: int, into: int | None, body: Callable[[], None]) -> Iterator[int]:
    """A process on that CPU, in that namespace; it ends with the block."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            os.sched_setaffinity(0, {cpu})
            if into is not None:
                setns(into)
            body()
        os._exit(0)
    try:
        yield pid
    finally:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def recorder() -> pathlib.Path:
    import rxpath.workbench.readings.live as live

    return pathlib.Path(live.__file__).with_name("recorder.py")


def record(kind: str, out: pathlib.Path, seconds: float, arguments: list[str] | None = None, python: str = sys.executable) -> None:
    """One case."""
    scene = SCENES[kind]
    cpus = sorted(os.sched_getaffinity(0))[:2] * 2
    journal = Journal()
    try:
        for name, value in scene.sysctls.items():
            journal.set_global(name, value)
        cable = Cable(journal, 1, NIC, MAC, 1500)
        try:
            cable.sender.ip([f"addr add {SENDER}/24 dev peer0", "link set peer0 up", "link set lo up",
                             f"neigh add {RECEIVER} lladdr {MAC} dev peer0 nud permanent"])
            cable.receiver.ip([f"addr add {RECEIVER}/24 dev {NIC}", f"link set {NIC} up", "link set lo up"])
            inside = [tool("ip"), "netns", "exec", cable.receiver.name]
            for command in scene.commands:
                run([*inside, *command.split()])
            for path, value in scene.files.items():
                run([*inside, "sh", "-c", f"echo {value} > {path}"])
            with cable.receiver.inside():
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with sock:
                if kind in SMALL_BUFFER:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER[kind])
                sock.bind((RECEIVER, PORT))
                reader, sender = scene.read or nobody, scene.send
                with child(cpus[1], None, lambda: reader(sock)):
                    sock.close()                            # the reader alone has it
                    time.sleep(0.1)
                    with child(cpus[0], cable.sender.fd, lambda: sender(seconds + 1.5)):
                        time.sleep(0.2)
                        run([python, str(recorder()), "--netns", cable.receiver.name, "--seconds", str(seconds), "--device", NIC,
                             "-o", str(out), *(arguments or [])])
        finally:
            cable.close()
    finally:
        journal.restore()
        journal.close()


def table(folder: pathlib.Path) -> Iterator[str]:
    """docs/case.md: what each case really lost, and the model."""
    from rxpath.workbench.case.beside import beside
    from rxpath.workbench.host.given import of_case
    from rxpath.workbench.views.case import error

    yield "| case | class | really lost | predicted | error | fitted | at the same time |"
    yield "|---|---|---|---|---|---|---|"
    for kind, scene in SCENES.items():
        path = folder / f"{kind}.rxcase"
        if not path.exists():
            continue
        b = beside(str(path), of_case(path))
        rows = [r for r in b.rows if r.key != "squeeze"]
        if not rows:
            yield f"| `{kind}`: {scene.what} | - | 0 | 0 | 0 | | |"
        for i, r in enumerate(rows):
            name = f"`{kind}`: {scene.what}" if i == 0 else ""
            together = "" if r.together is None or not r.judged else f"{100 * r.together:.0f} %"
            fitted = "" if r.fitted is None else f"{r.fitted:,}"
            real = "?" if r.real is None else f"{r.real:,}"
            yield f"| {name} | {r.title} | {real} | {r.predicted:,} | {error(r)} | {fitted} | {together} |"


def main() -> int:
    arguments = sys.argv[1:]
    if not arguments:
        print(__doc__)
        return 2
    if arguments[0] == "--table":
        print("\n".join(table(pathlib.Path(arguments[1]))))
        return 0
    folder = pathlib.Path(arguments[0])
    folder.mkdir(exist_ok=True)
    for kind in arguments[1:] or SCENES:
        out = folder / f"{kind}.rxcase"
        out.unlink(missing_ok=True)
        record(kind, out, float(os.environ.get("SECONDS_EACH", "10")))
        print(f"{out}: {SCENES[kind].what}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
