"""Reassembly, as a dialogue of fragments: the rows of what a 6.18 kernel did, then 3.10, time-outs, and what must always hold."""
import itertools
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rxpath.abi.frag import IP_DEFRAG_LOCAL_DELIVER
from rxpath.abi.kernels import Sysctl
from rxpath.abi.mib import Mib
from rxpath.abi.numbers import NEVER, Out
from rxpath.abi.timer import FRAG_TIMER
from rxpath.network.ip_fragment import ip_defrag
from rxpath.path import Stage
from rxpath.skb import alloc_skb, skb_init
from rxpath.vtime import feed
from rxpath.vtime.costs import BM36

from ..frames import PEER, US, csum, eth, fragments, ip, ip4, udp
from ..lab import Lab

MS, SEC = 1_000_000, 1_000_000_000
COSTS = {**BM36, Stage.ip_defrag: 200, Stage.ip_expire: 300, Stage.kfree_skb: 30, Stage.LOCK: 40, Stage.BOUNCE: 100}


def frag(data: bytes, at: int, more: bool, ident: int = 7, src: str = PEER, df: bool = False, **fields: object) -> bytes:
    """One fragment: `data` of the IP payload from byte `at`."""
    return eth(ip(data, src, US, ident=ident, frag=(0x4000 if df else 0) | (0x2000 if more else 0) | at >> 3, **fields))  # type: ignore[arg-type]


def datagram(n: int, seed: int = 1) -> tuple[bytes, bytes]:
    """(payload, the UDP datagram that carries it)"""
    payload = bytes((i * 7 + i // 256 * 13 + seed) & 0xFF for i in range(n))
    return payload, udp(payload)


def cut(whole: bytes, size: int, ident: int = 7, **fields: object) -> list[bytes]:
    return [frag(whole[at:at + size], at, at + size < len(whole), ident, **fields) for at in range(0, len(whole), size)]


def counters(host: Lab) -> dict[str, int]:
    return {k.split(".")[1]: n for k, n in host.mib().items() if "Reasm" in k}


def test_a_datagram_in_pieces_reaches_its_reader_and_its_fragments_share_its_fate(lab):
    host = lab()
    app = host.app(host.udp(5000))
    payload, whole = datagram(3000)
    host.send(*cut(whole, 1480)).run()
    assert host.ends() == {"RECEIVED": 3}
    assert host.data(app, 3000) == payload
    assert counters(host) == {"ReasmReqds": 3, "ReasmOKs": 1}
    assert host.net.frag_mem == 0 and host.net.frag_nqueues == 0


def test_each_user_has_its_own_queues():
    """Conntrack would collect at PRE_ROUTING what ip_local_deliver collects later."""
    host = Lab(plain=True)
    host.net.cpu[0].horizon = NEVER
    host.run(1000)

    def arrives(piece: bytes, user: int) -> int:
        skb = host.net.skb[alloc_skb(host.net, 0)]
        skb_init(host.net, skb, skb.head, len(piece) - 14)
        host.boot.memory[skb.data:skb.data + skb.len] = piece[14:]
        skb.network_header, skb.transport_header = skb.data, skb.data + 20
        return ip_defrag(host.net, 0, skb, user)
    _, whole = datagram(2000)
    first, last = cut(whole, 1480)
    assert arrives(first, IP_DEFRAG_LOCAL_DELIVER) < 0 and arrives(last, IP_DEFRAG_LOCAL_DELIVER + 1) < 0 and host.net.frag_nqueues == 2
    made = arrives(first, IP_DEFRAG_LOCAL_DELIVER + 1)
    assert host.net.skb[made].len == 20 + 2008 and host.net.frag_nqueues == 1


def test_any_order_and_tiny_pieces_are_put_together(lab):
    host = lab()
    app = host.app(host.udp(5000))
    payload, whole = datagram(400)
    pieces = cut(whole, 8)
    assert len(pieces) == 51
    host.send(*pieces).run()
    assert host.data(app, 400) == payload
    host.send(*reversed(pieces)).run()
    assert host.received() == 2 and host.data(app, 400) == payload
    for order in itertools.permutations(cut(whole, 104)):
        host.send(*order).run()
    assert host.received() == 26 and host.ends() == {"RECEIVED": 2 * 51 + 24 * 4}


def test_an_mf_fragment_is_cut_to_a_multiple_of_eight(lab):
    host = lab()
    app = host.app(host.udp(5000))
    payload, whole = datagram(2000)
    host.send(frag(whole[:1480] + b"????", 0, True), frag(whole[1480:], 1480, False)).run()
    assert host.data(app, 2000) == payload


@pytest.mark.parametrize("empty", [b"", b"????"])
def test_an_empty_mf_fragment_kills_its_queue(lab, empty):
    host = lab()
    app = host.app(host.udp(5000))
    payload, whole = datagram(2000)
    first, last = cut(whole, 1480)
    host.send(first, frag(empty, 1480, True)).run()
    assert host.ends() == {"NOT_SPECIFIED": 1, "FRAG_QUEUE_KILLED": 1}
    assert counters(host) == {"ReasmReqds": 2, "ReasmFails": 1}
    host.send(first, last).run()
    assert host.data(app, 2000) == payload


def test_first_then_empty_then_last_leaves_the_last_waiting(lab):
    host = lab()
    host.udp(5000)
    _, whole = datagram(2000)
    first, last = cut(whole, 1480)
    host.send(first, frag(b"", 1480, True), last).run()
    assert host.ends() == {"NOT_SPECIFIED": 1, "FRAG_QUEUE_KILLED": 1}
    assert host.net.frag_nqueues == 1


def test_what_lies_within_a_run_is_a_duplicate(lab):
    """Even with other bytes, and across two fragments that arrived in order."""
    host = lab()
    app = host.app(host.udp(5000))
    payload, whole = datagram(2000)
    a, b, c = whole[:800], whole[800:1600], whole[1600:]
    host.send(frag(a, 0, True), frag(a, 0, True), frag(b"?" * 80, 80, True), frag(b, 800, True), frag(b"!" * 160, 720, True),
              frag(c, 1600, False)).run()
    assert host.data(app, 2000) == payload
    assert host.ends() == {"DUP_FRAG": 3, "RECEIVED": 3}
    assert counters(host) == {"ReasmReqds": 6, "ReasmOKs": 1}


def test_a_duplicate_of_the_last_fragment_is_ignored(lab):
    host = lab()
    app = host.app(host.udp(5000))
    payload, whole = datagram(2000)
    first, last = cut(whole, 1480)
    host.send(last, last, first).run()
    assert host.data(app, 2000) == payload and host.ends() == {"DUP_FRAG": 1, "RECEIVED": 2}


def test_across_two_runs_that_touch_it_is_an_overlap(lab):
    """Runs grow only at the end: pieces that came backwards are two runs, and what covers both is no duplicate."""
    host = lab()
    host.udp(5000)
    host.send(frag(b"b" * 80, 80, True), frag(b"a" * 80, 0, True), frag(b"x" * 80, 40, True)).run()
    assert host.ends() == {"NOT_SPECIFIED": 1, "FRAG_QUEUE_KILLED": 2}
    assert counters(host) == {"ReasmReqds": 3, "ReasmFails": 1, "ReasmOverlaps": 1}


@pytest.mark.parametrize("at,n", [(40, 80), (0, 160), (160 + 40, 80), (160 - 40, 80), (152, 96)])
def test_an_overlap_kills_the_queue_and_a_full_set_then_works(lab, at, n):
    """Head, tail, superset; the newcomer has the kernel's reason, the queued ones leave silently."""
    host = lab()
    app = host.app(host.udp(5000))
    payload, whole = datagram(400)
    host.send(frag(whole[:80], 0, True), frag(whole[160:240], 160, True), frag(b"?" * n, at, True)).run()
    assert host.ends() == {"NOT_SPECIFIED": 1, "FRAG_QUEUE_KILLED": 2}
    assert counters(host) == {"ReasmReqds": 3, "ReasmFails": 1, "ReasmOverlaps": 1}
    host.send(*cut(whole, 80)).run()
    assert host.data(app, 400) == payload and host.net.frag_mem == 0


@pytest.mark.parametrize("at,n,more", [(160, 48, False), (160, 32, False), (240, 8, True)])
def test_what_contradicts_the_last_fragment_kills_the_queue(lab, at, n, more):
    """A second last that is longer or shorter, a fragment beyond the last."""
    host = lab()
    host.udp(5000)
    host.send(frag(b"l" * 40, 160, False), frag(b"?" * n, at, more)).run()
    assert host.ends() == {"NOT_SPECIFIED": 1, "FRAG_QUEUE_KILLED": 1}
    assert counters(host) == {"ReasmReqds": 2, "ReasmFails": 1}


def test_source_protocol_and_id_make_separate_queues(lab):
    host = lab()
    host.udp(5000)
    host.send(frag(b"a" * 80, 0, True), frag(b"b" * 80, 80, False, src="10.0.0.3"), frag(b"b" * 80, 80, False, proto=6),
              frag(b"b" * 80, 80, False, ident=8)).run()
    assert host.net.frag_nqueues == 4 and host.ends() == {}


def test_65535_bytes_are_a_datagram_and_one_more_is_not(lab):
    host = lab()
    app = host.app(host.udp(5000, rcvbuf=1 << 20))
    payload, whole = datagram(65535 - 20 - 8)
    host.send(*cut(whole, 1480)).run()
    n = host.received()
    assert n == 1 and host.data(app, 65507) == payload
    over = bytes(65535 - 20 + 1)
    pieces = cut(over, 1480, ident=9)
    host.send(*pieces).run()
    assert host.ends() == {"RECEIVED": 45, "FRAG_QUEUE_KILLED": len(pieces)}                # no drop event in the kernel
    assert counters(host) == {"ReasmReqds": 45 + len(pieces), "ReasmOKs": 1, "ReasmFails": 1}
    assert host.net.frag_mem == 0


def test_a_last_fragment_at_the_highest_offset_waits(lab):
    host = lab()
    host.udp(5000)
    host.send(frag(bytes(100), 65528, False)).run()
    assert host.net.frag_nqueues == 1 and host.ends() == {}


def test_ethernet_padding_is_no_data(lab):
    host = lab()
    app = host.app(host.udp(5000))
    payload, whole = datagram(1480)
    first, last = cut(whole, 1480)
    host.send(first, last + b"\xaa" * (60 - len(last))).run()
    assert host.data(app, 1480) == payload


def test_df_on_all_is_delivered_and_the_header_is_mended(lab):
    host = lab()
    host.udp(5000)
    _, whole = datagram(2000)
    host.send(*cut(whole, 1480, df=True, tos=2)).run()
    skb = next(s for s in (host.net.skb[i] for i in range(host.net.nskb)) if s.users and s.frag_list >= 0)
    head = bytes(host.boot.memory[skb.network_header:skb.network_header + 20])
    assert csum(head) == 0 and struct.unpack(">HHH", head[2:8]) == (2028, 7, 0x4000)
    assert skb.truesize == 2 * 2304 - 256                       # the second buffer was taken over as a page


@pytest.mark.parametrize("fields,tos", [((2, 2), 2), ((2, 3), 3), ((1, 3), 3), ((3, 3), 3), ((0, 0), 0), ((1, 2), 1)])
def test_congestion_that_one_fragment_met_the_datagram_met(lab, fields, tos):
    host = lab()
    host.udp(5000)
    _, whole = datagram(2000)
    host.send(frag(whole[:1480], 0, True, tos=fields[0]), frag(whole[1480:], 1480, False, tos=fields[1])).run()
    skb = next(s for s in (host.net.skb[i] for i in range(host.net.nskb)) if s.users and s.frag_list >= 0)
    assert host.boot.memory[skb.network_header + 1] == tos


@pytest.mark.parametrize("fields", [(0, 3), (0, 2), (1, 0)])
def test_fragments_that_disagree_about_ecn_are_no_datagram(lab, fields):
    host = lab()
    host.udp(5000)
    _, whole = datagram(2000)
    host.send(frag(whole[:1480], 0, True, tos=fields[0]), frag(whole[1480:], 1480, False, tos=fields[1])).run()
    assert host.ends() == {"FRAG_QUEUE_KILLED": 2} and counters(host) == {"ReasmReqds": 2, "ReasmFails": 1}


def test_a_bad_checksum_shows_only_after_reassembly(lab):
    host = lab()
    host.app(host.udp(5000))                        # at the read: the datagram is longer than CHECKSUM_BREAK
    _, whole = datagram(2000)
    whole = whole[:-1] + bytes([whole[-1] ^ 1])
    host.send(*cut(whole, 1480)).run()
    assert host.ends() == {"UDP_CSUM": 2}
    assert counters(host) == {"ReasmReqds": 2, "ReasmOKs": 1} and host.mib()["Ip.InDelivers"] == 1


# ---------------------------------------------------------------- memory
@pytest.mark.parametrize("high,fit", [(0, 0), (1, 1), (5000, 2), (20000, 8), (100000, 40)])
def test_a_fragment_is_refused_when_the_account_was_over_its_limit_before(lab, high, fit):
    """floor(high / (200 + 2304)) + 1 queues of one full buffer."""
    host = lab()
    host.net.sysctl[Sysctl.ipfrag_high_thresh] = high
    host.send(*[frag(bytes(1480), 0, True, ident=i) for i in range(60)]).run()
    assert host.net.frag_nqueues == fit and host.net.frag_mem == fit * 2504
    assert host.ends() == {"NOT_SPECIFIED": 60 - fit}
    assert counters(host) == {"ReasmReqds": 60, "ReasmFails": 60 - fit}


def test_a_full_account_refuses_completing_fragments_too(lab):
    host = lab()
    host.udp(5000)
    host.net.sysctl[Sysctl.ipfrag_high_thresh] = 1
    _, whole = datagram(2000)
    host.send(*cut(whole, 1480)).run()
    assert host.ends() == {"NOT_SPECIFIED": 1} and host.net.frag_nqueues == 1


# ---------------------------------------------------------------- time
@pytest.mark.parametrize("seconds,least,most", [(1, 1.0, 1.036), (30, 30.0, 32.05)])
def test_a_queue_times_out_with_its_bucket_of_the_timer_wheel(lab, seconds, least, most):
    """1 s: 1.018-1.034 was seen, 30 s: 30.17-32.04."""
    host = lab()
    host.net.sysctl[Sysctl.ipfrag_time_ns] = seconds * SEC
    start = 123 * MS
    host.send(frag(bytes(80), 0, True), at=start)
    host.send(frag(bytes(80), 80, True), at=start + 500 * MS)               # does not extend it
    host.run(start + int(least * SEC) - 4 * MS)
    assert host.ends() == {}
    host.run(start + int(most * SEC) + 1 * MS)
    assert host.ends() == {"FRAG_REASM_TIMEOUT": 2}
    assert counters(host) == {"ReasmReqds": 2, "ReasmTimeout": 1, "ReasmFails": 1}
    assert host.net.frag_mem == 0 and host.net.frag_nqueues == 0


def test_a_time_out_is_told_to_the_sender_only_of_a_first_fragment(lab):
    host = lab()
    host.net.sysctl[Sysctl.ipfrag_time_ns] = 100 * MS
    host.send(frag(bytes(80), 0, True, ident=1), frag(bytes(80), 80, True, ident=1), frag(bytes(80), 80, True, ident=2)).run(300 * MS)
    assert host.ends() == {"FRAG_REASM_TIMEOUT": 3}
    assert host.mib()["Icmp.OutTimeExcds"] == 1 and host.mib()["Ip.ReasmTimeout"] == 2


def test_within_a_bucket_the_newest_queue_times_out_first(lab):
    """Also when the last of a bucket has gone meanwhile, and when a later bucket came in between."""
    host = lab().listen()
    host.net.sysctl[Sysctl.ipfrag_time_ns], host.net.sysctl[Sysctl.icmp_ratemask] = 1 * SEC, 0
    first, again, other = ([frag(bytes(80), 0, True, ident=i) for i in part] for part in ((1, 2, 3), (4, 5), (6, 7)))
    host.send(*first, frag(bytes(8), 80, False, ident=3), *again).run(8 * MS)
    host.send(*other, at=200 * MS).run(2 * SEC)
    quoted = [int.from_bytes(out.data[46:48], "big") for out in host.left(Out.TX) if out.data[34] == 11]
    assert quoted == [5, 4, 2, 1, 7, 6]


@pytest.mark.parametrize("kernel,order", [("6.18", [7, 6, 5, 4, 3, 2, 1]), ("3.10", [1, 2, 3, 4, 5, 6, 7])])
def test_queues_of_one_bucket_time_out_last_armed_first(lab, kernel, order):
    """3.10 adds a timer behind the others of its bucket."""
    host = lab(kernel=kernel).listen()
    host.net.sysctl[Sysctl.ipfrag_time_ns] = 1 * SEC
    host.net.sysctl[Sysctl.icmp_ratemask] = 0
    host.send(*[frag(bytes(80), 0, True, ident=i) for i in (1, 2, 3, 99, 4, 5, 6, 7)])
    host.send(frag(bytes(80), 80, False, ident=99)).run(2 * SEC)            # one of them leaves the middle of the bucket
    told = [int.from_bytes(o.data[46:48], "big") for o in host.left(Out.TX) if o.data[12:14] == b"\x08\0"]
    assert told == order


def test_buckets_are_eight_times_as_wide_on_each_level(lab):
    """In jiffies of 4 ms: 1 s = 250 jiffies is level 1, buckets of 8; 30 s = 7500 is level 3, buckets of 512."""
    host = lab()
    for wait, width in ((100 * MS, 1), (1 * SEC, 8), (30 * SEC, 512), (3 * SEC, 64)):
        host.net.sysctl[Sysctl.ipfrag_time_ns] = wait
        host.send(frag(bytes(80), 80, True, ident=width)).run(host.t + MS)
        jiffies = host.net.timers[FRAG_TIMER + host.net.fragq_used - 1].goes_off
        assert jiffies % width == 0 and 0 < jiffies * 4 * MS - host.t - wait <= (width + 1) * 4 * MS, width


def test_a_change_of_the_timeout_does_not_reach_queues_that_exist(lab):
    host = lab()
    host.net.sysctl[Sysctl.ipfrag_time_ns] = 1 * SEC
    host.send(frag(bytes(80), 0, True, ident=1)).run()
    host.net.sysctl[Sysctl.ipfrag_time_ns] = 10 * SEC
    host.send(frag(bytes(80), 0, True, ident=2)).run(2 * SEC)
    assert host.ends() == {"FRAG_REASM_TIMEOUT": 1}
    host.net.sysctl[Sysctl.ipfrag_time_ns] = 1 * SEC
    host.send(frag(bytes(80), 0, True, ident=3)).run(4 * SEC)              # a later queue with an earlier end
    assert host.ends() == {"FRAG_REASM_TIMEOUT": 2} and host.net.frag_nqueues == 1


def send_on(host: Lab, q: int, frame: bytes, t: int) -> None:
    """A frame that the NIC puts onto queue q, whatever its hash."""
    host.feed[host.at:host.at + len(frame)] = frame
    host.net.ring[q].feed_time, host.net.ring[q].rng = t, 12345
    assert host.call(feed.feed_poisson)(host.net, q, 1, 1, host.at, len(frame), 0, 0) == 1
    host.at += len(frame) + 15 & ~15
    host.sent += 1
    host.t = max(host.t, t)


def test_queues_time_out_on_the_cpus_that_created_them(lab):
    ends = []
    for one_step in (False, True):
        host = lab(cpus=4, queues=4, one_step=one_step, costs=COSTS)
        host.net.sysctl[Sysctl.ipfrag_time_ns] = 100 * MS
        for i in range(80):
            send_on(host, i * 7 % 4, frag(bytes(80), 0 if i % 3 else 80, True, ident=i), 1000 + 700 * i)
        host.run(90 * MS)
        at_home = [any(host.net.timer_bases[c].pending_map) for c in range(4)]
        host.run(400 * MS)
        ends.append((host.ends(), host.mib(), [host.net.cpu[c].softirq_ns for c in range(4)],
                     [host.net.cpu[c].hardirq_ns for c in range(4)], [host.net.sd[c].raised[1] for c in range(4)], at_home))
    assert ends[0] == ends[1]
    assert ends[0][0] == {"FRAG_REASM_TIMEOUT": 80} and ends[0][5] == [True] * 4
    assert all(1 <= n <= 3 for n in ends[0][4])                 # a bucket, not a queue, raises TIMER_SOFTIRQ


def test_fragments_of_one_datagram_on_several_cpus(lab):
    """The table is shared, its memory limit and its time-outs too: running ahead must equal one step at a time."""
    ends = []
    for one_step in (False, True):
        host = lab(cpus=4, queues=4, one_step=one_step, costs=COSTS)
        host.net.sysctl[Sysctl.ipfrag_time_ns] = 20 * MS
        host.net.sysctl[Sysctl.ipfrag_high_thresh] = 60000
        apps = [host.app(host.udp(5000 + i), cpu=i) for i in range(2)]
        t = 1000
        for ident in range(60):
            for k, f in enumerate(cut(udp(bytes(1200), dport=5000 + ident % 2), 400, ident)):
                t += 211 + 97 * (ident % 7)
                if (ident + k) % 17:
                    send_on(host, (ident * 3 + k) % 4, f, t)
        host.run(200 * MS)
        ends.append((host.ends(), host.mib(), [host.net.thread[a].latency_hash for a in apps],
                     [host.net.cpu[c].softirq_ns for c in range(4)]))
    assert ends[0] == ends[1]
    assert set(ends[0][0]) == {"RECEIVED", "FRAG_REASM_TIMEOUT", "NOT_SPECIFIED"}


# ---------------------------------------------------------------- ipfrag_max_dist
@pytest.mark.parametrize("between,ok", [(2, True), (3, False)])
def test_a_queue_starts_anew_when_its_source_sent_too_much_in_between(lab, between, ok):
    host = lab()
    host.udp(5000)
    host.net.sysctl[Sysctl.ipfrag_max_dist] = 3
    _, whole = datagram(2000)
    first, last = cut(whole, 1480)
    host.send(first, *[frag(bytes(80), 0, True, ident=100 + i) for i in range(between)], last).run()
    assert counters(host).get("ReasmOKs", 0) == int(ok)
    assert host.ends() == ({} if ok else {"FRAG_TOO_FAR": 1})
    assert counters(host).get("ReasmFails", 0) == int(not ok)


def test_other_sources_do_not_count_and_zero_turns_it_off(lab):
    for dist, src in ((3, "10.0.0.9"), (0, PEER)):
        host = lab()
        host.udp(5000)
        host.net.sysctl[Sysctl.ipfrag_max_dist] = dist
        _, whole = datagram(2000)
        first, last = cut(whole, 1480)
        host.send(first, *[frag(bytes(80), 0, True, ident=100 + i, src=src) for i in range(20)], last).run()
        assert counters(host)["ReasmOKs"] == 1


# ---------------------------------------------------------------- 3.10
def test_3_10_trims_overlaps(lab):
    host = lab(kernel="3.10")
    app = host.app(host.udp(5000))
    payload, whole = datagram(400)
    host.send(frag(whole[:80], 0, True), frag(whole[160:240], 160, True), frag(b"?" * 40 + whole[80:200], 40, True),
              frag(whole[240:], 240, False)).run()
    assert host.ends() == {"RECEIVED": 4} and host.data(app, 400) == payload
    assert counters(host) == {"ReasmReqds": 4, "ReasmOKs": 1}


def test_3_10_evicts_the_oldest_queues(lab):
    host = lab(kernel="3.10")
    host.net.sysctl[Sysctl.ipfrag_high_thresh], host.net.sysctl[Sysctl.ipfrag_low_thresh] = 20000, 10000
    host.send(*[frag(bytes(1480), 0, True, ident=i) for i in range(9)]).run()
    assert host.ends() == {"FRAG_QUEUE_KILLED": 5} and host.net.frag_nqueues == 4
    assert counters(host) == {"ReasmReqds": 9, "ReasmFails": 5}


def test_3_10_times_out_at_its_jiffy(lab):
    host = lab(kernel="3.10")
    host.net.sysctl[Sysctl.ipfrag_time_ns] = 1 * SEC
    host.send(frag(bytes(80), 80, True)).run(1 * SEC + 1 * MS)
    assert host.ends() == {"FRAG_REASM_TIMEOUT": 1}


# ---------------------------------------------------------------- what always holds
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_fragments_in_any_order_are_the_payload_or_end_once(data):
    """Cut anywhere, shuffled, with duplicates: with every piece there the payload comes out; the books balance after each run."""
    kernel = data.draw(st.sampled_from(["6.18", "3.10"]))
    host = Lab(kernel=kernel)
    host.net.sysctl[Sysctl.ipfrag_max_dist] = 0
    app = host.app(host.udp(5000))
    payload, whole = datagram(data.draw(st.integers(1, 4000)))
    marks = sorted(data.draw(st.sets(st.integers(1, max(1, (len(whole) - 1) // 8)), max_size=8)))
    edges = [0, *[m * 8 for m in marks if m * 8 < len(whole)], len(whole)]
    edges = sorted({*edges, *range(0, len(whole), 1480)})
    spans = list(itertools.pairwise(edges))
    order = data.draw(st.permutations(spans + data.draw(st.lists(st.sampled_from(spans), max_size=3))))
    host.send(*[frag(whole[a:b], a, b < len(whole)) for a, b in order])
    host.run()
    host.close()
    if len(spans) == 1:
        return                                                              # whole datagrams, no fragments
    got = host.net.snmp[0][Mib.Ip_ReasmOKs]
    assert got >= 1
    assert host.data(app, len(payload)) == payload
    host.run(host.t + 40 * SEC)
    host.close()
    assert host.queued() == 0 and host.net.frag_mem == 0 and host.net.frag_nqueues == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 6), st.booleans(), st.integers(0, 2)), min_size=1, max_size=40),
       st.sampled_from(["6.18", "3.10"]))
def test_hostile_fragments_end_once_each(pieces, kernel):
    """Any offsets and lengths: whatever happens, every frame ends exactly once, and no memory stays behind."""
    host = Lab(kernel=kernel)
    host.udp(5000, rcvbuf=1 << 20)
    host.send(*[frag(bytes(n * 8 + (0 if more else 3)), at * 8, more, ident) for at, n, more, ident in pieces])
    host.run()
    host.close()
    host.run(host.t + 40 * SEC)
    host.close()
    assert host.net.frag_mem == 0 and host.net.frag_nqueues == 0 and host.net.peer[0].refs == 0


def test_helpers_cut_as_the_frames_module_does():
    assert fragments(bytes(100), [80])[1][-20:] == frag(bytes(20), 80, False)[-20:] and ip4(US)
