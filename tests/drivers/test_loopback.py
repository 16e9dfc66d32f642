"""lo: what this host sends to itself.  Measured on 6.18."""
import pytest

from rxpath.abi.mib import DevStat
from rxpath.abi.numbers import ETH_HLEN, RTN
from rxpath.drivers.veth import veth_truesize
from rxpath.network import setup as network
from rxpath.path import Stage

from ..frames import eth, fragments, icmp, ip, ip4, udp, udp_frame

HOME = "127.0.0.1"
ZERO = bytes(6)


def lo(lab, **options):
    host = lab(driver="lo", **options)
    host.boot.add_address(ip4(HOME), 8)
    return host


def local(payload=b"x" * 64, src=HOME, dst=HOME, **fields):
    return udp_frame(payload, src=src, dst=dst, mac=ZERO, **fields)


def test_a_datagram_to_127_arrives_and_nobody_routes_it(lab):
    host = lo(lab)
    app = host.app(host.udp(5000))
    host.net.dev[0].rp_filter = 1
    host.send(*[local(b"hello %d" % i) for i in range(3)], gap=20_000)
    host.run()
    assert host.ends() == {"RECEIVED": 3} and host.data(app, 7) == b"hello 2"
    count = host.net.stage_count[0]
    assert count[Stage.loopback_xmit] == 3 and count[Stage.ip_rcv_finish_core] == 3
    for skipped in (Stage.ip_route_input_noref, Stage.fib_validate_source, Stage.udp_v4_early_demux, Stage.veth_xmit):
        assert count[skipped] == 0


def test_an_address_of_another_interface_is_local_too(lab):
    host = lo(lab)
    host.app(host.udp(5000))
    host.send(local(src="10.0.0.1", dst="10.0.0.1"))
    host.run()
    assert host.ends() == {"RECEIVED": 1}


def test_a_packet_without_a_route_of_this_host_was_a_packet_sockets_and_is_routed(lab):
    host = lo(lab)
    host.send(local(src=HOME, dst="192.0.2.7"))
    host.run()
    assert host.ends() == {"IP_LOCALNET": 1} and host.net.stage_count[0][Stage.ip_route_input_noref] == 1


def test_the_checksum_that_a_socket_leaves_to_the_device_counts_as_good(lab):
    """CHECKSUM_PARTIAL; a raw ICMP message's is verified."""
    host = lo(lab)
    host.app(host.udp(5000))
    wrong = eth(ip(udp(b"x" * 64, check=0x1234, src=HOME, dst=HOME), HOME, HOME), ZERO)
    host.send(wrong, eth(ip(icmp(check=0x1234), HOME, HOME, proto=1), ZERO))
    host.run()
    assert host.ends() == {"RECEIVED": 1, "ICMP_CSUM": 1} and host.mib()["Icmp.InCsumErrors"] == 1


def test_fragments_bring_their_checksum(lab):
    host = lo(lab)
    app = host.app(host.udp(5000))
    data = b"0123456789abcdef" * 250
    good = udp(data, src=HOME, dst=HOME)
    parts = fragments(good, [1480, 1480], src=HOME, dst=HOME)
    wrong = fragments(udp(data, src=HOME, dst=HOME, check=0x1234), [1480, 1480], ident=8, src=HOME, dst=HOME)
    host.send(*parts, *wrong)
    host.run()
    assert host.ends() == {"RECEIVED": 3, "UDP_CSUM": 3} and host.data(app, 4000) == data


def test_one_pair_of_counters_without_ethernet_headers(lab):
    host = lo(lab)
    host.app(host.udp(5000))
    frame = local(b"x" * 100)
    host.send(frame, frame)
    host.run()
    stat = host.net.dev_stat[0][0]
    assert stat[DevStat.rx_packets] == stat[DevStat.tx_packets] == 2
    assert stat[DevStat.rx_bytes] == stat[DevStat.tx_bytes] == 2 * (len(frame) - ETH_HLEN)


def test_a_full_backlog_counts_as_dropped_and_nothing_else(lab):
    from rxpath.abi.kernels import Sysctl
    from rxpath.link import setup as link
    host = lo(lab, costs={Stage.IPI_LATENCY: 50_000_000})
    host.net.sysctl[Sysctl.netdev_max_backlog] = 4
    link.set_rps(host.boot, 0, [1])
    host.udp(5000)
    host.send(*[local() for _ in range(9)], gap=1000)
    host.run(host.t + 10_000_000)
    stat = host.net.dev_stat[0][0]
    assert host.ends() == {"CPU_BACKLOG": 4} and stat[DevStat.rx_dropped] == 4
    assert stat[DevStat.rx_packets] == stat[DevStat.tx_packets] == 5
    host.run(host.t + 200_000_000)


def test_nothing_passes_while_it_is_down(lab):
    host = lo(lab)
    host.app(host.udp(5000))
    host.boot.netdev.close()
    host.send(local()).run()
    host.boot.netdev.open()
    host.send(local()).run()
    assert host.ends() == {"NOT_SPECIFIED": 1, "RECEIVED": 1}
    assert host.net.dev_stat[0][0][DevStat.rx_dropped] == host.net.dev_stat[0][0][DevStat.rx_packets] == 1


def test_a_broadcast_and_a_joined_group_keep_their_route_too(lab):
    host = lo(lab)
    app = host.app(host.udp(5000))
    group = "224.1.2.3"
    network.join_group(host.boot, ip4(group))
    host.boot.join_group(0, ip4(group))
    host.net.trail = 1
    host.send(local(dst=group))
    host.run()
    assert host.ends() == {"RECEIVED": 1} and host.net.thread[app].received == 1
    assert host.net.stage_count[0][Stage.ip_route_input_noref] == 0 and RTN.MULTICAST == 5


@pytest.mark.parametrize("payload, truesize", [(0, 832), (197, 832), (198, 1280), (645, 1280), (646, 2304), (1669, 2304), (1670, 4352),
                                               (3717, 4352), (3718, 8448), (7813, 8448), (7814, 16640), (16004, 16640),
                                               (16005, 832 + 16005), (65507, 832 + 65507)])
def test_truesize_at_every_step(lab, payload, truesize):
    host = lo(lab)
    sk = host.udp(5000)
    host.send(local(b"x" * payload))
    host.run()
    assert host.net.socks[sk].rmem_alloc == truesize == veth_truesize(host.net, 28 + payload)


def test_the_smallest_truesize_is_a_matter_of_the_kernels_configuration(lab):
    host = lo(lab)
    host.net.small_head = 704                        # with WLAN and tunnels: distributions' kernels
    sk = host.udp(5000)
    host.send(local(b"x" * 325))                     # 353 bytes of IP and 31 of head-room fill the 384 that it has for data
    host.run()
    assert host.net.socks[sk].rmem_alloc == 960
    host.send(local(b"x" * 326))
    host.run()
    assert host.net.socks[sk].rmem_alloc == 960 + 1280


def test_running_ahead_equals_one_step(lab):
    seen = []
    for one_step in (False, True):
        host = lo(lab, one_step=one_step)
        app = host.app(host.udp(5000, rcvbuf=20_000), service=3000)
        host.send(*[local() for _ in range(300)], gap=900)
        host.run()
        seen.append((host.net.thread[app].latency_hash, host.ends(), host.net.cpu[0].softirq_ns))
    assert seen[0] == seen[1] and seen[0][1]["SOCKET_RCVBUFF"] > 0
