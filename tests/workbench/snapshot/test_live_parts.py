"""The parts of the live reading: netlink, sock_diag, ethtool's ioctl, files of /proc and /sys, as this machine has them."""
import errno
import os
import socket
import struct
import sys

import pytest

from rxpath.workbench.readings.live import device_files, files, processes, rtnetlink, sock_diag
from rxpath.workbench.readings.live.ethtool import Cards, _flow_rule
from rxpath.workbench.readings.live.netlink import (
    NETLINK_ROUTE,
    NETLINK_SOCK_DIAG,
    Generic,
    Netlink,
    attribute,
    attributes,
    number,
    table,
    text,
)
from rxpath.workbench.readings.records import Channels, Coalesce, DriverInfo, Features, Link, Rings
from rxpath.workbench.readings.settings import Call

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads a Linux kernel")


@pytest.fixture
def udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 50_000)
        sock.bind(("127.0.0.1", 0))
        yield sock


# ---------------------------------------------------------------- netlink
def test_attributes_are_read_as_they_are_written():
    data = attribute(1, b"eth0\0") + attribute(7, struct.pack("=I", 9), nested=True) + attribute(7, b"")
    assert len(data) % 4 == 0
    assert attributes(data) == [(1, b"eth0\0"), (7, struct.pack("=I", 9)), (7, b"")]
    assert text(table(data)[1]) == "eth0" and number(attributes(data)[1][1]) == 9 and number(b"") == 0


@pytest.mark.parametrize("data", [b"", b"\1", b"\0\0\0\0", b"\3\0\1\0", struct.pack("=HH", 50, 1) + b"abc"])
def test_attributes_that_are_cut_end_the_list(data):
    assert attributes(data) == []


def test_a_request_that_the_kernel_refuses_is_an_oserror():
    with Netlink(NETLINK_ROUTE) as route, pytest.raises(OSError):
        route.ask(18, struct.pack("=BxHiII", 0, 0, 2_000_000_000, 0, 0))         # no such device
    with Generic() as generic, pytest.raises(OSError):
        generic.get("no_such_family", 1)


def test_devices_and_addresses_as_the_standard_library_knows_them():
    with Netlink(NETLINK_ROUTE) as route:
        links = rtnetlink.links(route)
        names = {link.index: link.device for link in links}
        addresses = rtnetlink.addresses(route, names)
    assert names == dict(socket.if_nameindex())
    lo = next(link for link in links if "LOOPBACK" in link.flags)
    assert lo.mtu and lo.stats["rx_packets"] == lo.stats["tx_packets"] and lo.address == "00:00:00:00:00:00"
    if "UP" in lo.flags:
        assert any(a.address == "127.0.0.1" and a.prefix == 8 and a.family == 4 for a in addresses)


# ---------------------------------------------------------------- sockets and processes
def test_a_socket_with_its_buffer_and_its_program(udp_port):
    with Netlink(NETLINK_SOCK_DIAG) as diag:
        found = sock_diag.udp_sockets(diag, {}).sockets
    mine = next(s for s in found if s.port == udp_port.getsockname()[1] and s.address == "127.0.0.1")
    assert mine.skmem.rb == udp_port.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) and mine.drops == 0
    assert mine.inode == os.fstat(udp_port.fileno()).st_ino and mine.uid == os.getuid()
    record, unread = processes.processes({mine.inode}, patience=10)
    me = next(p for p in record.processes if p.pid == os.getpid())
    assert me.sockets == ((udp_port.fileno(), mine.inode),) and not unread
    assert any(t.id == os.getpid() and set(t.cpus) == os.sched_getaffinity(0) for t in me.threads)


def test_looking_for_programs_ends_in_time():
    record, unread = processes.processes({1}, patience=0)
    assert not record.processes and "were not looked at" in unread[0].why


def test_a_v6only_socket_says_so():
    try:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(("::", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    with sock, Netlink(NETLINK_SOCK_DIAG) as diag:
        mine = next(s for s in sock_diag.udp_sockets(diag, {}).sockets if s.port == sock.getsockname()[1] and s.family == 6)
    assert mine.v6only is True


def test_the_call_in_which_a_thread_waits():
    lines = {"/proc/7/task/7/syscall": "299 0x5 0x7f00 0x40 0x10000 0x0 0x0 0x7ffd 0x7f01", "/proc/7/task/8/syscall": "running",
             "/proc/7/task/9/syscall": "232 0x4 0x7f00 0x10 0xffffffff 0x0 0x8 0x7ffd 0x7f01",
             "/proc/7/task/10/syscall": "45 0x6 0x7f00 0x800 0x40 0x0 0x0 0x7ffd 0x7f01", "/proc/7/task/11/syscall": "-1 0x7ffd 0x7f01",
             "/proc/7/fdinfo/4": "pos:\t0\nflags:\t02\nmnt_id:\t15\ntfd:        5 events: 80000019 data: 5  pos:0 ino:1c sdev:8\n"}
    def call(tid):
        said = lines.get(f"/proc/7/task/{tid}/syscall", "").split()
        return processes._call(said, "x86_64", lambda fd: lines.get(f"/proc/7/fdinfo/{fd}", ""))

    assert call(7) == Call("recvmmsg", 5, batch=64, flags=0x10000)
    assert call(9) == Call("epoll_wait", 4, watched=((5, 0x80000019),))
    assert call(10) == Call("recvfrom", 6, size=2048, flags=0x40)
    assert [call(tid) for tid in (8, 11, 12)] == [None, None, None]


# ---------------------------------------------------------------- ethtool, /proc, /sys
def test_what_a_card_does_not_have_is_no_record_and_no_complaint():
    with Generic() as generic:
        cards = Cards(generic)
        found = cards.settings("lo")
        assert cards.settings("nosuchdevice0") == [] and cards.settings("a" * 40) == []
        assert cards.stats("lo") is None
        cards.close()
    assert any(isinstance(r, Features) and r.features["generic-receive-offload"].on is not None for r in found)
    assert not any(isinstance(r, DriverInfo) for r in found) and cards.unread == []


def test_a_kernel_without_ethtools_netlink_is_asked_by_ioctl():
    """Before 5.6: the same values, as far as both ways have them."""
    names = [name for _, name in socket.if_nameindex()]
    with Generic() as generic:
        new, old = Cards(generic), Cards(None)
        for name in names:
            said = {type(r): r for r in new.settings(name)}
            seen = {type(r): r for r in old.settings(name)}
            assert set(said) == set(seen) and not old.unread
            for kind in (Rings, Channels):
                if kind in said:
                    assert {k: v or 0 for k, v in said[kind].current.items()} == seen[kind].current
            if Coalesce in said:
                assert {k: v or 0 for k, v in said[Coalesce].values.items()} == {k: v or 0 for k, v in seen[Coalesce].values.items()}
                assert bool(said[Coalesce].words["adaptive-rx"]) == seen[Coalesce].words["adaptive-rx"]
            for feature, state in seen[Features].features.items():
                assert said[Features].features[feature].on == state.on, (name, feature)
        new.close()
        old.close()


def test_a_family_that_is_not_there_is_asked_for_once(monkeypatch):
    with Generic() as generic:
        asked = []

        def get(family, *_, **__):
            asked.append(family)
            raise OSError(errno.ENOENT, "no such family")
        monkeypatch.setattr(generic, "get", get)
        cards = Cards(generic)
        assert any(isinstance(r, Features) for r in cards.settings("lo")) and asked == ["ethtool"]
        cards.close()


def test_a_filter_in_ethtools_words():
    spec = bytearray(192)
    struct.pack_into("=I", spec, 16, 2)                     # UDP_V4_FLOW
    spec[24:28], spec[96:100] = socket.inet_aton("10.0.0.1"), b"\xff" * 4       # destination
    spec[30:32], spec[102:104] = (5000).to_bytes(2), b"\xff\xff"
    struct.pack_into("=Q", spec, 168, 3)
    rule = _flow_rule(bytes(spec), 7)
    assert (rule.number, rule.queue) == (7, 3) and rule.values["Rule Type"] == "UDP over IPv4"
    assert rule.values["Dest IP addr"] == "10.0.0.1 mask: 0.0.0.0" and rule.values["Dest port"] == "5000 mask: 0x0"
    assert rule.values["Src port"] == "0 mask: 0xffff"


def test_files_that_are_not_there_are_none(tmp_path):
    (tmp_path / "mask").write_text("00000001,0000000c\n")
    (tmp_path / "odd").write_text("x\n")
    assert files.cpu_mask(f"{tmp_path}/mask") == (2, 3, 32) and files.cpus(f"{tmp_path}/odd") is None
    assert files.number(f"{tmp_path}/odd") is None and files.content(f"{tmp_path}/none") is None and files.names(f"{tmp_path}/none") == []


def test_a_device_of_another_namespace_is_not_taken_for_ours():
    assert not device_files.is_ours(Link(device="lo", index=77, address="00:00:00:00:00:00"))
