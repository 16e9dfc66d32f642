"""Routing: longest prefix, kinds of route, rp_filter, multicast membership; the control plane that writes the tables."""
import random

import pytest

from rxpath.abi.numbers import RT_TABLE_LOCAL, RTN
from rxpath.network import setup

from ..frames import MAC_PEER, eth, icmp, ip, ip4, udp_frame


def find(host, addr):
    return host.call(setup.route_get)(host.net, addr)


def naive(routes, addr):
    """The longest prefix by looking at all of them; of equals the first by (table, metric)."""
    fits = [r for r in routes if addr >> 32 - r[1] == r[0] >> 32 - r[1]] if routes else []
    return max(fits, key=lambda r: r[1], default=None)


def test_the_longest_prefix_wins_among_many_routes(lab):
    host, dice = lab(), random.Random(1)
    routes = {}
    while len(routes) < 200:
        plen = dice.randrange(33)
        dst = dice.getrandbits(32) & (0xFFFFFFFF << 32 - plen) & 0xFFFFFFFF
        if (dst, plen) not in routes:
            routes[dst, plen] = len(routes)
            setup.add_route(host.boot, dst, plen, RTN.UNICAST, via=1000 + len(routes))
    for _ in range(300):
        dst, plen = dice.choice(list(routes))
        addr = dst | dice.getrandbits(32) & (0xFFFFFFFF >> plen if plen < 32 else 0)
        best = naive(list(routes), addr)
        found = host.net.fib[find(host, addr)]
        assert (found.key_lo, found.plen) == best


def test_sixteen_thousand_routes_and_not_one_more(lab):
    host = lab()
    if host.boot.plain:
        pytest.skip("the same tables")
    n = 0
    with pytest.raises(ValueError, match="more than 16384 routes"):
        for n in range(20_000):
            setup.add_route(host.boot, 0x20000000 + (n << 8), 24)
    assert n == 16384 - 3                            # the address, its network and its broadcast were there
    fa = host.net.fib[find(host, 0x20000000 + (16000 << 8) + 5)]
    assert fa.key_lo == 0x20000000 + (16000 << 8)


def test_of_two_routes_to_one_prefix_the_local_table_and_the_lower_metric_win(lab):
    host = lab()
    net10 = ip4("10.9.0.0")
    setup.add_route(host.boot, net10, 24, metric=100, via=1)
    setup.add_route(host.boot, net10, 24, metric=50, via=2)
    setup.add_route(host.boot, net10, 24, metric=200, via=3)
    assert host.net.fib[find(host, net10 + 1)].gw_lo == 2
    setup.add_route(host.boot, net10, 24, RTN.LOCAL, table=RT_TABLE_LOCAL, via=4)
    assert host.net.fib[find(host, net10 + 1)].gw_lo == 4
    for left in (2, 1, 3):
        setup.del_route(host.boot, net10, 24)
        assert host.net.fib[find(host, net10 + 1)].gw_lo == left
    setup.del_route(host.boot, net10, 24)
    assert find(host, net10 + 1) == -1
    with pytest.raises(ValueError, match=r"no route to 10\.9\.0\.0/24"):
        setup.del_route(host.boot, net10, 24)


@pytest.mark.parametrize("kind", [RTN.BLACKHOLE, RTN.UNREACHABLE, RTN.PROHIBIT, RTN.UNICAST])
def test_a_host_that_does_not_forward_says_the_same_of_every_foreign_address(lab, kind):
    host = lab()
    setup.add_route(host.boot, ip4("55.0.0.0"), 8, kind)
    host.send(udp_frame(dst="55.1.1.1")).run()
    assert host.ends() == {"IP_INADDRERRORS": 1}
    assert host.mib() == {"Ip.InReceives": 1, "Ip.InAddrErrors": 1}


@pytest.mark.parametrize("kind, reason, out", [
    (RTN.BLACKHOLE, "NOT_SPECIFIED", 0), (RTN.UNREACHABLE, "NOT_SPECIFIED", 1), (RTN.PROHIBIT, "NOT_SPECIFIED", 1)])
def test_a_router_tells_of_refusing_routes(lab, kind, reason, out):
    host = lab()
    host.net.dev[0].forwarding = 1
    setup.add_route(host.boot, ip4("55.0.0.0"), 8, kind)
    host.send(udp_frame(dst="55.1.1.1")).run()
    assert host.ends() == {reason: 1}
    assert host.mib().get("Icmp.OutDestUnreachs", 0) == out


def test_a_router_forwards(lab):
    host = lab()
    host.net.dev[0].forwarding = 1
    host.send(udp_frame(dst="10.0.0.3")).run()
    assert host.ends() == {"CONSUMED": 1}
    assert host.mib()["Ip.ForwDatagrams"] == 1


def test_loose_rp_filter_wants_any_route_back_strict_the_same_device(lab):
    for rp_filter, oif, ends in ((1, 1, "IP_RPFILTER"), (2, 1, "RECEIVED"), (1, 0, "RECEIVED"), (0, 1, "RECEIVED")):
        host = lab()
        host.app(host.udp(5000))
        host.net.dev[0].rp_filter = rp_filter
        setup.add_route(host.boot, ip4("99.0.0.0"), 8, RTN.UNICAST, dev=oif)
        host.send(udp_frame(src="99.0.0.1")).run()
        assert host.ends() == {ends: 1}


def test_accept_local_and_route_localnet_let_martians_in(lab):
    host = lab()
    host.app(host.udp(5000))
    dev = host.net.dev[0]
    host.send(udp_frame(src="10.0.0.1"), udp_frame(src="127.0.0.1")).run()
    assert host.ends() == {"IP_LOCAL_SOURCE": 1, "IP_LOCALNET": 1}
    dev.accept_local = dev.route_localnet = 1
    host.send(udp_frame(src="10.0.0.1"), udp_frame(src="127.0.0.1")).run()
    assert host.ends()["RECEIVED"] == 2


def test_a_joined_group_reaches_its_socket_and_after_leaving_no_more(lab):
    host = lab()
    sk = host.udp(5000)
    host.app(sk)
    frame = bytes.fromhex("01005e050505") + MAC_PEER + udp_frame(dst="239.5.5.5")[12:]
    host.boot.join_group(sk, ip4("239.5.5.5"))
    host.send(frame).run()
    assert host.ends() == {"RECEIVED": 1}
    assert host.mib()["IpExt.InMcastPkts"] == 1
    host.boot.leave_group(sk, ip4("239.5.5.5"))
    host.net.nic[0].allmulti = 1
    host.send(frame).run()
    assert host.ends() == {"RECEIVED": 1, "NOT_SPECIFIED": 1}


def test_3_10_takes_all_of_0_8_for_no_source_and_the_lowest_address_for_a_broadcast(lab):
    host = lab(kernel="3.10")
    host.send(udp_frame(src="0.0.0.5"), eth(ip(icmp(), proto=1, dst="10.0.0.0"))).run()
    assert host.ends() == {"IP_INVALID_SOURCE": 1, "INVALID_PROTO": 1}
    assert host.mib()["IpExt.InBcastPkts"] == 1
