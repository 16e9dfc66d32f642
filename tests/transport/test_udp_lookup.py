"""Who receives: the rows of kernel-6.18-rules 5, ten datagrams each where they say ten.  B is the address that they are sent to."""
import errno

import pytest

from rxpath.abi.kernels import Sysctl
from rxpath.abi.numbers import AF_INET6, TCP
from rxpath.transport.udp_hash import udp_ehashfn
from rxpath.user import sock
from rxpath.user import socket as sockets

from ..frames import PEER, US, ip4, udp_frame

B, OTHER, SENDER = ip4(US), ip4("10.0.0.77"), ip4(PEER)


def bound(host, addr=B, port=5000, peer=None, family=None, **options):
    """A socket with options (ra, rp, dev, cpu) set before bind(); peer: connected to (address, port)."""
    b = host.boot
    sk = sockets.create(b) if family is None else sockets.create(b, family=family)
    for short, name in (("ra", "SO_REUSEADDR"), ("rp", "SO_REUSEPORT"), ("dev", "SO_BINDTODEVICE"), ("cpu", "SO_INCOMING_CPU")):
        if short in options:
            sock.setsockopt(b, sk, name, options[short])
    sockets.bind(b, sk, addr, port)
    if peer:
        sockets.connect(b, sk, *peer, local=B)
    return sk


def got(host, socks, n=10, **fields):
    """How many of n datagrams each has received."""
    before = [host.net.socks[s].in_packets for s in socks]
    host.send(*[udp_frame(**fields) for _ in range(n)]).run()
    return [host.net.socks[s].in_packets - b for s, b in zip(socks, before, strict=True)]


@pytest.mark.parametrize("first,second", [(0, B), (B, 0)])
def test_an_exact_address_wins_over_the_wildcard(lab, first, second):
    host = lab()
    socks = [bound(host, first, ra=1), bound(host, second, ra=1)]
    assert got(host, socks) == ([0, 10] if second else [10, 0])


def test_another_address_gets_nothing(lab):
    host = lab()
    assert got(host, [bound(host, OTHER)]) == [0] and host.mib()["Udp.NoPorts"] == 10 and host.ends() == {"NO_SOCKET": 10}


@pytest.mark.parametrize("first,second", [((B, {}), (B, {})), ((0, {}), (B, {})), ((B, {}), (0, {})), ((B, {"ra": 1}), (B, {})),
                                          ((B, {"ra": 1}), (B, {"rp": 1}))])
def test_ports_that_are_in_use(lab, first, second):
    host = lab()
    bound(host, first[0], **first[1])
    with pytest.raises(OSError) as e:
        bound(host, second[0], **second[1])
    assert e.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize("addr", [0, B])
def test_of_reuseaddr_sockets_the_last_bound_receives_then_the_one_before(lab, addr):
    host = lab()
    socks = [bound(host, addr, ra=1) for _ in range(3)]
    assert got(host, socks) == [0, 0, 10]
    sockets.close(host.boot, socks[2])
    assert got(host, socks[:2]) == [0, 10]


@pytest.mark.parametrize("order", [0, 1])
def test_reuseaddr_with_reuseport_beside_reuseaddr_alone(lab, order):
    host = lab()
    kinds = [{"ra": 1, "rp": 1}, {"ra": 1}]
    socks = [bound(host, **kinds[order]), bound(host, **kinds[1 - order])]
    assert got(host, socks) == [0, 10]


def test_a_group_beside_a_reuseaddr_socket(lab):
    """The last bound wins when it is the lone one; when the group came last, its hash chooses among its members."""
    host = lab()
    socks = [bound(host, ra=1, rp=1), bound(host, ra=1, rp=1), bound(host, ra=1)]
    assert got(host, socks) == [0, 0, 10]
    host = lab()
    socks = [bound(host, ra=1), bound(host, ra=1, rp=1), bound(host, ra=1, rp=1)]
    assert got(host, socks)[0] == 0 and sorted(got(host, socks)) == [0, 0, 10]


def test_who_said_reuseport_after_bind_is_the_first_of_the_next_ones_group(lab):
    host = lab()
    socks = [bound(host, ra=1), bound(host, OTHER, ra=1)]
    sock.setsockopt(host.boot, socks[0], "SO_REUSEPORT", 1)
    socks.append(bound(host, ra=1, rp=1))
    group = host.net.reuseport[host.net.socks[socks[0]].group]
    assert group.num_socks == 2 and [group.socks[0], group.socks[1]] == [socks[0], socks[2]] and host.net.socks[socks[1]].group < 0


@pytest.mark.parametrize("kernel", ["6.18", "6.1"])
@pytest.mark.parametrize("addr", [0, B])
def test_a_connected_socket_wins(lab, addr, kernel):
    """6.18: found first, in udp_hash4; 6.1: by its score, though the other one stands before it in the chain."""
    host = lab(kernel=kernel)
    socks = [bound(host, addr, peer=(SENDER, 40000), ra=1), bound(host, ra=1)]
    assert got(host, socks) == [10, 0] and got(host, socks, sport=40001) == [0, 10]


def test_connected_elsewhere_is_no_match(lab):
    host = lab()
    socks = [bound(host, peer=(OTHER, 40000), ra=1), bound(host, ra=1)]
    assert got(host, socks) == [0, 10]
    host = lab()
    assert got(host, [bound(host, peer=(OTHER, 40000))]) == [0] and host.mib()["Udp.NoPorts"] == 10


@pytest.mark.parametrize("devices,winner", [((0, 0), 1), ((0, 1), 1), ((1, 0), 1), ((7, 0), 1), ((0, 7), 0)])
def test_of_two_connected_to_the_same_peer_the_last_one_and_its_device_adds_nothing(lab, devices, winner):
    host = lab()
    socks = [bound(host, peer=(SENDER, 40000), ra=1, dev=d) for d in devices]
    assert got(host, socks) == [10 * (winner == 0), 10 * (winner == 1)]


@pytest.mark.parametrize("devices,winner", [((0, 0), 1), ((0, 1), 1), ((1, 0), 0), ((7, 0), 1), ((0, 7), 0)])
def test_before_udp_hash4_the_device_of_a_connected_socket_adds_to_its_score(lab, devices, winner):
    """Without early demux, which takes the first of the chain."""
    host = lab(kernel="6.1")
    host.net.sysctl[Sysctl.udp_early_demux] = 0
    socks = [bound(host, peer=(SENDER, 40000), ra=1, dev=d) for d in devices]
    assert got(host, socks) == [10 * (winner == 0), 10 * (winner == 1)]


@pytest.mark.parametrize("a,b,winner", [((B, {"dev": 1}), (B, {}), 0), ((0, {"dev": 1}), (B, {}), 1), ((0, {"dev": 1}), (0, {}), 0),
                                        ((B, {"dev": 7}), (B, {}), 1)])
def test_devices(lab, a, b, winner):
    """Address before device, device before none; a wrong one is no match."""
    host = lab()
    socks = [bound(host, a[0], ra=1, **a[1]), bound(host, b[0], ra=1, **b[1])]
    assert got(host, socks) == [10 * (winner == 0), 10 * (winner == 1)]


def test_a_wrong_device_alone(lab):
    host = lab()
    assert got(host, [bound(host, dev=7)]) == [0] and host.mib()["Udp.NoPorts"] == 10


def test_the_same_address_on_two_devices_needs_no_option(lab):
    host = lab()
    socks = [bound(host, dev=1), bound(host, dev=7)]
    assert got(host, socks) == [10, 0]


@pytest.mark.parametrize("kernel", ["6.18", "6.1"])
def test_a_connection_beats_a_device(lab, kernel):
    host = lab(kernel=kernel)
    socks = [bound(host, peer=(SENDER, 40000), ra=1), bound(host, ra=1, dev=1)]
    assert got(host, socks) == [10, 0]


@pytest.mark.parametrize("order", [0, 1])
def test_v4_before_v6_and_v6_alone(lab, order):
    host = lab()
    make = [lambda: bound(host, 0, ra=1, family=AF_INET6), lambda: bound(host, 0, ra=1)]
    six, four = (make[0](), make[1]()) if order == 0 else (make[1](), make[0]())[::-1]
    assert got(host, [six, four]) == [0, 10]
    sockets.close(host.boot, four)
    assert got(host, [six]) == [10]


@pytest.mark.parametrize("cpus,winner", [((0, 1, -1), 0), ((0, 0, -1), 1), ((1, -1, -1), 2)])
def test_incoming_cpu(lab, cpus, winner):
    """The queue's interrupt is on CPU 0; a tie goes to the last."""
    host = lab()
    socks = [bound(host, ra=1, cpu=c) for c in cpus]
    assert got(host, socks) == [10 * (i == winner) for i in range(3)]


def test_a_device_beats_the_cpu(lab):
    host = lab()
    assert got(host, [bound(host, ra=1, dev=1), bound(host, ra=1, cpu=0)]) == [10, 0]


# ---------------------------------------------------------------- SO_REUSEPORT by hash
FLOWS = range(30000, 30120)


def members(host, socks, dst=US):
    """Which member gets each of 120 flows."""
    out = []
    for sport in FLOWS:
        before = [host.net.socks[s].in_packets for s in socks]
        host.send(udp_frame(b"x", sport=sport, dst=dst), gap=100_000).run(host.t + 100_000)
        out.append([host.net.socks[s].in_packets - b for s, b in zip(socks, before, strict=True)].index(1))
    return out


def hashes(host, addr=B):
    return [udp_ehashfn(host.net, addr, 5000, SENDER, sport) for sport in FLOWS]


@pytest.mark.parametrize("n", [2, 3, 6])
def test_a_group_divides_flows_by_hash(lab, n):
    host = lab()
    socks = [bound(host, rp=1) for _ in range(n)]
    seen = members(host, socks)
    assert seen == [h * n >> 32 for h in hashes(host)] and set(seen) == set(range(n))


def test_closing_a_member_moves_the_last_into_its_hole(lab):
    host = lab()
    socks = [bound(host, rp=1) for _ in range(4)]
    sockets.close(host.boot, socks[1])
    left = [socks[0], socks[3], socks[2]]
    assert members(host, left) == [h * 3 >> 32 for h in hashes(host)]
    again = bound(host, rp=1)                       # and a new one is appended
    assert members(host, [*left, again]) == [h * 4 >> 32 for h in hashes(host)]


@pytest.mark.parametrize("who", [0, 1, 2])
def test_connecting_a_member_takes_it_out(lab, who):
    host = lab()
    socks = [bound(host, rp=1) for _ in range(3)]
    sockets.connect(host.boot, socks[who], SENDER, 45000)
    left = socks[:]
    left[who] = left[-1]
    left.pop()
    assert members(host, left) == [h * 2 >> 32 for h in hashes(host)]
    assert got(host, [socks[who]], sport=45000) == [10]


def test_a_wildcard_group_hashes_without_the_destination(lab):
    host = lab()
    host.boot.add_address(ip4("10.0.0.9"), 24)
    socks = [bound(host, 0, rp=1) for _ in range(3)]
    assert members(host, socks) == members(host, socks, "10.0.0.9") == [h * 3 >> 32 for h in hashes(host, 0)]


def test_incoming_cpu_in_a_group_only_matching_members(lab):
    """(0, 1, 0, 1): a member of another CPU is passed over for the next in the array."""
    host = lab()
    socks = [bound(host, rp=1, cpu=c) for c in (0, 1, 0, 1)]
    nearest = {0: 0, 1: 2, 2: 2, 3: 0}
    assert members(host, socks) == [nearest[h * 4 >> 32] for h in hashes(host)]


def test_310_weighs_address_and_device_the_same_and_draws_lots(lab):
    host = lab(kernel="3.10")
    assert got(host, [bound(host, 0, ra=1, dev=1), bound(host, B, ra=1)]) == [0, 10]        # equal scores: the last bound
    assert got(host, [bound(host, B, ra=1, port=6000), bound(host, 0, ra=1, dev=1, port=6000)], dport=6000) == [0, 10]
    group = [bound(host, rp=1, port=7000) for _ in range(3)]
    count = [0, 0, 0]
    for sport in FLOWS:
        for i, n in enumerate(got(host, group, 1, sport=sport, dport=7000)):
            count[i] += n
    assert sum(count) == len(FLOWS) and min(count) > 15


# ---------------------------------------------------------------- control plane
def test_port_0_is_a_free_one(lab):
    host = lab()
    ports = {sockets.bind(host.boot, sockets.create(host.boot)) for _ in range(50)}
    assert len(ports) == 50 and all(32768 <= p <= 60999 for p in ports)


def test_disconnecting_and_connecting_again(lab):
    host = lab()
    sk = bound(host, 0, peer=(OTHER, 1))
    assert got(host, [sk]) == [0]
    sockets.connect(host.boot, sk, SENDER, 40000, local=B)
    assert got(host, [sk]) == [10]
    sockets.disconnect(host.boot, sk)
    assert got(host, [sk], sport=9) == [10] and host.net.udp_nconn == 0


@pytest.mark.parametrize("addr, port", [(B, 5000), (0, 5000), (B, 0), (0, 0)])
def test_disconnecting_keeps_what_bind_was_told(lab, addr, port):
    """Asked of Linux 6.18: an address or a port that was chosen for the socket is given up."""
    host = lab()
    sk = sockets.create(host.boot)
    chosen = sockets.bind(host.boot, sk, addr, port)
    sockets.connect(host.boot, sk, SENDER, 40000, local=B)
    s = host.net.socks[sk]
    assert (s.state, s.rcv_saddr_lo, s.port) == (TCP.ESTABLISHED, addr or B, chosen)
    sockets.disconnect(host.boot, sk)
    assert (s.state, s.rcv_saddr_lo, s.port) == (TCP.CLOSE, addr, port)
    other = sockets.create(host.boot)
    if port:
        with pytest.raises(OSError, match="EADDRINUSE"):
            sockets.bind(host.boot, other, addr, chosen)
    else:
        sockets.bind(host.boot, other, addr, chosen)


def test_a_socket_that_closes_under_a_packet_on_its_way(lab):
    """The packet has found its socket and waits for its turn; then the socket is another one."""
    host = lab()
    sk = bound(host)
    host.net.socks[sk].gen += 0
    host.send(udp_frame())
    host.run(host.t + 1)
    sockets.close(host.boot, sk)
    again = bound(host, port=6000)
    assert again == sk
    host.run()
    assert host.ends() == {"NO_SOCKET": 1} and host.net.socks[again].in_packets == 0


def test_131072_sockets_and_no_more(lab):
    from rxpath.abi.limits import NSOCK
    host = lab()
    if host.boot.plain:
        host.net.nsock = NSOCK - 1
    for i in range(host.net.nsock, NSOCK):
        sk = sockets.create(host.boot)
        if i < 60000:
            sockets.bind(host.boot, sk, B, 1 + i)
    with pytest.raises(OSError, match="one socket more than 131072"):
        sockets.create(host.boot)
    if not host.boot.plain:
        assert got(host, [4999, 59999], dport=5000) == [10, 0]


def test_options_that_do_not_exist(lab):
    host = lab()
    sk = bound(host)
    for call in (lambda: sock.setsockopt(host.boot, sk, "SO_NOSUCH", 1), lambda: sock.getsockopt(host.boot, sk, "SO_NOSUCH")):
        with pytest.raises(OSError) as e:
            call()
        assert e.value.errno == errno.ENOPROTOOPT
    sock.setsockopt(host.boot, sk, "SO_RCVLOWAT", 1000)
    assert sock.getsockopt(host.boot, sk, "SO_RCVLOWAT") == 1 and got(host, [sk]) == [10]
