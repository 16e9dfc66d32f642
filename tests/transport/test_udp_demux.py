"""Early demux (udp_v4_early_demux) and ICMP errors (udp_err): what a connected socket is spared, and what it is told."""
import errno

import pytest

from rxpath.abi.kernels import Sysctl
from rxpath.network import setup as ip_setup
from rxpath.path import Stage
from rxpath.user import sock
from rxpath.user import socket as sockets

from ..frames import PEER, US, eth, icmp, ip, ip4, udp, udp_frame
from .test_udp_lookup import SENDER, bound
from .test_udp_mcast import member, to_group

ROUTING = ["ip_route_input_noref", "ip_route_input_slow"]
TO_QUEUE = ["udp_queue_rcv_skb", "udp_queue_rcv_one_skb", "__udp_enqueue_schedule_skb"]


def way(host, frame):
    """The stations of one frame from IP on that early demux changes."""
    names = ["udp_v4_early_demux", *ROUTING, "__udp4_lib_rcv", "__udp4_lib_lookup", "udp_unicast_rcv_skb", "__udp4_lib_mcast_deliver"]
    return [s for s in host.stations(frame) if s in names]


def one_by_one(host, *frames):
    """So far apart that none is in a list with another."""
    host.net.trail = 1
    host.send(*frames, gap=1_000_000).run()


def test_a_connected_socket_is_found_before_routing_and_remembers_its_route(lab):
    host = lab()
    bound(host, peer=(SENDER, 40000))
    one_by_one(host, udp_frame(), udp_frame(), udp_frame(sport=40001))
    assert way(host, 0) == ["udp_v4_early_demux", *ROUTING, "__udp4_lib_rcv", "udp_unicast_rcv_skb"]
    assert way(host, 1) == ["udp_v4_early_demux", "__udp4_lib_rcv", "udp_unicast_rcv_skb"]
    assert way(host, 2) == ["udp_v4_early_demux", *ROUTING, "__udp4_lib_rcv", "__udp4_lib_lookup"]      # somebody else's
    assert host.mib()["Udp.NoPorts"] == 1


def test_early_demux_saves_what_the_stations_cost(lab):
    costs = {Stage.ip_route_input_slow: 300, Stage.__udp4_lib_lookup: 200}
    spent = []
    for connected in (False, True):
        host = lab(costs=costs)
        bound(host, peer=(SENDER, 40000) if connected else None)
        one_by_one(host, *[udp_frame() for _ in range(5)])
        spent.append(host.net.cpu[0].softirq_ns)
    assert spent == [5 * 500, 300]                  # the first of the connection is routed, none is looked up


@pytest.mark.parametrize("knob", [Sysctl.ip_early_demux, Sysctl.udp_early_demux])
def test_the_sysctls_turn_it_off(lab, knob):
    host = lab()
    host.net.sysctl[knob] = 0
    bound(host, peer=(SENDER, 40000))
    one_by_one(host, udp_frame(), udp_frame())
    assert way(host, 1) == [*ROUTING, "__udp4_lib_rcv", "__udp4_lib_lookup", "udp_unicast_rcv_skb"]


def test_3_10_has_none_for_udp(lab):
    host = lab(kernel="3.10")
    bound(host, peer=(SENDER, 40000))
    one_by_one(host, udp_frame(), udp_frame())
    assert way(host, 1) == [*ROUTING, "__udp4_lib_rcv", "__udp4_lib_lookup", "udp_unicast_rcv_skb"]


def test_a_change_of_routes_makes_the_socket_forget(lab):
    host = lab()
    bound(host, peer=(SENDER, 40000))
    one_by_one(host, udp_frame(), udp_frame())
    ip_setup.add_route(host.boot, ip4("192.168.7.0"), 24)
    one_by_one(host, udp_frame(), udp_frame())
    assert [len(way(host, i)) for i in range(4)] == [5, 3, 5, 3]


def test_only_the_first_socket_of_a_chain_is_looked_at(lab):
    """Bound after the connected one, to the same address and port: it hides it from early demux, and not from the lookup."""
    host = lab()
    sk = bound(host, ra=1, peer=(SENDER, 40000))
    bound(host, ra=1)
    one_by_one(host, udp_frame(), udp_frame())
    assert way(host, 1) == ["udp_v4_early_demux", *ROUTING, "__udp4_lib_rcv", "__udp4_lib_lookup", "udp_unicast_rcv_skb"]
    assert host.net.socks[sk].in_packets == 2


def test_the_only_listener_of_a_group_is_found_early_two_are_not(lab):
    host = lab()
    host.net.nic[0].promisc = 1
    first = member(host)
    one_by_one(host, to_group(), to_group())
    second = member(host)
    one_by_one(host, to_group())
    assert way(host, 0) == ["udp_v4_early_demux", "ip_route_input_noref", "__udp4_lib_rcv", "udp_unicast_rcv_skb"]
    assert way(host, 1) == ["udp_v4_early_demux", "__udp4_lib_rcv", "udp_unicast_rcv_skb"]
    assert way(host, 2) == ["udp_v4_early_demux", "ip_route_input_noref", "__udp4_lib_rcv", "__udp4_lib_mcast_deliver"]
    assert [host.net.socks[s].in_packets for s in (first, second)] == [3, 1]
    assert host.mib()["IpExt.InMcastPkts"] == 3


def test_a_remembered_route_of_a_group_does_not_let_a_false_source_in(lab):
    host = lab()
    host.net.nic[0].promisc = 1
    sk = member(host)
    one_by_one(host, to_group(), eth(ip(udp(b"x", 1, 5000, "127.0.0.1", "239.1.2.3"), "127.0.0.1", "239.1.2.3"),
                                     dst=bytes([1, 0, 0x5E, 1, 2, 3])))
    assert host.net.socks[sk].in_packets == 1 and host.ends() == {"IP_LOCALNET": 1}


def test_a_group_that_the_host_has_left_is_not_delivered_by_a_remembered_route(lab):
    host = lab()
    host.net.nic[0].promisc = 1
    sk = member(host)
    one_by_one(host, to_group())
    ip_setup.leave_group(host.boot, ip4("239.1.2.3"))
    one_by_one(host, to_group())
    assert host.net.socks[sk].in_packets == 1 and host.ends() == {"NOT_SPECIFIED": 1}


def test_a_socket_that_closes_is_forgotten_with_its_route(lab):
    host = lab()
    sk = bound(host, peer=(SENDER, 40000))
    one_by_one(host, udp_frame(), udp_frame())
    sockets.close(host.boot, sk)
    sk = bound(host, peer=(SENDER, 40000))
    one_by_one(host, udp_frame())
    assert way(host, 2) == ["udp_v4_early_demux", *ROUTING, "__udp4_lib_rcv", "udp_unicast_rcv_skb"]
    assert host.net.socks[sk].in_packets == 1


# ---------------------------------------------------------------- ICMP errors
def unreachable(kind=3, code=3, sport=5000, dport=40000, src=US, dst=PEER):
    """About a datagram that we sent from src:sport to dst:dport."""
    quoted = ip(udp(b"12345678", sport, dport, src, dst), src, dst)[:28]
    return eth(ip(icmp(kind, code, bytes(4) + quoted), proto=1))


@pytest.mark.parametrize("kind,code,err", [(3, 3, errno.ECONNREFUSED), (3, 2, errno.ENOPROTOOPT), (3, 4, errno.EMSGSIZE),
                                           (3, 7, errno.EHOSTDOWN), (3, 13, errno.EHOSTUNREACH), (12, 0, errno.EPROTO),
                                           (3, 1, 0), (3, 0, 0), (11, 0, 0), (4, 0, 0), (5, 1, 0)])
def test_a_connected_socket_remembers_what_is_fatal(lab, kind, code, err):
    host = lab()
    sk = bound(host, peer=(SENDER, 40000))
    host.send(unreachable(kind, code)).run()
    assert host.net.socks[sk].err == err and host.ends() == {"CONSUMED": 1}


def test_icmp_errors_of_other_datagrams_are_not_this_sockets(lab):
    host = lab()
    sk = bound(host, peer=(SENDER, 40000))
    other = bound(host, port=5001)
    host.send(unreachable(dport=40001), unreachable(sport=5001), unreachable(sport=5002)).run()
    assert [host.net.socks[s].err for s in (sk, other)] == [0, 0]           # the second is not connected
    assert host.mib()["Icmp.InErrors"] == 2                                 # the first and the third found nobody


def test_with_recverr_an_unconnected_socket_hears_of_all(lab):
    host = lab()
    sk = bound(host)
    sock.setsockopt(host.boot, sk, "IP_RECVERR", 1)
    host.send(unreachable(3, 1)).run()
    assert host.net.socks[sk].err == errno.EHOSTUNREACH


def test_the_error_wakes_a_reader_once_and_comes_before_data(lab):
    host = lab()
    sk = bound(host, peer=(SENDER, 40000))
    app = host.app(sk)
    host.send(unreachable()).run()
    th = host.net.thread[app]
    assert (th.calls, th.empty_calls, th.received) == (1, 1, 0)
    assert host.net.socks[sk].err == 0 and host.net.socks[sk].wq_head >= 0          # told, and asleep again
    host.send(udp_frame()).run()
    assert th.received == 1
