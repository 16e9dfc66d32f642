"""A live host as the tools of the trade see it: ping, nc, dig, tcpdump, and scapy's fuzzed packets."""
import contextlib
import logging
import re
import shutil
import socket
import subprocess
import threading

import pytest

from rxpath.live import Host

from .namespaces import OURS, Side, needs_root, until
from .test_run import Program

pytestmark = needs_root
DNS = """
    import socket, struct
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("", 53))
        print("ready", flush=True)
        for _ in range(2):
            query, who = s.recvfrom(512)
            end = query.index(0, 12) + 5                         # the name, its type and class
            answer = b"\\xc0\\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes([192, 0, 2, 7])
            s.sendto(query[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + query[12:end] + answer, who)
    """


def tool(*words, **how):
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    return subprocess.run(words, capture_output=True, text=True, timeout=60, **how)


@pytest.fixture
def served():
    with Side() as side, Host(side.tap(), f"{OURS}/24") as host, host.socket() as s:
        s.bind(("", 5000))
        s.settimeout(10)
        yield side, host, s


def test_ping_floods_and_sends_large_ones(served):
    for options in (["-f", "-c", "1000"], ["-s", "20000", "-c", "3", "-i", "0.01"], ["-s", "0", "-c", "2", "-i", "0.01"],
                    ["-R", "-c", "1"]):
        done = tool("ping", "-q", "-n", *options, OURS)
        assert " 0% packet loss" in done.stdout and done.returncode == 0, (options, done.stdout, done.stderr)


def test_nc_sends_and_hears(served):
    _, _, s = served

    def echo():
        data, who = s.recvfrom(100)
        s.sendto(data.upper(), who)
    thread = threading.Thread(target=echo)
    thread.start()
    done = tool("nc", "-u", "-w1", OURS, "5000", input="hello\n")
    thread.join()
    assert done.stdout == "HELLO\n"
    assert tool("nc", "-z", "-w2", OURS, "80").returncode == 1, "a reset"


def test_tcpdump_beside_sees_what_we_see(served, tmp_path):
    side, host, _ = served
    if shutil.which("tcpdump") is None:
        pytest.skip("tcpdump is not installed")
    side.ping(times=1)
    before = host.counters()["Ip.InReceives"]
    with subprocess.Popen(["tcpdump", "-ni", "tap0", "-c", "10", "--immediate-mode", "icmp"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as beside:
        assert "listening" in beside.stderr.readline() + beside.stderr.readline()
        side.ping(times=5)
        out, _ = beside.communicate(timeout=20)
    assert len(re.findall("echo request", out)) == len(re.findall("echo reply", out)) == 5
    assert host.counters()["Ip.InReceives"] - before == 5


def test_dig_asks_a_dns_server_that_knows_nothing_of_us():
    with Program(DNS) as program:
        assert program.line() == "ready"
        done = tool("dig", f"@{OURS}", "+tries=1", "+time=10", "+noedns", "example.org", "A")
        assert "status: NOERROR" in done.stdout and re.search(r"example\.org\.\s+60\s+IN\s+A\s+192\.0\.2\.7", done.stdout), done.stdout
        assert tool("dig", f"@{OURS}", "+tries=1", "+time=10", "+noedns", "+short", "www.example.org").stdout == "192.0.2.7\n"


def test_what_scapy_fuzzes_leaves_a_host_that_answers(served):
    """Every frame is accounted for, and ping is answered as before."""
    side, host, s = served
    logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.l2 import ARP, Ether
    from scapy.packet import fuzz
    from scapy.volatile import random
    random.seed(618)
    mac = bytes.fromhex("02000a090002")
    kinds = (lambda: IP(dst=OURS) / fuzz(UDP()), lambda: fuzz(IP(dst=OURS)) / UDP(dport=5000), lambda: IP(dst=OURS) / fuzz(TCP()),
             lambda: IP(dst=OURS) / fuzz(ICMP()), lambda: fuzz(ARP()), lambda: IP(dst=OURS, flags="MF") / fuzz(UDP()))
    with contextlib.closing(socket.socket(socket.AF_PACKET, socket.SOCK_RAW)) as wire:
        wire.bind(("tap0", 0))
        sent = 0
        for n in range(300):
            frame = bytes(Ether(dst=mac.hex(":")) / kinds[n % len(kinds)]())
            if len(frame) <= 1514:
                wire.send(frame)
                sent += 1
            if n % 25 == 24:
                until(lambda sent=sent: host.time.backends[0].statistics().rx_frames >= sent)
    side.ping(times=3)
    assert host.time.refused == 0 and host.counters()["Ip.InReceives"] > 200
    s.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            s.recv(65536)
