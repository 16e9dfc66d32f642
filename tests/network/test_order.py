"""The order of stations of one packet, against igb's trees of Linux 6.12 under function_graph (names that both have)."""
import pytest

from ..frames import MAC_PEER, US, arp, eth, ip, ip4, tcp, udp, udp_frame

IN = ["ip_list_rcv", "ip_rcv_core", "ip_sublist_rcv", "ip_rcv_finish_core"]
ROUTE = ["ip_route_input_noref", "ip_route_input_slow", "fib_table_lookup", "fib_validate_source"]
DELIVER = ["ip_local_deliver", "ip_local_deliver_finish", "ip_protocol_deliver_rcu", "raw_local_deliver"]
UDP, TCP = ["udp_rcv", "__udp4_lib_rcv", "__udp4_lib_lookup"], ["tcp_v4_rcv", "__inet_lookup_established", "__inet_lookup_listener"]
TCP_DEMUX = ["tcp_v4_early_demux", "__inet_lookup_established"]
ICMP_SEND = ["__icmp_send", "icmp_global_allow", "icmpv4_xrlim_allow", "icmp_push_reply"]

TREES = {
    "open": (udp_frame(), [*IN, "udp_v4_early_demux", *ROUTE, *DELIVER, *UDP, "udp_unicast_rcv_skb", "udp_queue_rcv_skb",
                           "udp_queue_rcv_one_skb", "__udp_enqueue_schedule_skb", "sock_def_readable"]),
    "closed": (udp_frame(dport=9), [*IN, "udp_v4_early_demux", *ROUTE, *DELIVER, *UDP, *ICMP_SEND, "kfree_skb"]),
    "arp": (arp(), ["arp_rcv", "arp_process", *ROUTE, "neigh_event_ns"]),
    "syn_closed": (eth(ip(tcp(dport=81), proto=6)), [*IN, *TCP_DEMUX, *ROUTE, *DELIVER, *TCP, "tcp_v4_send_reset", "kfree_skb"]),
    "syn_listen": (eth(ip(tcp(dport=80), proto=6)), [*IN, *TCP_DEMUX, *ROUTE, *DELIVER, *TCP, "tcp_v4_do_rcv"]),
    "bad_ipcsum": (eth(ip(udp(b"x"), check=1)), ["ip_list_rcv", "ip_rcv_core", "kfree_skb"]),
    "martian_src": (udp_frame(src="127.0.0.1"), [*IN, "udp_v4_early_demux", *ROUTE[:2], "ip_handle_martian_source", "kfree_skb"]),
    "otherhost": (eth(ip(udp(b"x")), dst=MAC_PEER), ["ip_list_rcv", "ip_rcv_core", "kfree_skb"]),
}
NOT_IN_THE_TREES = ("udp4_lib_lookup2",)                         # twice there, by the tables here


@pytest.mark.parametrize("tree", TREES)
def test_the_stations_come_in_the_kernels_order(lab, tree):
    frame, expected = TREES[tree]
    host = lab()
    host.net.nic[0].promisc = 1
    host.app(host.udp(5000))
    host.boot.tcp_listener(ip4(US), 80)
    host.net.trail = 1
    host.send(frame).run()
    way = [s for s in host.stations(0) if s not in NOT_IN_THE_TREES]
    known = set(expected)
    met = [s for s in way if s in known]
    if met.count("kfree_skb") == 2:                              # the cost and the reason each leave a mark
        met.remove("kfree_skb")
    assert met == expected


def test_followers_of_a_list_use_the_route_of_the_packet_before_them(lab):
    host = lab(itr_ns=50_000)
    host.app(host.udp(5000))
    host.net.trail = 1
    host.send(*[udp_frame(src=f"10.0.0.{n}") for n in (2, 3, 4)], gap=100).run()
    assert "ip_route_input_slow" in host.stations(0)
    for frame in (1, 2):
        way = host.stations(frame)
        assert "ip_route_input_slow" not in way and "udp_v4_early_demux" not in way
        assert way[way.index("ip_rcv_finish_core"):][:3] == ["ip_rcv_finish_core", "ip_route_use_hint", "fib_validate_source"]


def test_another_tos_or_destination_is_no_follower(lab):
    host = lab(itr_ns=50_000)
    host.boot.add_address(ip4("10.0.0.7"), 24)
    host.app(host.udp(5000))
    host.net.trail = 1
    host.send(udp_frame(), udp_frame(tos=4), udp_frame(dst="10.0.0.7"), gap=100).run()
    assert all("ip_route_input_slow" in host.stations(n) for n in range(3))


def test_a_follower_with_a_martian_source_is_refused_all_the_same(lab):
    host = lab(itr_ns=50_000)
    host.app(host.udp(5000))
    host.send(udp_frame(), udp_frame(src=US), udp_frame(src="224.0.0.1"), udp_frame(), gap=100).run()
    assert host.ends() == {"RECEIVED": 2, "IP_LOCAL_SOURCE": 1, "IP_INVALID_SOURCE": 1}


def test_a_follower_of_bad_options_gets_their_route_and_not_their_fate(lab):
    """What a packet's options made of its way is no part of the route that the next one takes over."""
    host = lab(itr_ns=50_000)
    host.app(host.udp(5000))
    bad = bytes([68, 4, 2, 0])                                   # time stamps whose pointer points into their own head
    host.send(eth(ip(udp(b"x"), options=bad)), udp_frame(), udp_frame(), gap=100).run()
    assert host.ends() == {"IP_INHDR": 1, "RECEIVED": 2}


def test_3_10_takes_packets_one_by_one(lab):
    host = lab(kernel="3.10", itr_ns=50_000)
    host.app(host.udp(5000))
    host.net.trail = 1
    host.send(udp_frame(), udp_frame(), gap=100).run()
    for n in range(2):
        assert {"ip_rcv", "ip_rcv_finish", "ip_route_input_slow"} <= set(host.stations(n))
        assert not {"ip_list_rcv", "ip_route_use_hint", "udp_v4_early_demux"} & set(host.stations(n))
