"""The bundled captures: that they are what their description says, judged by dpkt and not by our own reader."""

import re
import struct
from pathlib import Path

import dpkt
import pytest

from rxpath import examples

RECEIVER = bytes([10, 23, 0, 2])


def ones_complement_sum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def packets_of(capture: Path) -> list[tuple[float, bytes]]:
    with capture.open("rb") as file:
        return list(dpkt.pcap.Reader(file))


def test_an_unknown_example_names_those_that_exist() -> None:
    with pytest.raises(FileNotFoundError, match=r"'second'; there are: .*first"):
        examples.path("second")


def test_every_capture_has_a_description_with_its_number_of_frames() -> None:
    capture = examples.path()
    described = re.search(r"^([\d,]+) frames", capture.with_suffix(".md").read_text(), re.MULTILINE)
    assert described and int(described[1].replace(",", "")) == len(packets_of(capture))


def test_checksums_in_the_first_capture_are_real_also_across_fragments() -> None:
    parts: dict[tuple[bytes, int, int], dict[int, bytes]] = {}
    for _, frame in packets_of(examples.path()):
        if frame[12:14] != b"\x08\x00":
            continue
        header, total = frame[14:34], int.from_bytes(frame[16:18], "big")
        assert header[0] == 0x45 and len(frame) <= 1514 and total + 14 <= len(frame)
        assert ones_complement_sum(header) == 0xFFFF
        offset = (int.from_bytes(header[6:8], "big") & 0x1FFF) * 8
        more, ident = header[6] & 0x20, int.from_bytes(header[4:6], "big")
        fragments = parts.setdefault((header[12:20], header[9], ident), {}) if more or offset else {}
        fragments[offset] = frame[34 : 14 + total]
        if more:
            continue
        datagram = b"".join(fragments[at] for at in sorted(fragments))
        assert len(datagram) == offset + total - 20
        fragments.clear()
        pseudo = b"" if header[9] == 1 else header[12:20] + struct.pack("!BBH", 0, header[9], len(datagram))
        if header[9] == 17:
            assert datagram[6:8] != b"\0\0"  # zero would mean that the sender computed none
        assert ones_complement_sum(pseudo + datagram) == 0xFFFF
    assert not any(parts.values())


def test_a_burst_of_the_first_capture_overfills_a_default_receive_buffer() -> None:
    times = []
    for time, frame in packets_of(examples.path()):
        ip = dpkt.ethernet.Ethernet(frame).data
        if isinstance(ip, dpkt.ip.IP) and ip.dst == RECEIVER and isinstance(ip.data, dpkt.udp.UDP) and ip.data.dport == 8125:
            times.append(float(time))
    assert len(times) == 14 * 420
    for burst in range(14):  # 212992 bytes hold 256 datagrams of the smallest truesize (832)
        first, last = times[burst * 420], times[burst * 420 + 419]
        assert last - first < 0.010
