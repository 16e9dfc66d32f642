"""Back ends alone and under a live host, on a veth in a namespace of its own: frames in, frames out, what each has lost."""
import contextlib
import ipaddress
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from rxpath.backends.face import CSUM_NOT_READY, Batch
from rxpath.backends.packet import Packet
from rxpath.backends.pair import pair
from rxpath.backends.tap import Tap, configure
from rxpath.backends.xdp import Xdp
from rxpath.live import Host, mac_of
from rxpath.tap import BackendError

from ..frames import eth, ip, tcp, udp
from .namespaces import OURS, THEIRS, Side, needs_root, tx_checksums_off, until

KINDS = {"packet": Packet, "xdp": Xdp}


def new_batch(most=64):
    return Batch(memoryview(bytearray(2048 * most)), 2048)


@pytest.fixture
def veth():
    with Side() as side:
        side.veth()
        yield side


# ---------------------------------------------------------------- a device that goes
@needs_root
def test_a_tap_that_was_removed_says_so_when_it_sends():
    with Side() as side:
        tap = side.tap()
        assert tap.transmit([bytes(60)]) == 1
        subprocess.run(["ip", "link", "del", tap.name], check=True)
        with pytest.raises(BackendError, match="the device is gone"):
            tap.transmit([bytes(60)])
        with pytest.raises(BackendError, match="the device is gone"):
            tap.pull(new_batch())
        tap.close()


# ---------------------------------------------------------------- without root
def test_a_pair_brings_what_the_other_end_sends():
    a, b = pair()
    batch = new_batch(4)
    assert b.pull(batch) == 0 and not b.wait(0)
    assert a.transmit([bytes([k]) * (60 + k) for k in range(6)]) == 6 and b.wait(1)
    assert b.pull(batch) == 4 and [bytes(f) for f in batch.frames(4)] == [bytes([k]) * (60 + k) for k in range(4)]
    assert b.pull(batch) == 2 and b.statistics().rx_frames == 6 and a.statistics().tx_bytes == sum(range(60, 66))
    a.close()
    with pytest.raises(BackendError, match="gone"):
        b.pull(batch)
    b.close()


def test_a_host_on_a_pair_answers():
    """ARP by hand: no device, no root."""
    a, b = pair()
    with Host(a, f"{OURS}/24"):
        request = bytes.fromhex("ffffffffffff 020000000009 0806 0001080006040001 020000000009") + socket.inet_aton(THEIRS) \
            + bytes(6) + socket.inet_aton(OURS)
        b.transmit([request.ljust(60, b"\0")])
        batch = new_batch(4)
        assert b.wait(10) and b.pull(batch) == 1
        [answer] = batch.frames(1)
        assert bytes(answer[20:22]) == b"\0\x02" and bytes(answer[22:28]).hex() == "02000a090002"
    b.close()


def test_answers_leave_by_the_back_end_of_their_flows_queue():
    """Requests of many flows all come by the first one: RSS spreads them over the queues, and each queue has a back end."""
    ends = [pair(), pair()]
    mac = mac_of(ipaddress.IPv4Interface(f"{OURS}/24")).to_bytes(6)
    with Host([ours for ours, _ in ends], f"{OURS}/24") as host:
        theirs = [end for _, end in ends]
        arp = bytes.fromhex("ffffffffffff 020000000009 0806 0001080006040001 020000000009") + socket.inet_aton(THEIRS) \
            + bytes(6) + socket.inet_aton(OURS)
        theirs[0].transmit([arp.ljust(60, b"\0")])
        for port in range(40000, 40032):             # nobody listens there: each is answered by ICMP, or by RST
            theirs[0].transmit([eth(ip(tcp(b"", port, 80, 1, 0, 2, THEIRS, OURS), THEIRS, OURS, proto=6), mac)])
        until(lambda: host.counters().get("Tcp.OutRsts") == 32)
        batch, ports = new_batch(), []
        for end in theirs:
            until(lambda end=end: end.wait(0))
            ports.append({int.from_bytes(f[36:38]) for f in map(bytes, batch.frames(end.pull(batch))) if f[12:14] == b"\x08\x00"})
        assert all(ports) and len(ports[0]) + len(ports[1]) == len(ports[0] | ports[1]) == 32
    for end in theirs:
        end.close()


def test_a_checksum_that_its_sender_left_open_is_not_looked_at():
    """CSUM_NOT_READY of a back end without a ring."""
    ours, theirs = pair()
    mac, pull = mac_of(ipaddress.IPv4Interface(f"{OURS}/24")).to_bytes(6), ours.pull

    def open_sum(batch):
        n = pull(batch)
        for k in range(n):
            batch.put(k, len(frame), CSUM_NOT_READY)
        return n
    datagram = udp(b"x", 40000, 5000, THEIRS, OURS)
    frame = eth(ip(datagram[:6] + b"\x12\x34" + datagram[8:], THEIRS, OURS), mac)
    with Host(ours, f"{OURS}/24") as host, host.socket() as s:
        s.bind(("", 5000))
        theirs.transmit([frame])
        until(lambda: host.counters().get("Udp.InErrors", 0) + host.counters().get("Udp.InCsumErrors", 0))
        ours.pull = open_sum
        theirs.transmit([frame])
        s.settimeout(5)
        assert s.recv(10) == b"x"
    theirs.close()


def test_memory_that_is_too_small_is_refused():
    with pytest.raises(ValueError, match="do not hold"):
        Batch(memoryview(bytearray(1000)), 2048)


@pytest.mark.parametrize("name", ["tap", "packet", "xdp"])
def test_a_back_end_is_imported_alone(name):
    code = f"import sys, rxpath.{name}; print([m for m in sys.modules if m.startswith('rxpath') and 'backends' not in m])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert out.stdout.strip() == f"['rxpath', 'rxpath.{name}']", out


# ---------------------------------------------------------------- alone
@needs_root
@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_a_veth(veth, kind):
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind(("va", 3))
    frames = [b"\xff" * 6 + bytes(6) + b"\x88\xb5" + bytes([k]) * (46 + 10 * k) for k in range(100)]
    with KINDS[kind]("vb") as device:
        for f in frames:
            sender.send(f)
        batch, got = new_batch(), []

        def pulled():
            got.extend(bytes(f) for f in batch.frames(device.pull(batch)) if f[12:14] == b"\x88\xb5")
            return len(got) == 100
        until(pulled)
        assert got == frames
        sender.settimeout(5)
        assert device.transmit(frames) == 100
        back = []
        while len(back) < 100:
            data, who = sender.recvfrom(2048)
            if data[12:14] == b"\x88\xb5" and who[2] != 4:
                back.append(data)
        assert back == frames
        s = device.statistics()
        assert s.tx_frames == 100 and s.tx_refused == 0 and not any(s.lost.values()), s
    with KINDS[kind]("vb"):
        pass                                         # closed for good: it can be opened again
    sender.close()


@needs_root
def test_a_tun_device_has_packets_without_a_header():
    with Side() as side, Tap("tun0", tun=True) as device:
        with open("/proc/sys/net/ipv6/conf/tun0/disable_ipv6", "w") as file:
            file.write("1")
        configure("tun0", f"{THEIRS}/24")
        with side.udp() as client:
            client.sendto(b"hello", (OURS, 5000))
        batch = new_batch()
        until(lambda: device.pull(batch) == 1)
        [packet] = batch.frames(1)
        assert packet[0] == 0x45 and bytes(packet[16:20]) == socket.inet_aton(OURS) and bytes(packet[28:]) == b"hello"
        with pytest.raises(ValueError, match="wants a TAP"):
            Host(device, f"{OURS}/24")


@needs_root
def test_a_ring_that_nobody_reads_loses_and_counts(veth):
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind(("va", 3))
    with Xdp("vb") as device:
        for _ in range(2500):
            sender.send(bytes(6) + bytes(6) + b"\x88\xb5" + bytes(46))
        batch, n = new_batch(), 0
        until(lambda: device.statistics().lost["rx_dropped"] + device.statistics().lost["rx_ring_full"] >= 2500 - 2048)
        while k := device.pull(batch):
            n += k
        assert n == 2048
        sender.send(bytes(6) + bytes(6) + b"\x88\xb5" + bytes(46))
        until(lambda: device.pull(batch) == 1)
    sender.close()


@needs_root
@pytest.mark.parametrize("kind", KINDS)
def test_what_the_device_itself_sends_is_not_pulled(veth, kind):
    """Neither ours nor what others of this machine send by it."""
    with KINDS[kind]("vb") as device, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as other:
        other.bind(("vb", 3))
        frame = b"\xff" * 6 + bytes(6) + b"\x88\xb5" + bytes(46)
        assert device.transmit([frame]) == 1
        other.send(frame)
        time.sleep(0.05)
        batch = new_batch()
        assert not any(bytes(f[12:14]) == b"\x88\xb5" for f in batch.frames(device.pull(batch)))


@needs_root
@pytest.mark.parametrize("kind", ["packet", "tap"])
def test_a_frame_that_is_longer_than_its_room_is_cut_and_counted(kind):
    """The MTU is raised behind the back end's back; the frame behind it is well."""
    with Side() as side, contextlib.ExitStack() as at_end:
        if kind == "packet":
            side.veth()
            for name in ("va", "vb"):
                configure(name, mtu=3000)
            device = at_end.enter_context(Packet("vb"))
        else:
            device = at_end.enter_context(side.tap())
            configure("tap0", mtu=3000)
        sender = at_end.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
        sender.bind(("va" if kind == "packet" else "tap0", 3))
        long, short = (b"\xff" * 6 + bytes(6) + b"\x88\xb5" + bytes([k]) * n for k, n in ((1, 2500), (2, 46)))
        sender.send(long)
        sender.send(short)
        batch, got = new_batch(), []

        def pulled():
            got.extend(bytes(f) for f in batch.frames(device.pull(batch)) if f[12:14] == b"\x88\xb5")
            return got
        until(pulled)
        assert got == [short] and device.statistics().lost["cut"] == 1


@needs_root
def test_a_device_that_is_down_refuses_what_is_sent():
    with Side() as side, side.tap() as device:
        configure("tap0", up=False)
        assert device.transmit([bytes(60)] * 2) == 0 and device.statistics().tx_refused == 2 and device.statistics().tx_frames == 0


@needs_root
def test_chunks_and_places_of_a_transmit_ring_are_used_again(veth):
    """Three times as many frames as a ring has entries, each sent and none refused."""
    with Xdp("vb") as device:
        for _ in range(192):
            assert device.transmit([b"\xff" * 6 + bytes(6) + b"\x88\xb5" + bytes(46)] * 32) == 32
        assert device.statistics().tx_frames == 6144 and device.statistics().tx_refused == 0
        device.transmit([])                          # takes back what has been sent meanwhile
        assert len(device.free) == 2048 == len(set(device.free))


@needs_root
def test_the_blocks_of_a_packet_socket_go_round(veth):
    """More blocks than the ring has, each with a frame: a block that was read is the kernel's again, and no frame comes twice."""
    with Host(Packet("vb", blocks=4), f"{OURS}/24") as host, host.socket() as s, veth.udp() as client:
        s.bind(("", 5000))
        s.settimeout(5)
        veth.ping(times=1)
        for k in range(20):
            client.sendto(b"%d" % k, (OURS, 5000))
            assert s.recv(100) == b"%d" % k
            time.sleep(0.005)
        assert host.counters()["Udp.InDatagrams"] == 20 and host.counters()["Ip.InReceives"] == 21


@needs_root
def test_zero_copy_that_a_driver_cannot_is_copied(veth):
    with Xdp("vb", zero_copy=True) as device:
        assert not device.capabilities.zero_copy and device.attached.in_driver


@needs_root
def test_a_vlan_tag_is_put_back(veth):
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind(("va", 3))
    frame = b"\xff" * 6 + bytes(6) + b"\x81\x00\x20\x05\x88\xb5" + b"x" * 46
    with Packet("vb") as device:
        sender.send(frame)
        batch, got = new_batch(), []
        until(lambda: got.extend(bytes(f) for f in batch.frames(device.pull(batch))) or frame in got)
    sender.close()


@needs_root
@pytest.mark.parametrize("make, says", [
    (lambda: Packet("nosuch"), "no such device"), (lambda: Xdp("nosuch"), "no such device"), (lambda: Xdp("vb", queue=60), "no such queue"),
    (lambda: Tap("va"), "no TAP"), (lambda: Tap("x" * 16), "characters")])
def test_what_cannot_be_opened_says_why(veth, make, says):
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(BackendError, match=says):
        make()
    assert len(os.listdir("/proc/self/fd")) == before, "no descriptor is left"


# ---------------------------------------------------------------- under a host
@needs_root
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_host_on_it_answers_the_kernel(veth, kind, plain):
    if kind == "xdp":
        tx_checksums_off("va")
    with Host(KINDS[kind]("vb"), f"{OURS}/24", plain=plain) as host, host.socket() as s, veth.udp() as client:
        veth.ping(times=3)
        veth.ping(size=8000, times=1)
        s.bind(("", 5000))
        threading.Timer(0.1, client.sendto, (b"hello", (OURS, 5000))).start()
        assert s.recv(100) == b"hello"
        assert host.counters()["Icmp.OutEchoReps"] == 4 and host.counters().get("Udp.InErrors", 0) == 0


@needs_root
@pytest.mark.parametrize("kind", KINDS)
def test_a_device_that_goes_is_said_and_its_host_stays(veth, kind):
    """Down and up, another name: as if nothing were; away: said within seconds, without a thread that spins."""
    if kind == "xdp":
        tx_checksums_off("va")
    with Host(KINDS[kind]("vb"), f"{OURS}/24") as host, host.socket() as s:
        s.bind(("", 5000))
        veth.ping(times=1)
        for how in ("set vb down", "set vb name vc", "set vc up"):
            subprocess.run(["ip", "link", *how.split()], check=True)
        until(lambda: pings(veth))
        assert host.time.gone == []
        subprocess.run(["ip", "link", "del", "va"], check=True)
        until(lambda: host.time.gone == ["vb: the device is gone"])
        used = time.process_time()
        s.settimeout(0.5)
        with pytest.raises(TimeoutError):
            s.recv(10)
        s.sendto(b"nobody has it", (THEIRS, 9))
        assert time.process_time() - used < 0.3, "s of CPU time"


def pings(side):
    try:
        return len(side.ping(times=1)) == 1
    except OSError:
        return False


@needs_root
def test_a_sender_on_this_machine_leaves_checksums_to_nobody(veth):
    """CSUM_NOT_READY: taken as it is, as Linux does."""
    with Packet("vb") as device, veth.udp() as client:
        subprocess.run(["ip", "neigh", "add", OURS, "lladdr", "02:00:0a:09:00:02", "dev", "va"], check=True)
        client.sendto(b"hello", (OURS, 5000))
        batch = new_batch()
        until(lambda: device.pull(batch) == 1)
        assert batch.table[2] == CSUM_NOT_READY


@needs_root
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_compiled_code_takes_frames_out_of_the_ring_as_python_does(veth, kind, plain):
    """A VLAN tag is put back, or was never taken out; what is longer than its room is cut, and counted; what comes after it is well."""
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind(("va", 3))
    tagged = b"\xff" * 6 + bytes(6) + b"\x81\x00\x20\x05\x88\xb5" + b"x" * 46
    if kind == "xdp":
        tx_checksums_off("va")
        configure("va", mtu=3000)
    with Host(KINDS[kind]("vb"), f"{OURS}/24", plain=plain) as host:
        for name in ("va", "vb"):
            configure(name, mtu=3000)
        sender.send(tagged)
        sender.send(b"\xff" * 6 + bytes(6) + b"\x88\xb5" + b"y" * 2500)
        until(lambda: host.time.backends[0].statistics().lost["cut"] == 1)
        views = host.time.ends[0].batch.views
        assert any(bytes(v[:len(tagged)]) == tagged for v in views)
        veth.ping(times=2)
        counted = host.time.backends[0].counted
        assert counted.rx_frames >= 4 and counted.rx_bytes >= len(tagged) + 2 * 98 and host.time.refused == 0
    sender.close()


@needs_root
@pytest.mark.parametrize("plain", [False, True])
def test_the_rings_of_af_xdp_go_round(veth, plain):
    """More frames than a ring has entries and the UMEM chunks: each comes once, in order, and each chunk goes back to the kernel."""
    tx_checksums_off("va")
    n, lot = 5000, 500
    with Host(Xdp("vb"), f"{OURS}/24", plain=plain) as host, host.socket() as s, veth.udp() as client:
        s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)                 # SO_RCVBUFFORCE
        s.bind(("", 5000))
        s.settimeout(5)
        veth.ping(times=1)                           # what waits for an answer to ARP may be passed by what does not
        for first in range(0, n, lot):
            for k in range(first, first + lot):
                client.sendto(b"%d" % k, (OURS, 5000))
            assert [s.recv(100) for _ in range(lot)] == [b"%d" % k for k in range(first, first + lot)]
        device = host.time.backends[0]
        assert not any(device.statistics().lost.values()) and host.time.refused == 0 and device.counted.rx_frames >= n
        assert device.fill.words[device.fill.producer] - device.rx.words[device.rx.consumer] == 2048, "chunks that the kernel has"


@needs_root
def test_fanout_spreads_flows(veth):
    with Host(Packet.open_queues("vb", 2), f"{OURS}/24") as host, host.socket() as s:
        s.bind(("", 5000))
        clients = [veth.udp() for _ in range(16)]
        for c in clients:
            c.sendto(b"x", (OURS, 5000))
        until(lambda: host.counters().get("Ip.InDelivers") == 16)
        assert min(b.counted.rx_frames for b in host.time.backends) > 0
        for c in clients:
            c.close()
