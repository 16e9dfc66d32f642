"""netif_receive_skb: taps, VLAN tags, packet types, and what nobody wants."""
import io
import pathlib
import shutil
import subprocess

import dpkt
import pytest

from rxpath import outputs, path
from rxpath.abi.mib import DevStat
from rxpath.abi.numbers import ETH_P_IP, Out
from rxpath.link import setup

from ..frames import MAC_US, arp, eth, icmp, ip, tcp, udp, udp_frame

MULTICAST = bytes.fromhex("01005e000001")


def vlan(tci, payload=b"x" * 64, outer=None, **fields):
    inner = ip(udp(payload), **fields)
    tag = b"" if outer is None else b"\x81\x00" + outer.to_bytes(2, "big")
    return MAC_US + bytes.fromhex("020000000002") + tag + b"\x81\x00" + tci.to_bytes(2, "big") + b"\x08\x00" + inner


def test_an_unknown_ethertype_is_counted_and_dropped(lab):
    host = lab()
    host.send(eth(b"\0" * 50, proto=0x1234))
    host.run()
    assert host.ends() == {"UNHANDLED_PROTO": 1}
    assert host.dev_stats()["rx_dropped"] == 1 and "rx_nohandler" not in host.dev_stats()


@pytest.mark.parametrize("length, body", [(50, b"\xff\xff"), (40, b"\xaa\xaa\x03")])
def test_802_3_and_802_2_frames_are_of_no_protocol_here(lab, length, body):
    host = lab()
    host.send(eth(body + b"\0" * 50, proto=length))
    host.run()
    assert host.ends() == {"UNHANDLED_PROTO": 1}


def test_a_tag_without_a_vlan_device_makes_the_packet_somebody_elses(lab):
    host = lab()
    host.udp(5000)
    host.send(vlan(5))
    host.run()
    assert host.ends() == {"OTHERHOST": 1}
    assert "Ip.InReceives" not in host.mib()


def test_a_priority_tag_is_only_taken_off(lab):
    host = lab()
    app = host.app(host.udp(5000))
    host.send(vlan(0xA000, b"hello"))                   # VLAN 0, priority 5
    host.run()
    assert host.ends() == {"RECEIVED": 1} and host.data(app, 5) == b"hello"


def test_a_priority_tag_before_another_tag(lab):
    host = lab()
    host.send(vlan(7, outer=0))
    host.run()
    assert host.ends() == {"OTHERHOST": 1}


def test_a_vlan_device_gets_its_packets_and_counts_them(lab):
    host = lab()
    setup.add_vlan(host.boot, 3, 0, 5)
    app = host.app(host.udp(5000))
    host.send(vlan(5, b"hello"), vlan(6))
    host.run()
    assert host.ends() == {"RECEIVED": 1, "OTHERHOST": 1} and host.data(app, 5) == b"hello"
    assert host.dev_stats(3)["rx_packets"] == 1
    assert setup.softnet_stat(host.boot, 0)["processed"] == 3               # __netif_receive_skb_core goes round twice for one of them
    host.net.dev[3].up = 0
    host.send(vlan(5))
    host.run()
    assert host.ends()["NOT_SPECIFIED"] == 1


def test_a_tag_cut_short_ends_the_packet(lab):
    host = lab()
    host.send((MAC_US + bytes(6) + b"\x81\x00\x00")[:15])
    host.run()
    assert set(host.ends()) <= {"NOT_SPECIFIED", "OTHERHOST", "RX_LENGTH", "UNHANDLED_PROTO"} and sum(host.ends().values()) == 1


def test_multicast_frames_are_counted_by_the_device(lab):
    host = lab()
    host.net.nic[0].allmulti = 1
    host.send(eth(ip(udp(b"x"), dst="224.0.0.1"), dst=MULTICAST), eth(ip(udp(b"x"), dst="10.0.0.255"), dst=b"\xff" * 6))
    host.run()
    assert host.dev_stats()["multicast"] == 1 and host.dev_stats()["rx_packets"] == 2


def test_unregistering_ip_makes_it_an_unknown_protocol(lab):
    host = lab()
    host.app(host.udp(5000))
    [i] = setup.packet_types(host.boot, ETH_P_IP)
    setup.dev_remove_pack(host.boot, i)
    host.send(udp_frame())
    host.run()
    assert host.ends() == {"UNHANDLED_PROTO": 1}
    lists = path.packet_list.handler(ETH_P_IP)
    setup.dev_add_pack(host.boot, ETH_P_IP, path.packet_type.handler(ETH_P_IP), lists)
    host.send(udp_frame())
    host.run()
    assert host.ends() == {"UNHANDLED_PROTO": 1, "RECEIVED": 1}
    with pytest.raises(ValueError, match="not registered"):
        setup.dev_remove_pack(host.boot, 40)


def test_a_packet_type_of_one_device_does_not_see_the_others(lab):
    host = lab()
    [i] = setup.packet_types(host.boot, ETH_P_IP)
    host.net.ptype[i].dev = 1
    host.send(udp_frame())
    host.run()
    assert host.ends() == {"UNHANDLED_PROTO": 1}


def test_two_handlers_of_one_protocol_each_get_the_packet(lab):
    host = lab()
    host.app(host.udp(5000))
    setup.dev_add_pack(host.boot, ETH_P_IP, path.packet_type.handler(ETH_P_IP), -1)
    host.send(udp_frame(b"z" * 1400), udp_frame(b"twice"))
    host.run()
    assert host.ends() == {"RECEIVED": 2}                                   # two frames
    assert host.mib()["Ip.InReceives"] == 4 and host.received() == 4        # four packets


# ------------------------------------------------------------ taps
def test_a_tap_sees_every_frame_as_it_came(lab):
    host = lab()
    tap = setup.add_tap(host.boot)
    frames = [udp_frame(b"hello" * 9), arp().ljust(60, b"\0"), eth(b"\0" * 50, proto=0x1234), vlan(5), udp_frame(b"x" * 1400)]
    host.send(*frames)
    host.run()
    assert [o.data for o in host.left(Out.TAP)] == frames                   # the tag stands where it stood
    assert [o.frame for o in host.left(Out.TAP)] == [0, 1, 2, 3, 4]
    assert host.net.ptype[tap].count == 5


def test_with_a_tap_nobody_is_unhandled(lab):
    host = lab()
    tap = setup.add_tap(host.boot)
    host.send(eth(b"\0" * 50, proto=0x1234))
    host.run()
    assert host.ends() == {"CONSUMED": 1} and "rx_dropped" not in host.dev_stats()
    setup.remove_tap(host.boot, tap)
    host.send(eth(b"\0" * 50, proto=0x1234))
    host.run()
    assert host.ends() == {"CONSUMED": 1, "UNHANDLED_PROTO": 1}
    assert len(host.left(Out.TAP)) == 1


def test_snaplen_device_and_protocol_of_a_tap(lab):
    host = lab()
    setup.add_tap(host.boot, snaplen=60)
    setup.add_tap(host.boot, dev=1)
    only_arp = setup.add_tap(host.boot, proto=0x0806)
    host.send(udp_frame(b"x" * 500), arp())
    host.run()
    seen = host.left(Out.TAP)
    assert sorted((o.arg == only_arp, len(o.data), o.length) for o in seen) == [(False, 60, 60), (False, 60, 542), (True, 60, 60)]
    with pytest.raises(ValueError, match="snaplen"):
        setup.add_tap(host.boot, snaplen=0)


def test_a_tap_of_a_busy_host_loses_nothing_and_keeps_the_order_of_time(lab):
    host = lab(cpus=2, queues=2, nskb=8192)
    setup.add_tap(host.boot)
    host.udp(5000)
    n = 6000 if not host.boot.plain else 300
    if host.boot.plain:
        host.net.out_size = 64 << 10                                        # fills up sooner
    for k in range(n):
        host.send(udp_frame(k.to_bytes(4, "big") * 100, sport=k & 0xFFFF), gap=900)
    host.run()
    seen = host.left(Out.TAP)
    assert len(seen) == n and [o.t for o in seen] == sorted(o.t for o in seen)
    assert host.drain.lost() == 0


def test_the_pcap_of_a_tap_is_read_by_others(lab, tmp_path: pathlib.Path):
    host = lab()
    setup.add_tap(host.boot)
    host.send(udp_frame(b"hello" * 9), vlan(5))
    host.run()
    out = io.BytesIO()
    writer = setup.PcapWriter(out, epoch_ns=1_700_000_000_000_000_000)
    for o in host.left(Out.TAP):
        writer.write(o)
    assert writer.frames == 2
    out.seek(0)
    (t, first), (_, second) = list(dpkt.pcap.Reader(out))
    assert first == udp_frame(b"hello" * 9) and second == vlan(5) and int(t) == 1_700_000_000
    if shutil.which("tcpdump"):
        (tmp_path / "tap.pcap").write_bytes(out.getvalue())
        text = subprocess.run(["tcpdump", "-ner", str(tmp_path / "tap.pcap")], capture_output=True, text=True, check=True).stdout
        assert "10.0.0.2.40000 > 10.0.0.1.5000: UDP, length 45" in text and "vlan 5," in text


# ---------------------------------------------------------------- replies of VLAN devices
def tagged(frame, *tags):
    """(TPID, id) of each tag, the outer one first."""
    return frame[:12] + b"".join(tpid.to_bytes(2, "big") + vid.to_bytes(2, "big") for tpid, vid in tags) + frame[12:]


@pytest.mark.parametrize("driver", ["igb", "ixgbe", "virtio_net", "veth"])
@pytest.mark.parametrize("tags", [((0x8100, 5),), ((0x8100, 5), (0x8100, 9)), ((0x88A8, 5), (0x8100, 9))], ids=str)
def test_what_a_vlan_device_answers_leaves_with_its_tags(lab, driver, tags):
    host = lab(driver=driver)
    outputs.listen(host.boot)
    drain = outputs.Drain(host.boot)
    setup.add_vlan(host.boot, 3, 0, 5, proto=tags[0][0])
    if len(tags) == 2:
        setup.add_vlan(host.boot, 4, 3, 9)
    echo, closed = eth(ip(icmp(payload=b"ping" * 10), proto=1)), udp_frame(b"x" * 40, dport=9)
    host.send(tagged(arp(), *tags), tagged(echo, *tags), tagged(closed, *tags), tagged(eth(ip(tcp(b"t" * 20), proto=6)), *tags), gap=50_000)
    host.run()
    sent = [o.data for o in drain.outputs(last=True) if o.kind == Out.TX]
    assert len(sent) == 4
    for frame in sent:
        assert frame == tagged(frame[:12] + frame[12 + 4 * len(tags):], *tags) and frame[:6] == arp()[6:12]
    reply = sent[1][14 + 4 * len(tags):]
    assert reply == ip(icmp(0, payload=b"ping" * 10), "10.0.0.1", "10.0.0.2", 1, ident=int.from_bytes(reply[4:6], "big"), frag=0)
    top = 2 + len(tags)
    for dev in {0, 3, top}:
        assert sum(host.net.dev_stat[c][dev][DevStat.tx_packets] for c in range(host.cpus)) == 4, dev
    beside = [sum(host.net.dev_stat[c][dev][DevStat.tx_bytes] for c in range(host.cpus)) for dev in (0, 3, top)]
    lengths = sum(len(f) for f in sent)
    assert beside == [lengths - 4 * 4, lengths - 4 * 4, lengths - 4 * 4 * len(tags)]


def test_a_vlan_device_wants_its_own_kind_of_tag(lab):
    host = lab()
    app = host.app(host.udp(5000))
    setup.add_vlan(host.boot, 3, 0, 5, proto=0x88A8)
    host.send(tagged(udp_frame(), (0x8100, 5)), tagged(udp_frame(), (0x88A8, 5)))
    host.run()
    assert host.net.thread[app].received == 1 and host.ends()["OTHERHOST"] == 1
