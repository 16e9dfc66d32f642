"""--perfetto, read back with the protobuf classes of the perfetto package: tracks, slices that nest, arrows, losses, counters, books."""
from collections import Counter, defaultdict

import pytest

import rxpath
from rxpath.abi.reasons import DELIVERED, Drop
from rxpath.workbench.host.file import apply_overrides, default, loads
from rxpath.workbench.run.timeline import Timeline
from rxpath.workbench.scenarios.scenario import load
from rxpath.workbench.views import perfetto

from .test_cards import TWO, spec
from .test_command import run

pb2 = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2", reason="no perfetto package here")
SHORT = """
[[traffic]]
rate = "50kpps"
duration = "4ms"
dst = "10.0.0.1"
[[traffic]]
rate = "30kpps"
duration = "4ms"
dst = "10.1.0.1"
src = "10.1.0.9-10.1.0.40"
"""
HARD = ("IRQ ", "IPI", "timer", "tick", "another", "stalled")
TCP = """
[[client]]
connections = 8
rate = "20kpps"
messages = 4
rtt = "1ms"
[[traffic]]
rate = "40kpps"
count = 400
"""


class Read:
    """A trace, and what any of ours keeps to: every track is told before it is used, names resolve, times go on, slices nest and end; an
    arrow has two events or more, of which the last is its end."""

    def __init__(self, data):
        self.trace = pb2.Trace.FromString(data)
        self.trace.DiscardUnknownFields()
        assert self.trace.ByteSize() == len(data)           # else there were some
        names, notes, self.tracks, self.counters = {}, {}, {}, {}
        self.slices, self.instants, self.self_ns = [], [], defaultdict(Counter)
        self.flows = defaultdict(list)
        opened, at, last = defaultdict(list), {}, 0
        first = self.trace.packet[0]
        assert first.sequence_flags == 1 and first.track_descriptor.process.pid == 1
        for p in self.trace.packet:
            assert p.trusted_packet_sequence_id == 1
            if p.HasField("track_descriptor"):
                d = p.track_descriptor
                assert d.uuid not in self.tracks and (not d.parent_uuid or d.parent_uuid in self.tracks)
                self.tracks[d.uuid] = d
                continue
            assert p.sequence_flags == 2
            names |= {n.iid: n.name for n in p.interned_data.event_names}
            notes |= {n.iid: n.name for n in p.interned_data.debug_annotation_names}
            e, t = p.track_event, p.timestamp
            track = self.tracks[e.track_uuid].name
            if e.type == e.TYPE_COUNTER:
                assert self.tracks[e.track_uuid].HasField("counter")
                points = self.counters.setdefault(e.track_uuid, [])
                assert not points or t > points[-1][0]
                points.append((t, e.counter_value))
                continue
            assert t >= last
            last = t
            said = {notes[a.name_iid]: a.string_value or a.int_value for a in e.debug_annotations}
            if stack := opened[track]:
                self.self_ns[track][stack[-1][0]] += t - at[track]
            at[track] = t
            if e.type == e.TYPE_SLICE_END:
                name, begin, facts = stack.pop()
                self.slices.append((track, name, begin, t, len(stack), facts | said))
            elif e.type == e.TYPE_SLICE_BEGIN:
                stack.append((names[e.name_iid], t, said))
            else:
                assert e.type == e.TYPE_INSTANT
                self.instants.append((track, names[e.name_iid], t, said, [s[0] for s in stack]))
            for flow in e.flow_ids:
                self.flows[flow].append((t, track, names[e.name_iid], False))
            for flow in e.terminating_flow_ids:
                self.flows[flow].append((t, track, names[e.name_iid], True))
        assert not any(opened.values())
        for frame, points in self.flows.items():
            assert len(points) > 1 and [p[3] for p in points] == [False] * (len(points) - 1) + [True], (frame, points)

    def named(self, start):
        return [s for s in self.slices if s[1].startswith(start)]


def traced(*args, most=500_000, **more):
    line = Timeline(most)
    outcome = rxpath.replay(*args, watching=[line], record=True, **more)
    return Read(perfetto.trace(line, outcome)), outcome, line


def agrees(read, outcome):
    """With the books: every CPU's time, every loss."""
    for c in outcome.books.cpus:
        hard = sum(s[3] - s[2] for s in read.slices if s[0] == f"CPU {c.cpu}" and s[1].startswith(HARD))
        assert hard == c.hardirq, c.cpu
    lost = Counter(name.split(": ")[1] for _, name, *_ in read.instants if ": " in name)
    assert lost == {k: n for k, n in outcome.dropped.items() if n}
    assert not {Drop[r] for r in lost} & set(DELIVERED)
    most = Counter((f"{s.name.replace('_', ' ')} {s.of}", max(s.max)) for s in outcome.recording.series if s.kind == "level")
    found = Counter((read.tracks[track].name, max(v for _, v in points)) for track, points in read.counters.items())
    assert found and found <= most


@pytest.fixture(scope="module")
def first():
    return traced("first", last=3500)


def test_the_bundled_capture(first):
    read, outcome, line = first
    agrees(read, outcome)
    assert line.said() == "" and len(read.flows) == outcome.offered
    tracks = [t.name for t in read.tracks.values()]
    assert tracks[:6] == ["first.pcap: kernel 6.18, cost profile bm36", "wire", "from the wire to eth0 queue 0",
                          "from the wire to eth0 queue 1", "CPU 0", "CPU 1"]
    assert {"socket memory telemetry", "ring fill queue 0", "fragment memory host"} <= {*tracks[6:]}
    lost = {k: n for k, n in outcome.dropped.items() if n}
    ends = Counter(points[-1][2].split(" ", 2)[-1].split(":")[0] for points in read.flows.values())
    assert ends["read"] + ends["consumed"] == outcome.delivered and {e: n for e, n in ends.items() if e in Drop.__members__} == lost
    assert all(p[0][1].startswith("from the wire") for p in read.flows.values())
    polls = read.named("poll eth0")
    assert sum(s[5]["packets"] for s in polls) == outcome.offered
    assert len(read.named("IRQ eth0")) == sum(q.interrupts for q in outcome.books.queues)
    assert {s[4] for s in polls} == {2}                     # under softirqs and NET_RX
    where = Counter(tuple(stack[-2:]) for _, name, _, _, stack in read.instants if name.endswith(" read"))
    assert {s for s in where if s[-1] != "recvfrom"} == set(), where


def test_every_read_lies_in_its_call_and_every_station_in_a_poll(first):
    read, _, _ = first
    inside = defaultdict(list)
    for track, name, begin, end, depth, _ in read.slices:
        inside[track, depth].append((begin, end, name))
    for track, name, begin, end, depth, facts in read.slices:
        assert begin <= end
        if name == "__udp_enqueue_schedule_skb":
            assert any(b <= begin and end <= e and n.startswith("poll") for b, e, n in inside[track, depth - 1]
                       if b <= begin <= e), facts
            break


def test_the_same_bytes_twice_and_looking_changes_nothing():
    def whole(**more):
        line = Timeline()
        outcome = rxpath.replay("first", watching=[line], record=True, last=600, **more)
        return perfetto.trace(line, outcome), outcome.books

    assert whole() == whole()
    assert whole()[1] == rxpath.replay("first", last=600).books


def test_plain_finds_the_same():
    def whole(plain):
        line = Timeline()
        return perfetto.trace(line, rxpath.replay("first", watching=[line], record=True, last=150, plain=plain))

    assert whole(True) == whole(False)


@pytest.mark.parametrize(("host", "traffic", "slices"), [
    ({}, TCP, ["epoll_wait", "recvfrom", "tcp_data_queue"]),
    ({"nic.napi": "threaded"}, SHORT, ["napi_threaded_poll", "napi/eth0"]),
    (TWO, SHORT, ["IPI: RPS", "process_backlog", "poll eth1", "poll eth0"]),
    ({"nic.napi": "none"}, SHORT, ["process_backlog", "IRQ eth0", "netif_rx"]),
    ({"net.core.busy_read": 50}, SHORT, ["napi_busy_loop"]),
    ({"nic.driver": "veth"}, SHORT, ["sender on eth0", "send"]),
], ids=["tcp", "threaded", "two cards, rps", "no napi", "busy polling", "veth"])
def test_other_hosts(host, traffic, slices):
    given = loads(host) if isinstance(host, str) else apply_overrides(default(), [f"{k}={v}" for k, v in host.items()])
    read, outcome, _ = traced(spec(traffic), given, last=2_000_000)
    agrees(read, outcome)
    found = {s[1] for s in read.slices}
    for wanted in slices:
        assert any(name.startswith(wanted) for name in found), (wanted, sorted(found))
    assert outcome.delivered and len(read.flows) > outcome.delivered // 2


def test_rps_carries_arrows_from_cpu_to_cpu():
    lesson = load("rps-target-saturated")
    read, outcome, _ = traced(lesson.the_spec(), lesson.the_host(), last=1_000_000)
    agrees(read, outcome)
    ways = Counter(tuple(dict.fromkeys(p[1] for p in points)) for points in read.flows.values())
    assert ways["from the wire to eth0 queue 0", "CPU 0", "CPU 1", "CPU 3"] > 20


@pytest.mark.parametrize("most", [40_000, 8000, 1000])
def test_a_long_run_is_told_in_part(most):
    read, outcome, line = traced("first", most=most, last=3500)
    assert 0 < line._kept <= most and line.every > 1
    said = line.said()
    assert said in outcome.notes and f"one frame in {line.every}" in said
    assert all(int(s[5]["frame"].split()[-1]) % line.every == 0 for s in read.slices if "frame" in s[5])
    if line.stride > 1:
        assert f"one of every {line.stride} windows of 1.05 ms" in said
        windows = [s for s in read.slices if s[1] == "told"]
        assert windows and all(b % (line.stride << 20) == 0 and e - b == 1 << 20 for _, _, b, e, _, _ in windows)
    else:
        agrees(read, outcome)


def test_what_a_cpu_is_in_the_middle_of_is_told_in_every_window():
    """A program that works for 20 ms on a datagram: each window that is told shows it, from end to end where nothing comes between."""
    slow = loads('[[socket]]\nname = "in"\nbind = "*:5000"\n[[app]]\nsockets = "in"\ncpu = 1\nservice = "20ms"\n')
    read, _, line = traced(spec(SHORT.replace("4ms", "40ms")), slow, most=1000)
    windows = [(b, e) for _, name, b, e, _, _ in read.slices if name == "told"]
    assert line.stride > 1 and len(windows) > 1
    for begin, end in windows[1:-1]:
        busy = sum(e - b for track, _, b, e, depth, _ in read.slices if track == "CPU 1" and depth == 0 and begin <= b and e <= end)
        assert busy == end - begin


@pytest.mark.parametrize(("most", "rate"), [(1000, "300pps"), (4000, "5kpps")])
def test_a_window_that_is_told_has_what_the_whole_has_there(most, rate):
    """Programs that work for some windows at a time, on hosts where not every window has a mark of every CPU."""
    slow = loads('[[socket]]\nname = "in"\nbind = "*:5000"\n[[app]]\nsockets = "in"\ncpu = 1\nservice = "2500us"\n')
    traffic = spec(f'[[traffic]]\nkind = "poisson"\nrate = "{rate}"\nduration = "500ms"\n')
    part, _, line = traced(traffic, slow, most=most)
    whole, _, _ = traced(traffic, slow)

    def outer(read, begin, end):
        return [(track, name, max(b, begin), min(e, end)) for track, name, b, e, depth, _ in sorted(read.slices, key=lambda s: s[:4])
                if depth == 0 and track != "told here (the rest is left out)" and b < end and e > begin]

    told = [(b, e) for _, name, b, e, _, _ in part.slices if name == "told"]
    assert line.stride > 1 and len(told) > 3
    assert any(outer(whole, b, e) for b, e in told)
    for begin, end in told:
        assert outer(part, begin, end) == outer(whole, begin, end)


def test_the_command(tmp_path, capsys):
    file = tmp_path / "first.pftrace"
    code, out, err = run(capsys, "replay", "first", "--no-whatif", "--perfetto", str(file), "--perfetto-events", "20000", "--html",
                         str(tmp_path / "x.html"))
    assert code == 0 and "no more than 20,000 events" in " ".join(out.split()), err
    assert Read(file.read_bytes()).flows
    assert "whose frames were lost" in (tmp_path / "x.html").read_text().lower()


@pytest.mark.parametrize(("args", "said"), [
    (("--perfetto", "-"), "./-"), (("--perfetto", "/nowhere/x"), "no such folder"), (("--perfetto-events", "5000"), "--perfetto FILE"),
    (("--perfetto", "x", "--perfetto-events", "5"), "1,000 or more"), (("--perfetto", "x", "--folded", "x.svg"), "use one of them")])
def test_mistakes_are_one_line(args, said, capsys):
    code, out, err = run(capsys, "replay", "first", *args)
    assert code == 2 and said in err and err.count("\n") == 1 and not out
