#!/usr/bin/env python3
"""How well does the model predict this machine's own kernel?  The same schedules of datagrams go through both (docs/calibration.md).

    sudo python tools/against_kernel.py run runs              # two namespaces and a veth; a few minutes on a quiet machine
    python tools/against_kernel.py compare runs --profile vm  # no root: the model on the sender's own times, beside what the kernel lost

`run` leaves, for each experiment and repetition, a capture with the times at which the sender really called, and what was lost.
Repetitions that others disturbed (their CPU time, or steal) are not kept.  It needs a C compiler, ip, and root; it touches nothing but its
own two namespaces, which go away at the end, on Ctrl-C too."""
from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

A, B = f"akA{os.getpid()}", f"akB{os.getpid()}"
MAC_A, MAC_B = "02:00:00:00:77:01", "02:00:00:00:77:02"
PORT, US, MS = 5000, 1_000, 1_000_000
TRIES, QUIET = 3, 0.04                                      # attempts for each run that is kept; share of CPU time that others may have


@dataclass(frozen=True)
class Experiment:
    """times: ns at which each datagram is due.  same: the reader is on the sender's CPU, which is then no real-time task."""
    what: str
    times: list[int]
    service: int = 0
    rcvbuf: int = 0
    length: int = 64
    same: bool = False
    rps: bool = False

    @property
    def spin(self) -> int:
        return 60 * US if self.same else 150 * US


def steady(rate: int, ms: int) -> list[int]:
    return [i * 1_000_000_000 // rate for i in range(rate * ms // 1000)]


def bursts(n: int, count: int, ms: int) -> list[int]:
    return [b * ms * MS for b in range(count) for _ in range(n)]


EXPERIMENTS = {
    "idle-100k": Experiment("100 k/s, idle reader", steady(100_000, 500)),
    "slow-100k": Experiment("100 k/s, 20 us", steady(100_000, 500), 20 * US),
    "near-20k": Experiment("20 k/s, 40 us (80 %)", steady(20_000, 800), 40 * US),
    "over-20k": Experiment("20 k/s, 60 us (120 %)", steady(20_000, 800), 60 * US),
    "tiny-buffer": Experiment("50 k/s, 10 us, rcvbuf 4 kB", steady(50_000, 600), 10 * US, 4096),
    "burst-10": Experiment("bursts 10/ms, 5 us, rcvbuf 2.3 kB", bursts(10, 600, 1), 5 * US, 2304),
    "burst-100": Experiment("bursts 100/5 ms, 20 us, rcvbuf 32 kB", bursts(100, 100, 5), 20 * US, 32768),
    "burst-420": Experiment("bursts 420/100 ms, 138 us", bursts(420, 7, 100), 138 * US),
    "burst-1000": Experiment("bursts 1000/50 ms, 5 us", bursts(1000, 14, 50), 5 * US),
    "burst-large": Experiment("bursts 300 x 1400 B/20 ms, 10 us", bursts(300, 30, 20), 10 * US, length=1400),
    "same-200": Experiment("reader on the sender's CPU, bursts 200/5 ms, 20 us, 64 kB", bursts(200, 120, 5), 20 * US, 65536, same=True),
    "same-10k": Experiment("reader on the sender's CPU, 10 k/s, 20 us", steady(10_000, 800), 20 * US, same=True),
    "rps-50k": Experiment("RPS to the reader's CPU, 50 k/s, 10 us", steady(50_000, 600), 10 * US, rps=True),
    "rps-1000": Experiment("RPS to the reader's CPU, bursts 1000/50 ms, 5 us", bursts(1000, 14, 50), 5 * US, rps=True),
    "fragments": Experiment("fragments 3 x, 5 k/s, 220 us", steady(5_000, 800), 220 * US, length=4000),
    "fragment-bursts": Experiment("fragments 3 x, bursts 100/20 ms, 30 us", bursts(100, 30, 20), 30 * US, length=4000),
}


# ---------------------------------------------------------------- the kernel
def sh(*lines: str) -> None:
    for line in lines:
        done = subprocess.run(line.split(), capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{line}: {done.stderr.strip()}")


@contextlib.contextmanager
def namespaces() -> Iterator[None]:
    """A veth from A to B, with addresses and fixed neighbours."""
    try:
        sh(f"ip netns add {A}", f"ip netns add {B}",
           f"ip link add ak0 netns {A} address {MAC_A} type veth peer name ak1 netns {B} address {MAC_B}")
        for ns, dev, us, them, mac in ((A, "ak0", "10.77.0.1", "10.77.0.2", MAC_B), (B, "ak1", "10.77.0.2", "10.77.0.1", MAC_A)):
            sh(f"ip netns exec {ns} sysctl -qw net.ipv6.conf.all.disable_ipv6=1", f"ip -n {ns} addr add {us}/24 dev {dev}",
               f"ip -n {ns} link set lo up", f"ip -n {ns} link set {dev} up",
               f"ip -n {ns} neigh replace {them} lladdr {mac} dev {dev} nud permanent")
        yield
    finally:
        for ns in (A, B):
            subprocess.run(["ip", "netns", "del", ns], capture_output=True)


def cpu_times() -> tuple[float, float]:
    """Seconds in which all CPUs worked for others than us and our children that have ended, and of steal."""
    values = [int(v) for v in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return (sum(values) - values[3] - values[4] - values[7]) / 100 - sum(os.times()[:4]), values[7] / 100


def once(program: Path, e: Experiment, folder: Path, name: str, quiet: float) -> dict[str, float] | None:
    """One repetition: what was lost, and a capture of the sender's times; None: others had more than the share `quiet` of CPU time."""
    plan, sent, got = folder / "plan", folder / "sent", folder / "got"
    plan.write_bytes(b"".join(struct.pack("<QIHH", t, i, PORT, e.length) for i, t in enumerate(e.times)))
    cpu = 0 if e.same else 1
    inside = ["ip", "netns", "exec"]
    subprocess.run([*inside, B, "sh", "-c", f"echo {2 if e.rps else 0} > /sys/class/net/ak1/queues/rx-0/rps_cpus"], check=True)
    reader = subprocess.Popen([*inside, B, "setsid", str(program), "reader", str(got), str(cpu), str(PORT), str(e.rcvbuf), str(e.service)],
                              stderr=subprocess.PIPE, text=True)
    try:
        assert reader.stderr is not None
        if reader.stderr.readline() != "ready\n":
            sys.exit("the reader did not start")
        time.sleep(0.1)
        start, before = time.monotonic_ns() + 200 * MS, cpu_times()
        subprocess.run([*inside, A, "setsid", str(program), "sender", str(plan), str(sent), "0", str(int(not e.same)), str(start),
                        str(e.spin)], check=True)
        time.sleep(0.3)
        while reader.poll() is None:
            reader.send_signal(signal.SIGUSR1)
            time.sleep(0.01)
    finally:
        if reader.poll() is None:
            reader.kill()
            reader.wait()
    calls = [t for t, _ in struct.iter_unpack("<QQ", sent.read_bytes())]
    arrived = len({seq for _, _, seq, _ in struct.iter_unpack("<QQII", got.read_bytes())})
    others, steal = (b - a for a, b in zip(before, cpu_times(), strict=True))
    write_pcap(folder / f"{name}.pcap", e, [t - calls[0] for t in calls])
    if quiet < 1 and (steal > 0 or others > quiet * (calls[-1] - calls[0]) / 1e9 + 0.02):
        return None
    return {"sent": len(calls), "received": arrived, "loss": 100 * (1 - arrived / len(calls))}


def run(folder: Path, names: list[str], runs: int, quiet: float) -> None:
    if os.geteuid():
        sys.exit("run needs root, for two network namespaces of its own: sudo python tools/against_kernel.py run ...")
    for tool in ("cc", "ip"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is not installed: run needs a C compiler and iproute2")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, namespaces():
        program = Path(place) / "against_kernel"
        subprocess.run(["cc", "-O2", "-o", str(program), str(Path(__file__).with_suffix(".c"))], check=True)
        for name in names:
            kept: list[dict[str, float]] = []
            for _ in range(TRIES * runs):
                found = once(program, EXPERIMENTS[name], folder, f"{name}.{len(kept)}", quiet)
                if found is not None:
                    kept.append(found)
                if len(kept) == runs:
                    break
            (folder / f"{name}.json").write_text(json.dumps(kept))
            losses = [f["loss"] for f in kept]
            print(f"{name:16} {EXPERIMENTS[name].what:58} " + (f"lost {statistics.mean(losses):.2f} % ({min(losses):.2f}-{max(losses):.2f})"
                                                                 if kept else "disturbed each time (--quiet)"), flush=True)
    for left in ("plan", "sent", "got"):
        (folder / left).unlink(missing_ok=True)


# ---------------------------------------------------------------- frames
def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) & 1)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frames(seq: int, length: int) -> list[bytes]:
    """One datagram, in fragments where it is longer than the MTU of 1500."""
    ether = bytes.fromhex((MAC_B + MAC_A).replace(":", "")) + b"\x08\0"
    addresses = bytes([10, 77, 0, 1, 10, 77, 0, 2])
    datagram = struct.pack(">HHHH", 4000, PORT, length + 8, 0) + struct.pack("<I", seq) + bytes(length - 4)
    total = checksum(addresses + struct.pack(">BBH", 0, 17, length + 8) + datagram) or 0xFFFF
    datagram = datagram[:6] + struct.pack(">H", total) + datagram[8:]
    whole = len(datagram) <= 1480
    out = []
    for at in range(0, len(datagram), 1480):
        part = datagram[at:at + 1480]
        flags = 0x4000 if whole else (0x2000 if at + 1480 < len(datagram) else 0) | at // 8
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(part), seq & 0xFFFF, flags, 64, 17, 0) + addresses
        out.append(ether + head[:10] + struct.pack(">H", checksum(head)) + head[12:] + part)
    return out


def write_pcap(path: Path, e: Experiment, times: list[int]) -> None:
    """Frames of one datagram share its time: one call of the sender."""
    with path.open("wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        for seq, t in enumerate(times):
            for data in frames(seq, e.length):
                f.write(struct.pack("<IIII", 1 + t // 10**9, t % 10**9, len(data), len(data)) + data)


# ---------------------------------------------------------------- the model
def host(e: Experiment, profile: str, seed: int, idle: str) -> dict[str, object]:
    socket: dict[str, object] = {"name": "s", "bind": f"*:{PORT}"} | ({"rcvbuf": e.rcvbuf} if e.rcvbuf else {})
    return {"profile": profile, "seed": seed, "cpus": 2, "listen": "listed", "cpu": {"idle": idle},
            "nic": {"driver": "veth", "addresses": ["10.77.0.2/24"], "sender_cpu": 0, "sender_spin": f"{e.spin}ns"},
            "socket": [socket], "app": [{"name": "r", "sockets": ["s"], "cpu": 0 if e.same else 1, "service": f"{e.service + 40}ns"}],
            **({"rps": {"0": "1"}} if e.rps else {})}


def model_loss(path: Path, e: Experiment, profile: str, seed: int = 1, idle: str = "C1") -> float:
    """Per cent of the datagrams that the model's program does not get."""
    import rxpath  # late: `run` does not need it
    from rxpath.workbench.host.file import build

    run = rxpath.replay(path, build(host(e, profile, seed, idle), "experiment"))
    return 100 * (1 - sum(s.received for s in run.books.sockets) / len(e.times))


def compare(folder: Path, names: list[str], profile: str, idle: str, as_json: bool) -> None:
    rows = []
    for name in names:
        if not (folder / f"{name}.json").exists():
            continue
        kernel = [k["loss"] for k in json.loads((folder / f"{name}.json").read_text())]
        if kernel:
            ours = [model_loss(folder / f"{name}.{i}.pcap", EXPERIMENTS[name], profile, i + 1, idle) for i in range(len(kernel))]
            rows.append({"name": name, "kernel": statistics.mean(kernel), "least": min(kernel), "most": max(kernel),
                         "model": statistics.mean(ours), "error": statistics.mean(ours) - statistics.mean(kernel)})
            if not as_json:
                r = rows[-1]
                print(f"{name:16} kernel {r['kernel']:6.2f} ({r['least']:.2f}-{r['most']:.2f})  model {r['model']:6.2f} "
                      f"({r['error']:+.2f})", flush=True)
    if not rows:
        sys.exit(f"{folder}: no repetition that `run` has kept; where others disturb all of them, run --quiet 1 keeps them all the same")
    error = statistics.mean(abs(r["error"]) for r in rows)
    print(json.dumps({"profile": profile, "mean_error": error, "experiments": rows}) if as_json
          else f"mean error of loss with profile {profile}: {error:.2f} points over {len(rows)} experiments")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "compare"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, default=list(EXPERIMENTS), metavar="NAME",
                        help=f"of {', '.join(EXPERIMENTS)}")
    parser.add_argument("--runs", type=int, default=5, help="repetitions to keep of each")
    parser.add_argument("--quiet", type=float, default=QUIET, metavar="SHARE",
                        help=f"of CPU time that others may have in a run that is kept, {QUIET} if not given; 1: whatever they have")
    parser.add_argument("--profile", default="vm", help="cost profile, or the path of one")
    parser.add_argument("--idle", default="C1", help="the host file's cpu.idle")
    parser.add_argument("--json", action="store_true", help="the comparison as JSON")
    args = parser.parse_args()
    if not 1 <= args.runs <= 100:
        parser.error(f"--runs {args.runs}: 1 to 100")
    try:
        if args.what == "run":
            run(args.folder, args.only, args.runs, args.quiet)
        else:
            compare(args.folder, args.only, args.profile, args.idle, args.json)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
