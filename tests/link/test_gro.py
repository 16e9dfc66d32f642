"""GRO: what is merged, what ends a merge, and that nothing is lost or reordered.

Frames arrive back to back and are polled together; Ip.InReceives counts what GRO let go."""
import random

import pytest

from rxpath.abi.limits import NCPU
from rxpath.link import setup

from ..frames import MAC_PEER, eth, ip, tcp, udp_frame

ACK, PSH, FIN, CWR = 0x10, 0x18, 0x11, 0x90


def gro_host(lab, forwarding=False, **options):
    host = lab(**options)
    setup.set_gro(host.boot, 0, True, forwarding)
    return host


def segments(n, size=100, seq=1000, ident=1, flags=ACK, **fields):
    return [eth(ip(tcp(bytes([k & 255]) * size, seq=seq + k * size, ack=77, flags=flags, **fields), proto=6, ident=ident + k))
            for k in range(n)]


def came_up(host, frames):
    """How many packets IP received of these frames, sent in one burst."""
    host.send(*frames, gap=1)
    host.run()
    return host.mib()["Ip.InReceives"]


def datagrams(n, size=64, **fields):
    return [udp_frame(bytes([k & 255]) * size, ident=1 + k, **fields) for k in range(n)]


def test_consecutive_segments_go_up_as_one(lab):
    host = gro_host(lab)
    assert came_up(host, segments(5)) == 1
    assert sum(host.ends().values()) == 5


def test_without_gro_every_segment_goes_up(lab):
    host = lab()
    assert came_up(host, segments(5)) == 5


def test_310_merges_tcp_but_not_udp(lab):
    assert came_up(gro_host(lab, kernel="3.10"), segments(5)) == 1
    with pytest.raises(ValueError, match="not in this kernel"):
        gro_host(lab, forwarding=True, kernel="3.10")
    host = gro_host(lab, kernel="3.10")
    host.udp(5000)
    assert came_up(host, datagrams(4)) == 4


@pytest.mark.parametrize("change, ups", [
    (dict(seq=5000), 2),                # not the next byte
    (dict(ack=78), 2),
    (dict(window=1), 2),
    (dict(options=b"\1\1\1\1"), 2),
    (dict(flags=CWR), 2),
    (dict(sport=1), 2),
    (dict(flags=PSH), 1),               # the last one, but part of it
    (dict(flags=FIN), 1),
    (dict(), 1),
])
def test_tcp_ends_a_merge_where_the_kernel_does(lab, change, ups):
    fields = dict(seq=1100, ack=77, flags=ACK) | change
    second = eth(ip(tcp(b"y" * 100, **fields), proto=6, ident=2))
    assert came_up(gro_host(lab), [*segments(1), second]) == ups


@pytest.mark.parametrize("fields, ups", [
    (dict(ttl=63), 2), (dict(tos=4), 2), (dict(frag=0), 2), (dict(ident=9), 2), (dict(ident=2), 1), (dict(ident=1), 1),
    (dict(src="10.0.0.3"), 2),
])
def test_ip_headers_must_agree(lab, fields, ups):
    first = eth(ip(tcp(b"x" * 100, seq=1, flags=ACK), proto=6, ident=1))
    src = fields.get("src", "10.0.0.2")
    second = eth(ip(tcp(b"y" * 100, seq=101, flags=ACK, src=src), proto=6, **({"ident": 2} | fields)))
    assert came_up(gro_host(lab), [first, second]) == ups


def test_an_id_that_stands_still_is_merged_since_47_if_df_is_set_and_since_618_without(lab):
    for frag, ups in ((0x4000, {"3.10": 3, "6.1": 1, "6.18": 1}), (0, {"3.10": 3, "6.1": 3, "6.18": 1})):
        same_id = [eth(ip(tcp(bytes(100), seq=1000 + 100 * k, flags=ACK), proto=6, ident=7, frag=frag)) for k in range(3)]
        for kernel, n in ups.items():
            assert came_up(gro_host(lab, kernel=kernel), same_id) == n, (kernel, frag)


def test_a_short_segment_is_the_last_of_its_packet_and_a_long_one_begins_anew(lab):
    short = [*segments(2), *segments(1, 50, 1200, 3), *segments(2, 100, 1250, 4)]
    assert came_up(gro_host(lab), short) == 2
    longer = [*segments(2), *segments(2, 101, 1200, 3)]
    assert came_up(gro_host(lab), longer) == 2


def test_pure_acks_are_not_merged(lab):
    acks = [eth(ip(tcp(b"", seq=1, ack=k, flags=ACK), proto=6, ident=k)) for k in range(1, 4)]
    assert came_up(gro_host(lab), acks) == 3


def test_a_merged_packet_ends_before_64_kb(lab):
    host = gro_host(lab, queues=1, ring=256)
    assert came_up(host, segments(50, 1400)) == 2                           # 20 + 20 + 46 * 1400 is the most below 65536


def test_a_wrong_checksum_is_never_merged(lab):
    bad = eth(ip(tcp(b"y" * 100, seq=1100, ack=77, flags=ACK, check=0x1234), proto=6, ident=2))
    host = gro_host(lab)
    assert came_up(host, [*segments(1), bad]) == 2


def test_fragments_and_options_pass_gro_by(lab):
    frag = eth(ip(tcp(b"x" * 16, flags=ACK), proto=6, frag=0x2000))
    opts = eth(ip(tcp(b"x" * 16, flags=ACK), proto=6, options=b"\1\1\1\0"))
    assert came_up(gro_host(lab), [frag, opts]) == 2


def test_different_ethernet_headers_are_different_flows(lab):
    a, b = segments(2)
    other = a[:12].replace(MAC_PEER, b"\2\0\0\0\0\3") + b[12:]
    assert came_up(gro_host(lab), [a, other]) == 2


# ------------------------------------------------------------ UDP
def test_udp_is_merged_only_when_somebody_asks(lab):
    host = gro_host(lab)
    host.app(host.udp(5000))
    assert came_up(host, datagrams(8)) == 8
    host = gro_host(lab, forwarding=True)
    host.app(host.udp(5000))
    assert came_up(host, datagrams(8)) == 1


def test_a_socket_with_udp_gro_gets_its_datagrams_merged(lab):
    host = gro_host(lab)
    sk = host.udp(5000)
    host.udp(5001)
    setup.set_udp_gro(host.boot, sk)
    app = host.app(sk)
    assert came_up(host, [*datagrams(10), *datagrams(3, dport=5001)]) == 1 + 3
    assert host.data(app, 640) == b"".join(bytes([k]) * 64 for k in range(10))
    assert host.ends() == {"RECEIVED": 10}                                  # each frame of the wire; 5001 has no reader: queued
    setup.set_udp_gro(host.boot, sk, False)
    assert host.net.udp_encap_needed == 0


def test_equal_lengths_a_shorter_last_and_at_most_64(lab):
    def ups(frames):
        host = gro_host(lab, forwarding=True)
        host.udp(5000)
        return came_up(host, frames)
    assert ups(datagrams(64)) == 1
    assert ups(datagrams(63) + datagrams(65)[63:]) == 2                     # UDP_GRO_CNT_MAX
    assert ups([*datagrams(2), udp_frame(b"x" * 20, ident=3), *datagrams(5)[3:]]) == 2
    assert ups([*datagrams(2), udp_frame(b"x" * 65, ident=3)]) == 2
    assert ups([*datagrams(2), udp_frame(b"x" * 64, ident=3, sport=9)]) == 2


def test_udp_without_checksum_is_not_merged(lab):
    host = gro_host(lab, forwarding=True)
    host.udp(5000)
    frames = [f[:40] + b"\0\0" + f[42:] for f in datagrams(3)]
    assert came_up(host, frames) == 3


@pytest.mark.parametrize("k, measured", [(1, 896), (2, 960), (10, 1472), (40, 3392), (64, 4928)])
def test_truesize_of_a_merged_packet(lab, k, measured):
    """veth: as measured on 6.18.  igb: a part gives its sk_buff back (256), but every 18th stays one of its own."""
    for rule in (1, 0):
        host = gro_host(lab)
        sk = host.udp(5000, rcvbuf=1 << 20)
        setup.set_udp_gro(host.boot, sk)
        host.net.dev[0].truesize_rule = rule
        assert came_up(host, datagrams(k)) == 1
        skb = host.net.skb[host.net.socks[sk].receive_queue.head]
        if rule:
            first = skb.truesize - 64 * (k - 1)                             # the driver's rule for the first, not GRO's
            assert first in (896, 832, 2304) and skb.truesize - first == measured - 896
        else:
            assert skb.truesize == 2304 + (k - 1) * 2048 + (k - 1) // 18 * 256


def test_more_flows_than_fit_push_the_oldest_out(lab):
    host = gro_host(lab, forwarding=True)
    for port in range(10):
        host.udp(5000 + port)
    frames = [udp_frame(bytes([port]) * 20, dport=5000 + port, ident=r) for r in (1, 2) for port in range(8)]
    assert came_up(host, frames) == 8                                       # one bucket (no RSS hash here): eight flows fit
    host = gro_host(lab, forwarding=True)
    frames = [udp_frame(bytes([port]) * 20, dport=5000 + port, ident=r) for r in (1, 2) for port in range(9)]
    assert came_up(host, frames) == 18                                      # nine do not: each pushes out the one that comes next


def test_one_flow_is_never_reordered(lab):
    rng = random.Random(5)
    host = gro_host(lab, forwarding=True, queues=1)
    readers = []
    for port in range(3):
        sk = host.udp(5000 + port, rcvbuf=1 << 22)
        readers.append(sk)
    sent = {port: [] for port in range(3)}
    frames = []
    for k in range(200):
        port = rng.randrange(3)
        size = rng.choice([20, 20, 20, 17, 33])                             # none is padded: see below
        payload = k.to_bytes(2, "big") + bytes(size)
        sent[port].append(k)
        frames.append(udp_frame(payload, dport=5000 + port, ident=rng.choice([k, 7]), ttl=rng.choice([64, 64, 64, 3])))
    host.send(*frames, gap=300)
    host.run()
    for port, sk in enumerate(readers):
        got, i = [], host.net.socks[sk].receive_queue.head
        while i >= 0:
            skb = host.net.skb[i]
            got += frames_of(host, i)
            i = skb.next
        assert got == sorted(got) and len(got) == len(sent[port])


def test_a_padded_datagram_overtakes_what_is_held(lab):
    """Padded packets pass by and the held ones stay: below 18 bytes of payload UDP_GRO reorders a flow, as the kernel does."""
    host = gro_host(lab, forwarding=True)
    sk = host.net.socks[host.udp(5000)]
    host.send(*datagrams(3), udp_frame(b"short", ident=4), gap=1)
    host.run()
    got, i = [], sk.receive_queue.head
    while i >= 0:
        got += frames_of(host, i)
        i = host.net.skb[i].next
    assert got == [3, 0, 1, 2]


def frames_of(host, i):
    """Frame numbers that a queued skb stands for, in order."""
    out = [host.net.skb[i].frame]
    i = host.net.skb[i].frag_list
    while i >= 0:
        out.append(host.net.skb[i].frame)
        i = host.net.skb[i].next
    return out


def test_stations_in_the_order_of_the_igb_trees(lab):
    host = gro_host(lab)
    host.net.trail = 1
    host.send(*segments(2), gap=1)
    host.run()
    way = host.stations(1)
    want = ["eth_type_trans", "napi_gro_receive", "dev_gro_receive", "inet_gro_receive", "tcp4_gro_receive", "tcp_gro_pull_header",
            "tcp_gro_receive", "skb_gro_receive", "napi_skb_free_stolen_head"]
    assert list(dict.fromkeys(s for s in way if s in want)) == want          # one that says what it found marks that, too
    first = host.stations(0)
    assert first.index("napi_gro_complete") > first.index("tcp_gro_receive")
    assert first.index("napi_gro_complete") < first.index("netif_receive_skb_list_internal")


def test_what_is_held_waits_for_the_next_jiffy_when_hz_is_1000(lab):
    def held(hz):
        host = gro_host(lab, hz=hz)
        host.send(*segments(64), *segments(10, seq=7400, ident=65), gap=1)  # one poll uses up its weight of 64, the next has 10
        host.run()
        return host.mib()["Ip.InReceives"]
    assert held(250) == 2
    assert held(1000) == 1


def test_merged_and_cut_up_again_the_books_balance_frame_by_frame(lab):
    host = gro_host(lab, forwarding=True)
    host.udp(5000, rcvbuf=4608)
    host.app(host.udp(5001))
    came_up(host, [*datagrams(20), *datagrams(20, dport=5001), *datagrams(5, dport=9)])
    assert sum(host.ends().values()) + host.queued() == 45
    assert host.net.thread[NCPU].received > 0


def test_with_forwarding_a_plain_socket_gets_its_datagrams_one_by_one(lab):
    """Measured on 6.18: 40 datagrams, Ip.InReceives 1, 40 read; a segment is charged 832 and its payload."""
    host = gro_host(lab, forwarding=True)
    app, queued = host.app(host.udp(5000)), host.udp(5001)
    assert came_up(host, datagrams(40)) == 1
    assert host.received() == 40 and host.ends() == {"RECEIVED": 40}
    assert host.data(app, 64) == bytes([39]) * 64
    host.send(*datagrams(10, dport=5001), gap=1)
    host.run()
    assert host.net.socks[queued].rmem_alloc == 10 * 896
    assert host.queued() == 10
