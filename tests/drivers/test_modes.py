"""Devices without NAPI: a driver that handles each packet in its interrupt, and veth."""
import pytest

from rxpath.abi.numbers import SENDER_ROOM
from rxpath.path import Stage
from rxpath.user.wmem import sock_wmalloc_truesize

from ..frames import eth, fragments, icmp, ip, udp, udp_frame
from ..pool import free_skbs


def delivered(lab, driver, gap, n=3000):
    """Thousand datagrams a second that the application reads while frames come at that distance; one CPU for all."""
    host = lab(driver=driver, cpus=1, nskb=8192)
    app = host.app(host.udp(5000), cpu=0)
    start = host.t
    host.send(*[udp_frame() for _ in range(n)], gap=gap)
    end = host.t
    host.run(end)
    return host.net.thread[app].received * 1_000_000 // (end - start)


def test_interrupts_for_each_packet_end_in_livelock_where_napi_goes_on(lab):
    calm = delivered(lab, "nonapi", 5000)
    storm = delivered(lab, "nonapi", 900)
    napi_storm = delivered(lab, "igb", 900)
    assert calm > 190                                            # nearly all of 200 kpps
    assert storm < 20, "the CPU is all interrupt"
    assert napi_storm > 10 * max(storm, 1)


def test_each_packet_interrupts_and_goes_by_the_backlog(lab):
    host = lab(driver="nonapi")
    app = host.app(host.udp(5000))
    host.net.trail = 1
    host.send(*[udp_frame(b"n%d" % i) for i in range(9)], gap=20_000)
    host.run()
    assert host.ends() == {"RECEIVED": 9} and host.data(app, 2) == b"n8"
    assert host.net.ring[0].irqs == 9
    way = host.stations(0)
    assert way.index("netif_rx") < way.index("enqueue_to_backlog") < way.index("process_backlog") < way.index("ip_rcv")
    assert "napi_gro_receive" not in way


def test_without_napi_the_backlog_overflows_and_the_ring_too(lab):
    host = lab(driver="nonapi", nskb=8192)
    host.app(host.udp(5000))
    host.send(*[udp_frame() for _ in range(3000)], gap=300)
    host.run()
    ends = host.ends()
    assert ends["CPU_BACKLOG"] > 0 and ends["RX_MISSED"] > 0 and sum(ends.values()) == 3000
    assert host.net.input[0].dropped == ends["CPU_BACKLOG"]


# ---------------------------------------------------------------- veth
def test_veth_frames_enter_by_netif_rx_on_the_senders_cpu(lab):
    host = lab(driver="veth")
    app = host.app(host.udp(5000))
    host.net.trail = 1
    host.send(*[udp_frame(b"v%d" % i) for i in range(9)], gap=20_000)
    host.run()
    assert host.ends() == {"RECEIVED": 9} and host.data(app, 2) == b"v8"
    way = host.stations(0)
    names = ["veth_xmit", "netif_rx", "enqueue_to_backlog", "process_backlog", "__netif_receive_skb_core", "ip_rcv"]
    assert [w for w in way if w in names] == names
    assert host.net.cpu[0].irqs <= host.net.cpu[0].ticks + 9 and host.net.ring[0].irqs == 0
    assert host.net.stage_count[0][Stage.HARDIRQ] == 0


def test_a_sender_that_is_too_fast_waits_for_its_own_softirqs(lab):
    host = lab(driver="veth")
    host.app(host.udp(5000))
    host.send(*[udp_frame() for _ in range(500)], gap=100)
    host.run()
    assert host.ends().get("CPU_BACKLOG", 0) == 0 and sum(host.ends().values()) == 500


@pytest.mark.parametrize("payload, truesize", [(0, 832), (64, 832), (192, 832), (200, 1280), (256, 1280), (500, 1280), (512, 1280),
                                               (1000, 2304), (1472, 2304)])
def test_truesize_is_that_of_the_senders_memory(lab, payload, truesize):
    """Measured on 6.18."""
    host = lab(driver="veth")
    sk = host.udp(5000)
    host.send(udp_frame(b"x" * payload))
    host.run()
    assert host.net.socks[sk].rmem_alloc == truesize == sock_wmalloc_truesize(host.net, 28 + payload, SENDER_ROOM)


def test_a_default_buffer_holds_256_small_datagrams_over_veth(lab):
    host = lab(driver="veth")
    host.udp(5000)
    host.send(*[udp_frame() for _ in range(300)], gap=5000)
    host.run()
    assert host.ends() == {"SOCKET_RCVBUFF": 44}


def test_veth_refuses_what_is_longer_than_its_mtu_and_takes_it_when_that_grows(lab):
    host = lab(driver="veth")
    app = host.app(host.udp(5000))
    data = b"0123456789abcdef" * 500
    host.send(udp_frame(data))
    host.run()
    assert host.ends() == {"NOT_SPECIFIED": 1}
    host.boot.netdev.ndo("ndo_change_mtu", 65535)
    host.send(udp_frame(data), *fragments(udp(data[:3000]), [1480, 1480]))
    host.run()
    assert host.ends() == {"NOT_SPECIFIED": 1, "RECEIVED": 4}
    assert host.data(app, 3000) == data[:3000]


def test_answers_leave_by_veth_xmit(lab):
    from rxpath.abi.numbers import Out
    host = lab(driver="veth").listen()
    host.send(eth(ip(icmp(), proto=1)))
    host.run()
    assert host.ends() == {"CONSUMED": 1} and len(host.left(Out.TX)) == 1
    assert len(free_skbs(host.net)) == host.net.nskb


@pytest.mark.parametrize("driver", ["veth", "nonapi"])
def test_running_ahead_equals_one_step_without_napi(lab, driver):
    seen = []
    for one_step in (False, True):
        host = lab(driver=driver, one_step=one_step)
        app = host.app(host.udp(5000))
        host.send(*[udp_frame() for _ in range(300)], gap=900)
        host.run()
        seen.append((host.net.thread[app].latency_hash, host.ends(), host.net.cpu[0].softirq_ns, host.net.cpu[0].hardirq_ns))
    assert seen[0] == seen[1]


def test_a_sender_that_finds_no_packet_is_our_limit_not_a_full_ring(lab):
    host = lab(driver="veth", nskb=256)
    host.udp(5000, rcvbuf=1 << 24)
    host.net.trail = 1
    host.send(*[udp_frame() for _ in range(600)], gap=1)
    host.run()
    ends = host.ends()
    assert ends == {"RX_ALLOC_FAILED": 344}                              # the other 256 wait to be read
