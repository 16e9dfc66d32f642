"""What a driver of time owes (time_driver.py): the same questions to virtual and to real time, compiled and plain."""
import itertools
import struct

import pytest

from rxpath.abi.kernels import Sysctl
from rxpath.abi.mib import Mib
from rxpath.abi.numbers import NEVER, Note, Out
from rxpath.drivers.net_device import napi_defer
from rxpath.link.setup import add_tap, set_gro, set_rps
from rxpath.network.ip_tables_setup import load_rules
from rxpath.workbench.host.iptables.flat import flatten
from rxpath.workbench.host.iptables.read import parse

from ..frames import eth, fragments, icmp, ip, tcp, udp, udp_frame
from .hosts import KINDS, MS, SECOND, Host

SEEN: dict[str, set[Note]] = {kind: set() for kind in KINDS}
RAN: list[str] = []                                         # tests of this file, in this process


@pytest.fixture(params=[f"{kind} {how}" for kind in KINDS for how in ("compiled", "plain")])
def made(request):
    """made(**options) -> Host"""
    hosts = []
    kind, how = request.param.split()

    def make(**options):
        hosts.append(Host(kind, how == "plain", **options))
        return hosts[-1]
    yield make
    for h in hosts:
        SEEN[kind] |= h.notes()
        h.time.close()
    RAN.append(request.node.nodeid)


def ping(n=0):
    return eth(ip(icmp(8, 0, payload=bytes([n]) * 20), proto=1))


def segment(n):
    return eth(ip(tcp(dport=81, flags=16, seq=1 + 100 * n, ack=5, payload=b"d" * 100), proto=6))


# ---------------------------------------------------------------- the clock
def test_the_clock_moves_and_a_frame_comes_at_its_time(made):
    host = made()
    t = host.reader(host.udp(5000))
    host.time.send(udp_frame(), 3 * MS)
    host.time.run(3 * MS - 1)
    assert host.time.now() == 3 * MS - 1 and host.ends() == {}, "never before it"
    host.time.run(5 * MS)
    assert host.time.now() == 5 * MS and host.ends() == {"RECEIVED": 1}
    assert host.net.thread[t].arrived == 3 * MS
    assert 3 * MS <= host.net.cpu[0].now <= 5 * MS
    host.time.run(5 * MS)                            # again: nothing happens
    assert host.time.now() == 5 * MS


def test_a_fragment_timer_goes_off_and_the_sender_hears(made):
    host = made()
    s = host.net.sysctl
    s[Sysctl.ipfrag_time_ns], s[Sysctl.ipfrag_high_thresh], s[Sysctl.ipfrag_low_thresh] = 30 * SECOND, 4 << 20, 3 << 20
    first, _ = fragments(udp(bytes(1000)), [512])
    host.time.send(first, 1 * MS)
    host.time.run(29 * SECOND)
    assert host.mib(Mib.Ip_ReasmTimeout) == 0 and host.sent(Out.TX) == []
    host.time.run(40 * SECOND)                       # ipfrag_time is 30 s, and its bucket of the wheel an eighth wide
    assert host.mib(Mib.Ip_ReasmTimeout) == 1
    [told] = host.sent(Out.TX)
    assert told.data[34:36] == b"\x0b\x01", "time exceeded, in reassembly"
    assert 30 * SECOND <= told.t <= 34 * SECOND


def test_icmp_credit_comes_back(made):
    host = made()
    for k in range(20):
        host.time.send(udp_frame(dport=99), MS + k)
    host.time.run(2 * MS)
    first = len(host.sent(Out.TX))
    assert 0 < first < 20, "a peer has so many at once"
    for k in range(3):
        host.time.send(udp_frame(dport=99), (k + 1) * SECOND + 10 * MS)
    host.time.run(4 * SECOND)
    assert len(host.sent(Out.TX)) == first + 3, "and one a second (icmp_ratelimit)"


# ---------------------------------------------------------------- GRO and its timer
def test_gro_lets_go_what_is_older_than_a_jiffy(made):
    host = made()
    set_gro(host.boot)
    napi_defer(host.boot.netdev, 0, 20 * MS)
    host.time.send(segment(0), 4 * MS + 500)
    host.time.run(6 * MS)
    assert host.ends() == {}, "held: gro_flush_timeout"
    host.time.send(udp_frame(dport=99), 9 * MS)      # of another flow, in the jiffy after
    host.time.run(12 * MS)
    assert host.ends() == {"NO_SOCKET": 2}


def test_the_timer_of_a_napi_polls_without_an_interrupt(made):
    host = made()
    set_gro(host.boot)
    napi_defer(host.boot.netdev, 0, 20 * MS)
    host.time.send(segment(0), 4 * MS + 500)
    host.time.run(24 * MS)
    assert host.ends() == {}
    host.time.run(26 * MS)
    assert host.ends() == {"NO_SOCKET": 1} and host.net.napi[0].watchdogs == 1


# ---------------------------------------------------------------- notes
def test_a_sleeping_reader_is_woken_for_what_comes(made):
    host = made()
    t = host.reader(host.udp(5000))
    for k in range(3):
        host.time.send(udp_frame(struct.pack("<q", k + 1)), (k + 1) * MS)
    host.time.run(5 * MS)
    assert host.ends() == {"RECEIVED": 3}
    assert bytes(host.buffers[0][:8]) == struct.pack("<q", 3) and host.net.thread[t].arrived == 3 * MS


def test_what_softirqs_leave_is_ksoftirqds(made):
    host = made()
    host.reader(host.udp(5000))
    host.net.sysctl[Sysctl.netdev_budget] = 1
    for _ in range(900):                             # more than ten rounds of 64
        host.time.send(udp_frame(), MS)
    host.time.run(MS if host.kind == "real" else 20 * MS)                    # real time stands still meanwhile
    assert host.ends() == {"RECEIVED": 900}
    assert host.net.sd[0].time_squeeze >= 10 and Note.WAKE_KSOFTIRQD in host.notes()


def test_rps_interrupts_the_other_cpu(made):
    host = made(cpus=2)
    host.reader(host.udp(5000), cpu=1)
    set_rps(host.boot, 0, [1])
    for k in range(4):
        host.time.send(udp_frame(), (k + 1) * MS)
    host.time.run(6 * MS)
    assert host.ends() == {"RECEIVED": 4}
    assert host.net.sd[1].received_rps == 4 and host.net.input[1].len_max == 1 and host.net.snmp[1][Mib.Ip_InReceives] == 4


def test_the_thread_of_a_napi_is_woken(made):
    host = made()
    host.reader(host.udp(5000))
    host.threaded_napi(0)
    for k in range(200):
        host.time.send(udp_frame(), MS + 100 * k)
    host.time.run(3 * MS)
    assert host.ends() == {"RECEIVED": 200} and host.net.napi[0].state == 0


def test_a_frame_that_was_sent_is_freed(made):
    host = made()
    host.time.send(ping(), 1 * MS)
    host.time.run(2 * MS)
    tx = host.net.tx[0]
    assert (tx.packets, tx.next_to_use, tx.next_to_clean) == (1, 1, 1)
    assert len(host.sent(Out.TX)) == 1
    used = [i for i in range(host.net.nskb) if host.net.skb[i].users]
    assert used == [], "and nothing is left"


def test_interrupts_come_again_after_each_poll(made):
    host = made()
    host.reader(host.udp(5000))
    for k in range(10):
        host.time.send(udp_frame(), (k + 1) * MS)
    host.time.run(11 * MS)
    assert host.net.ring[0].irqs == 10 and host.net.ring[0].unmasked == 1


def test_interrupts_keep_their_distance(made):
    host = made()
    host.reader(host.udp(5000))
    host.net.ring[0].itr_ns = MS
    for k in range(10):
        host.time.send(udp_frame(), MS + 150_000 * k)
    host.time.run(5 * MS)
    assert host.ends() == {"RECEIVED": 10} and host.net.ring[0].irqs == 3, "at 1, 2 and 3 ms"


# ---------------------------------------------------------------- sinks
def test_sinks_are_told_of_everything_that_leaves_in_the_order_of_time(made):
    host = made(cpus=2, queues=2)
    add_tap(host.boot)
    load_rules(host.boot, flatten(parse("*filter\n-A INPUT -p udp -j LOG --log-prefix \"seen: \"\nCOMMIT\n")))
    second = []
    host.time.add_sink(second.append)
    for k in range(20):
        host.time.send(ping(k) if k % 4 == 0 else udp_frame(sport=1000 + k), MS + 700 * k)
    host.time.run(3 * MS)
    kinds = {kind: len(host.sent(kind)) for kind in Out}
    assert kinds[Out.TAP] == 20 and kinds[Out.LOG] == 15 and kinds[Out.TX] >= 5
    assert [o.t for o in host.left] == sorted(o.t for o in host.left)
    assert second == host.left and host.time._drain.lost() == 0


def test_a_sink_that_comes_late_hears_what_comes_later(made):
    host = made()
    host.time.send(ping(1), 1 * MS)
    host.time.run(2 * MS)
    late = []
    host.time.add_sink(late.append)
    host.time.send(ping(2), 3 * MS)
    host.time.run(4 * MS)
    assert [o.data[-1] for o in late] == [2] and [o.data[-1] for o in host.left] == [1, 2]


# ---------------------------------------------------------------- sources
class Pinger:
    """Answers each reply with the next question; beside that it asks at times of its own."""

    def __init__(self, driver, more, clock=(), after=None):
        self.driver, self.more, self.clock, self.after = driver, more, list(clock), after
        self.asked = []

    def wake_at(self):
        return self.clock[0] if self.clock else NEVER

    def woken(self, now):
        assert now >= self.clock.pop(0)
        yield from self.ask(now)

    def heard(self, sent):
        if self.more:
            self.more -= 1
            yield from self.ask(sent.t)

    def ask(self, now):
        t = now + (self.driver.reaction_ns() if self.after is None else self.after)
        self.asked.append(t)
        yield t, ping(len(self.asked) & 0xFF)


def test_a_source_answers_and_its_frame_comes_after_what_it_answers(made):
    host = made()
    add_tap(host.boot)
    source = Pinger(host.time, more=4, after=20_000)
    host.time.add_source(source)
    host.time.send(ping(0), 1 * MS)
    host.time.run(5 * MS)
    sent = host.sent(Out.TX)
    assert [o.data[-1] for o in sent] == [0, 1, 2, 3, 4]
    assert source.asked == [o.t + 20_000 for o in sent[:4]]
    assert all(a < b for a, b in itertools.pairwise(o.t for o in sent))
    assert all(o.t >= t for o, t in zip(sent[1:], source.asked, strict=True)), "the answer to a frame comes after it"
    assert (host.net.offered, host.net.made) == (5, 4)
    assert host.ends() == {"CONSUMED": 5}


def test_frames_of_sources_merge_with_those_on_the_cable(made):
    host = made()
    host.reader(host.udp(5000))
    add_tap(host.boot)
    source = Pinger(host.time, more=5, clock=(2 * MS + 50, 5 * MS + 50), after=30_000)
    host.time.add_source(source)
    for k in range(600):
        host.time.send(udp_frame(struct.pack("<q", k)), MS + 10_000 * k)
    host.time.send(ping(0), 8 * MS)
    host.time.run(9 * MS)
    arrived = [o.data for o in host.sent(Out.TAP)]
    assert host.ends()["RECEIVED"] == 600 and host.net.made == len(source.asked) == 7
    order = sorted([(MS + 10_000 * k, 0) for k in range(600)] + [(t, 1) for t in source.asked] + [(8 * MS, 1)])
    assert [int(frame[23] == 1) for frame in arrived] == [made_ for _, made_ in order], "in the order of their times"


def test_a_source_has_timers(made):
    host = made()
    source = Pinger(host.time, more=0, clock=(1 * MS, 7 * MS, 7 * MS + 1))
    host.time.add_source(source)
    host.time.run(6 * MS)
    assert len(source.asked) == 1
    host.time.run(8 * MS)
    assert len(source.asked) == 3 and host.ends() == {"CONSUMED": 3}


def test_sources_frames_use_their_memory_again(made):
    host = made()
    big = eth(ip(udp(bytes(1400), dport=99), proto=17))

    class Flood:
        at = MS

        def wake_at(self):
            return self.at if self.at < 30 * MS else NEVER

        def woken(self, now):
            self.at = now + MS
            return [(now + 10_000 + k * 1000, big) for k in range(60)]

        def heard(self, sent):
            return ()
    host.time.add_source(Flood())
    host.time.run(40 * MS)
    assert host.net.made == 29 * 60 and host.ends() == {"NO_SOCKET": 29 * 60}, "2.5 MB through 1 MB"


def test_frames_that_nobody_has_taken_yet_are_not_overwritten(made):
    host = made()
    host.net.ring[0].unmasked = 0                    # nobody looks at the cable
    add_tap(host.boot)

    class Count:
        at, n = MS, 0

        def wake_at(self):
            return self.at if self.n < 1000 else NEVER

        def woken(self, now):
            self.at = now + MS
            for k in range(50):
                self.n += 1
                yield now + 10_000 + k, udp_frame(struct.pack("<q", self.n) + bytes(1392), dport=99)

        def heard(self, sent):
            return ()
    host.time.add_source(Count())
    host.time.run(30 * MS)
    assert host.ends() == {}
    host.net.ring[0].unmasked = host.net.nic_changed = 1
    host.time.run(40 * MS)
    assert [struct.unpack("<q", o.data[42:50])[0] for o in host.sent(Out.TAP)] == list(range(1, 1001)), "1.4 MB through 1 MB"


def test_a_source_that_answers_before_it_can_have_heard_is_refused(made):
    host = made()
    host.time.add_source(Pinger(host.time, more=1, after=10))
    host.time.send(ping(), 1 * MS)
    with pytest.raises(ValueError, match="ns later at the earliest"):
        host.time.run(2 * MS)


def test_frames_of_sources_are_steered_as_any_other(made):
    host = made(cpus=2, queues=2)
    source = Pinger(host.time, more=0)
    host.time.add_source(source)
    frames = [udp_frame(src=f"10.0.0.{2 + k}", dport=99) for k in range(16)]
    source.clock, source.ask = [MS], lambda now: [(now + 10_000 + k, f) for k, f in enumerate(frames)]
    host.time.run(3 * MS)
    made_by_queue = [host.net.ring[q].packets for q in range(2)]
    for f in frames:
        host.time.send(f, 4 * MS)
    host.time.run(5 * MS)
    assert min(made_by_queue) > 0 and [host.net.ring[q].packets for q in range(2)] == [2 * n for n in made_by_queue]


def test_every_note_was_obeyed_by_both(request):
    """Last: the tests above have met every kind of word that a station may leave."""
    whole = {item.nodeid for item in request.session.items if item.path == request.node.path and "made" in item.fixturenames}
    if whole <= set(RAN):
        for kind, notes in SEEN.items():
            assert notes == set(Note), (kind, set(Note) - notes)

