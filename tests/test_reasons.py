"""Every reason is given by real frames, at every station that its row (abi/reasons.py) names, and what moves is what the row says.

Most frames are the judge's (a real kernel answers the same ones in tests/kernel); what a veth cannot lose is sent here through an igb."""
import functools
import struct
import tomllib

import pytest

from rxpath._compile import numbers
from rxpath.abi.kernels import Sysctl
from rxpath.abi.mib import DevStat, Mib, has
from rxpath.abi.numbers import FEED_CSUM_GOOD, FEED_HEADER_CUT, FEED_RX_ERROR, NO_SKB, RTN
from rxpath.abi.reasons import LOSSES, Drop
from rxpath.cable.tcp_seen import tcp_seen_load
from rxpath.drivers.igb_open import set_rx_fifo
from rxpath.drivers.net_device import ring_stats
from rxpath.link import setup as link
from rxpath.network import setup as network
from rxpath.path import Stage, Touch
from rxpath.user import datagram, filter, queue, sock, socket
from rxpath.vtime import feed
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.judge.case import Burst, Case, Send
from rxpath.workbench.judge.ours.machine import Machine
from rxpath.workbench.judge.run import families

from .frames import BROADCAST, PEER, US, arp, eth, fragments, icmp, ip, ip4, multicast_mac, tcp, udp, udp_frame
from .lab import Lab
from .pool import free_skbs, only_free
from .transport.tcp_places import PLACES

KERNELS = ("6.18", "6.1", "3.10")
NAMED = {c for d in Drop for p in d.row.places.values() for c in p.counters.replace("/", " ").split()}
LOST = {m.text() for m in Mib if any(w in m.name for w in ("Err", "NoPorts", "NoRoutes", "Unknown", "Fails", "Timeout", "Truncated",
                                                           "Ignored", "Discards", "Filter", "ListenDrops"))}
COUNTED = NAMED | LOST | {d.name for d in DevStat if d.name.startswith("rx_") and d not in (DevStat.rx_packets, DevStat.rx_bytes)}


def ends(net):
    """(reason, station) -> frames."""
    return {(Drop(r).name, Stage(s).name): n for r in LOSSES for s, n in enumerate(numbers(net.drop_at[r])) if n}


def counters_of(places, kernel):
    """What the rows say moves when these happen."""
    return set().union(*(Drop[reason].row.places[station].counted(kernel) for reason, station in places))


@functools.cache
def judged(kernel):
    """The judge's cases on this kernel's profile: [(case, places, what moved)]."""
    out = []
    for family, cases in families().items():
        for case in cases():
            if family == "generated" or case.not_built or case.slow or not any(isinstance(s, (Send, Burst)) for s in case.steps):
                continue
            described = tomllib.loads(case.host) if isinstance(case.host, str) else dict(case.host)
            try:
                host = hostfile.build({**described, "kernel": kernel}, case.name)
            except hostfile.HostError:
                continue                                    # a setting that this kernel does not have
            machine = Machine(host)
            try:
                seen = machine.play(case)
                moved = {**seen.counters, **seen.device, **{f"softnet.{k}": n for k, n in seen.softnet.items()}}
                moved["socket.drops"] = sum(seen.sockets.values())
                out.append((case, ends(machine.net), {k: n for k, n in moved.items() if n}))
            finally:
                machine.close()
    return out


@pytest.mark.parametrize("kernel", KERNELS)
def test_nothing_is_lost_anywhere_but_where_a_row_says(kernel):
    for case, places, moved in judged(kernel):
        for reason, station in places:
            assert station in Drop[reason].row.places, f"{case.name}: {reason} at {station}"
        if isinstance(case, Case) and places and not any("Close" in type(s).__name__ for s in case.steps):
            said = counters_of(places, kernel)
            got = {c for c in moved if c in COUNTED and has(c, kernel)}
            assert got <= said, f"{case.name}: {places} moved {got - said} too"


# ---------------------------------------------------------------- what the judge's cases do not lose: frames of their own
def pinged(host, frame, **dev):
    for name, value in dev.items():
        setattr(host.net.dev[0], name, value)
    host.send(frame).run()


def unreachable(inner):
    return eth(ip(icmp(3, 3, payload=inner), proto=1))


def routed(host, kind, daddr):
    network.add_route(host.boot, ip4("55.0.0.0"), 8, kind)
    pinged(host, udp_frame(dst=daddr), forwarding=1)


def full_ring(host):
    host.udp(5000, rcvbuf=1 << 24)
    host.send(*[udp_frame()] * 600, gap=100).run()


def lies_in_the_ring(host):
    """The first one comes through at once, the second waits for its interrupt."""
    host.udp(5000)
    host.send(udp_frame()).run(host.t + 100_000)
    host.send(udp_frame()).run(host.t + 10_000)


def reset(host):
    lies_in_the_ring(host)
    host.boot.netdev.ethtool("set_ringparam", rx=512)


def closed(host):
    host.boot.netdev.close()
    host.send(udp_frame()).run()
    host.call(feed.feed_consume)(host.net, host.t)


def paused(host):
    host.udp(5000, rcvbuf=1 << 24)
    set_rx_fifo(host.boot.netdev, 34 * 1024)
    host.boot.netdev.ethtool("set_pauseparam", tx=True)
    host.send(*[udp_frame()] * 600, gap=100).run()


def before_its_syn(host):
    """A segment of a captured connection (open_loop.py): frame 0 is the first of this host."""
    tcp_seen_load(host.boot, struct.pack("<6q", ip4(PEER), ip4(US), 40000 << 16 | 80, 0, 0, 0))
    conn = next(i for i, x in enumerate(host.net.tcp_seen) if x.used)
    host.net.tcp_seen[conn].syn_lost, host.net.tcp_sent[0].conn = 1, conn
    pinged(host, eth(ip(tcp(flags=0x10), proto=6)))


def backlog_of_a_device_that_goes_down(host):
    link.set_rps(host.boot, 0, [1])
    host.net.cost[0][Stage.nic_dma] = 0
    host.net.dev[0].up = 0
    host.send(udp_frame()).run()


def without_a_vlan_device_up(host):
    link.add_vlan(host.boot, 2, 0, 7)
    host.net.dev[2].up = 0
    host.send(udp_frame()[:12] + b"\x81\0\0\7" + udp_frame()[12:]).run()


def closes_on_its_way(host):
    sk, sd = host.udp(5000), host.net.sd[0]
    host.send(udp_frame())
    while sd.parked_skb == NO_SKB or sd.parked_at != Touch.udp_queue_rcv_one_skb:
        host.run(host.t + 5)
    socket.close(host.boot, sk)
    host.udp(6000)
    host.run()


def out_of_udp_mem(host):
    sk = host.udp(5000)
    for i in range(3):
        host.net.sysctl[Sysctl.udp_mem_0 + i] = 1
    host.send(*[udp_frame(b"x" * 1000)] * 8).run()
    return sk


def receive_error(host):
    frame = udp_frame()
    host.feed[:len(frame)] = frame
    assert host.call(feed.feed_frame)(host.net, host.t + 1000, 0, len(frame), len(frame), FEED_RX_ERROR, 0)
    host.t, host.sent = host.t + 1000, 1
    host.run()


def not_modelled(host, frame):
    """What only a capture fills: protocols, a tunnel's socket."""
    link.set_not_modelled(host.boot, [0x86DD])
    network.set_not_modelled(host.boot, [47])
    host.net.socks[host.udp(5000)].encap_type = host.net.udp_tunnels = 1
    host.send(frame).run()


def cut(host, frame, caplen):
    """Of its bytes the capture has so many; its header is not among them."""
    host.feed[:caplen] = frame[:caplen]
    assert host.call(feed.feed_frame)(host.net, host.t + 1000, 0, len(frame), caplen, FEED_CSUM_GOOD | FEED_HEADER_CUT, 0)
    host.t, host.sent = host.t + 1000, 1
    host.run()


def no_room_for_a_copy(host):
    """Two sockets want a datagram in fragments; there is no room for its copy's last part, and who gets the datagram itself is full."""
    group = "239.1.1.1"
    for _ in range(2):
        sk = socket.create(host.boot)
        sock.setsockopt(host.boot, sk, "SO_REUSEADDR", 1)
        socket.bind(host.boot, sk, 0, 5000)
        host.boot.join_group(sk, ip4(group))
        host.net.socks[sk].rcvbuf = 1000
    parts = [multicast_mac(group) + p[6:] for p in fragments(udp(b"x" * 1200, dst=group), [400, 800], dst=group)]
    host.send(udp_frame(dst=group, mac=multicast_mac(group)), *parts[:-1]).run()
    kept = free_skbs(host.net)
    only_free(host.net, kept[:3])
    host.send(parts[-1]).run()
    only_free(host.net, free_skbs(host.net) + kept[3:])


def asked_for_its_length(host):
    sk = host.udp(5000)
    host.send(eth(ip(udp(b"x" * 100, check=0x1234)))).run()
    assert datagram.fionread(host.boot, sk) == 0


def every_packet_waits_to_be_read(host):
    host.udp(5000, rcvbuf=1 << 24)
    host.send(*[udp_frame()] * 300, gap=2000).run()


def filtered(host, frame=None):
    """A program that takes nothing (BPF_RET 0)."""
    filter.sk_attach_filter(host.boot, host.udp(5000), [(6, 0, 0, 0)])
    host.send(frame or udp_frame()).run()


def exactly_full(host):
    """A queue that holds rcvbuf to the byte: not full before the lock is taken, full under it."""
    sk = host.net.socks[host.udp(5000)]
    host.send(udp_frame()).run()
    sk.rcvbuf = 2 * sk.rmem_alloc
    host.send(udp_frame(), udp_frame()).run()


def rest():
    """(reason, station): how to give it."""
    return {
        ("NIC_FILTER", "nic_dma"): lambda h: pinged(h, eth(b"x", dst=b"\2\0\0\0\0\x63")),
        ("RX_LENGTH", "nic_dma"): lambda h: pinged(h, udp_frame(b"x" * 3000)),
        ("RX_MISSED", "nic_dma"): full_ring,
        ("RX_RESET", "nic_dma"): reset,
        ("LINK_DOWN", "nic_dma"): closed,
        ("TX_PAUSE", "nic_dma"): paused,
        ("DEV_READY", "enqueue_to_backlog"): backlog_of_a_device_that_goes_down,
        ("NOT_SPECIFIED", "__netif_receive_skb_core"): without_a_vlan_device_up,
        ("NOT_SPECIFIED", "arp_rcv"): lambda h: pinged(h, eth(b"\0\1\x08\0\5\4" + bytes(22), proto=0x0806)),
        ("NOT_SPECIFIED", "arp_process"): lambda h: pinged(h, arp(op=9)),
        ("NOT_SPECIFIED", "icmp_rcv"): lambda h: pinged(h, unreachable(b"x" * 4)),
        ("IP_INHDR", "icmp_rcv"): lambda h: pinged(h, unreachable(b"\x44" + bytes(40))),
        ("PKT_TOO_SMALL", "icmp_rcv"): lambda h: pinged(h, eth(ip(icmp(13, payload=b""), proto=1))),
        ("UNHANDLED_PROTO", "icmp_rcv"): lambda h: pinged(h, eth(ip(icmp(165), proto=1))),
        ("NO_SOCKET", "ping_rcv"): lambda h: pinged(h, eth(ip(icmp(0), proto=1))),
        ("NOT_SPECIFIED", "ip_error"): lambda h: routed(h, RTN.BLACKHOLE, "55.1.1.1"),
        ("IP_INNOROUTES", "ip_error"): lambda h: pinged(h, udp_frame(dst="77.1.1.1"), forwarding=1),
        ("NOT_SPECIFIED", "ip_forward"): lambda h: pinged(h, udp_frame(dst="10.0.0.3", mac=BROADCAST), forwarding=1),
        ("IP_INHDR", "ip_forward"): lambda h: pinged(h, udp_frame(dst="10.0.0.3", ttl=1), forwarding=1),
        ("PKT_TOO_BIG", "ip_forward"): lambda h: pinged(h, udp_frame(b"x" * 1000, dst="10.0.0.3"), forwarding=1, mtu=576),
        ("UNICAST_IN_L2_MULTICAST", "ip_rcv_finish_core"): lambda h: pinged(h, udp_frame(mac=BROADCAST), drop_unicast_in_l2_multicast=1),
        ("NOT_SPECIFIED", "tcp_v4_rcv"): lambda h: pinged(h, eth(ip(tcp()[:10], proto=6))),
        ("PKT_TOO_SMALL", "tcp_v4_rcv"): lambda h: pinged(h, eth(ip(tcp()[:12] + b"\x40" + tcp()[13:], proto=6))),
        ("NO_SOCKET", "udp_queue_rcv_one_skb"): closes_on_its_way,
        ("PROTO_MEM", "__udp_enqueue_schedule_skb"): out_of_udp_mem,
        ("PROTO_MEM", "sock_queue_rcv_skb"): out_of_udp_mem,
        ("SOCKET_RCVBUFF", "sock_queue_rcv_skb"): exactly_full,
        ("NOT_SPECIFIED", "igb_cleanup_headers"): receive_error,
        ("CAPTURE_CUT", "arp_rcv"): lambda h: cut(h, arp() + bytes(40), 20),
        ("CAPTURE_CUT", "ip_rcv_core"): lambda h: cut(h, udp_frame(), 30),
        ("CAPTURE_CUT", "icmp_rcv"): lambda h: cut(h, unreachable(ip(udp(b"x" * 40))), 50),
        ("CAPTURE_CUT", "igmp_rcv"): lambda h: cut(h, eth(ip(b"x" * 40, proto=2)), 36),
        ("CAPTURE_CUT", "__udp4_lib_rcv"): lambda h: cut(h, udp_frame(), 38),
        ("CAPTURE_CUT", "udplite_rcv"): lambda h: cut(h, eth(ip(udp(b"x" * 40), proto=136)), 38),
        ("CAPTURE_CUT", "tcp_v4_rcv"): lambda h: cut(h, eth(ip(tcp(), proto=6)), 44),
        ("TCP_SYN_LOST", "tcp_v4_rcv"): before_its_syn,
        ("NOT_MODELLED", "__netif_receive_skb_core"): lambda h: not_modelled(h, eth(bytes(60), proto=0x86DD)),
        ("NOT_MODELLED", "ip_protocol_deliver_rcu"): lambda h: not_modelled(h, eth(ip(bytes(60), proto=47))),
        ("NOT_MODELLED", "udp_queue_rcv_one_skb"): lambda h: not_modelled(h, udp_frame()),
        ("NOMEM", "skb_clone"): no_room_for_a_copy,
        ("UDP_CSUM", "__first_packet_length"): asked_for_its_length,
        ("UDP_CSUM", "udp_queue_rcv_one_skb"): lambda h: filtered(h, eth(ip(udp(b"x" * 100, check=0x1234)))),
        ("SOCKET_FILTER", "udp_queue_rcv_one_skb"): filtered,
        ("SOCKET_FILTER", "sock_queue_rcv_skb"): filtered,
        ("RX_ALLOC_FAILED", "veth_xmit"): every_packet_waits_to_be_read,
        ("RX_ALLOC_FAILED", "igb_clean_rx_irq"): every_packet_waits_to_be_read,
        ("NOT_SPECIFIED", "loopback_xmit"): closed,
        ("NOT_SPECIFIED", "skb_vlan_untag"): lambda h: pinged(h, eth(b"\0\7", proto=0x8100)),
        ("PKT_TOO_SMALL", "arp_rcv"): lambda h: pinged(h, arp()[:30]),
    } | PLACES


ON_VETH = {("RX_ALLOC_FAILED", "veth_xmit"), ("NOT_SPECIFIED", "skb_vlan_untag"), ("PKT_TOO_SMALL", "arp_rcv"),     # igb pads short frames
           *PLACES}
ON_VIRTIO = {("RX_ALLOC_FAILED", "igb_clean_rx_irq")}       # igb keeps the frame in its descriptor
ON_LO = {("NOT_SPECIFIED", "loopback_xmit")}
THROTTLED = {("RX_MISSED", "nic_dma"), ("RX_RESET", "nic_dma"), ("TX_PAUSE", "nic_dma")}
TWICE = {("TCP_LISTEN_OVERFLOW", "socket.drops")}          # a full queue, and a segment that was lost
COPIES = {("NOMEM", "skb_clone")}                           # what is refused is a copy: the socket that gets none counts it, too
REAL_TIME = {("SOCKET_BACKLOG", "sk_add_backlog")}


def given_by(place, kernel):
    """sock_queue_rcv_skb() is 3.10's way, and what is lost there is lost elsewhere since."""
    if place[1] == "sock_queue_rcv_skb":
        return kernel == "3.10"
    return kernel != "3.10" or "udp" not in place[1] or (place[0], "sock_queue_rcv_skb") not in rest()


@pytest.mark.parametrize("place, kernel", [pytest.param(p, k, id=f"{' at '.join(p)}-{k}")
                                           for p in rest() for k in KERNELS if given_by(p, k)])
def test_a_row_says_what_moves(lab, place, kernel):
    driver = "veth" if place in ON_VETH else "lo" if place in ON_LO else "virtio_net" if place in ON_VIRTIO else "igb"
    host = lab(kernel=kernel, driver=driver, nskb=256 if place[0] == "RX_ALLOC_FAILED" else 4096,
               itr_ns=500_000 if place in THROTTLED else 0)
    rest()[place](host)
    found = ends(host.net) | {(r, "nic_dma"): n for r, n in host.ends().items() if not Drop[r].row.skb}
    assert set(found) == {place} or (place in COPIES and place in found)
    if place in COPIES:
        return
    moved = {**host.mib(), **host.dev_stats()} | ({} if driver != "igb" else ring_stats(host.net))
    moved |= {"softnet.dropped": sum(host.net.input[c].dropped for c in range(host.cpus)), "rx_dropped": moved.get("rx_dropped", 0),
              "socket.drops": sum(host.net.socks[i].drops for i in range(host.net.nsock))}
    got = {c: n for c, n in moved.items() if n and c in COUNTED and has(c, kernel)}
    for choice in (c.split("/") for c in counters_of({place}, kernel)):
        times = 1 + ((place[0], choice[0]) in TWICE)
        assert len(there := [c for c in choice if c in got]) == 1 and got.pop(there[0]) == times * found[place], (choice, got)
    assert not got, f"{got} moved too"


def test_a_backlog_that_another_cpu_has_filled_meanwhile(monkeypatch):
    """SOCKET_BACKLOG: sk_rcvqueues_full() was asked before the lock.  In virtual time nobody comes in between."""
    host = Lab(plain=True, kernel="3.10")
    sk = host.net.socks[host.udp(5000)]
    sk.owned = 1
    monkeypatch.setattr(queue, "spin_lock", lambda net, cpu, lock: setattr(sk, "backlog_len", sk.rcvbuf + 1))
    host.send(udp_frame()).run()
    assert ends(host.net) == {("SOCKET_BACKLOG", "sk_add_backlog"): 1}
    assert host.mib().keys() & COUNTED == {"Udp.InErrors"} and sk.drops == 1


def test_every_place_of_every_row_is_reached():
    for kernel in KERNELS:
        seen = {place for _, places, _ in judged(kernel) for place in places} | set(rest()) | REAL_TIME
        assert {(d.name, station) for d in LOSSES for station in d.row.places} == seen
