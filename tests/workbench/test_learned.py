"""Service times from a capture's replies: what is a request's own work, and what is waiting."""

import pytest

import rxpath
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.run.simulation import Simulation
from rxpath.workbench.traffic import service_times as learned
from rxpath.workbench.views.report import header
from rxpath.workbench.words.mistakes import BadInput

from ..cable.captures import pcap
from ..frames import PEER, US, udp_frame

REQUEST, OTHER = udp_frame(b"?", sport=4000, dport=53), udp_frame(b"?", sport=4001, dport=53)
REPLY, OTHER_REPLY = (udp_frame(b"!", sport=53, dport=port, src=US, dst=PEER) for port in (4000, 4001))


def write(tmp_path, records):
    path = tmp_path / "both.pcap"
    path.write_bytes(pcap([(10**9 + us * 1000, frame, len(frame)) for us, frame in records]))
    return str(path)


def test_a_reply_took_from_its_request_or_from_the_reply_before(tmp_path):
    path = write(tmp_path, [(0, REQUEST), (20, REPLY), (100, REQUEST), (101, OTHER), (130, REPLY), (145, OTHER_REPLY), (200, REPLY)])
    found = learned.service_times(path, (US,), 53)
    assert found.times == (20_000, 30_000, 15_000) and (found.requests, found.replies) == (3, 3)
    assert "3 replies to 3 requests: mean 21.7 us" in found.describe()
    assert learned.service_times(path, (US,)).times == found.times, "of all ports"


def test_a_capture_without_replies_is_refused_in_one_line(tmp_path):
    path = write(tmp_path, [(0, REQUEST), (20, OTHER)])
    with pytest.raises(BadInput, match=r"both.pcap: no UDP reply of port 53 to any of 2 requests"):
        learned.service_times(path, (US,), 53)
    with pytest.raises(BadInput, match="cannot be read"):
        learned.service_times(str(tmp_path / "none.pcap"))


def test_an_application_works_as_long_as_it_did_in_the_capture(tmp_path):
    write(tmp_path, [(0, REQUEST), (20, REPLY), (100, REQUEST), (140, REPLY)])
    host = {"nic": {"addresses": [US + "/24"], "mac": "02:00:00:00:00:01"}, "socket": [{"name": "dns", "bind": "*:53"}],
            "app": [{"sockets": "dns", "cpu": 1, "service": {"capture": "both.pcap"}}]}
    host["app"][0]["service"]["capture"] = str(tmp_path / "both.pcap")
    with Simulation(hostfile.build(host, "a host")) as sim:
        for i in range(6):
            sim.send(REQUEST, at=1_000_000 * (i + 1))
        sim.drain()
        books = sim.books()
        assert books.apps[0].received == 6 and books.apps[0].app_ns == 3 * (20_000 + 40_000)
        assert any("app0 works as learned from" in note and "2 replies to 2 requests" in note for note in sim.said())


def test_replies_teach_how_many_were_under_way_and_pauses(tmp_path):
    path = write(tmp_path, [(0, REQUEST), (20, REPLY), (100, REQUEST), (101, OTHER), (130, OTHER_REPLY), (145, REPLY), (200, REPLY)])
    found = learned.service_times(path, (US,), 53)
    assert found.together == 2, "the second request's reply came first"
    assert learned.together([(0, 9), (1, 8), (2, 4), (5, 6)]) == 3 and learned.together([(0, 1), (2, 3)]) == 1 and learned.together([]) == 1
    slow = [(i * 10_000 + dt, f) for i in range(20) for dt, f in ((0, REQUEST), (50, REPLY))] + [(300_000, REQUEST), (309_000, REPLY)]
    found = learned.service_times(write(tmp_path, slow), (US,), 53)
    assert found.pauses == 1 and "it stood still 1 time" in found.teaches() and "one after the other" in found.teaches()


def test_a_replay_says_what_the_replies_teach(tmp_path):
    path = write(tmp_path, [(0, REQUEST), (20, REPLY), (100, REQUEST), (140, REPLY)])
    run = rxpath.replay(path)
    assert run.taught is not None and run.receiver.addresses == [US]
    assert run.taught.text.startswith("replies: 2 replies to 2 requests: mean 30.0 us")
    assert run.taught.text in header(run) and run.to_dict()["replies"] == run.taught.text
    assert not run.taught.applied and run.to_dict()["taught"]["why_not"] == "fewer than 30 do not stand for a program"
    nothing = rxpath.replay(write(tmp_path, [(0, REQUEST)]))
    assert nothing.taught is None and nothing.to_dict()["replies"] == "" and "taught" not in nothing.to_dict()


# ---------------------------------------------------------------- a program that works so
def asks(client: int) -> tuple[bytes, bytes]:
    """A client's request and its reply."""
    return udp_frame(b"?", sport=4000 + client, dport=53), udp_frame(b"!", sport=53, dport=4000 + client, src=US, dst=PEER)


def resolver(n: int = 100) -> list[tuple[int, bytes]]:
    """us: a request each millisecond; four in five are answered from memory in 30 us, the others when somebody else has answered, 5.3 ms
    later."""
    out = []
    for i in range(n):
        ask, answer = asks(i % 50)
        out += [(1000 * i, ask), (1000 * i + (5300 if i % 5 == 4 else 30), answer)]
    return sorted(out, key=lambda item: item[0])


def test_a_forwarder_waits_and_does_not_compute(tmp_path):
    run = rxpath.replay(write(tmp_path, resolver()))
    app, taught = run.books.apps, run.taught
    assert taught is not None and taught.applied and taught.work_ns == 30_000 and taught.together == 2 and taught.threads == 2
    assert "applied: app0 works 30.0 us on a datagram and waits" in taught.text
    assert ", 2 threads (--set app.app0.service=0us: not)" in taught.text
    assert len(app) == 2 and {a.cpu for a in app} == {0} and sum(a.received for a in app) == 100
    assert sum(a.app_ns for a in app) == 100 * 30_000, "20 of them wait 5.3 ms each"
    assert any("works as its replies in the capture show: app0 works and waits as learned from both.pcap" in line for line in header(run))
    assert run.to_dict()["taught"]["applied"] is True
    again = rxpath.replay(write(tmp_path, resolver()))
    assert again.to_dict() == run.to_dict()


def test_waiting_takes_as_long_as_it_did(tmp_path):
    """Of one at a time: what a request is answered after is when the program reads the next."""
    records = [(10_000 * i + dt, f) for i in range(40) for dt, f in zip((0, 3030 if i % 2 else 30), asks(0), strict=True)]
    learned_ = learned.service_times(write(tmp_path, records), (US,))
    assert learned_.threads == 1 and learned_.work == 30_000
    work, sleep = learned_.work_and_sleep()
    assert work == [30_000] * 40 and sleep == [0, 2_950_000] * 20, "the timer's slack is taken off"
    run = rxpath.replay(write(tmp_path, records), rate=1000)
    assert run.taught is not None and run.taught.applied
    took = run.books.elapsed_ns - 1_000_000
    assert 40 * 30_000 + 20 * 2_950_000 < took < 40 * 60_000 + 20 * 3_100_000 + 1_000_000_000


def test_what_is_a_little_longer_is_work(tmp_path):
    records = [(1000 * i + dt, f) for i in range(40) for dt, f in zip((0, 30 + i), asks(0), strict=True)]
    found = learned.service_times(write(tmp_path, records), (US,))
    assert found.work_and_sleep() == ([30_000 + 1000 * i for i in range(40)], [0] * 40)


def test_one_cpu_computes_no_more_than_its_replies_come_apart(tmp_path):
    """All take 20 ms, eighty at a time: the work cannot be 20 ms each."""
    records = sorted([(250 * i + dt, f) for i in range(400) for dt, f in zip((0, 20_000 - i % 2 * 600), asks(i % 100), strict=True)],
                     key=lambda item: item[0])
    found = learned.service_times(write(tmp_path, records), (US,))
    assert found.together > 1 and 70 < found.threads < 90 and 200_000 < found.work <= 260_000
    shares = [found.work_and_sleep(i, 80)[1] for i in range(80)]
    assert sum(map(len, shares)) == found.replies and all(shares), "each thread has its share"


def test_a_threads_share_is_of_the_whole_capture(tmp_path):
    found = learned.Learned(tuple(range(100_000, 200_000, 10_000)), 10, 10)
    assert found.work_and_sleep(1, 3)[0] == [110_000, 140_000, 170_000]
    assert found.work_and_sleep(12, 30)[0] == [120_000], "more threads than replies"


@pytest.mark.parametrize(("records", "why"), [
    (resolver(20), "fewer than 30 do not stand for a program"),
    (resolver() + [(200_000 + i, udp_frame(b"log", sport=9, dport=514)) for i in range(150)],
     "less than half of the requests were answered"),
    (resolver() + [(200_000 + i, udp_frame(b"more", sport=53, dport=4000, src=US, dst=PEER)) for i in range(80)], "a stream, not requests"),
])
def test_where_replies_do_not_stand_for_the_program_the_default_stays(tmp_path, records, why):
    run = rxpath.replay(write(tmp_path, records), local=US)
    assert run.taught is not None and not run.taught.applied and why in run.taught.text and "not applied: " in run.taught.text
    assert [a.app_ns for a in run.books.apps] == [0]


def test_the_users_word_has_precedence(tmp_path):
    path = write(tmp_path, resolver())
    run = rxpath.replay(path, overrides=["app.0.service=0us"])
    assert run.taught is not None and not run.taught.applied and "not applied: the host file says how long app0 works" in run.taught.text
    run = rxpath.replay(path, overrides=["app.0.threads=3", "app.0.cpu=1"])
    assert run.taught is not None and run.taught.applied and [a.cpu for a in run.books.apps] == [1, 1, 1]
    assert "3 threads" in run.taught.text


def test_answers_to_its_own_questions_are_no_requests(tmp_path):
    asked = [(10 * i, udp_frame(b"?" if i % 2 == 0 else b"!", sport=5353 if i % 2 == 0 else 53, dport=53 if i % 2 == 0 else 5353,
                                src=US if i % 2 == 0 else PEER, dst=PEER if i % 2 == 0 else US)) for i in range(100)]
    found = learned.service_times(write(tmp_path, asked + [(10_000 + t, f) for t, f in resolver(40)]), (US,))
    assert (found.requests, found.replies, found.unasked) == (40, 40, 0)


def test_a_capture_from_afar_teaches_no_service(tmp_path):
    far = [(t, f[:22] + bytes([51]) + f[23:]) if f[26:30] == bytes(map(int, US.split("."))) else (t, f) for t, f in resolver()]
    mended = [(t, f[:24] + b"\0\0" + f[26:]) for t, f in far]
    run = rxpath.replay(write(tmp_path, [(t, with_ip_sum(f)) for t, f in mended]), local=US)
    assert run.taught is not None and not run.taught.applied and "routers lie between it and the place of the capture" in run.taught.text


def with_ip_sum(frame: bytes) -> bytes:
    total = sum(int.from_bytes(frame[i:i + 2], "big") for i in range(14, 34, 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return frame[:24] + (total ^ 0xFFFF).to_bytes(2, "big") + frame[26:]


def test_waits_is_for_what_a_capture_teaches():
    with pytest.raises(ValueError, match="waits says that what a capture teaches is in part sleep"):
        hostfile.build({"app": [{"service": {"constant": "2us", "waits": True}}]}, "a host")


def test_knobs_are_tried_with_the_program_that_was_taught(tmp_path):
    path = write(tmp_path, [(t // 100, f) for t, f in resolver(400)])
    run = rxpath.whatif(path, overrides=["net.core.rmem_default=2304"], jobs=1)
    assert run.taught is not None and run.taught.applied and run.dropped and run.whatif is not None
    threads = [k for k in run.knobs if any(".threads=" in s for s in k.set)]
    assert run.knobs and all(int(s.partition("threads=")[2]) > run.taught.threads for k in threads for s in k.set if ".threads=" in s)


def test_the_first_replies_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(learned, "MOST", 40)
    found = learned.service_times(write(tmp_path, resolver()), (US,))
    assert (found.replies, found.requests, len(found.times), len(found.pairs)) == (40, 41, 40, 40)
