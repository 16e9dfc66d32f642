#!/usr/bin/env python3
"""Record the bundled example capture, src/rxpath/examples/first.pcap, and write first.md beside it.

Real programs talk across a veth pair between two network namespaces of our own, rxcap-client (10.23.0.1) and rxcap-server
(10.23.0.2); tcpdump records the server's end, so the capture is what a receiver's NIC would have been offered, plus what the
receiver sent back.  One program, a telemetry reader, is too slow for its sender's bursts: the real kernel loses datagrams at its
socket, and its own counters, read before and after, are written down as the truth that a replay can be held against.

Needs root, Linux, and Debian's packages tcpdump, iperf3, bind9-dnsutils, dnsmasq-base, iproute2, ethtool, iputils-ping.
Leaves nothing behind: namespaces, devices and processes go away on every way out.  Ends by itself within LIMIT_S.

    sudo python3 tools/record_first_capture.py [--out DIRECTORY]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CLIENT_NS, SERVER_NS = "rxcap-client", "rxcap-server"
CLIENT_IF, SERVER_IF = "rxcap-c", "rxcap-s"
CLIENT_IP, SERVER_IP = "10.23.0.1", "10.23.0.2"
CLIENT_MAC, SERVER_MAC = "02:00:0a:17:00:01", "02:00:0a:17:00:02"  # locally administered, so that no vendor's address is in the file
DNS_PORT, IPERF_PORT, TELEMETRY_PORT, CLOSED_PORT = 53, 5201, 8125, 9999

LIMIT_S = 90  # the whole recording; it takes about 12 s
BURSTS, BURST_LEN, BURST_GAP_S = 14, 420, 0.1  # 256 datagrams of truesize 832 fill net.core.rmem_default (212992): 420 do not fit
READER_SLEEP_S = 50e-6  # with the timer's slack and Python about 120 us a datagram: a burst is read before the next one comes
PACKAGES = {
    "tcpdump": "tcpdump", "iperf3": "iperf3", "dig": "bind9-dnsutils", "dnsmasq": "dnsmasq-base", "ip": "iproute2",
    "ethtool": "ethtool", "ping": "iputils-ping",
}  # fmt: skip


# ---- the two ends -------------------------------------------------------------------------------------------------------------


def run(*command: str, timeout: float = 20, check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def inside(namespace: str, *command: str) -> tuple[str, ...]:
    """`ip netns exec` execs the command, so the process's id is the command's own."""
    return ("ip", "netns", "exec", namespace, *command)


def client(*command: str, timeout: float = 20, check: bool = True) -> str:
    return run(*inside(CLIENT_NS, *command), timeout=timeout, check=check)


def remove_namespaces() -> None:
    for namespace in (CLIENT_NS, SERVER_NS):  # the veth pair dies with either of them
        subprocess.run(["ip", "netns", "del", namespace], capture_output=True, timeout=20)


@contextlib.contextmanager
def namespaces() -> Iterator[None]:
    remove_namespaces()  # what a run that was killed left behind
    try:
        for namespace in (CLIENT_NS, SERVER_NS):
            run("ip", "netns", "add", namespace)
            for which in ("all", "default"):  # no router solicitations or MLD reports among the programs' traffic
                run(*inside(namespace, "sysctl", "-qw", f"net.ipv6.conf.{which}.disable_ipv6=1"))
            run("ip", "-n", namespace, "link", "set", "lo", "up")
        run("ip", "-n", CLIENT_NS, "link", "add", CLIENT_IF, "type", "veth", "peer", "name", SERVER_IF, "netns", SERVER_NS)
        ends = ((CLIENT_NS, CLIENT_IF, CLIENT_IP, CLIENT_MAC), (SERVER_NS, SERVER_IF, SERVER_IP, SERVER_MAC))
        for namespace, device, address, mac in ends:
            run("ip", "-n", namespace, "link", "set", device, "address", mac)
            run("ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", device)
            # Without offloads the checksums on the wire are real and no frame is longer than the MTU allows.
            run(*inside(namespace, "ethtool", "-K", device, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off"))
        for namespace, device, _, _ in ends:
            run("ip", "-n", namespace, "link", "set", device, "up")
        yield
    finally:
        remove_namespaces()


@contextlib.contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A server for the time of the block.  It is stopped as a person would, and killed if that does not help."""
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    try:
        yield started
    finally:
        if started.poll() is None:
            started.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.wait(5)
        if started.poll() is None:
            started.kill()
            started.wait(5)


def wait_until_bound(server: subprocess.Popen[str], table: str, port: int) -> None:
    """/proc/PID/net/* shows the namespace of that process."""
    for _ in range(200):
        if server.poll() is not None:
            raise RuntimeError(f"{server.args!r}: ended early: {server.stderr.read() if server.stderr else ''}")
        if f":{port:04X} " in Path(f"/proc/{server.pid}/net/{table}").read_text():
            return
        time.sleep(0.02)
    raise RuntimeError(f"{server.args!r}: nothing bound to {table} port {port}")


def kernel_counters() -> dict[str, int]:
    """The receiver's own counters: Udp, Ip and Icmp of /proc/net/snmp, IpExt of /proc/net/netstat."""
    text = run(*inside(SERVER_NS, "cat", "/proc/net/snmp", "/proc/net/netstat")).splitlines()
    counters: dict[str, int] = {}
    for names, values in zip(text[::2], text[1::2], strict=True):
        group, _, names = names.partition(": ")
        for name, value in zip(names.split(), values.split()[1:], strict=True):
            counters[group + name] = int(value)
    return counters


# ---- our two programs: a telemetry sender and its slow reader -------------------------------------------------------------------


def telemetry_sender() -> None:
    """Four sources flush what they gathered all at once every 100 ms, a metric in each datagram, as statsd's clients do."""
    sources = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
    for source in sources:
        source.connect((SERVER_IP, TELEMETRY_PORT))
    metrics = [b"shop.cart.added:%d|c", b"shop.page.time:%d|ms", b"db.pool.busy:%d|g", b"cache.hit:%d|c|@0.1"]
    began = time.monotonic()
    for burst in range(BURSTS):
        time.sleep(max(0.0, began + burst * BURST_GAP_S - time.monotonic()))
        for i in range(BURST_LEN):
            sources[i % 4].send(metrics[i % 4] % (burst * BURST_LEN + i))


def telemetry_reader() -> None:
    """Reads one datagram, works on it, reads the next; SO_RCVBUF as the system gives it.  Prints what it and the kernel counted."""
    reader = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    reader.bind(("0.0.0.0", TELEMETRY_PORT))
    rcvbuf, received, busy = reader.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF), 0, 0.0
    reader.settimeout(20)  # until the first datagram; then the end of the bursts ends the program
    try:
        while received < BURSTS * BURST_LEN:
            reader.recvfrom(2048)
            began = time.monotonic()
            reader.settimeout(1.0)
            time.sleep(READER_SLEEP_S)
            received, busy = received + 1, busy + time.monotonic() - began
    except TimeoutError:
        pass
    rows = [line.split() for line in Path("/proc/self/net/udp").read_text().splitlines()[1:]]
    drops = next(int(row[-1]) for row in rows if row[1].endswith(f":{TELEMETRY_PORT:04X}"))
    print(rcvbuf, received, drops, round(busy / max(1, received) * 1e6))


# ---- the scenario -------------------------------------------------------------------------------------------------------------


class Reader(NamedTuple):
    """What the telemetry reader printed: its buffer, what it read, its socket's drops, how long it worked on each."""

    rcvbuf: int
    received: int
    drops: int
    busy_us: int


def traffic() -> tuple[Reader, list[str]]:
    """The programs, one after another.  Also returns lost/total of iperf3's three UDP tests, in order, as its receiver counted."""
    names = ["web.shop.example", "db.shop.example", "cache.shop.example", "mail.shop.example"]
    records = [f"--host-record={name},192.0.2.{10 + i}" for i, name in enumerate(names)]
    dnsmasq = ("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--pid-file=",
               f"--listen-address={SERVER_IP}", "--bind-interfaces", "--local=/example/", *records,
               "--txt-record=shop.example,v=spf1 ip4:192.0.2.0/24 -all", "--mx-host=shop.example,mail.shop.example,10")  # fmt: skip
    dig = ("dig", f"@{SERVER_IP}", "+tries=1", "+time=2")
    iperf = ("iperf3", "-c", SERVER_IP, "-p", str(IPERF_PORT), "--repeating-payload")
    itself = (sys.executable, str(Path(__file__).resolve()))

    client("ping", "-n", "-c", "5", "-i", "0.2", SERVER_IP)  # the first packet of all is the ARP request for it
    client("ping", "-n", "-c", "4", "-i", "0.2", "-s", "4000", SERVER_IP)  # three fragments each way
    with process(*inside(SERVER_NS, *dnsmasq)) as server:
        wait_until_bound(server, "udp", DNS_PORT)
        for name in [*names, "nosuch.shop.example"]:
            client(*dig, name, "A")
        client(*dig, "shop.example", "MX")
        client(*dig, "shop.example", "TXT", "+tcp")
        with process(*inside(SERVER_NS, *itself, "telemetry-reader")) as reader:
            wait_until_bound(reader, "udp", TELEMETRY_PORT)
            with process(*inside(CLIENT_NS, *itself, "telemetry-sender")) as sender:
                for name in names:  # names are asked for while the bursts run, as they are on a real host
                    client(*dig, name, "A")
                    time.sleep(0.2)
                sender.wait(20)
            out, _ = reader.communicate(timeout=20)
    with process(*inside(SERVER_NS, "iperf3", "-4", "-s", "-p", str(IPERF_PORT))) as server:
        wait_until_bound(server, "tcp", IPERF_PORT)
        # 25,000 datagrams a second, which a 20 ms pacing timer lets go about 500 at a time
        small = client(*iperf, "-u", "-l", "100", "-b", "20M", "--pacing-timer", "20000", "-k", "2500")
        large = client(*iperf, "-u", "-l", "1400", "-b", "10M", "-k", "120")
        larger = client(*iperf, "-u", "-l", "8000", "-b", "10M", "-k", "20")  # six fragments each
        client(*iperf, "-n", "48K", "-l", "8K")  # TCP
    with socket_in(CLIENT_NS) as prober:  # not connected, so that no answer stops it
        for i in range(12):  # nobody listens there: ICMP port unreachable comes back until its rate limit stops it
            prober.sendto(b"is anybody there? %d" % i, (SERVER_IP, CLOSED_PORT))
    client("ping", "-n", "-c", "2", "-i", "0.2", SERVER_IP)
    reports = [re.search(r"(\d+/\d+) \(\S+\)\s+receiver", report) for report in (small, large, larger)]
    return Reader(*map(int, out.split())), [report[1] if report else "unknown" for report in reports]


@contextlib.contextmanager
def socket_in(namespace: str) -> Iterator[socket.socket]:
    """A UDP socket of another namespace: a socket keeps the namespace in which it was made."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        set_namespace(there)
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    finally:
        set_namespace(home)
        os.close(there)
        os.close(home)
    with made:
        yield made


def set_namespace(fd: int) -> None:
    import ctypes  # os.setns came with Python 3.12

    clone_newnet = 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, clone_newnet):
        raise OSError(ctypes.get_errno(), "setns")


def record(pcap: Path) -> tuple[Reader, list[str], dict[str, int]]:
    """Returns what the reader and iperf3 saw and by how much the kernel's counters moved.  A capture that lost a frame is worth nothing."""
    command = ("tcpdump", "-n", "-i", SERVER_IF, "-s", "0", "-B", "8192", "--time-stamp-precision=nano", "-Z", "root", "-w", str(pcap))
    with namespaces():
        before = kernel_counters()
        with process(*inside(SERVER_NS, *command)) as tcpdump:
            time.sleep(0.5)  # it says that it listens a little before it does
            reader, iperf_lost = traffic()
            time.sleep(1.5)  # tcpdump takes frames from the kernel in blocks, at the latest after a second
            tcpdump.send_signal(signal.SIGINT)
            _, said = tcpdump.communicate(timeout=10)
        after = kernel_counters()
    lost = re.search(r"(\d+) packets dropped by kernel", said)
    if lost is None or int(lost[1]):
        raise RuntimeError(f"tcpdump did not see everything: {said.strip()}")
    return reader, iperf_lost, {name: after[name] - before.get(name, 0) for name in after}


# ---- what is in it ------------------------------------------------------------------------------------------------------------


def frames(pcap: Path) -> Iterator[tuple[int, bytes]]:
    data = pcap.read_bytes()
    if struct.unpack_from("<I", data)[0] != 0xA1B23C4D:
        raise RuntimeError("not the little-endian nanosecond pcap that tcpdump was asked for")
    at = 24
    while at < len(data):
        seconds, nanoseconds, kept, whole = struct.unpack_from("<IIII", data, at)
        if kept != whole:
            raise RuntimeError(f"a frame of {whole} bytes was cut to {kept}")
        yield seconds * 10**9 + nanoseconds, data[at + 16 : at + 16 + kept]
        at += 16 + kept


def be16(frame: bytes, at: int) -> int:
    return frame[at] << 8 | frame[at + 1]


def kind_of(frame: bytes) -> str:
    if frame[12:14] == b"\x08\x06":
        return "ARP"
    if frame[12:14] != b"\x08\x00":
        return "other"
    fragment, protocol, at = be16(frame, 20), frame[23], 14 + 4 * (frame[14] & 15)
    if fragment & 0x3FFF:
        return {1: "ICMP echo, fragments", 17: "UDP iperf3 -l 8000, fragments"}.get(protocol, "other")
    if protocol == 1:
        return {0: "ICMP echo", 8: "ICMP echo", 3: "ICMP port unreachable"}.get(frame[at], "other")
    if protocol not in (6, 17):
        return "other"
    ports, what = (be16(frame, at), be16(frame, at + 2)), {6: "TCP", 17: "UDP"}[protocol]
    if IPERF_PORT in ports and protocol == 17:
        return {108: "UDP iperf3 -l 100", 1408: "UDP iperf3 -l 1400"}.get(be16(frame, at + 4), "UDP iperf3 hello")
    names = {DNS_PORT: "DNS", IPERF_PORT: "iperf3 data and control", TELEMETRY_PORT: "telemetry", CLOSED_PORT: "closed port"}
    return next((f"{what} {name}" for port, name in names.items() if port in ports), "other")


def bursts(times_ns: list[int], gap_ns: int) -> list[tuple[int, int]]:
    """(datagrams, nanoseconds from the first to the last) of each run of arrivals without a gap."""
    found, first, count = [], 0, 0
    for i, now in enumerate(times_ns):
        if i and now - times_ns[i - 1] > gap_ns:
            found.append((count, times_ns[i - 1] - first))
            count = 0
        if not count:
            first = now
        count += 1
    return [*found, (count, times_ns[-1] - first)] if times_ns else []


def describe_bursts(times_ns: list[int], gap_ns: int) -> str:
    runs = [run for run in bursts(times_ns, gap_ns) if run[0] >= 100]
    lengths, spans = [n for n, _ in runs], [span / 1e6 for _, span in runs]
    rate = statistics.median((n - 1) / span for n, span in zip(lengths, spans, strict=True))
    size = f"{min(lengths)} to {max(lengths)}" if min(lengths) < max(lengths) else f"{lengths[0]}"
    return (f"{len(runs)} bursts of {size} datagrams within {min(spans):.1f} to {max(spans):.1f} ms "
            f"(median {statistics.median(spans):.1f} ms: {rate:.0f} thousand a second)")  # fmt: skip


def story(pcap: Path, reader: Reader, iperf_lost: list[str], moved: dict[str, int]) -> str:
    came: Counter[str] = Counter()
    sent: Counter[str] = Counter()
    times: dict[str, list[int]] = {}
    receiver = bytes.fromhex(SERVER_MAC.replace(":", ""))
    began = ended = datagrams = 0
    for now, frame in frames(pcap):
        kind, began, ended = kind_of(frame), began or now, now
        (sent if frame[6:12] == receiver else came)[kind] += 1
        if frame[6:12] != receiver:
            times.setdefault(kind, []).append(now)
            datagrams += frame[12:14] == b"\x08\x00" and frame[23] == socket.IPPROTO_UDP and be16(frame, 20) & 0x1FFF == 0
    if sum(came.values()) - came["ARP"] != moved["IpInReceives"]:
        raise RuntimeError(f"the kernel received {moved['IpInReceives']} IP packets, the capture has {sum(came.values()) - came['ARP']}")
    version = {tool: run(*command, check=False).split("\n")[0] for tool, command in {
        "iperf3": ("iperf3", "--version"), "dnsmasq": ("dnsmasq", "--version"), "ping": ("ping", "-V")}.items()}  # fmt: skip
    numbers = {tool: (re.search(r"\d[\w.]+", text) or ["?"])[0] for tool, text in version.items()}
    kernel = (re.match(r"[\d.]+", platform.release()) or ["?"])[0]
    date = time.strftime("%Y-%m-%d", time.gmtime(began / 1e9))
    row = "| {:<30} | {:>11} | {:>15} |".format
    table = [row(kind, came[kind], sent[kind]) for kind in sorted(came | sent)]
    read = moved["UdpInDatagrams"]
    unread = datagrams - read - moved["UdpInErrors"] - moved["UdpNoPorts"]
    total = sum(came.values()) + sum(sent.values())
    return "\n".join([
        "# first.pcap",
        "",
        f"{total:,} frames in {(ended - began) / 1e9:.1f} s, recorded {date} on Linux {kernel} by `tools/record_first_capture.py`",
        f"with tcpdump (nanoseconds, full length) on the receiver's end of a veth pair without offloads. Client {CLIENT_IP}, receiver",
        f"{SERVER_IP}. Programs: ping (iputils {numbers['ping']}), dig against dnsmasq {numbers['dnsmasq']}, iperf3 {numbers['iperf3']}, "
        "a statsd-like sender and its slow reader.",
        "",
        row("kind", "to receiver", "by the receiver"),
        f"|{'-' * 32}|{'-' * 12}:|{'-' * 16}:|",
        *table,
        row("all", sum(came.values()), sum(sent.values())),
        "",
        f"Receivers: UDP and TCP {DNS_PORT} (dnsmasq), UDP and TCP {IPERF_PORT} (iperf3 -s), UDP {TELEMETRY_PORT} (the slow reader); "
        f"UDP {CLOSED_PORT} is closed.",
        "",
        f"- Telemetry: {describe_bursts(times['UDP telemetry'], 20_000_000)}, from four source ports.",
        f"- iperf3 -l 100: {describe_bursts(times['UDP iperf3 -l 100'], 3_000_000)}.",
        "",
        "What the real kernel lost, by its own counters:",
        "",
        f"- `Ip InReceives` {moved['IpInReceives']:,}; `Udp RcvbufErrors` {moved['UdpRcvbufErrors']:,} of `InErrors` "
        f"{moved['UdpInErrors']:,}; `InDatagrams` {read:,}",
        f"  (counted at the read: {unread} lay unread when a program ended).",
        f"- UDP {TELEMETRY_PORT}: `drops` of the reader's socket in `/proc/net/udp` {reader.drops:,}; it got {reader.received:,} of "
        f"{came['UDP telemetry']:,} with `SO_RCVBUF` {reader.rcvbuf}",
        f"  and {reader.busy_us} us for each between two `recvfrom`.",
        f"- UDP {IPERF_PORT}: the other {moved['UdpRcvbufErrors'] - reader.drops:,}. iperf3's receiver says {iperf_lost[0]} lost (-l 100), "
        f"{iperf_lost[1]} (-l 1400), {iperf_lost[2]} (-l 8000);",
        "  it does not see what is missing at the end of a test.",
        f"- `Udp NoPorts` {moved['UdpNoPorts']} (port {CLOSED_PORT}); `Icmp OutDestUnreachs` {moved['IcmpOutDestUnreachs']}, "
        f"`OutRateLimitHost` {moved['IcmpOutRateLimitHost']}: `icmp_ratelimit` held the other answers back.",
        f"- `Ip ReasmOKs` {moved['IpReasmOKs']}, `ReasmFails` {moved['IpReasmFails']}; `Udp InCsumErrors` {moved['UdpInCsumErrors']}; "
        "tcpdump missed no frame.",
        "",
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("role", nargs="?", choices=["telemetry-sender", "telemetry-reader"], help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "src/rxpath/examples")
    asked = parser.parse_args()
    if asked.role:
        return {"telemetry-sender": telemetry_sender, "telemetry-reader": telemetry_reader}[asked.role]()
    missing = sorted({package for tool, package in PACKAGES.items() if shutil.which(tool) is None})
    if missing:
        sys.exit(f"missing tools: apt-get install {' '.join(missing)}")
    if os.geteuid():
        sys.exit("network namespaces need root")

    def too_long(*_: object) -> None:
        raise TimeoutError(f"the recording took more than {LIMIT_S} s")

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt  # SIGTERM cleans up as Ctrl-C does

    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGTERM, stopped)
    signal.alarm(LIMIT_S)
    with tempfile.TemporaryDirectory() as scratch:
        pcap = Path(scratch) / "first.pcap"
        reader, iperf_lost, moved = record(pcap)
        text = story(pcap, reader, iperf_lost, moved)
        if not moved["UdpRcvbufErrors"]:
            sys.exit(f"the kernel lost nothing, which is no first example:\n{text}")
        shutil.copyfile(pcap, asked.out / "first.pcap")
        (asked.out / "first.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
