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
    assert run.receiver.addresses == [US] and run.replies.startswith("replies: 2 replies to 2 requests: mean 30.0 us")
    assert run.replies in header(run) and run.to_dict()["replies"] == run.replies
    assert rxpath.replay(write(tmp_path, [(0, REQUEST)])).replies == ""
