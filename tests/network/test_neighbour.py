"""Neighbours: what is sent to an address whose MAC is not known waits while ARP asks; and how an entry ages."""
import errno

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether

from rxpath.abi.kernels import Sysctl
from rxpath.abi.mib import Mib
from rxpath.abi.numbers import Out
from rxpath.cable.arp_peers import ArpPeers
from rxpath.drivers import probe
from rxpath.network import neighbour
from rxpath.network import setup as network
from rxpath.walltime.program import Program

from ..frames import MAC_US, arp, eth, icmp, ip, ip4
from ..time_driver.hosts import MS, SECOND, Host

PEER_MAC = 0x020000000002
STATES = {neighbour.NUD_INCOMPLETE: "INCOMPLETE", neighbour.NUD_REACHABLE: "REACHABLE", neighbour.NUD_STALE: "STALE",
          neighbour.NUD_DELAY: "DELAY", neighbour.NUD_PROBE: "PROBE", neighbour.NUD_FAILED: "FAILED", neighbour.NUD_PERMANENT: "PERMANENT"}


class Sender:
    """A host in real time, its clock stepped, with one program's socket."""

    def __init__(self, plain, peers=None):
        self.host = Host("real", plain)
        self.net = self.host.net
        network.resolve_neighbours(self.host.boot)
        if peers:
            self.host.time.add_source(peers)
        self.s = Program(self.host.time)
        self.sock = self.s.socket()
        self.sock.bind(("", 5000))

    def send(self, data=b"x", to="10.0.0.2"):
        return self.sock.sendto(data, (to, 9))

    def run(self, ns):
        self.host.time.run(self.host.time.now() + ns)

    def sent(self):
        """What has left since the last time, in words."""
        out = []
        for o in self.host.sent(Out.TX):
            e = Ether(o.data)
            if ARP in e:
                out.append(f"who has {e.pdst}, to {'all' if e.dst == 'ff:ff:ff:ff:ff:ff' else e.dst}" if e.op == 1 else f"{e.psrc} is here")
            else:
                out.append(bytes(e[UDP].payload)[:1].decode() if UDP in e else e.summary())
        self.host.left.clear()
        return out

    def state(self):
        return [STATES[n.state] for n in list(self.net.neigh)[:self.net.nneigh]]

    def heard(self, frame, gap=MS):
        self.host.time.send(frame, self.host.time.now() + gap)
        self.run(2 * gap)


@pytest.fixture(params=["compiled", "plain"])
def sender(request):
    made = []

    def make(peers=None):
        made.append(Sender(request.param == "plain", peers))
        return made[-1]
    yield make
    for m in made:
        m.s.process.close()
        m.host.time.close()


def answer(mac="020000000002", **how):
    return arp(op=2, sha=bytes.fromhex(mac), dst=MAC_US, **how)


def test_a_datagram_waits_for_its_neighbours_mac_and_the_next_does_not(sender):
    host = sender(ArpPeers({ip4("10.0.0.2"): PEER_MAC}))
    assert host.send(b"a") == 1 and host.send(b"b") == 1
    assert host.sent() == ["who has 10.0.0.2, to all"] and host.state() == ["INCOMPLETE"]
    host.run(MS)
    assert host.sent() == ["a", "b"] and host.state() == ["REACHABLE"]
    host.send(b"c")
    assert host.sent() == ["c"]
    assert host.host.mib(Mib.Udp_OutDatagrams) == host.host.mib(Mib.Ip_OutRequests) == 3


def test_the_request_is_linuxs_to_the_byte(sender):
    host = sender()
    host.send()
    [request] = host.host.sent(Out.TX)
    assert request.data == bytes(Ether(src="02:00:00:00:00:01", dst="ff:ff:ff:ff:ff:ff")
                                 / ARP(op=1, hwsrc="02:00:00:00:00:01", psrc="10.0.0.1", hwdst="00:00:00:00:00:00", pdst="10.0.0.2"))


def test_three_requests_a_second_apart_then_nobody_is_there(sender):
    host = sender()
    for _ in range(3):
        host.send()
    assert host.sent() == ["who has 10.0.0.2, to all"]
    host.run(3 * SECOND - 100 * MS)
    assert host.sent() == ["who has 10.0.0.2, to all"] * 2 and host.state() == ["INCOMPLETE"]
    host.run(300 * MS)
    assert host.sent() == [] and host.state() == ["FAILED"] and host.net.neigh_res_failed == 1
    assert host.net.socks[host.sock.sk].wmem_alloc == 0, "what has waited is gone"
    host.send(b"d")                                  # and it is asked for again
    assert host.sent() == ["who has 10.0.0.2, to all"] and host.state() == ["INCOMPLETE"]


def test_the_sender_of_what_has_waited_in_vain_is_told(sender):
    """Only with IP_RECVERR: host unreachable is not fatal."""
    host = sender()
    probe.loopback_net_init(host.net, 1)
    other = host.s.socket()
    host.sock.setsockopt(host.s.IPPROTO_IP, host.s.IP_RECVERR, 1)
    host.send(b"a")
    other.sendto(b"b", ("10.0.0.2", 9))
    host.run(4 * SECOND)
    assert host.host.mib(Mib.Icmp_OutDestUnreachs) == host.host.mib(Mib.Icmp_InDestUnreachs) == 2
    with pytest.raises(OSError) as e:
        host.send(b"c")
    assert e.value.errno == errno.EHOSTUNREACH
    assert other.sendto(b"d", ("10.0.0.2", 9)) == 1
    assert host.host.ends() == {}


def test_the_queue_holds_so_many_bytes_and_the_oldest_give_way(sender):
    host = sender()
    host.net.sysctl[Sysctl.neigh_unres_qlen_bytes] = 3 * 832
    for data in (b"a", b"b", b"c", b"d", b"e"):
        host.send(data)
    assert host.net.neigh_unres_discards == 2
    assert host.net.socks[host.sock.sk].wmem_alloc == 3 * 832
    host.sent()
    host.heard(answer())
    assert host.sent() == ["c", "d", "e"]
    assert host.net.socks[host.sock.sk].wmem_alloc == 0


def test_an_entry_ages_and_is_asked_again_alone_when_it_is_used(sender):
    host = sender()
    host.send(b"a")
    host.heard(answer())
    assert host.state() == ["REACHABLE"]
    host.run(40 * SECOND)
    assert host.state() == ["STALE"]
    host.sent()
    host.send(b"b")
    assert host.sent() == ["b"] and host.state() == ["DELAY"]
    host.run(6 * SECOND)
    assert host.sent() == ["who has 10.0.0.2, to 02:00:00:00:00:02"] and host.state() == ["PROBE"]
    host.send(b"c")
    assert host.sent() == ["c"], "while it is asked, it is believed"
    host.heard(answer())
    assert host.state() == ["REACHABLE"]


def test_who_does_not_answer_alone_has_gone(sender):
    host = sender()
    host.send(b"a")
    host.heard(answer())
    host.run(40 * SECOND)
    host.send(b"b")
    host.sent()
    host.run(9 * SECOND)
    assert host.sent() == ["who has 10.0.0.2, to 02:00:00:00:00:02"] * 3
    assert host.state() == ["FAILED"]


def test_an_answer_moves_nobody_who_has_moved_within_a_second(sender):
    """locktime: the first of two answers counts; a second later the other may."""
    host = sender()
    host.send(b"a")
    host.heard(answer("020000000055"))
    host.heard(answer("020000000066"))
    assert host.net.neigh[0].mac == 0x020000000055
    host.run(2 * SECOND)
    host.heard(answer("020000000066"))
    assert host.net.neigh[0].mac == 0x020000000066


def test_who_asks_us_is_stale_and_answered_at_once(sender):
    host = sender()
    host.heard(arp())
    assert host.sent() == ["10.0.0.1 is here"] and host.state() == ["STALE"]
    host.send(b"a")
    assert host.sent() == ["a"] and host.state() == ["DELAY"]


def test_a_ping_of_somebody_unknown_is_answered_when_its_mac_is_known(sender):
    host = sender()
    host.heard(eth(ip(icmp(8, 0, payload=bytes(20)), proto=1)))
    assert host.sent() == ["who has 10.0.0.2, to all"]
    host.heard(answer())
    [reply] = host.sent()
    assert "echo-reply" in reply


def test_where_nobody_would_answer_a_ping_is_answered_where_it_came_from(sender):
    host = sender()
    host.net.neigh_resolve = 0
    host.heard(eth(ip(icmp(8, 0, payload=bytes(20)), proto=1)))
    [reply] = host.sent()
    assert "echo-reply" in reply and host.net.nneigh == 0


def test_by_the_gateway(sender):
    host = sender()
    host.host.boot.call(network.fib_insert)(host.net, network.free_route(host.net), 0, 0, 1, 254, 0, ip4("10.0.0.254"), 0, 0)
    host.send(b"a", to="192.0.2.1")
    assert host.sent() == ["who has 10.0.0.254, to all"]
    host.heard(answer(spa="10.0.0.254"))
    [frame] = host.host.sent(Out.TX)
    assert Ether(frame.data)[IP].dst == "192.0.2.1"


def test_a_full_table_gives_up_who_was_not_used_for_longest(sender, monkeypatch):
    host = sender()
    host.net.nneigh = neighbour.NNEIGH
    for i in range(neighbour.NNEIGH):
        n = host.net.neigh[i]
        n.state, n.used, n.addr_lo, n.next = neighbour.NUD_STALE, 1000 + i, 5, -1
    h = neighbour.neigh_hashfn.plain(5) if hasattr(neighbour.neigh_hashfn, "plain") else neighbour.neigh_hashfn(5)
    for i in range(neighbour.NNEIGH):
        host.net.neigh[i].next = host.net.neigh_hash[h]
        host.net.neigh_hash[h] = i
    host.net.neigh[77].used = 1
    host.send(b"a")
    assert host.net.neigh[77].addr_lo == ip4("10.0.0.2") and host.net.neigh[77].state == neighbour.NUD_INCOMPLETE
