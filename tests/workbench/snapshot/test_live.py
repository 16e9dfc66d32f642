"""The live reading of this machine, and of a namespace of our own, as a host file: the simulated host shows the same settings."""
import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import textwrap

import pytest

from rxpath.workbench.host.file import loads
from rxpath.workbench.host.snapshot.compose import snapshot
from rxpath.workbench.readings.live.host import read_host
from rxpath.workbench.readings.live.proc import Proc
from rxpath.workbench.readings.records import Interrupts, NetDev, Snmp, Softirqs, Softnet, Stat, Sysctls, UdpSockets

from .agree import unsaid

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads a Linux kernel")


# ---------------------------------------------------------------- counters, again and again
def test_counters_of_two_samples_and_what_happened_between_them():
    with Proc() as proc, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        before = proc.sample()
        for _ in range(10):
            sock.sendto(b"x", sock.getsockname())
        after = proc.sample()
        one, two = before.reading(), after.reading()
        queued = next(s for r in two.of(UdpSockets) for s in r.sockets if s.port == sock.getsockname()[1])
    assert two.counter("Udp", "OutDatagrams") - one.counter("Udp", "OutDatagrams") >= 10
    assert queued.recv_q >= 10 * 512 and queued.inode and one.time < two.time and before.took > 0
    assert {type(r) for r in one.records} >= {Softnet, Snmp, NetDev, Interrupts, Softirqs, Stat}


def test_a_file_that_is_missing_is_said_in_each_sample():
    with Proc(("/proc/net/softnet_stat", "/proc/no_such_file")) as proc:
        for _ in range(2):
            reading = proc.sample().reading()
            assert [u.source for u in reading.unread] == ["/proc/no_such_file"] and reading.first(Softnet)


# ---------------------------------------------------------------- this machine
def test_this_machine_becomes_a_host_with_the_same_settings():
    reading = read_host()
    made = snapshot(reading)
    assert loads(made.text) == made.host
    assert not unsaid(reading, made)
    simulated = made.host.sysctls()
    for record in reading.of(Sysctls):
        for name, value in record.values.items():
            name = name.replace("/", ".")
            if name in simulated and f"\n#{name} =" not in made.text:
                said = simulated[name]
                assert (" ".join(map(str, said)) if isinstance(said, tuple) else str(said)) == value or "bitmap" in name, name
    assert sum(len(u.sockets) for u in reading.of(UdpSockets)) >= len([s for s in made.host.sockets if s.proto == "udp"])


def test_without_sock_diag_the_sockets_are_those_of_proc(monkeypatch):
    from rxpath.workbench.readings.live import sock_diag

    def refused(*_):
        raise OSError(errno.ENOENT, "No such file or directory")
    monkeypatch.setattr(sock_diag, "_dump", refused)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        reading = read_host()
        port = sock.getsockname()[1]
        made = snapshot(reading)
    assert any(s.port == port and s.skmem is None for r in reading.of(UdpSockets) for s in r.sockets)
    assert f"rcvbuf: not known (ss -uamn 'sport = :{port}')" in made.text and "Not read: ss -u: No such file" in made.text


# ---------------------------------------------------------------- a namespace of our own
PROGRAM = textwrap.dedent("""
    import select, socket, struct, sys, threading, time
    def udp(port, address="0.0.0.0", family=socket.AF_INET, *options):
        sock = socket.socket(family, socket.SOCK_DGRAM)
        for option in options:
            sock.setsockopt(*option)
        sock.bind((address, port))
        return sock
    one = udp(5000, "0.0.0.0", socket.AF_INET, (socket.SOL_SOCKET, socket.SO_RCVBUF, 100_000))
    two = udp(5001)
    shared = [udp(5002, "0.0.0.0", socket.AF_INET, (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)) for _ in range(2)]
    force = udp(5003, "10.77.0.1", socket.AF_INET, (socket.SOL_SOCKET, 33, 32 << 20))
    two.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.1.1.1") + socket.inet_aton("10.77.0.1"))
    two.setsockopt(socket.IPPROTO_IP, 49, 0)
    force.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 2, 500000))
    force.setsockopt(socket.IPPROTO_UDP, 104, 1)
    listener = socket.socket()
    listener.bind(("0.0.0.0", 80))
    listener.listen()
    def wait_in_epoll():
        poll = select.epoll()
        poll.register(two, select.EPOLLIN | select.EPOLLET)
        poll.poll()
    threading.Thread(target=one.recvfrom, args=(2048,), daemon=True).start()
    threading.Thread(target=wait_in_epoll, daemon=True).start()
    time.sleep(0.2)
    print("ready", flush=True)
    sys.stdin.read()
""")


def sh(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=30, **more).stdout


@pytest.fixture
def namespace():
    """A namespace with a veth, a route, a neighbour, settings and a program."""
    if os.getuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and iproute2")
    name, peer = f"rxs{os.getpid()}a", f"rxs{os.getpid()}b"
    made, program = [], None
    try:
        for one in (name, peer):
            try:
                sh("ip", "netns", "add", one)
            except subprocess.CalledProcessError as error:
                pytest.skip(f"no network namespaces: {error.stderr.strip()}")
            made.append(one)
        try:
            sh("ip", "link", "add", "vh1", "mtu", "1400", "netns", name, "type", "veth", "peer", "name", "vh2", "netns", peer)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no veth: {error.stderr.strip()}")
        for command in ("addr add 10.77.0.1/24 dev vh1", "link set vh1 up", "link set lo up"):
            sh("ip", "-n", name, *command.split())
        sh("ip", "-n", peer, "link", "set", "vh2", "up")
        sh("ip", "-n", name, "route", "add", "10.99.0.0/16", "via", "10.77.0.2")
        sh("ip", "-n", name, "neigh", "add", "10.77.0.9", "lladdr", "02:00:00:00:00:09", "dev", "vh1")
        sh("ip", "netns", "exec", name, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/vh1/rp_filter; "
           "echo 8192 > /proc/sys/net/ipv4/udp_rmem_min; echo 1 > /sys/class/net/vh1/queues/rx-0/rps_cpus")
        program = subprocess.Popen(["ip", "netns", "exec", name, sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        assert program.stdout.readline() == "ready\n"
        yield name
    finally:
        if program is not None:
            program.stdin.close()
            program.wait(timeout=30)
            program.stdout.close()
        for one in made:
            subprocess.run(["ip", "netns", "del", one], check=False, capture_output=True)


@pytest.mark.root
def test_a_namespace_becomes_a_host_that_boots_with_the_same_settings(namespace, tmp_path):
    from rxpath.workbench.run.simulation import Simulation
    text_ = sh("ip", "netns", "exec", namespace, sys.executable, "-m", "rxpath.workbench.cli", "host", "snapshot")
    host = loads(text_)
    assert (host.nic.driver, host.nic.name, host.nic.addresses, host.nic.mtu) == ("veth", "vh1", ("10.77.0.1/24",), 1400)
    assert host.rps == {0: (0,)} and host.conf("rp_filter") == 1 and host.sysctls()["net.ipv4.udp_rmem_min"] == 8192
    assert [(r.dst, r.via) for r in host.routes] == [("10.99.0.0/16", "10.77.0.2")]
    assert ("10.77.0.9", "02:00:00:00:00:09") in [(n.ip, n.mac) for n in host.neighbours]
    by_port = {}
    for sock in host.sockets:
        by_port.setdefault(sock.endpoints()[0][1], []).append(sock)
    assert by_port[5000][0].rcvbuf == 100_000 and by_port[5001][0].rcvbuf is None and by_port[5003][0].rcvbufforce == 32 << 20
    assert [s.reuseport for s in by_port[5002]] == [True, True] and by_port[80][0].proto == "tcp"
    apps = {name: app for app in host.apps for name in app.sockets}
    assert (apps[by_port[5000][0].name].wait, apps[by_port[5000][0].name].buffer) == ("recv", 2048)
    assert (apps[by_port[5001][0].name].wait, apps[by_port[5001][0].name].epoll) == ("epoll", ("edge",))
    assert "nsenter" in text_ and "net.core.netdev_budget" in text_
    with Simulation(host) as sim:                           # it boots, with these sockets and buffers
        net = sim.boot.net
        buffers = {net.socks[s.index].rcvbuf for s in sim.sockets if s.port in (5000, 5003)}
    assert buffers == {200_000, 64 << 20}


@pytest.mark.root
def test_sockets_say_their_options_themselves(namespace):
    command = (sys.executable, "-m", "rxpath.workbench.cli", "host", "snapshot")
    asked = loads(text := sh("ip", "netns", "exec", namespace, *command, "--socket-options"))
    unasked = loads(sh("ip", "netns", "exec", namespace, *command))
    if "Not read: sockets of" in text:
        pytest.skip(next(line for line in text.splitlines() if "Not read: sockets of" in line))
    mine, plain = ({s.endpoints()[0][1]: s for s in host.sockets} for host in (asked, unasked))
    assert (mine[5001].join, mine[5001].multicast_all) == (("239.1.1.1",), False) and not mine[5000].join
    assert (mine[5003].timeout, mine[5003].udp_gro, mine[5000].timeout) == (2_500_000_000, True, None)
    assert mine[5002].reuseport and not mine[5002].reuseaddr and not mine[5000].reuseport and not mine[80].reuseport
    assert not plain[5001].join and plain[5001].multicast_all and "no file shows" not in text


@pytest.mark.root
def test_a_foreign_sysfs_is_not_believed(namespace):
    """nsenter changes the network namespace alone: /sys still shows the one before."""
    if shutil.which("nsenter") is None:
        pytest.skip("needs nsenter")
    done = sh("nsenter", f"--net=/run/netns/{namespace}", sys.executable, "-m", "rxpath.workbench.cli", "host", "snapshot")
    assert "shows another network namespace, not vh1" in done and loads(done).rps == {}



NOBODY = textwrap.dedent("""
    import json, os
    from rxpath.workbench.host.snapshot.compose import snapshot
    from rxpath.workbench.readings.live.host import read_host
    as_root = read_host()
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
    as_nobody = read_host()
    kinds = lambda reading: {(type(r).__name__, getattr(r, "device", "")) for r in reading.records}
    print(json.dumps(sorted({kind for kind, _ in kinds(as_root) - kinds(as_nobody)})))
    print(*(f"{u.source}: {u.why}" for u in as_nobody.unread), sep="\\n")
    snapshot(as_nobody)
""")


@pytest.mark.root
def test_without_root_only_what_needs_root_is_missing_and_said():
    if os.getuid() != 0:
        pytest.skip("needs root to give it away")
    missing, *said = sh(sys.executable, "-c", NOBODY).splitlines()
    assert set(json.loads(missing)) <= {"Rules", "OtherFirewall", "Idle"}, missing
    for what in ("nft: Operation not permitted", "iptables-save: ", "/dev/cpu_dma_latency: Permission denied"):
        assert any(line.startswith(what) for line in said), (what, said)
