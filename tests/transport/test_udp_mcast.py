"""Multicast and broadcast to several sockets: kernel-6.18-rules 5."""
import pytest

from rxpath.abi.limits import NSHARE
from rxpath.abi.mib import Mib
from rxpath.abi.numbers import NO_SHARE
from rxpath.network import setup as ip_setup
from rxpath.user import mcast, sock
from rxpath.user import socket as sockets

from ..frames import PEER, eth, ip, ip4, udp, udp_frame
from .test_udp_lookup import SENDER, B, bound, got

GROUP, GROUP2, ALL = "239.1.2.3", "239.9.9.9", "224.0.0.1"


def to_group(payload=b"x" * 64, group=GROUP, sport=40000):
    a = ip4(group)
    mac = bytes([1, 0, 0x5E, a >> 16 & 0x7F, a >> 8 & 255, a & 255])
    return eth(ip(udp(payload, sport, 5000, PEER, group), PEER, group), dst=mac)


def broadcast(dst="10.0.0.255"):
    return eth(ip(udp(b"x" * 64, 40000, 5000, PEER, dst), PEER, dst), dst=b"\xff" * 6)


def member(host, group=GROUP, addr=0, ifindex=1, source=0, **options):
    sk = bound(host, addr, ra=1, **options)
    if ifindex == 1:
        host.boot.join_group(sk, ip4(group), source)
    else:
        mcast.join(host.boot, sk, ip4(group), ifindex, source)
    return sk


def received(host, socks, *frames):
    before = [host.net.socks[s].in_packets for s in socks]
    host.net.nic[0].promisc = 1
    host.send(*frames).run()
    return [host.net.socks[s].in_packets - b for s, b in zip(socks, before, strict=True)]


def test_every_match_gets_a_copy_and_is_charged_in_full(lab):
    host = lab()
    socks = [member(host) for _ in range(3)]
    apps = [host.app(s) for s in socks]
    assert received(host, socks, to_group(b"hello")) == [1, 1, 1]
    assert [host.data(a, 5) for a in apps] == [b"hello"] * 3
    assert host.ends() == {"RECEIVED": 1}           # the books count wire frames
    assert sum(host.net.snmp[c][Mib.Rxpath_Copies] for c in range(2)) == 2
    assert [host.net.socks[s].rmem_max_seen for s in socks] == [2304] * 3


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("frame", [to_group, broadcast])
def test_order_of_delivery(lab, n, frame):
    """n-2, n-3, ..., 0, then n-1."""
    host = lab()
    socks = [member(host) for _ in range(n)]
    assert received(host, socks, frame()) == [1] * n
    assert sorted(socks, key=lambda s: host.net.socks[s].lock.free_at) == [*socks[:-1][::-1], socks[-1]]      # when each was locked


@pytest.mark.parametrize("make,n", [
    (lambda h: bound(h, B, ra=1), 0),                                           # bound to a unicast address
    (lambda h: bound(h, ip4(GROUP2), ra=1), 0),                                 # to another group
    (lambda h: bound(h, ip4(GROUP), ra=1), 1),
    (lambda h: bound(h, 0, ra=1), 1),                                           # a stranger: IP_MULTICAST_ALL
    (lambda h: member(h, GROUP2), 1),                                           # a member of another group
    (lambda h: noall(h), 0),
    (lambda h: bound(h, 0, ra=1, dev=7), 0),
    (lambda h: member(h, source=ip4("10.0.0.99")), 0),
    (lambda h: member(h, source=SENDER), 1),
    (lambda h: bound(h, 0, ra=1, peer=(SENDER, 40000)), 0),                     # connected from the wildcard: it has an address now
])
def test_who_gets_a_copy_beside_a_member(lab, make, n):
    host = lab()
    socks = [member(host), make(host)]
    assert received(host, socks, to_group()) == [1, n]


def noall(host):
    sk = bound(host, 0, ra=1)
    sock.setsockopt(host.boot, sk, "IP_MULTICAST_ALL", 0)
    return sk


def test_reuseport_does_not_matter(lab):
    host = lab()
    socks = [bound(host, 0, rp=1) for _ in range(3)]
    mcast.join(host.boot, socks[0], ip4(GROUP), 1)
    ip_setup.join_group(host.boot, ip4(GROUP))
    assert received(host, socks, to_group()) == [1, 1, 1]
    assert received(host, socks, broadcast()) == [1, 1, 1]


def test_all_hosts_needs_no_join(lab):
    host = lab()
    assert received(host, [bound(host, 0, ra=1), noall(host)], to_group(group=ALL)) == [1, 0]


@pytest.mark.parametrize("dst", ["10.0.0.255", "255.255.255.255"])
def test_broadcast(lab, dst):
    host = lab()
    socks = [bound(host, 0, ra=1), bound(host, ip4(dst), ra=1), bound(host, B, ra=1), bound(host, 0, ra=1, peer=(SENDER, 40000))]
    assert received(host, socks, broadcast(dst)) == [1, 1, 0, 0]


def test_nobody_wants_it(lab):
    host = lab()
    bound(host)
    assert received(host, [], broadcast("255.255.255.255")) == []
    assert host.ends() == {"NOT_SPECIFIED": 1} and host.mib()["Udp.IgnoredMulti"] == 1


def test_a_frame_is_delivered_if_any_copy_is(lab):
    host = lab()
    full, read = member(host), member(host)
    host.net.socks[full].rcvbuf = 2304
    host.app(read)
    received(host, [full, read], *[to_group() for _ in range(4)])
    assert host.net.socks[full].drops == 3 and host.ends() == {"RECEIVED": 3}             # one is still queued in `full`
    sockets.close(host.boot, full)
    assert host.ends() == {"RECEIVED": 4}


def test_without_a_record_for_its_copies_a_frame_has_none(lab):
    """Records are taken from the front, then those that came back; a frame of the last ones' time reaches one socket."""
    host = lab()
    socks = [member(host), member(host)]
    assert received(host, socks, to_group(), to_group()) == [2, 2]
    assert host.net.share_used == 2 and host.net.share_free == NO_SHARE           # both frames lie in both sockets
    host.net.share_used, used = NSHARE, host.net.share_used
    assert received(host, socks, to_group()) == [0, 1] and host.net.socks[socks[0]].drops == 1
    host.net.share_used = used
    for s in socks:
        sockets.close(host.boot, s)
    socks = [member(host), member(host)]
    assert host.net.share_free >= 0 and received(host, socks, to_group()) == [1, 1] and host.net.share_used == 2


def test_a_fragmented_datagram_to_two_sockets(lab):
    from ..frames import fragments
    host = lab()
    socks = [bound(host, 0, ra=1), bound(host, 0, ra=1)]
    apps = [host.app(s) for s in socks]
    body = bytes(range(256)) * 12
    whole = udp(body, 40000, 5000, PEER, "10.0.0.255")
    frames = [b"\xff" * 6 + f[6:] for f in fragments(whole, [1480, 1480], dst="10.0.0.255")]
    assert received(host, socks, *frames) == [1, 1]
    assert [host.data(a, len(body)) for a in apps] == [body] * 2 and host.ends() == {"RECEIVED": 3}


@pytest.mark.parametrize("one_step", [False, True])
def test_copies_wait_for_their_turns(lab, one_step):
    """Readers on the other CPUs; the same whether or not a CPU runs ahead (compared below)."""
    host = lab(cpus=4, one_step=one_step)
    socks = [member(host) for _ in range(3)]
    apps = [host.app(s, cpu=1 + i, service=900 + 400 * i) for i, s in enumerate(socks)]
    received(host, socks, *[to_group() if i % 3 else udp_frame() for i in range(60)])
    state = (host.ends(), [host.net.thread[a].latency_hash for a in apps], [host.net.cpu[c].softirq_ns for c in range(4)])
    key = host.boot.plain
    assert STATES.setdefault(key, state) == state


STATES: dict = {}


def test_a_source_of_a_group_that_was_joined_whole_is_all_that_remains(lab):
    """Measured on 6.18: and a source twice is EADDRNOTAVAIL, the group on top of a source EADDRINUSE."""
    host = lab()
    sk = member(host)
    mcast.join(host.boot, sk, ip4(GROUP), 1, ip4("10.0.0.3"))
    assert received(host, [sk], to_group()) == [0]
    with pytest.raises(OSError, match="EADDRNOTAVAIL"):
        mcast.join(host.boot, sk, ip4(GROUP), 1, ip4("10.0.0.3"))
    with pytest.raises(OSError, match="EADDRINUSE"):
        mcast.join(host.boot, sk, ip4(GROUP), 1)
    mcast.join(host.boot, sk, ip4(GROUP), 1, ip4("10.0.0.2"))
    assert received(host, [sk], to_group()) == [1]


def test_joining_twice_and_leaving(lab):
    host = lab()
    sk = member(host)
    with pytest.raises(OSError, match="EADDRINUSE"):
        mcast.join(host.boot, sk, ip4(GROUP), 1)
    mcast.leave(host.boot, sk, ip4(GROUP), 1)
    with pytest.raises(OSError, match="EADDRNOTAVAIL"):
        mcast.leave(host.boot, sk, ip4(GROUP), 1)
    with pytest.raises(OSError, match="EINVAL"):
        mcast.join(host.boot, sk, B, 1)
    assert got(host, [sk]) == [10]


@pytest.mark.parametrize("one_step", [False, True])
def test_a_merged_datagram_reaches_every_member_in_its_segments(lab, one_step):
    """GRO merges what has our own MAC, group or not.  A reader wakes up between the segments, so that the next are early: none is lost."""
    host = lab(one_step=one_step)
    host.net.dev[0].gro = host.net.dev[0].udp_gro_forwarding = 1
    socks = [member(host) for _ in range(3)]
    apps = [host.app(s) for s in socks]
    host.send(*[eth(ip(udp(bytes([65 + k]) * 64, 40000, 5000, PEER, GROUP), PEER, GROUP, ident=k + 1)) for k in range(4)], gap=1).run()
    assert [host.net.socks[s].in_packets for s in socks] == [4, 4, 4]
    assert [host.net.thread[a].received for a in apps] == [4, 4, 4]
    assert host.ends() == {"RECEIVED": 4}
