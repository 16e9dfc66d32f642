"""Every sysctl changes something: for each row of abi/sysctls.py a small host, traffic and two values, and what can be observed differs.

A new row without its pair fails; so does one whose two values give the same run."""
import dataclasses
import struct

import pytest

from rxpath.abi.sysctls import SYSCTLS
from rxpath.cable.arp_peers import ArpPeers
from rxpath.network.setup import resolve_neighbours
from rxpath.path import Stage
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.run.simulation import START_NS, Simulation
from rxpath.workbench.words.mistakes import BadInput

from . import tcp_sysctls
from .frames import BROADCAST, US, eth, fragments, icmp, ip, tcp, udp, udp_frame

MS, SECOND = 1_000_000, 1_000_000_000
RPS = {"cpus": 2, "rps": {"all": "1"}, "app": [{"name": "a", "cpu": 0}]}
NO_EFFECT = {"net.ipv4.conf.*.log_martians": "it writes to the kernel's log, which is not printed; martians are counted either way",
             **tcp_sysctls.NO_EFFECT}


def burst(sim, n=200, at=START_NS, frame=None, **how):
    """n frames at once."""
    for i in range(n):
        sim.send(frame(i) if frame else udp_frame(bytes(64), **how), at=at)


def many_flows(sim, n=200):
    burst(sim, n, frame=lambda i: udp_frame(bytes(64), sport=1000 + i))


def slow(sim, ns=100_000, cpus=(0, 1), flows=300, n=300):
    """Each packet takes so long in ip_rcv of these CPUs."""
    for c in cpus:
        sim.net.cost[c][Stage.ip_rcv_core] = ns
    burst(sim, n, frame=lambda i: udp_frame(bytes(64), sport=1000 + i % flows))


def spaced(sim, n=50, gap=40_000, **how):
    for i in range(n):
        sim.send(udp_frame(bytes(64), **how), at=START_NS + gap * i)


def closed_port(sim, peers=1, n=20):
    for i in range(n):
        sim.send(udp_frame(dport=9, src=f"10.0.0.{2 + i % peers}"), at=START_NS + 20_000 * i)


def echo(sim, dst=US, mac=None):
    frame = icmp(8, 0, b"\0\1\0\1" + bytes(8))
    sim.send(eth(ip(frame, proto=1, dst=dst), **({"dst": mac} if mac else {})), at=START_NS)


def bogus(sim):
    """Port unreachable that quotes a datagram to the broadcast address, of which no socket is known."""
    sim.send(eth(ip(icmp(3, 3, bytes(4), ip(udp(b"x" * 8, sport=7, dport=9), US, "10.0.0.255")), proto=1)), at=START_NS)


def fragmented(sim, n=8, complete=True):
    """The first of each datagram, then the second of each."""
    parts = [fragments(udp(bytes(2000), dport=5000), [1480], ident=1 + i) for i in range(n)]
    for i, frame in enumerate([p[0] for p in parts] + [p[1] for p in parts if complete]):
        sim.send(frame, at=START_NS + 1000 * i)


def forgotten(sim):
    """Fragments whose others never come: 5 s later, are they still there?"""
    fragmented(sim, complete=False)
    sim.run(5 * SECOND)


def foreign(sim):
    """A program wants another host's address, else its own."""
    def program(s):
        sock = s.socket()
        try:
            sock.bind(("10.9.9.9", 5000))
        except OSError:
            sock.bind((US, 5000))
        while True:
            sock.recv(2048)
    sim.program(program)
    spaced(sim)


def sends(times, answered=False, sndbuf=None, to="10.0.0.9"):
    """A program sends at these seconds; somebody answers ARP, or nobody."""
    def traffic(sim):
        if answered:
            sim.time.add_source(ArpPeers())
        resolve_neighbours(sim.boot)
        left = []
        sim.time.add_sink(left.append)

        def program(s):
            sock = s.socket()
            sock.setblocking(False)
            if sndbuf is not None:
                sock.setsockopt(s.SOL_SOCKET, s.SO_SNDBUF, sndbuf)
            for t in times:
                s.sleep(max(0, t - s.time()))
                try:
                    sock.sendto(bytes(500), (to, 9))
                except BlockingIOError:
                    pass
        sim.program(program)
        sim.run(round(max(times) * SECOND) + 100 * MS)
        sim.time.collect(last=True)
        sim.left = [(o.t, o.data) for o in left] + [int(sim.net.neigh_unres_discards)]
    return traffic


SOON = [k / 1000 for k in range(10)]


def connection(sim):
    sim.send(eth(ip(tcp(), proto=6)), at=START_NS)


# ---------------------------------------------------------------- TCP: the peer of a connection to port 80
def syn(sim, sport=40000):
    """The sequence number that the host expects an ACK of."""
    begin = struct.pack(">BBH4sBBBBBBBBII", 2, 4, 1460, b"\1\1\4\2", 1, 3, 3, 7, 1, 1, 8, 10, 1000, 0)
    sim.send(eth(ip(tcp(sport=sport, seq=1000, flags=2, options=begin), proto=6)), at=max(sim.t, START_NS))
    sim.run(sim.t + MS)
    req = next((sim.net.reqs[i] for i in range(sim.net.req_used) if sim.net.reqs[i].in_use and sim.net.reqs[i].rport == sport), None)
    return 0 if req is None else req.snt_isn + 1 & 0xFFFFFFFF


def handshake(sim):
    isn = syn(sim)
    segment(sim, isn)
    return isn


def segment(sim, isn, seq=0, n=0, flags=16, ts=1000, sport=40000, gap=20_000):
    stamp = struct.pack(">BBBBII", 1, 1, 8, 10, ts, 0)
    sim.send(eth(ip(tcp(bytes(n), sport=sport, seq=1001 + seq, ack=isn, flags=flags, options=stamp, window=500), proto=6)), at=sim.t + gap)
    sim.run(sim.t + gap)


def syns(sim, n=8):
    for k in range(n):
        sim.send(eth(ip(tcp(sport=1000 + k), proto=6)), at=START_NS + 20_000 * k)


def unread(sim, n=20, size=1000):
    isn = handshake(sim)
    for k in range(n):
        segment(sim, isn, k * size, size)


def accepted(sim):
    """The connection's socket, and a thread that reads what is there when it is asked to."""
    from rxpath import boot
    from rxpath.user import socket as sockets
    listener = next(i for i in range(sim.net.nsock) if sim.net.socks[i].in_use and sim.net.socks[i].protocol == 6)
    sk = sockets.accept(sim.boot, listener)
    th = sim.net.thread[1000]
    sim.buffer, th.buf_addr = boot.buffer(1 << 20)
    th.sock, th.buf_len, th.flags, th.wait = sk, 1 << 20, 0x40, 1000
    return sk, lambda: sockets.recv(sim.boot, 1000)


def read_fast(sim):
    """More in a round trip than ever before: then as much unread as the buffer held at the beginning."""
    isn = handshake(sim)
    sk, read = accepted(sim)
    sim.net.tcp[sk].rcv_rtt_us = 8 * 20_000
    for k in range(60):
        segment(sim, isn, 1000 * k, 1000, gap=400_000)
        read()
    for k in range(60, 160):
        segment(sim, isn, 1000 * k, 1000)


def in_between(sim, n=20):
    """Every second segment, at a round trip of 20 ms."""
    isn = handshake(sim)
    sim.net.tcp[accepted(sim)[0]].rcv_rtt_us = 8 * 20_000
    for k in range(n):
        segment(sim, isn, 2000 * k + 1000, 1000, gap=1000)


def to_an_owner(sim):
    from rxpath.user import sock
    isn = handshake(sim)
    sk, _ = accepted(sim)
    sim.call(sock.own_sock)(sim.net, 0, sk, 1000)
    for k in range(10):
        segment(sim, isn, 1000 * k, 1000, ts=1000 + k)
    sim.call(sock.disown_sock)(sim.net, 0, sk)


def twice(sim):
    isn = handshake(sim)
    for _ in range(2):
        segment(sim, isn, 0, 100)


def stamped_earlier(sim):
    isn = handshake(sim)
    segment(sim, isn, 0, 100, ts=5000)
    segment(sim, isn, 100, 100, ts=900)


def beyond_64_k(sim):
    isn = handshake(sim)
    for k in range(8):
        segment(sim, isn, 1448 * k, 1448)
    segment(sim, isn, 78_000, 100)


def resets_in_window(sim):
    isn = handshake(sim)
    for _ in range(3):
        segment(sim, isn, 500, flags=4)


def one_too_many(sim):
    """Two can wait to be accepted; the third handshake was begun before they did."""
    isn = [syn(sim, 40000), syn(sim, 40001)]
    segment(sim, isn[0], sport=40000)
    isn.append(syn(sim, 40002))
    segment(sim, isn[1], sport=40001)
    segment(sim, isn[2], sport=40002)


def source_routed(sim):
    options = bytes([131, 7, 8, 10, 0, 0, 1, 0])             # LSRR that has ended here
    sim.send(eth(ip(udp(b"hello", dport=5000), options=options)), at=START_NS)


SOCKET = {"socket": [{"name": "s", "bind": "*:5000"}], "app": [{"name": "a", "cpu": 1, "sockets": ["s"]}]}
CONNECTED = {"socket": [{"name": "s", "bind": "10.0.0.1:5000", "connect": "10.0.0.2:4000"}], "app": [{"name": "a", "cpu": 1}]}
SLOW = {"socket": [{"name": "s", "bind": "*:5000"}], "app": [{"name": "a", "cpu": 1, "service": "50us"}]}

# a program that reads another socket: without any, one of the run's own would accept at the listener
LISTENER = {"socket": [{"name": "l", "bind": "*:80", "proto": "tcp"}, {"name": "u", "bind": "*:9"}],
            "app": [{"name": "u", "sockets": ["u"]}]}

# name: (host, traffic, one value, another); a value may be a dict of several sysctls
PAIRS = {
    "net.core.netdev_budget": (SOCKET, many_flows, 1, 300),
    "net.core.netdev_budget_usecs": (SOCKET | {"hz": 1000, "nic": {"queues": 2}, "irq": {"0": 0, "1": 0},
                                               "ethtool": {"rx-flow-hash-udp4": "sdfn"}}, slow, 2000, 100_000),
    "net.core.dev_weight": (SOCKET | RPS, many_flows, 1, 64),
    "net.core.netdev_max_backlog": (SOCKET | RPS, many_flows, 10, 1000),
    "net.core.gro_normal_batch": (SOCKET, many_flows, 1, 8),
    "net.core.flow_limit_cpu_bitmap": (SOCKET | RPS | {"ethtool": {"rx": 4096}}, lambda sim: slow(sim, 5000, (1,), 1, 900), "0", "3"),
    "net.core.flow_limit_table_len": (SOCKET | RPS | {"ethtool": {"rx": 4096}}, lambda sim: slow(sim, 5000, (1,), 3, 900), {
        "net.core.flow_limit_cpu_bitmap": "3", "net.core.flow_limit_table_len": 2}, {"net.core.flow_limit_cpu_bitmap": "3"}),
    "net.core.rps_sock_flow_entries": (CONNECTED | {"rps_flow_cnt": {"0": 256}}, lambda sim: spaced(sim, dport=5000, sport=4000), 0, 1024),
    "net.core.busy_poll": (SOCKET | {"app": [{"name": "a", "cpu": 1, "wait": "epoll"}]}, spaced, 0, 50),
    "net.core.busy_read": (SOCKET, spaced, 0, 50),
    "net.core.rmem_default": (SLOW, burst, 2304, 212992),
    "net.core.rmem_max": (SLOW | {"socket": [{"name": "s", "bind": "*:5000", "rcvbuf": "1MiB"}]}, burst, 10_000, 4_194_304),
    "net.ipv4.udp_mem": (SLOW, burst, "1 1 1", "393216 524288 786432"),
    "net.ipv4.udp_rmem_min": (SLOW, burst, {"net.ipv4.udp_mem": "0 0 1000", "net.ipv4.udp_rmem_min": 1}, {
        "net.ipv4.udp_mem": "0 0 1000", "net.ipv4.udp_rmem_min": 100_000}),
    "net.ipv4.udp_early_demux": (CONNECTED, lambda sim: spaced(sim, 3, dport=5000, sport=4000), 0, 1),
    "net.ipv4.ip_early_demux": (CONNECTED, lambda sim: spaced(sim, 3, dport=5000, sport=4000), 0, 1),
    "net.ipv4.tcp_early_demux": (SOCKET, connection, 0, 1),
    "net.ipv4.ip_nonlocal_bind": ({}, foreign, 0, 1),
    "net.core.somaxconn": (LISTENER, syns, 2, 4096),
    "net.ipv4.tcp_rmem": (LISTENER, unread, "4096 4608 8192", "4096 131072 6291456"),
    "net.ipv4.tcp_mem": (LISTENER, unread, "0 0 1", "196608 262144 393216"),
    "net.ipv4.tcp_moderate_rcvbuf": (LISTENER, read_fast, 0, 1),
    "net.ipv4.tcp_shrink_window": (LISTENER, lambda sim: unread(sim, 300, 100), *(
        {"net.ipv4.tcp_rmem": "4096 32768 32768", "net.ipv4.tcp_shrink_window": n} for n in (0, 1))),
    "net.ipv4.tcp_timestamps": (LISTENER, stamped_earlier, 0, 1),
    "net.ipv4.tcp_sack": (LISTENER, twice, 0, 1),
    "net.ipv4.tcp_dsack": (LISTENER, twice, 0, 1),
    "net.ipv4.tcp_window_scaling": (LISTENER, beyond_64_k, 0, 1),
    "net.ipv4.tcp_comp_sack_nr": (LISTENER, in_between, 0, 44),
    "net.ipv4.tcp_comp_sack_delay_ns": (LISTENER, in_between, 0, 1_000_000),
    "net.ipv4.tcp_backlog_ack_defer": (LISTENER, to_an_owner, 0, 1),
    "net.ipv4.tcp_invalid_ratelimit": (LISTENER, resets_in_window, 0, 500),
    "net.ipv4.tcp_synack_retries": (LISTENER, lambda sim: (syns(sim, 1), sim.run(4 * SECOND)), 0, 5),
    "net.ipv4.tcp_abort_on_overflow": (LISTENER, one_too_many, {"net.core.somaxconn": 1}, {
        "net.core.somaxconn": 1, "net.ipv4.tcp_abort_on_overflow": 1}),
    "net.ipv4.ipfrag_high_thresh": (SOCKET, fragmented, {"net.ipv4.ipfrag_high_thresh": 3000, "net.ipv4.ipfrag_low_thresh": 3000}, {}),
    "net.ipv4.ipfrag_low_thresh": (SOCKET | {"kernel": "3.10"}, fragmented, *(
        {"net.ipv4.ipfrag_high_thresh": 15_000, "net.ipv4.ipfrag_low_thresh": low} for low in (1000, 14_000))),
    "net.ipv4.ipfrag_time": (SOCKET, forgotten, 1, 30),
    "net.ipv4.ipfrag_max_dist": (SOCKET, fragmented, 1, 64),
    "net.ipv4.neigh.default.retrans_time_ms": ({}, sends((0, 1.6)), 500, 1000),
    "net.ipv4.neigh.default.base_reachable_time_ms": ({}, sends((0, 5, 11), answered=True), 3000, 30_000),
    "net.ipv4.neigh.default.delay_first_probe_time": ({}, sends((0, 50, 52), answered=True), 1, 5),
    "net.ipv4.neigh.default.ucast_solicit": ({}, sends((0, 50, 56), answered=True), 0, 3),
    "net.ipv4.neigh.default.mcast_solicit": ({}, sends((0, 1.6)), 1, 3),
    "net.ipv4.neigh.default.unres_qlen_bytes": ({}, sends(SOON), 1500, 212_992),
    "net.core.wmem_default": ({}, sends(SOON), 4608, 212_992),
    "net.core.wmem_max": ({}, sends(SOON, sndbuf=100_000), 4608, 4_194_304),
    "net.ipv4.ip_default_ttl": ({}, sends(SOON, to="127.0.0.1"), 1, 64),
    "net.ipv4.icmp_ratelimit": (SOCKET, closed_port, 0, 1000),
    "net.ipv4.icmp_ratemask": (SOCKET, closed_port, 0, 6168),
    "net.ipv4.icmp_msgs_per_sec": (SOCKET, lambda sim: closed_port(sim, 100, 400), 1, 1_000_000),
    "net.ipv4.icmp_msgs_burst": (SOCKET, lambda sim: closed_port(sim, 100, 100), 2, 1000),
    "net.ipv4.icmp_echo_ignore_all": (SOCKET, echo, 0, 1),
    "net.ipv4.icmp_echo_ignore_broadcasts": (SOCKET, lambda sim: echo(sim, "10.0.0.255", BROADCAST), 0, 1),
    "net.ipv4.icmp_ignore_bogus_error_responses": (SOCKET, bogus, 0, 1),
    "net.ipv4.conf.*.rp_filter": (SOCKET | {"route": []}, lambda sim: spaced(sim, 3, src="172.16.0.9", dport=5000), 0, 1),
    "net.ipv4.conf.*.accept_source_route": (SOCKET, source_routed, 0, 1),
    "net.ipv4.conf.*.accept_local": (SOCKET, lambda sim: spaced(sim, 3, src=US, dport=5000), 0, 1),
    "net.ipv4.conf.*.route_localnet": (SOCKET, lambda sim: spaced(sim, 3, dst="127.0.0.5", dport=5000), 0, 1),
}


PAIRS |= tcp_sysctls.PAIRS


def observed(name, host, traffic, value):
    """Everything that a run shows, or that the host cannot be had."""
    values = value if isinstance(value, dict) else {name: value}
    sysctls = {n.replace("*", scope): v for n, v in values.items() for scope in (("all", "eth0") if "*" in n else ("",))}
    nic = {"addresses": ["10.0.0.1/24"], "queues": 1} | host.get("nic", {})
    try:
        with Simulation(hostfile.build({**host, "nic": nic, "sysctl": sysctls}, name)) as sim:
            traffic(sim)
            sim.run(sim.t + 50 * MS)
            return dataclasses.asdict(sim.books()), getattr(sim, "left", None)
    except (BadInput, OSError) as error:
        return str(error)


def test_every_row_has_its_pair():
    fixed = {row.name for row in SYSCTLS if row.why_fixed}
    assert all(row.low == row.high for row in SYSCTLS if row.name in fixed)
    assert set(PAIRS) | fixed | set(NO_EFFECT) == {row.name for row in SYSCTLS}
    assert len(PAIRS) + len(fixed) + len(NO_EFFECT) == len(SYSCTLS)


@pytest.mark.parametrize("name", PAIRS)
def test_a_sysctl_changes_what_can_be_observed(name):
    host, traffic, one, another = PAIRS[name]
    assert observed(name, host, traffic, one) == observed(name, host, traffic, one), "the same twice"
    assert observed(name, host, traffic, one) != observed(name, host, traffic, another)


def test_the_pairs_see_a_row_that_nobody_reads():
    name, traffic = next(iter(NO_EFFECT)), PAIRS["net.ipv4.conf.*.rp_filter"][1]
    assert observed(name, SOCKET, traffic, 0) == observed(name, SOCKET, traffic, 1)
