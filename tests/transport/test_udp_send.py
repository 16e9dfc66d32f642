"""UDP sends: sendto() of programs under both drivers of time, compiled and plain; its packets are read by scapy."""
import errno
import socket as std
import struct

import pytest
from scapy.compat import raw
from scapy.layers.inet import IP, UDP, defragment
from scapy.layers.l2 import Ether

from rxpath.abi.mib import Mib
from rxpath.abi.numbers import RTN, Out
from rxpath.cable.arp_peers import ArpPeers
from rxpath.drivers import probe
from rxpath.network import setup as network
from rxpath.vtime.program import Programs
from rxpath.walltime.program import Program

from ..frames import eth, icmp, ip, ip4, udp, udp_frame
from ..time_driver.hosts import KINDS, MS, Host

PEER_MAC = 0x020000000002


class Sending:
    """A host whose program is a function of `s`."""

    def __init__(self, kind, plain, lo=True):
        self.host = host = Host(kind, plain)
        self.kind, self.boot, self.net = kind, host.boot, host.net
        network.add_neighbour(self.boot, ip4("10.0.0.2"), PEER_MAC, permanent=True)
        self.boot.netdev.name = "eth0"
        if lo:
            probe.loopback_net_init(self.net, 1)
            network.add_address(self.boot, ip4("127.0.0.1"), 8, dev=1)

    def run(self, program, ns=20 * MS):
        """The program, then until ns; what it returned."""
        found = []

        def whole(s):
            found.append(program(s))
        if self.kind == "real":
            s = Program(self.host.time)
            whole(s)
            self.host.time.run(max(ns, self.host.time.now()))
            s.process.close()
        else:
            with Programs(self.boot) as programs:
                self.host.time.programs = programs
                programs.add(whole)
                self.host.time.run(ns)
            self.host.time.programs = None
        return found[0]

    def frames(self):
        return [Ether(o.data) for o in self.host.sent(Out.TX) if o.dev == 0]

    def mib(self, *names):
        return tuple(self.host.mib(Mib[n]) for n in names)


@pytest.fixture(params=[f"{kind} {how}" for kind in KINDS for how in ("compiled", "plain")])
def sending(request):
    kind, how = request.param.split()
    made = []

    def make(**options):
        made.append(Sending(kind, how == "plain", **options))
        return made[-1]
    yield make
    for m in made:
        m.host.time.close()


def refused(call, *args):
    with pytest.raises(OSError) as e:
        call(*args)
    return "EOPNOTSUPP" if e.value.errno == errno.EOPNOTSUPP else errno.errorcode[e.value.errno]


def checked(packet):
    """Its checksums are those that scapy would give it."""
    again = IP(raw(packet[IP]))
    del again.chksum, again.len
    if UDP in again:
        del again[UDP].chksum
    return raw(IP(raw(again))) == raw(packet[IP])


def test_a_server_answers_who_asked_it(sending):
    host = sending()
    host.host.time.send(udp_frame(b"hello", sport=40000, dport=5000), MS)

    def server(s):
        sock = s.socket()
        sock.bind(("", 5000))
        data, who = sock.recvfrom(2048)
        return sock.sendto(data.upper(), who)
    assert host.run(server) == 5
    [answer] = host.frames()
    assert (answer.dst, answer.src) == ("02:00:00:00:00:02", "02:00:00:00:00:01")
    assert (answer[IP].src, answer[IP].dst, answer[UDP].sport, answer[UDP].dport) == ("10.0.0.1", "10.0.0.2", 5000, 40000)
    assert raw(answer[UDP].payload) == b"HELLO" and checked(answer)
    assert (answer[IP].ttl, answer[IP].tos, answer[IP].flags) == (64, 0, "DF")
    assert host.mib("Udp_OutDatagrams", "Ip_OutRequests", "Ip_OutNoRoutes") == (1, 1, 0)
    assert host.host.ends() == {"RECEIVED": 1}


def test_it_is_asked_for_by_arp_and_the_answer_lets_it_go(sending):
    host = sending()
    host.host.time.add_source(ArpPeers())

    def program(s):
        sock = s.socket()
        sock.sendto(b"one", ("10.0.0.9", 9))
        s.sleep(0.005)
        sock.sendto(b"two", ("10.0.0.9", 9))
    host.run(program)
    request, one, two = host.frames()
    assert request.pdst == "10.0.0.9" and one.dst == two.dst == "02:00:0a:00:00:09"
    assert host.net.neigh[1].state == 2, "REACHABLE"


@pytest.mark.parametrize("length", [0, 1, 2, 7, 1471, 1472])
def test_what_fits_the_mtu_is_one_packet(sending, length):
    host = sending()
    data = bytes(i * 7 & 255 for i in range(length))
    assert host.run(lambda s: s.socket().sendto(data, ("10.0.0.2", 9))) == length
    [packet] = host.frames()
    assert checked(packet) and raw(packet[UDP].payload)[:length] == data
    assert host.mib("Ip_FragOKs", "Ip_FragCreates") == (0, 0)


@pytest.mark.parametrize("length", [1473, 2960, 2961, 4000, 65507])
def test_what_does_not_is_cut_up_and_whole_again(sending, length):
    host = sending()
    data = bytes(i * 7 & 255 for i in range(length))
    assert host.run(lambda s: s.socket().sendto(data, ("10.0.0.2", 9))) == length
    packets = host.frames()
    assert all(p[IP].len <= 1500 and "DF" not in str(p[IP].flags) for p in packets)
    assert len({p[IP].id for p in packets}) == 1 and [p[IP].len for p in packets[:-1]] == [1500] * (len(packets) - 1)
    [whole] = defragment([p[IP] for p in packets])
    whole = IP(raw(whole))
    assert raw(whole[UDP].payload) == data and checked(whole)
    assert host.mib("Ip_FragOKs", "Ip_FragCreates", "Ip_OutRequests", "Udp_OutDatagrams") == (1, len(packets), 1, 1)


def test_errors_are_the_kernels(sending):
    host = sending()
    network.add_route(host.boot, ip4("192.0.2.0"), 24, RTN.UNREACHABLE)
    network.add_route(host.boot, ip4("192.0.3.0"), 24, RTN.BLACKHOLE)
    network.add_route(host.boot, ip4("192.0.4.0"), 24, RTN.PROHIBIT)

    def program(s):
        a = s.socket()
        found = [refused(a.sendto, b"x", (to, 9)) for to in ("203.0.113.1", "192.0.2.1", "192.0.3.1", "192.0.4.1", "10.0.0.255",
                                                             "255.255.255.255")]
        found += [refused(a.sendto, b"x", ("10.0.0.2", 0)), refused(a.send, b"x"), refused(a.sendto, bytes(65508), ("10.0.0.2", 9)),
                  refused(a.sendto, bytes(70000), ("10.0.0.2", 9)), refused(a.sendto, b"x", s.MSG_OOB, ("10.0.0.2", 9))]
        a.setsockopt(s.IPPROTO_IP, s.IP_MTU_DISCOVER, 2)
        found.append(refused(a.sendto, bytes(1473), ("10.0.0.2", 9)))
        a.connect(("10.0.0.2", 9))
        a.shutdown(s.SHUT_WR)
        found.append(refused(a.send, b"x"))
        stream = s.socket(s.AF_INET, s.SOCK_STREAM)
        found.append(refused(stream.send, b"x"))
        return found
    assert host.run(program) == ["ENETUNREACH", "EHOSTUNREACH", "EINVAL", "EACCES", "EACCES", "ENETUNREACH", "EINVAL", "EDESTADDRREQ",
                                 "EMSGSIZE", "EMSGSIZE", "EOPNOTSUPP", "EMSGSIZE", "EPIPE", "EOPNOTSUPP"]
    assert host.frames() == [] and host.mib("Udp_OutDatagrams", "Ip_OutNoRoutes") == (0, 2)


def test_options_of_the_socket_and_of_the_call(sending):
    host = sending()

    def program(s):
        a = s.socket()
        a.setsockopt(s.IPPROTO_IP, s.IP_TTL, 9)
        a.setsockopt(s.IPPROTO_IP, s.IP_TOS, 0x28)
        a.setsockopt(s.IPPROTO_IP, s.IP_MTU_DISCOVER, 0)
        a.sendto(b"a", ("10.0.0.2", 9))
        a.setsockopt(s.SOL_SOCKET, s.SO_BROADCAST, 1)
        a.setsockopt(s.IPPROTO_IP, s.IP_MULTICAST_TTL, 3)
        a.sendto(b"b", ("10.0.0.255", 9))
        a.sendto(b"c", ("224.1.2.3", 9))
        a.sendmsg([b"d", b"e"], [(s.IPPROTO_IP, s.IP_TTL, struct.pack("i", 5)), (s.IPPROTO_IP, s.IP_TOS, struct.pack("i", 4))], 0,
                  ("10.0.0.2", 9))
        a.setsockopt(s.SOL_SOCKET, s.SO_NO_CHECK, 1)
        a.connect(("10.0.0.2", 11))
        a.send(b"f")
        a.sendto(b"g", ("10.0.0.2", 12))
        return refused(a.sendmsg, [b"x"], [(s.IPPROTO_IP, 99, b"")])
    network.add_route(host.boot, ip4("224.0.0.0"), 4)
    assert host.run(program) == "EINVAL"
    a, b, c, d, f, g = host.frames()
    assert (a[IP].ttl, a[IP].tos, a[IP].flags) == (9, 0x28, "")
    assert b.dst == "ff:ff:ff:ff:ff:ff" and b[IP].ttl == 9
    assert c.dst == "01:00:5e:01:02:03" and c[IP].ttl == 3
    assert raw(d[UDP].payload) == b"de" and (d[IP].ttl, d[IP].tos) == (5, 4)
    assert (f[UDP].dport, f[UDP].chksum, g[UDP].dport) == (11, 0, 12)


def test_a_port_of_its_own_and_where_the_route_says(sending):
    host = sending()

    def program(s):
        a = s.socket()
        a.sendto(b"a", ("10.0.0.2", 9))
        return a.getsockname()
    addr, port = host.run(program)
    assert addr == "0.0.0.0" and port >= 32768 and host.frames()[0][UDP].sport == port


def test_to_this_host_by_lo_and_no_frame_is_in_the_books(sending):
    host = sending()

    def program(s):
        a, b = s.socket(), s.socket()
        a.bind(("", 5000))
        found = []
        for to in ("127.0.0.1", "10.0.0.1", "0.0.0.0"):
            b.sendto(bytes(3000), (to, 5000))
            data, who = a.recvfrom(4000)
            found.append((len(data), who[0]))
        return found
    assert host.run(program) == [(3000, "127.0.0.1"), (3000, "10.0.0.1"), (3000, "127.0.0.1")]
    assert host.frames() == [] and host.host.ends() == {}
    assert host.mib("Udp_OutDatagrams", "Udp_InDatagrams", "Udp_InCsumErrors") == (3, 3, 0)


def test_nobody_listens_here_and_the_socket_hears_of_it(sending):
    host = sending()

    def program(s):
        a = s.socket()
        a.connect(("127.0.0.1", 9))
        a.send(b"x")
        s.sleep(0.001)
        return refused(a.send, b"x"), a.send(b"x")
    assert host.run(program) == ("ECONNREFUSED", 1)
    assert host.mib("Udp_NoPorts", "Icmp_OutDestUnreachs", "Icmp_InDestUnreachs") == (2, 2, 2)


def test_an_icmp_error_of_a_router_comes_back_to_its_sender(sending):
    host = sending()

    def program(s):
        a = s.socket()
        a.bind(("", 5000))
        a.connect(("10.0.0.2", 9))
        a.send(b"x")
        s.sleep(0.005)
        return refused(a.recv, 10)
    quoted = ip(udp(b"x", sport=5000, dport=9), "10.0.0.1", "10.0.0.2")
    host.host.time.send(eth(ip(icmp(3, 3, bytes(4), quoted), proto=1)), 3 * MS)
    assert host.run(program) == "ECONNREFUSED"


def test_a_full_send_buffer_is_eagain_or_waits(sending):
    """Its packets wait for a MAC that nobody knows: then the neighbour answers."""
    host = sending()

    def program(s):
        a = s.socket()
        a.setsockopt(s.SOL_SOCKET, s.SO_SNDBUF, 0)
        a.setblocking(False)
        n = 0
        try:
            while True:
                a.sendto(bytes(500), ("10.0.0.9", 9))
                n += 1
        except BlockingIOError:
            pass
        p = s.poll()
        p.register(a, s.POLLOUT)
        before = p.poll(0)
        a.settimeout(0.002)
        try:
            a.sendto(b"x", ("10.0.0.9", 9))
        except TimeoutError:
            late = True
        a.settimeout(None)
        host.host.time.add_source(ArpPeers())
        sent = a.sendto(b"y", ("10.0.0.8", 9))       # which waits until the first are answered for
        return n, before, late, sent

    from ..frames import arp
    host.host.time.send(arp(op=2, sha=bytes.fromhex("020000000009"), spa="10.0.0.9"), 10 * MS)
    n, before, late, sent = host.run(program, 50 * MS)
    assert (before, late, sent) == ([], True, 1)
    assert n == 4, "of truesize 1280 each: as long as there are less than 4608"
    assert host.mib("Udp_SndbufErrors") == (1,)


def test_ancillary_data_says_from_which_address(sending):
    host = sending()
    host.boot.add_address(ip4("10.0.0.7"), 24)
    pktinfo = struct.pack("i4s4s", 0, std.inet_aton("10.0.0.7"), bytes(4))
    assert host.run(lambda s: s.socket().sendmsg([b"x"], [(s.IPPROTO_IP, s.IP_PKTINFO, pktinfo)], 0, ("10.0.0.2", 9))) == 1
    assert host.frames()[0][IP].src == "10.0.0.7"
    stranger = struct.pack("i4s4s", 0, std.inet_aton("10.0.0.99"), bytes(4))

    def program(s):
        return refused(s.socket().sendmsg, [b"x"], [(s.IPPROTO_IP, s.IP_PKTINFO, stranger)], 0, ("10.0.0.2", 9))
    assert sending().run(program) == "ENETUNREACH"


# ---------------------------------------------------------------- what is sent to many is heard here, too
def shares_in_use(net):
    n, i = int(net.share_used), int(net.share_free)
    while i >= 0:
        n, i = n - 1, int(net.share[i].next)
    return n


def hears(host, to, data, *options):
    """What two sockets of the sender's host receive of it: one of any address, one of the host's address only."""
    def program(s):
        a, b, found = s.socket(s.AF_INET, s.SOCK_DGRAM), s.socket(s.AF_INET, s.SOCK_DGRAM), []
        a.bind(("", 5000))
        b.bind(("10.0.0.1", 6000))
        a.setsockopt(s.SOL_SOCKET, s.SO_BROADCAST, 1)
        a.setsockopt(s.IPPROTO_IP, s.IP_MULTICAST_IF, std.inet_aton("10.0.0.1"))
        a.setsockopt(s.IPPROTO_IP, s.IP_ADD_MEMBERSHIP, std.inet_aton("224.1.2.3") + std.inet_aton("10.0.0.1"))
        for option, value in options:
            a.setsockopt(s.IPPROTO_IP, option, value)
        assert a.sendto(data, (to, 5000)) == len(data)
        for x in (a, b):
            x.settimeout(0.002)
            try:
                found.append(x.recvfrom(70000))
            except TimeoutError:
                found.append(None)
        return found
    return host.run(program)


@pytest.mark.parametrize("length", [3, 1472, 1473, 6000])
@pytest.mark.parametrize("to", ["10.0.0.255", "224.1.2.3"])
def test_a_host_hears_whole_what_it_sends_to_many(sending, to, length):
    host = sending()
    data = bytes(n & 0xFF for n in range(length))
    assert hears(host, to, data) == [(data, ("10.0.0.1", 5000)), None]
    assert len(host.frames()) == -(-(length + 8) // 1480) and shares_in_use(host.net) == 0
    assert host.mib("Ip_InReceives", "Ip_ReasmReqds") == (1, 0)
    assert sum(host.net.dev_stat[c][0][0] for c in range(2)) == 0            # no driver has received it


def test_a_group_is_heard_only_by_those_who_are_in_it_and_if_its_sender_wants(sending):
    host = sending()
    assert hears(host, "224.1.2.4", b"x") == [None, None]
    assert host.mib("Ip_InReceives") == (0,)


def test_ip_multicast_loop_keeps_it_from_this_host(sending):
    host = sending()
    assert hears(host, "224.1.2.3", b"x", (std.IP_MULTICAST_LOOP, 0)) == [None, None]
    assert len(host.frames()) == 1 and host.mib("Ip_InReceives") == (0,)


def test_ip_multicast_ttl_0_keeps_it_on_this_host(sending):
    host = sending()
    assert hears(host, "224.1.2.3", bytes(3000), (std.IP_MULTICAST_TTL, 0))[0][0] == bytes(3000)
    assert host.frames() == [] and shares_in_use(host.net) == 0 and host.mib("Ip_OutRequests", "Ip_FragOKs") == (1, 0)
