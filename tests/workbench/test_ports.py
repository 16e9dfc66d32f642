"""UDP ports that open and close while a capture goes on, as its port unreachables say."""
import pathlib

import pytest

import rxpath
from rxpath._compile import new
from rxpath.abi.census import NCENSUS_PORT, NCHANGE, WAYS, census_t
from rxpath.abi.limits import NSOCK
from rxpath.cable.census import census_fold
from rxpath.cable.census_tables import census_mix, census_place, census_port_of
from rxpath.cable.receiver import Receiver, infer_receiver
from rxpath.cable.surroundings import Change
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.run import sockets
from rxpath.workbench.run.simulation import Simulation

from ..cable.captures import pcap, shared_capture
from ..frames import MAC_PEER, MAC_US, PEER, US, eth, icmp, ip, udp, udp_frame

ASKS = udp_frame(b"?", sport=4000, dport=5000)
SAYS = udp_frame(b"!", sport=5000, dport=4000, src=US, dst=PEER)
REFUSES = eth(ip(icmp(3, 3, b"\0" * 4, ASKS[14:42]), US, PEER, 1), MAC_PEER, MAC_US)
OTHER = udp_frame(b"x", sport=4000, dport=6000)


def write(tmp_path: pathlib.Path, *frames: bytes) -> pathlib.Path:
    """A frame each millisecond, an answer 50 us after what is before it."""
    path, records, t = tmp_path / "x.pcap", [], 10**9
    for f in frames:
        t += 50_000 if f in (SAYS, REFUSES) else 1_000_000
        records.append((t, f, len(f)))
    path.write_bytes(pcap(records))
    return path


def changes(path: pathlib.Path) -> list[Change]:
    a, b = infer_receiver(path, local=[US]), infer_receiver(path, local=[US], plain=True)
    assert a == b
    return a.changes


def both(path: pathlib.Path, **more: object) -> rxpath.Outcome:
    run = rxpath.replay(path, local=US, **more)                                  # type: ignore[arg-type]
    assert run.to_dict() == rxpath.replay(path, local=US, plain=True, **more).to_dict()            # type: ignore[arg-type]
    return run


def test_a_port_closes_and_opens_again_when_the_capture_says(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, ASKS, SAYS, ASKS, ASKS, REFUSES, OTHER, ASKS, REFUSES, ASKS, ASKS, SAYS)
    assert changes(path) == [Change(4, 5000, False), Change(8, 5000, True)]
    run = both(path)
    assert run.dropped == {"NO_SOCKET": 2} and run.books.received == 5 and run.books.snmp["Icmp.OutDestUnreachs"] == 2
    assert "UDP 5000 opens and closes meanwhile" in run.receiver.evidence and run.receiver.closed_udp == {}
    assert run.to_dict()["receiver"]["udp_changes"] == [{"record": 4, "port": 5000, "opens": False},
                                                        {"record": 8, "port": 5000, "opens": True}]


def test_a_port_that_is_opened_later_begins_closed(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, ASKS, REFUSES, ASKS, REFUSES, ASKS, SAYS, ASKS)
    assert changes(path) == [Change(0, 5000, False), Change(4, 5000, True)]
    assert both(path).dropped == {"NO_SOCKET": 2} and both(path).books.received == 2


@pytest.mark.parametrize("how", [{"speed": 10.0}, {"rate": 1000}, {"overrides": ["nic.driver=veth"]},
                                 {"overrides": ["ethtool.rx-usecs=500"]}])
def test_whatever_its_pace(tmp_path: pathlib.Path, how: dict[str, object]) -> None:
    run = both(write(tmp_path, ASKS, SAYS, OTHER, ASKS, REFUSES, ASKS, REFUSES, OTHER), **how)
    assert run.dropped == {"NO_SOCKET": 2} and run.books.received == 3


def test_who_reads_it_goes_on_when_it_opens(tmp_path: pathlib.Path) -> None:
    """The only socket, so that the reader sleeps in recvfrom() meanwhile."""
    run = both(write(tmp_path, ASKS, SAYS, ASKS, REFUSES, ASKS, ASKS, SAYS))
    assert run.books.received == 3 and run.queued == 0


def test_what_was_unread_is_gone_with_the_socket(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, ASKS, SAYS, ASKS, REFUSES)
    run = both(path, overrides=["app.0.service=3ms", "app.0.start=50ms"])
    assert run.books.received == 0 and run.offered == 2 and sum(run.dropped.values()) == 2


def test_ports_that_never_spoke_stay_as_they_were(tmp_path: pathlib.Path) -> None:
    """The kernel does not answer each datagram: one refusal may stand for all."""
    path = write(tmp_path, ASKS, ASKS, REFUSES, ASKS, OTHER)
    assert changes(path) == [] and infer_receiver(path, local=[US]).closed_udp == {5000: 3}


def test_a_port_that_changes_too_often_is_open_if_most_was_taken(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, *[ASKS, SAYS, ASKS, SAYS, ASKS, REFUSES] * NCHANGE)
    r = infer_receiver(path, local=[US])
    assert r.changes == [] and r.closed_udp == {} and list(r.udp_ports) == [5000]
    assert "UDP 5000 opens and closes (31 times, and 16 can be followed): here it is open all the time" in r.evidence
    few = infer_receiver(write(tmp_path, *[ASKS, SAYS, ASKS, SAYS, ASKS, REFUSES] * 8), local=[US])
    assert len(few.changes) == 15 and "all the time" not in few.evidence


def test_a_port_that_is_refused_at_one_of_several_addresses_is_said(tmp_path: pathlib.Path) -> None:
    there = udp_frame(b"?", sport=4000, dport=5000, dst="10.0.0.9")
    r = infer_receiver(write(tmp_path, there, ASKS, SAYS, ASKS, REFUSES), local=[US, "10.0.0.9"])
    assert r.changes == [] and "UDP 5000 opens and closes (at one of several addresses): here it is open all the time" in r.evidence


def test_who_opens_sockets_himself_has_the_last_word(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, ASKS, SAYS, ASKS, REFUSES, OTHER)
    assert rxpath.replay(path, local=US, listen=["udp:5000"]).books.received == 2
    host = hostfile.build({"socket": [{"name": "a", "bind": "*:5000"}]}, "a host")
    run = rxpath.replay(path, host, local=US)
    assert run.books.received == 2 and run.receiver.changes == []


def test_each_reading_of_a_loop_begins_with_the_ports_as_the_first_did(tmp_path: pathlib.Path) -> None:
    closes = write(tmp_path, ASKS, SAYS, ASKS, REFUSES, OTHER)
    run = both(closes, loop=3)
    assert run.books.received == 6 and run.dropped == {"NO_SOCKET": 3} and run.books.snmp["Icmp.OutDestUnreachs"] == 3
    opens = write(tmp_path, ASKS, REFUSES, ASKS, SAYS, ASKS)
    assert changes(opens) == [Change(0, 5000, False), Change(2, 5000, True)]
    run = both(opens, loop=2, overrides=["app.0.start=1us"])
    assert run.dropped == {"NO_SOCKET": 2} and run.books.received == 4


def test_a_socket_with_groups_stays_open_and_that_is_said(tmp_path: pathlib.Path) -> None:
    group = eth(ip(udp(b"g", 4000, 5000, PEER, "239.1.2.3"), PEER, "239.1.2.3"), bytes.fromhex("01005e010203"))
    run = both(write(tmp_path, ASKS, SAYS, ASKS, REFUSES, group))
    assert run.books.received == 3 and any("UDP 5000 is open all the time" in n for n in run.notes)
    run = both(write(tmp_path, ASKS, SAYS, ASKS, REFUSES, group, OTHER, group))
    assert run.dropped["NO_SOCKET"] == 1, "another socket joins"


def test_the_refusals_of_a_real_host_come_again() -> None:
    """afs.pcap: 106 port unreachables."""
    run = rxpath.replay(shared_capture("afs.pcap"), local="131.151.32.21")
    assert [c for c in run.receiver.changes if c.port == 1792] == [Change(28, 1792, False), Change(34, 1792, True), Change(51, 1792, False)]
    assert run.dropped["NO_SOCKET"] == 23


# ---------------------------------------------------------------- more ports than there is room for
def test_ports_that_found_no_place_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    c = new(census_t)
    for i in range(200_000):
        c.ports[census_port_of(c, 0, 0x0A000000 + (i >> 12), 17, 1 + (i & 4095), False)].rx += 2
    assert c.nport + c.lost_ports == 200_000 and c.lost_datagrams == 2 * c.lost_ports > 0
    r = infer_receiver(write(tmp_path, ASKS))
    r.lost_ports, r.lost_datagrams = int(c.lost_ports), int(c.lost_datagrams)
    from rxpath.cable.receiver import _ports_text
    assert f"the table of ports was full: {c.lost_ports:,} times a seldom used UDP port" in _ports_text(r)


def test_a_port_that_only_sends_makes_nobody_leave() -> None:
    """A million clients, each from a port of its own, leave every server's port where it is."""
    c = new(census_t)
    served = [(0x0A000000 + i, 1 + i) for i in range(1000)]
    places = [census_port_of(c, 0, lo, 17, port, False) for lo, port in served]
    found = [census_port_of(c, 0, 0x0B000000 + i, 17, 1 + i % 60_000, True) for i in range(300_000)]
    assert -1 in found and c.nport == 1000 + len({k for k in found if k >= 0}) and c.lost_ports == 0
    assert [census_port_of(c, 0, lo, 17, port, False) for lo, port in served] == places


def test_a_client_that_gets_no_answer_takes_nobodys_place() -> None:
    """Where all places are taken; one that gets an answer takes the place of who was seen least."""
    c = new(census_t)
    client, port = 0x0B000001, 40_000
    at = (census_place(census_mix(client, 0, 17 << 16 | port)) & NCENSUS_PORT // WAYS - 1) * WAYS
    for i in range(at, at + WAYS):
        c.port_key[i], c.port_seen[i] = 2 + 2 * i, 5 + (i != at + 3)
    v = c.conv[0]
    for answers in (0, 1):
        v.meta, v.ports, v.mac_0, v.mac_1, v.lo_0, v.lo_1 = 1 << 60 | 4 << 8 | 17, port << 16 | 53, -1, -1, client, 0x0C000000
        v.frames[0], v.frames[1] = 1, answers
        census_fold(c, v)
        assert census_port_of(c, 0, client, 17, port, True) == (at + 3 if answers else -1)


def test_more_ports_than_sockets_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "NSOCK", 3)
    r = Receiver(addresses=[US], udp_ports={9: 30, 7: 20, 5: 10}, tcp_ports={80: 1})
    with Simulation(hostfile.build({}, "a host"), receiver=r) as sim:
        assert [s.port for s in sim.sockets] == [7, 9, 5] or [s.port for s in sim.sockets] == [5, 7, 9]
        assert sim.notes == ["traffic goes to 4 ports, and there is room for 3 more sockets: those that get the least are closed (1)"]
    assert NSOCK == 131072
