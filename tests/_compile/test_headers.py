"""Headers laid over bytes: every field where the RFC has it, in host order; what is written is what another library reads."""
import ctypes

import dpkt
import pytest

from rxpath._compile import HEADERS, fields_of, offsetof, struct_at
from rxpath.abi import headers

SIZES = {"ethhdr": 14, "vlan_hdr": 4, "arphdr": 28, "iphdr": 20, "udphdr": 8, "tcphdr": 20, "icmphdr": 8, "igmpv3_query": 12,
         "ipv6hdr": 40, "port_pair": 4}


@pytest.mark.parametrize("name", SIZES)
def test_a_header_has_the_length_that_its_rfc_gives_it(name):
    assert ctypes.sizeof(getattr(headers, name)) == SIZES[name]


def test_fields_read_as_another_library_wrote_them():
    frame = bytearray(b"\xee" + bytes(dpkt.ip.IP(hl=6, tos=7, id=0x1234, mf=1, offset=3, ttl=9, p=17, src=b"\x0a\x01\x02\x03",
                                                 dst=b"\xff\0\0\x80", opts=b"\1\1\1\1")))
    ip = struct_at(headers.iphdr, memoryview(frame), 1)                  # at an odd address
    assert (ip.version, ip.ihl, ip.tos, ip.tot_len, ip.id, ip.frag_off, ip.ttl, ip.protocol) == (4, 6, 7, 24, 0x1234, 0x2003, 9, 17)
    assert (ip.saddr, ip.daddr) == (0x0A010203, 0xFF000080)
    assert ip.check == int.from_bytes(frame[11:13], "little")


def test_another_library_reads_what_was_written():
    frame = bytearray(b"\xff" * 20)
    th = struct_at(headers.tcphdr, memoryview(frame), 0)
    th.source, th.dest, th.seq, th.ack_seq, th.flags, th.window, th.urg_ptr = 80, 40000, 0xFFFFFFFE, 1, 0x12, 512, 0
    th.doff, th.res1 = 5, 0
    read = dpkt.tcp.TCP(bytes(frame))
    assert (read.sport, read.dport, read.seq, read.ack, read.flags, read.win, read.off) == (80, 40000, 0xFFFFFFFE, 1, 0x12, 512, 5)
    th.doff = 15                                                         # the other half of the byte stays
    assert frame[12] == 0xF0


def test_a_mac_address_is_one_number():
    frame = bytearray(14)
    eth = struct_at(headers.ethhdr, memoryview(frame), 0)
    headers.u64_to_ether_addr(0x0200_5E00_0102, eth.h_source)
    assert bytes(frame[6:12]) == bytes.fromhex("02005e000102")
    assert headers.ether_addr_to_u64(eth.h_source) == 0x0200_5E00_0102
    assert headers.ether_addr_to_u64(eth.h_dest) == 0


def test_bytes_that_are_not_there_are_no_header():
    with pytest.raises(ValueError):
        struct_at(headers.udphdr, memoryview(bytearray(10)), 3)


def test_fields_lie_one_behind_the_other():
    for cls in HEADERS:
        at = 0
        for name in fields_of(cls):
            assert offsetof(cls, name) in (at, at - 1), f"{cls.__name__}.{name}"     # at - 1: the other half of a byte
            at = offsetof(cls, name) + (getattr(cls, name).size if getattr(cls, name).size < 1 << 16 else 1)
        assert at == ctypes.sizeof(cls)
