"""lo: what this host sends to itself.  Measured on 6.18."""
import pytest

from rxpath.abi.mib import DevStat
from rxpath.abi.numbers import ETH_HLEN, RTN, SENDER_ROOM
from rxpath.network import setup as network
from rxpath.path import Stage
from rxpath.user.wmem import sock_wmalloc_truesize

from ..frames import eth, fragments, icmp, ip, ip4, tcp, udp, udp_frame

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
    assert host.net.socks[sk].rmem_alloc == truesize == sock_wmalloc_truesize(host.net, 28 + payload, SENDER_ROOM)


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


# ---------------------------------------------------------------- answers of this host to itself
def ping(payload=b"x" * 48, src=HOME, dst=HOME):
    return eth(ip(icmp(8, payload=payload), src, dst, proto=1), ZERO)


def test_an_echo_reply_to_this_host_arrives_at_lo_again(lab):
    """ping 127.0.0.1 on 6.18: InMsgs 2, InEchos 1, InEchoReps 1, OutEchoReps 1 (tests/kernel/test_lo.py)."""
    host = lo(lab)
    host.send(ping(), ping(), gap=50_000).run()
    mib, count, stat = host.mib(), host.net.stage_count[0], host.net.dev_stat[0][0]
    assert [mib.get(f"Icmp.{n}") for n in ("InMsgs", "InEchos", "InEchoReps", "OutEchoReps")] == [4, 2, 2, 2]
    assert count[Stage.loopback_xmit] == count[Stage.process_backlog] == 4 and count[Stage.ping_rcv] == 2
    assert count[Stage.ip_route_input_noref] == 0                    # it brings its route
    assert stat[DevStat.rx_packets] == stat[DevStat.tx_packets] == 4
    assert stat[DevStat.rx_bytes] == stat[DevStat.tx_bytes] == 4 * (20 + 8 + 48)
    assert host.ends() == {"CONSUMED": 2}                            # the answers were never on the cable


def test_an_error_to_this_host_arrives_and_finds_its_senders_socket(lab):
    host = lo(lab)
    host.send(local(dport=9)).run()
    mib = host.mib()
    assert [mib.get(f"Icmp.{n}", 0) for n in ("InMsgs", "InDestUnreachs", "OutDestUnreachs", "InErrors")] == [1, 1, 1, 0]
    assert mib["Udp.NoPorts"] == 1 and host.ends() == {"NO_SOCKET": 1}


def test_a_reset_to_this_host_ends_there(lab):
    host = lo(lab)
    host.send(eth(ip(tcp(b"", 40000, 9, flags=2, src=HOME, dst=HOME), HOME, HOME, proto=6), ZERO)).run()
    mib = host.mib()
    assert mib["Tcp.OutRsts"] == 1 and mib["Tcp.InSegs"] == 2 and host.net.stage_count[0][Stage.loopback_xmit] == 2


def test_a_long_answer_comes_in_pieces_where_the_mtu_is_small(lab):
    host = lo(lab)
    host.boot.netdev.ndo("ndo_change_mtu", 1500)
    host.send(*fragments(icmp(8, payload=bytes(3000)), [1480, 1480], src=HOME, dst=HOME, proto=1)).run()
    mib = host.mib()
    assert [mib.get(f"Icmp.{n}") for n in ("InEchos", "InEchoReps", "OutEchoReps")] == [1, 1, 1]
    assert mib["Ip.ReasmOKs"] == 2 and host.ends() == {"CONSUMED": 3}


def test_answers_that_the_backlog_refuses_leave_the_books_alone(lab):
    from rxpath.abi.kernels import Sysctl
    host = lo(lab)
    host.boot.netdev.ndo("ndo_change_mtu", 1500)
    host.net.sysctl[Sysctl.netdev_max_backlog] = 0                   # one packet fits: the first of the three pieces
    host.send(*fragments(icmp(8, payload=bytes(3000)), [1480, 1480], src=HOME, dst=HOME, proto=1)).run()
    mib, stat = host.mib(), host.net.dev_stat[0][0]
    assert host.ends() == {"CONSUMED": 3} and stat[DevStat.rx_dropped] == 2 and stat[DevStat.tx_packets] == 4
    assert mib["Icmp.OutEchoReps"] == 1 and "Icmp.InEchoReps" not in mib
    host.run(host.t + 40_000_000_000)
    assert host.mib()["Ip.ReasmFails"] == 1 and host.ends() == {"CONSUMED": 3}


def test_a_tap_and_the_sent_frames_show_the_answer(lab):
    from rxpath.abi.numbers import ETH_P_ALL, Out
    from rxpath.link.setup import add_tap
    host = lo(lab).listen()
    add_tap(host.boot, 0, 65535, ETH_P_ALL)
    host.send(ping()).run()
    assert [o.data[34] for o in host.left(Out.TAP)] == [8, 0] and [o.data[34] for o in host.left(Out.TX)] == [0]


@pytest.mark.parametrize("rps", [False, True])
def test_lo_beside_a_card_takes_what_the_host_answers_itself(lab, rps):
    """accept_local: the card lets a packet with an address of ours in; 6.18 answers it by lo."""
    from rxpath.drivers.probe import loopback_net_init
    from rxpath.link import setup as link
    host = lab()
    loopback_net_init(host.net, 1)
    host.net.dev[0].accept_local = 1
    if rps:
        link.set_rps(host.boot, 0, [1])
    host.send(eth(ip(icmp(8), "10.0.0.1", "10.0.0.1", proto=1))).run()
    mib = host.mib()
    assert mib["Icmp.InEchoReps"] == mib["Icmp.OutEchoReps"] == 1 and host.ends() == {"CONSUMED": 1}
    assert sum(host.net.dev_stat[c][1][DevStat.rx_packets] for c in (0, 1)) == 1
    assert host.net.dev_stat[0][0][DevStat.tx_packets] == 0


def test_an_answer_to_elsewhere_leaves_the_host(lab):
    host = lo(lab)
    host.send(ping(src="10.0.0.77", dst="10.0.0.1")).run()
    assert host.mib()["Icmp.OutEchoReps"] == 1 and "Icmp.InEchoReps" not in host.mib()


def test_answers_run_ahead_as_in_one_step(lab):
    seen = []
    for one_step in (False, True):
        host = lo(lab, one_step=one_step)
        app = host.app(host.udp(5000), service=3000)
        host.send(*[frame for i in range(150) for frame in (local(), ping(bytes(i)), local(dport=9))], gap=900).run()
        seen.append((host.net.thread[app].latency_hash, host.ends(), host.mib(), host.net.cpu[0].softirq_ns))
    assert seen[0] == seen[1]
