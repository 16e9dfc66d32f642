"""IP acceptance and delivery: counters of the ordinary, handlers that come and go.  Each refusal is in test_linux_6_18.py."""
from rxpath.abi.numbers import Out
from rxpath.network import setup

from ..frames import MAC_PEER, eth, ip, tcp, udp, udp_frame


def test_octets_and_ecn_are_counted(lab):
    host = lab()
    host.app(host.udp(5000))
    host.send(*[udp_frame(b"x" * 32, tos=tos) for tos in (0, 1, 2, 3, 0xFF)]).run()
    assert host.every_packet() == {"IpExt.InOctets": 300, "IpExt.InNoECTPkts": 1, "Ip.OutRequests": 0}
    assert {k: n for k, n in host.mib().items() if k.startswith("IpExt")} == \
        {"IpExt.InECT1Pkts": 1, "IpExt.InECT0Pkts": 1, "IpExt.InCEPkts": 2}


def test_otherhost_moves_only_the_devices_counter(lab):
    host = lab()
    host.net.nic[0].promisc = 1
    host.send(eth(ip(udp(b"x")), dst=MAC_PEER)).run()
    assert host.ends() == {"OTHERHOST": 1}
    assert host.mib() == {}
    assert host.dev_stats()["rx_otherhost_dropped"] == 1


def test_without_udps_handler_udp_is_an_unknown_protocol(lab):
    host = lab().listen()
    host.app(host.udp(5000))
    setup.inet_del_protocol(host.boot, 17)
    host.send(udp_frame()).run()
    assert host.ends() == {"IP_NOPROTO": 1}
    assert host.mib()["Ip.InUnknownProtos"] == 1
    assert host.left(Out.TX)[0].data[34:36] == b"\x03\x02"       # protocol unreachable
    setup.inet_add_protocol(host.boot, 17)
    host.send(udp_frame()).run()
    assert host.ends() == {"IP_NOPROTO": 1, "RECEIVED": 1}


def test_a_source_route_passes_where_it_is_allowed(lab):
    host = lab()
    host.net.dev[0].accept_source_route = 1
    host.app(host.udp(5000))
    host.send(udp_frame(options=bytes([131, 7, 8, 10, 0, 0, 3, 0]))).run()
    assert host.ends() == {"RECEIVED": 1}


def test_boot_says_who_handles_what(lab):
    log = [text for step, text in lab().boot.log if step in ("inet_init", "dev_add_pack")]
    for line in ("inet_add_protocol: inet_protos[1] = icmp_rcv", "inet_add_protocol: inet_protos[17] = udp_rcv",
                 "inet_add_protocol: inet_protos[6] = tcp_v4_rcv", "ptype_base[0] 0x0800 = ip_rcv",
                 "ptype_base[6] 0x0806 = arp_rcv"):
        assert line in log


def test_a_mixed_run_keeps_the_books_and_the_answers_apart(lab):
    """Many packets whose ends need a touch, in one poll: each waits for its turn and none is lost."""
    host = lab(itr_ns=100_000).listen()
    host.app(host.udp(5000))
    frames = [udp_frame(), udp_frame(dport=9), eth(ip(tcp(dport=81), proto=6)), eth(ip(b"1234", proto=200))] * 10
    host.send(*frames, gap=100).run()
    assert host.ends() == {"RECEIVED": 10, "NO_SOCKET": 20, "IP_NOPROTO": 10}
    assert len(host.left(Out.TX)) == 6 + 10                      # six errors to one peer, and every RST
