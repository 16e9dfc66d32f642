"""What ethtool reads of a card: settings by generic netlink, or before 5.6 by SIOCETHTOOL; the rest (driver, counters, RSS, filters)
always by SIOCETHTOOL.

Every request is a GET that needs no privilege and works in any network namespace.  A card that has no such thing answers EOPNOTSUPP:
then there is no record.  Twins: net/ethtool/ of the kernel, include/uapi/linux/ethtool.h and ethtool_netlink_generated.h."""
from __future__ import annotations

import ctypes
import errno
import fcntl
import socket
import struct
from collections.abc import Callable, Iterator

from rxpath.workbench.readings.live.netlink import Generic, attribute, attributes, number, table, text
from rxpath.workbench.readings.records import (
    Channels,
    Coalesce,
    DeviceRecord,
    DriverInfo,
    EthtoolStats,
    Feature,
    Features,
    FlowHash,
    FlowRule,
    FlowRules,
    Indirection,
    LinkSettings,
    Pause,
    Rings,
    Source,
    Unread,
    Value,
)

_LINKMODES, _FEATURES, _RINGS, _CHANNELS, _COALESCE, _PAUSE = 4, 11, 15, 17, 19, 21         # ETHTOOL_MSG_*_GET
_COALESCE_NAMES = (
    "rx-usecs", "rx-frames", "rx-usecs-irq", "rx-frames-irq", "tx-usecs", "tx-frames", "tx-usecs-irq", "tx-frames-irq",
    "stats-block-usecs", "adaptive-rx", "adaptive-tx", "pkt-rate-low", "rx-usecs-low", "rx-frames-low", "tx-usecs-low", "tx-frames-low",
    "pkt-rate-high", "rx-usecs-high", "rx-frames-high", "tx-usecs-high", "tx-frames-high", "sample-interval", "cqe-mode-tx",
    "cqe-mode-rx")
_COALESCE_WORDS = ("adaptive-rx", "adaptive-tx", "cqe-mode-tx", "cqe-mode-rx")
# names of ethtool -k for the kernel's; the others are the same
LONG = {"rx-gro": "generic-receive-offload", "rx-checksum": "rx-checksumming", "rx-vlan-hw-parse": "rx-vlan-offload",
        "rx-lro": "large-receive-offload", "rx-ntuple-filter": "ntuple-filters", "rx-hashing": "receive-hashing"}
_ASKED = (*LONG, "rx-gro-hw", "rx-udp-gro-forwarding", "rx-gro-list")          # said to be off, too

_SIOCETHTOOL = 0x8946
_GDRVINFO, _GSTRINGS, _GSTATS, _GRXFH, _GRXRINGS, _GRXCLSRLCNT, _GRXCLSRULE, _GRXCLSRLALL, _GRSSH = (
    0x03, 0x1B, 0x1D, 0x29, 0x2D, 0x2E, 0x2F, 0x30, 0x46)
_GSET, _GCOALESCE, _GRINGPARAM, _GPAUSEPARAM, _GFLAGS, _GCHANNELS = 0x01, 0x0E, 0x10, 0x12, 0x25, 0x3C
_FLAGS = {8: "rx-vlan-offload", 15: "large-receive-offload", 27: "ntuple-filters", 28: "receive-hashing"}      # ETH_FLAG_*
_OLD_FEATURES = {0x14: "rx-checksumming", 0x2B: "generic-receive-offload"}                                     # GRXCSUM, GGRO
_SS_STATS = 1
_STATS_SLACK = 4096                                         # counters that a driver may grow between two calls
_RXNFC = 192                                                # bytes of struct ethtool_rxnfc without its rule_locs
_LETTERS = {1: "m", 2: "v", 3: "t", 4: "s", 5: "d", 6: "f", 7: "n"}
_HASHES = {1: "toeplitz", 2: "xor", 4: "crc32"}


class Cards:
    """Asks about devices by name; `unread` collects what was refused for another reason than that the card has no such thing."""

    def __init__(self, netlink: Generic | None):
        self._netlink = netlink
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.unread: list[Unread] = []

    def close(self) -> None:
        self._socket.close()

    def settings(self, device: str) -> list[DeviceRecord]:
        """Everything but the counters."""
        asked: tuple[tuple[str, Callable[[str], DeviceRecord | None]], ...] = (
            ("-i", self.driver), ("", self.link_settings), ("-g", self.rings), ("-l", self.channels), ("-c", self.coalesce),
            ("-a", self.pause), ("-k", self.features), ("-x", self.indirection), ("-n rx-flow-hash udp4", self.hash_of_udp),
            ("-n rx-flow-hash tcp4", self.hash_of_tcp), ("-n", self.flow_rules))
        return [record for option, read in asked if (record := self._tried(f"ethtool {option} {device}", device, read)) is not None]

    def _tried(self, what: str, device: str, read: Callable[[str], DeviceRecord | None]) -> DeviceRecord | None:
        try:
            return read(device)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENODEV):
                self.unread.append(Unread(" ".join(what.split()), 0, "", error.strerror or "refused"))
        except (struct.error, KeyError, IndexError) as error:                   # an answer of another shape than we know
            self.unread.append(Unread(" ".join(what.split()), 0, "", f"an answer that is not understood ({type(error).__name__})"))
        return None

    # ------------------------------------------------------------ by generic netlink, which came with 5.6 (pause, coalesce: 5.7, 5.8)
    def _ask(self, device: str, command: int, flags: int = 0) -> dict[int, bytes] | None:
        """The attributes; None: this kernel has no such command."""
        if self._netlink is None:
            return None
        header = attribute(2, device.encode() + b"\0") + (attribute(3, struct.pack("=I", flags)) if flags else b"")
        try:
            return dict(self._netlink.get("ethtool", command, attribute(1, header, nested=True))[0])
        except OSError as error:
            if error.errno == errno.ENOENT:                 # no family of that name
                self._netlink = None
                return None
            raise

    def _numbers(self, device: str, command: int, count: int) -> dict[int, bytes]:
        """A struct of `count` u32 behind the command, numbered from 2 as netlink's attributes are."""
        answer = self._ioctl(device, struct.pack("=I", command) + b"\0" * (4 * count))
        return {i + 2: answer[4 + 4 * i: 8 + 4 * i] for i in range(count)}

    def rings(self, device: str) -> Rings:
        has = self._ask(device, _RINGS)
        if has is None:
            has = self._numbers(device, _GRINGPARAM, 8)
        names = ("rx", "rx_mini", "rx_jumbo", "tx")
        other = {name: str(number(has[kind])) for kind, name in ((10, "RX Buf Len"), (12, "CQE Size"), (13, "TX Push")) if kind in has}
        return Rings(source=Source(f"ethtool -g {device}"), device=device,
                     maximum={name: number(has[kind]) if kind in has else None for kind, name in enumerate(names, 2)},
                     current={name: number(has[kind]) if kind in has else None for kind, name in enumerate(names, 6)}, other=other)

    def channels(self, device: str) -> Channels:
        has = self._ask(device, _CHANNELS)
        if has is None:
            has = self._numbers(device, _GCHANNELS, 8)
        names = ("rx", "tx", "other", "combined")
        return Channels(source=Source(f"ethtool -l {device}"), device=device,
                        maximum={name: number(has[kind]) if kind in has else None for kind, name in enumerate(names, 2)},
                        current={name: number(has[kind]) if kind in has else None for kind, name in enumerate(names, 6)})

    def coalesce(self, device: str) -> Coalesce:
        has = self._ask(device, _COALESCE)
        if has is None:
            has = self._numbers(device, _GCOALESCE, 22)
        said = {name: number(has[kind]) if kind in has else None for kind, name in enumerate(_COALESCE_NAMES, 2)}
        return Coalesce(source=Source(f"ethtool -c {device}"), device=device,
                        values={name: value for name, value in said.items() if name not in _COALESCE_WORDS},
                        words={name: None if said[name] is None else bool(said[name]) for name in _COALESCE_WORDS})

    def pause(self, device: str) -> Pause:
        has = self._ask(device, _PAUSE, 4)                  # ETHTOOL_FLAG_STATS
        if has is None:
            has = self._numbers(device, _GPAUSEPARAM, 3)
        counters = {name: number(value) for kind, value in attributes(has.get(5, b""))
                    if (name := {2: "tx_pause_frames", 3: "rx_pause_frames"}.get(kind))}
        autoneg, rx, tx = (bool(number(has[kind])) if kind in has else None for kind in (2, 3, 4))
        return Pause(source=Source(f"ethtool -a {device}"), device=device, autoneg=autoneg, rx=rx, tx=tx, counters=counters)

    def features(self, device: str) -> Features:
        has = self._ask(device, _FEATURES)
        if has is None:
            return self._old_features(device)
        hardware, wanted, active, fixed = (_bits(has.get(kind, b"")) for kind in (2, 3, 4, 5))
        refused = {name for name in hardware if (name in wanted) != (name in active)}
        return Features(source=Source(f"ethtool -k {device}"), device=device, features={
            LONG.get(name, name): Feature(name in active, name in fixed, name in wanted if name in refused else None)
            for name in sorted({*hardware, *active, *fixed, *_ASKED}) if name})

    def _old_features(self, device: str) -> Features:
        """Those that had a command, or a bit of ETHTOOL_GFLAGS, of their own."""
        flags = number(self._numbers(device, _GFLAGS, 1)[2])
        on = {name: bool(flags >> bit & 1) for bit, name in _FLAGS.items()}
        on |= {name: bool(number(self._numbers(device, command, 1)[2])) for command, name in _OLD_FEATURES.items()}
        return Features(source=Source(f"ethtool -k {device}"), device=device, features={name: Feature(value) for name, value in on.items()})

    def link_settings(self, device: str) -> LinkSettings | None:
        has = self._ask(device, _LINKMODES)
        if has is not None:
            speed = number(has.get(5, b""))
        else:
            answer = self._ioctl(device, struct.pack("=I", _GSET) + b"\0" * 40)
            speed = number(answer[12:14]) | number(answer[28:30]) << 16
        return LinkSettings(source=Source(f"ethtool {device}"), device=device, speed=speed) if 0 < speed < 0xFFFFFFFF else None

    # ------------------------------------------------------------ by ioctl
    def _ioctl(self, device: str, request: bytes) -> bytes:
        buffer = ctypes.create_string_buffer(request, len(request))
        name = device.encode()
        if len(name) > 15:
            raise OSError(errno.ENODEV, "no such device")
        fcntl.ioctl(self._socket, _SIOCETHTOOL, struct.pack("16sP", name, ctypes.addressof(buffer)) + b"\0" * 16)
        return buffer.raw

    def driver(self, device: str) -> DriverInfo:
        answer = self._ioctl(device, struct.pack("=I", _GDRVINFO) + b"\0" * 192)
        driver, version, firmware, bus = (text(answer[at:at + 32]) for at in (4, 36, 68, 100))
        return DriverInfo(source=Source(f"ethtool -i {device}"), device=device, driver=driver, version=version, firmware=firmware,
                          bus_info=bus)

    def stats(self, device: str) -> EthtoolStats | None:
        """ethtool -S: a list, because names can repeat."""
        return self._tried(f"ethtool -S {device}", device, self._stats)         # type: ignore[return-value]

    def _stats(self, device: str) -> EthtoolStats | None:
        count = struct.unpack_from("=I", self._ioctl(device, struct.pack("=I", _GDRVINFO) + b"\0" * 192), 180)[0]
        if not count:
            return None
        room = count + _STATS_SLACK                         # the driver writes as many as it has, whatever we said
        names = self._ioctl(device, struct.pack("=III", _GSTRINGS, _SS_STATS, count) + b"\0" * (32 * room))
        values = self._ioctl(device, struct.pack("=II", _GSTATS, count) + b"\0" * (8 * room))
        count = min(count, struct.unpack_from("=I", names, 8)[0], struct.unpack_from("=I", values, 4)[0])
        return EthtoolStats(source=Source(f"ethtool -S {device}"), device=device, values=tuple(
            Value(text(names[12 + 32 * i: 44 + 32 * i]).strip(), value)
            for i, value in enumerate(struct.unpack_from(f"={count}Q", values, 8))))

    def _hash(self, device: str, flow: str, kind: int) -> FlowHash:
        bits = struct.unpack_from("=Q", self._ioctl(device, struct.pack("=IIQ", _GRXFH, kind, 0) + b"\0" * _RXNFC), 8)[0]
        return FlowHash(source=Source(f"ethtool -n {device} rx-flow-hash {flow}"), device=device, flow=flow,
                        letters="".join(letter for bit, letter in _LETTERS.items() if bits >> bit & 1))

    def hash_of_udp(self, device: str) -> FlowHash:
        return self._hash(device, "udp4", 2)

    def hash_of_tcp(self, device: str) -> FlowHash:
        return self._hash(device, "tcp4", 1)

    def indirection(self, device: str) -> Indirection | None:
        entries, key = struct.unpack_from("=II", self._ioctl(device, struct.pack("=III", _GRSSH, 0, 0) + b"\0" * 36), 8)
        if (not entries and not key) or entries > 1 << 16 or key > 1 << 12:
            return None
        answer = self._ioctl(device, struct.pack("=IIII", _GRSSH, 0, entries, key) + b"\0" * (8 + 4 * entries + key))
        rings = struct.unpack_from("=Q", self._ioctl(device, struct.pack("=II", _GRXRINGS, 0) + b"\0" * _RXNFC), 8)[0]
        return Indirection(source=Source(f"ethtool -x {device}"), device=device, table=struct.unpack_from(f"={entries}I", answer, 24),
                           rings=rings, key=answer[24 + 4 * entries: 24 + 4 * entries + key] or None,
                           function=_HASHES.get(answer[16], ""))

    def flow_rules(self, device: str) -> FlowRules | None:
        """ethtool -n: the card's filters, each asked for by its place."""
        count = struct.unpack_from("=I", self._ioctl(device, struct.pack("=I", _GRXCLSRLCNT) + b"\0" * _RXNFC), 184)[0]
        if not count or count > 1 << 16:
            return None
        request = bytearray(_RXNFC + 4 * count)
        struct.pack_into("=I", request, 0, _GRXCLSRLALL)
        struct.pack_into("=I", request, 184, count)
        places = struct.unpack_from(f"={count}I", self._ioctl(device, bytes(request)), 188)
        rules = []
        for place in places:
            one = bytearray(_RXNFC)
            struct.pack_into("=I", one, 0, _GRXCLSRULE)
            struct.pack_into("=I", one, 176, place)
            rules.append(_flow_rule(self._ioctl(device, bytes(one)), place))
        return FlowRules(source=Source(f"ethtool -n {device}"), device=device, rules=tuple(rules))


def _bits(bitset: bytes) -> set[str]:
    """Names of the bits that an ethtool bitset says are set."""
    names = set()
    for kind, value in attributes(bitset):
        if kind == 3:                                       # ETHTOOL_A_BITSET_BITS
            names |= {text(table(bit).get(2, b"")) for _, bit in attributes(value)}
    return names


def _flow_rule(answer: bytes, place: int) -> FlowRule:
    """A struct ethtool_rx_flow_spec in the words of ethtool -n: value and mask at 20 and 92, the queue at 168."""
    kind = struct.unpack_from("=I", answer, 16)[0] & 0xFF
    cookie = struct.unpack_from("=Q", answer, 168)[0]
    names = {1: "TCP over IPv4", 2: "UDP over IPv4", 3: "SCTP over IPv4", 13: "Raw IPv4", 18: "Raw Ethernet"}
    values = {"Rule Type": names.get(kind, f"type {kind}"), **dict(_flow_fields(kind, answer[20:72], answer[92:144]))}
    queue = -1 if cookie == (1 << 64) - 1 else cookie if cookie < 1 << 32 else None      # above: a virtual function's
    return FlowRule(place, values, queue)


def _flow_fields(kind: int, value: bytes, mask: bytes) -> Iterator[tuple[str, str]]:
    """Fields that the rule looks at.  A set bit of the mask is compared; ethtool prints it inverted, as what is ignored."""
    if kind in (1, 2, 3, 13):
        for name, at in (("Src IP addr", 0), ("Dest IP addr", 4)):
            yield name, f"{socket.inet_ntoa(value[at:at + 4])} mask: {socket.inet_ntoa(bytes(255 - b for b in mask[at:at + 4]))}"
    if kind in (1, 2, 3):
        for name, at in (("Src port", 8), ("Dest port", 10)):
            yield name, f"{int.from_bytes(value[at:at + 2])} mask: {0xFFFF - int.from_bytes(mask[at:at + 2]):#x}"
    if kind == 18:
        for name, at in (("Dest MAC addr", 0), ("Src MAC addr", 6)):
            yield name, f"{value[at:at + 6].hex(':')} mask: {bytes(255 - b for b in mask[at:at + 6]).hex(':')}"
        yield "Ethertype", f"{int.from_bytes(value[12:14]):#x} mask: {0xFFFF - int.from_bytes(mask[12:14]):#x}"
