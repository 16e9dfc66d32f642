"""A receiving machine as its host file describes it: models, defaults, and what they leave to the kernel, worked out.

Read by the command line and by boot, which writes the path's tables from it.  hostfile.py reads the TOML, knobs.py owns the sysctls,
hostcheck.py holds the checks that need more than one key.  Every field says its own documentation once: what it does, what is allowed,
its unit and the source of its default; error lines, `rxpath host init`, docs/host-file.md and the JSON report all use that.
Limits are DESIGN's: 64 CPUs, 1,024 threads, 65,536 sockets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from rxpath.drivers import igb_nfc
from rxpath.workbench import knobs, units
from rxpath.workbench.hostbase import ANY, CPUS_MAX, Cpus, Duration, Flag, Int, Part, Pinned, Size, Wrong, _name, _texts, key
from rxpath.workbench.hostmachine import Cpu, Load, SoftirqSource

QUEUES_MAX, THREADS_MAX, SOCKETS_MAX, ROUTES_MAX = 8, 1024, 65536, 16384
PROFILES = ("bm36", "xeon2g_2015", "vm")
RSS_KEY = "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"  # Microsoft's RSS verification suite
RETA_SIZE = 128                                             # igb's redirection table

def endpoint(text: object, *, ports: bool = False) -> list[tuple[int, int]]:
    """(address, port) of "10.0.0.1:5000", "*:5000" or ":5000"; with `ports` also of a range "10.0.0.1:5000-5099"."""
    allowed = '"10.0.0.1:5000"' + (', "*:5000" or a range "0.0.0.0:5000-5099"' if ports else "")
    if not isinstance(text, str):
        raise ValueError(allowed)
    if text.startswith("["):
        raise ValueError(f"{allowed}; IPv6 is not modelled yet")
    host, colon, port = text.rpartition(":")
    first, dash, last = port.partition("-")
    if not colon or not all(p.isascii() and p.isdigit() and len(p) <= 5 for p in (first, *([last] if dash else []))):
        raise ValueError(allowed)
    low, high = int(first), int(last or first)
    if not 1 <= low <= high <= 65535 or (dash and not ports):
        raise ValueError(f"{allowed}, ports 1 to 65535")
    address = 0 if host in ("", "*") else units.ipv4(host)
    return [(address, number) for number in range(low, high + 1)]


class Nic(Part):
    """The device that receives."""

    driver: Literal["igb", "veth", "loopback"] = key("igb", "driver of the device; veth and loopback frames enter by netif_rx",
                                                     "igb, veth or loopback")
    model: Literal["82576", "i350", "i210"] = key(
        "82576", "which card igb drives: queues (8, 8, 4) and whether it takes ethtool -N rules (from i350 on)", "82576, i350 or i210",
        "[V] igb_ethtool.c, [K] igb_main.c")
    rx_fifo: Size = key(0, "the card's packet buffer in front of a lone ring: 64KiB in an 82576, 36KiB in an i350, 34KiB in an i210; "
                           "0: none, a frame without a descriptor is lost at once", "0, or 16KiB to 128KiB",
                        "ours: 0; sizes [K] data sheets, igb_reset()")
    name: str = key("eth0", "interface name, as in rules and sysctls", "1 to 15 characters without blanks or /", min_length=1,
                    max_length=15,
                    pattern=r"^[^\s/:]+$")
    mac: str = key("auto", "hardware address; auto takes it from the traffic", 'auto or a MAC address such as "02:00:00:00:00:01"')
    addresses: tuple[str, ...] = key((), "own addresses with their prefixes; none: worked out from the traffic",
                                     'a list of addresses with prefixes such as ["10.0.0.1/24"]', example='["10.0.0.1/24"]')
    queues: Int | None = key(None, "receive queues; default one for each CPU up to 8 (igb), 1 (veth, loopback)", "1 to 8",
                             "[K] igb: min(8, CPUs)",
                             ge=1, le=QUEUES_MAX, example="2")
    mtu: Int | None = key(None, "largest packet in bytes; default 1500, loopback 65536",
                          "68 to 9216 (igb), to 65535 (veth), to 65536 (loopback)",
                          "[V] Ethernet; [K] igb's and lo's limits", ge=68, le=65536, example="1500")
    promiscuous: Flag = key(False, "take frames for every MAC address (IFF_PROMISC)", "true or false")
    multicast: tuple[str, ...] = key((), 'groups or MAC addresses that the filter admits beside the sockets\' own; "all" is IFF_ALLMULTI',
                                     'a list of groups "239.1.1.1", MAC addresses, or "all"', example='["239.1.1.1"]')
    speed: str = key("1Gbit", "line rate", units.BPS_ALLOWED, "[V] igb is a gigabit driver")
    napi: Literal["softirq", "threaded", "none"] = key(
        "softirq", "where the poll runs; none is a driver without NAPI that handles each packet in its interrupt",
        "softirq, threaded or none",
        "threaded since Linux 5.12 [K]")
    threaded_cpus: Pinned = key((), "CPU of each queue's napi thread, in order of the queues; none: the CPU of its interrupt",
                                units.CPUS_ALLOWED,
                              example="[1]")
    napi_defer_hard_irqs: Int = key(0, "polls that find nothing before a NAPI's interrupt is enabled again; needs gro_flush_timeout",
                                    "0 to 2147483647", "5.8 [K]; the commit that made it suggests 10", ge=0, le=2147483647)
    gro_flush_timeout: Duration = key(0, "time after which a timer polls again, while the interrupt is deferred or GRO keeps "
                                         "packets; 0: off", '0 to "10s", or a whole number of nanoseconds',
                                      "3.19 [K]; with napi_defer_hard_irqs the commit suggests 20us", le=10**10)
    node: Int = key(0, "NUMA node of its slot: a CPU of another node pays more for what the NIC has written", "a node of cpu.nodes", ge=0,
                    lt=CPUS_MAX)
    sender_cpu: Int = key(0, "veth, loopback: the CPU on which the sender calls netif_rx", "a CPU, 0 to cpus - 1", ge=0, lt=CPUS_MAX)

    @field_validator("mac", mode="before")
    @classmethod
    def _mac(cls, value: object) -> str:
        if value == "auto":
            return "auto"
        address = units.mac(value)
        if address >> 40 & 1 or address == 0:
            raise ValueError("auto or a unicast MAC address (the lowest bit of its first octet is 0)")
        return units.mac_text(address)

    @field_validator("addresses", mode="before")
    @classmethod
    def _addresses(cls, value: object) -> object:
        items = _texts(value)
        for item in items if isinstance(items, (list, tuple)) else ():
            address, prefix = units.cidr(item)
            if address >> 28 >= 14 or address == 0:
                raise ValueError(f"{item} is not a unicast address")
            if prefix == 0:
                raise ValueError(f"{item}: a prefix of 1 to 32")
        return items

    @field_validator("multicast", mode="before")
    @classmethod
    def _multicast(cls, value: object) -> object:
        items = _texts(value)
        for item in items if isinstance(items, (list, tuple)) else ():
            if item != "all" and not (isinstance(item, str) and ":" in item and units.mac(item) >> 40 & 1):
                if units.ipv4(item) >> 28 != 14:
                    raise ValueError(f"{item} is not a multicast group (224.0.0.0/4)")
        return items

    @field_validator("speed", mode="before")
    @classmethod
    def _speed(cls, value: object) -> str:
        return units.bps_text(units.rate_bps(value))


class Ethtool(Part):
    """ethtool's settings under ethtool's names."""

    rx: Int = key(256, "receive ring, descriptors (-G); rounded up to a multiple of 8", "80 to 4096", "[V] igb.h", ge=80, le=4096)
    tx: Int = key(256, "transmit ring, descriptors (-G)", "80 to 4096", "[V] igb.h", ge=80, le=4096)
    rx_usecs: Int | None = key(None,
                               "interrupt throttling (-C): 0 off, 1 dynamic, 3 dynamic conservative, 10 and more a fixed interval in us",
                               "0, 1, 3, or 10 to 8191", "3 [K] igb's default", alias="rx-usecs", example="3")
    adaptive_rx: Flag | None = key(None, "another word for rx-usecs 3 (on) or 0 (off); igb itself has only rx-usecs", "on or off",
                                   alias="adaptive-rx",
                                   example="true")
    rx_frames: Int = key(0, "packets that end the throttling early (-C): igb has none", "0 only: igb has only rx-usecs (EOPNOTSUPP); "
                         "nic.napi_defer_hard_irqs with nic.gro_flush_timeout is in every driver", "[V] igb_ethtool.c", alias="rx-frames",
                         ge=0, le=0)
    pause_rx: Flag = key(False, "obey the partner's pause frames (-A rx); one queue only here", "on or off",
                         "ours: a switch without flow control", alias="pause-rx")
    pause_tx: Flag = key(False, "send pause frames when nic.rx_fifo fills (-A tx): what the sender cannot send is lost there, as TX_PAUSE",
                         "on or off", "ours: a switch without flow control", alias="pause-tx")
    ntuple: Annotated[tuple[str, ...], BeforeValidator(_texts)] = key(
        (), "rules that choose a queue before RSS (-N), in ethtool's words; i350 and i210 only", f"a list of rules: {igb_nfc.WORDS}",
        "[V] igb_ethtool.c", example="[]")
    combined: Int | None = key(None, "queues (-L): the same knob as nic.queues", "1 to 8", ge=1, le=QUEUES_MAX, example="2")
    rx_checksumming: Flag = key(True, "the NIC verifies checksums (-K)", "on or off", "[K]", alias="rx-checksumming")
    gro: Flag | None = key(None, "generic receive offload (-K); default on for igb, off for veth and loopback", "on or off",
                           "[M] veth: off", example="true")
    rx_udp_gro_forwarding: Flag = key(False, "GRO of UDP without a UDP_GRO socket (-K)", "on or off", "[M]; 5.12 [K]",
                                      alias="rx-udp-gro-forwarding")
    rx_vlan_offload: Flag = key(True, "the NIC takes the VLAN tag off (-K)", "on or off", "[K]", alias="rx-vlan-offload")
    rx_flow_hash_udp4: Literal["sd", "sdfn"] = key("sd", "fields of the RSS hash for UDP (-N): addresses, or addresses and ports",
                                                   "sd or sdfn",
                                                   "[K] igb", alias="rx-flow-hash-udp4")
    rx_flow_hash_tcp4: Literal["sd", "sdfn"] = key("sdfn", "fields of the RSS hash for TCP (-N); a real igb takes sdfn only", "sd or sdfn",
                                                   "[K] igb",
                                                   alias="rx-flow-hash-tcp4")
    hkey: str = key(RSS_KEY, "RSS key (-X), 40 bytes; a real igb draws a random one at each boot",
                    "40 bytes in hexadecimal, colons allowed",
                    "[V] Microsoft's RSS verification suite")
    indir: str | tuple[Int, ...] = key(
        "default", "RSS indirection table (-X): default (blocks, as igb fills it), equal N, weights, or 128 queues",
        f'default, "equal N", "weight W0 W1 ...", each with "start S" before it, or a list of {RETA_SIZE} queues',
        "[K] igb: i * queues / 128")

    @field_validator("rx_usecs")
    @classmethod
    def _rx_usecs(cls, value: int | None) -> int | None:
        if value is not None and value not in (0, 1, 3) and not 10 <= value <= 8191:
            raise ValueError("")
        return value

    @field_validator("hkey", mode="before")
    @classmethod
    def _hkey(cls, value: object) -> str:
        text = value.replace(":", "").lower() if isinstance(value, str) else ""
        if len(text) != 80 or any(c not in "0123456789abcdef" for c in text):
            raise ValueError("")
        return text

    @field_validator("indir", mode="before")
    @classmethod
    def _indir(cls, value: object) -> object:
        if isinstance(value, (list, tuple)):
            if len(value) != RETA_SIZE or any(not 0 <= units.whole(item) < QUEUES_MAX for item in value):
                raise ValueError("")
            return tuple(value)
        if not isinstance(value, str):
            raise ValueError("")
        if max(igb_nfc.indirection(value, 1, RETA_SIZE)) >= QUEUES_MAX:
            raise ValueError(f"queues 0 to {QUEUES_MAX - 1}")
        return " ".join(value.split())


def _queue_keys(value: object, room: str) -> dict[int, object]:
    """{"0": x} and {0: x} to {0: x}."""
    if not isinstance(value, dict):
        raise ValueError('a table of queue = CPU such as { "0" = 1 }')
    result = {}
    for name, item in value.items():
        if not str(name).isdigit() or len(str(name)) > 3 or int(name) >= QUEUES_MAX:
            raise Wrong(f"{room}.{name}", f"no such queue: 0 to {QUEUES_MAX - 1}")
        result[int(name)] = item
    return result


class Irq(Part):
    """Where each queue's MSI-X vector goes: /proc/irq/N/smp_affinity_list."""

    irqbalance: Flag = key(True, "queue i to CPU i modulo cpus unless affinity names it, as irqbalance and today's vector allocation do; "
                                 "false: to CPU 0", "true or false", "ours: nearly every server runs irqbalance")
    affinity: dict[int, Int] = key({}, "CPU of a queue's interrupt; `irq.0 = 1` is short for it", 'queue = CPU such as { "0" = 1 }',
                                   example='{ "0" = 0, "1" = 1 }')

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        short = {k: v for k, v in value.items() if str(k).isdigit()}
        rest = {k: v for k, v in value.items() if not str(k).isdigit()}
        if short or "affinity" in rest:
            listed = rest.get("affinity", {})
            rest["affinity"] = _queue_keys({**listed, **short} if isinstance(listed, dict) else listed, "irq")
        return rest


class Route(Part):
    """A route beyond those that the addresses bring; as `ip route` writes it."""

    dst: str = key(..., "destination", 'a network "10.1.0.0/16" or "default"', example='"10.1.0.0/16"')
    type: Literal["unicast", "local", "broadcast", "blackhole", "unreachable", "prohibit"] = key(
        "unicast", "what happens to a packet for it", "unicast, local, broadcast, blackhole, unreachable or prohibit")
    via: str | None = key(None, "next hop", 'an IPv4 address such as "10.0.0.254"', example='"10.0.0.254"')
    dev: str | None = key(None, "interface; default the NIC", "the NIC's name or lo", example='"eth0"')

    @field_validator("dst", mode="before")
    @classmethod
    def _dst(cls, value: object) -> str:
        if value == "default":
            return "default"
        address, prefix = units.cidr(value)
        if address & ~units.netmask(prefix) & 0xFFFFFFFF:
            raise ValueError(f"{units.ipv4_text(address & units.netmask(prefix))}/{prefix} (the host bits must be 0)")
        return f"{units.ipv4_text(address)}/{prefix}"

    @field_validator("via", mode="before")
    @classmethod
    def _via(cls, value: object) -> object:
        return None if value is None else units.ipv4_text(units.ipv4(value))


class Neighbour(Part):
    """A known neighbour: `ip neigh`.  Others are learnt from the frames they send."""

    ip: str = key(..., "address", 'an IPv4 address such as "10.0.0.2"', example='"10.0.0.2"')
    mac: str = key(..., "its hardware address", 'a MAC address such as "02:00:00:00:00:02"', example='"02:00:00:00:00:02"')

    @field_validator("ip", mode="before")
    @classmethod
    def _ip(cls, value: object) -> str:
        return units.ipv4_text(units.ipv4(value))

    @field_validator("mac", mode="before")
    @classmethod
    def _mac(cls, value: object) -> str:
        return units.mac_text(units.mac(value))


class Iptables(Part):
    """Firewall rules as `iptables-save` prints them; `iptables = "FILE"` is short for `file`."""

    file: str | None = key(None, "file with the rules, relative to the host file", "a path", example='"rules.v4"')
    text: str | None = key(None, "the rules themselves", "text as iptables-save prints it",
                           example='"*filter\\n-A INPUT -p udp -m udp --dport 53 -j DROP\\nCOMMIT\\n"')
    skip_unsupported: Flag = key(False, "leave out rules that are not modelled and report them, instead of refusing the file",
                                 "true or false")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one(self) -> Iptables:
        if self.file is not None and self.text is not None:
            raise Wrong("iptables", "either file or text, not both")
        return self


class Socket(Part):
    """A socket that a program has opened.  A range of ports or several addresses open one socket each, in this order."""

    name: str = key(..., "what applications and --set call it; default socketN", "letters, digits, - and _ (1 to 64)", example='"dns"')
    proto: Literal["udp", "tcp"] = key("udp", "tcp is a listener: its SYNs are consumed and counted TCP_NOT_YET", "udp or tcp")
    bind: Annotated[tuple[str, ...], BeforeValidator(_texts)] = key(
        ..., "address and port, or several", '"10.0.0.1:5000", "*:5000", a range "0.0.0.0:5000-5099", or a list of these',
        example='"0.0.0.0:53"')
    connect: str | None = key(None, "peer of a connected socket", 'an address and port such as "10.0.0.2:4000"', example='"10.0.0.2:4000"')
    rcvbuf: Size | None = key(None, "argument of SO_RCVBUF: limited to rmem_max, then doubled; none: rmem_default", units.SIZE_ALLOWED,
                              example='"4MiB"')
    rcvbufforce: Size | None = key(None, "argument of SO_RCVBUFFORCE: only doubled", units.SIZE_ALLOWED, example='"16MiB"')
    reuseaddr: Flag = key(False, "SO_REUSEADDR", "true or false")
    reuseport: Flag = key(False, "SO_REUSEPORT", "true or false")
    bindtodevice: str | None = key(None, "SO_BINDTODEVICE", "an interface name", example='"eth0"')
    join: Annotated[tuple[str, ...], BeforeValidator(_texts)] = key((), "IP_ADD_MEMBERSHIP on the NIC",
                                                                    'a list of groups such as ["239.1.1.1"]',
                                                                    example='["239.1.1.1"]')
    multicast_all: Flag = key(True, "IP_MULTICAST_ALL: also groups that others joined", "true or false", "[M]")
    udp_gro: Flag = key(False, "UDP_GRO", "true or false", "5.0 [K]")
    incoming_cpu: Int | None = key(None, "SO_INCOMING_CPU", "a CPU, 0 to cpus - 1", "4.4 [K]", ge=0, lt=CPUS_MAX, example="0")
    timeout: Duration | None = key(None, "SO_RCVTIMEO; none: wait for ever", units.DURATION_ALLOWED, example='"400ms"')
    busy_poll: Duration | None = key(None, "SO_BUSY_POLL; none: net.core.busy_read", units.DURATION_ALLOWED, "3.11 [K]", example='"50us"')

    _check_name = field_validator("name", mode="before")(_name)

    @field_validator("bind")
    @classmethod
    def _bind(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("at least one address and port")
        for item in value:
            endpoint(item, ports=True)
        return value

    @field_validator("connect", mode="before")
    @classmethod
    def _connect(cls, value: object) -> object:
        if value is not None and endpoint(value)[0][0] == 0:
            raise ValueError('an address and port such as "10.0.0.2:4000"')
        return value

    @field_validator("join")
    @classmethod
    def _join(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            if units.ipv4(item) >> 28 != 14:
                raise ValueError(f"{item} is not a multicast group (224.0.0.0/4)")
        return value

    @field_validator("busy_poll")
    @classmethod
    def _busy_poll(cls, value: int | None) -> int | None:
        if value is not None and value % 1000:
            raise ValueError("whole microseconds")
        return value

    def endpoints(self) -> list[tuple[int, int]]:
        """(address, port) of each socket, in the order of binding."""
        return [pair for item in self.bind for pair in endpoint(item, ports=True)]


def _durations(value: object) -> object:
    return (value,) if isinstance(value, (str, int)) and not isinstance(value, bool) else value


class Service(Part):
    """Time that the application works on one datagram.  `service = "2us"` is short for constant."""

    constant: Duration | None = key(None, "the same each time", units.DURATION_ALLOWED, example='"2us"')
    exponential: Duration | None = key(None, "exponentially distributed with this mean", units.DURATION_ALLOWED, example='"2us"')
    list: Annotated[tuple[Duration, ...], BeforeValidator(_durations)] | None = key(
        None, "these, over and over", "a list of times", example='["1us", "5us"]', min_length=1, max_length=1 << 20)
    file: str | None = key(None, "the same from a file, one time on each line", "a path", example='"times.txt"')
    capture: str | None = key(None, "the same, learned from a capture of both directions: from each request to the receiver's own reply, "
                                    "or from its port's reply before, if that is later", "a path", example='"times.pcap"')

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            return {"constant": value}
        if isinstance(value, (tuple, type([]))):
            return {"list": value}
        return value

    @model_validator(mode="after")
    def _one(self) -> Service:
        if sum(item is not None for item in (self.constant, self.exponential, self.list, self.file, self.capture)) != 1:
            raise ValueError("exactly one of constant, exponential, list, file and capture")
        return self


class App(Part):
    """A program that reads sockets."""

    name: str = key(..., "name; default appN", "letters, digits, - and _ (1 to 64)", example='"server"')
    sockets: Annotated[tuple[str, ...], BeforeValidator(_texts)] = key(
        ("*",), 'names of the sockets it reads; "*" is every UDP socket, also those that a replay opens by itself',
        "a list of socket names",
        example='["dns"]')
    threads: Int = key(1, "threads", "1 to 1024", ge=1, le=THREADS_MAX)
    cpu: Pinned = key(
        (), 'CPUs of the threads in turn; none: thread i on CPU i modulo cpus; "any": not pinned, a wake-up may move it',
        'a CPU, CPUs, or "any"', example="[1]")
    service: Service = key(Service(constant=0), "time that it works on each datagram",
                           'a time "2us", or { exponential = "2us" }, { list = [...] }, '
                           '{ file = "..." }, { capture = "..." }', example='"2us"')
    batch: Int = key(1, "datagrams for each call: 1 is recvfrom, more is recvmmsg", "1 to 1024", "[K] UIO_MAXIOV", ge=1, le=1024)
    waitforone: Flag = key(False, "MSG_WAITFORONE: recvmmsg returns with what there is after the first", "true or false")
    wait: Literal["auto", "recv", "epoll", "poll", "busy"] = key(
        "auto", "how it waits: in recv, epoll (level), poll, or busy with MSG_DONTWAIT; auto is recv for one socket, else epoll",
        "auto, recv, epoll, poll or busy")
    epoll: Annotated[tuple[Literal["edge", "exclusive"], ...], BeforeValidator(_texts)] = key(
        (), "how it watches with epoll: edge is EPOLLET, exclusive EPOLLEXCLUSIVE; none: level-triggered", "edge, exclusive",
        example='["edge"]')
    shared_epoll: Flag = key(False, "its threads wait in one epoll instance; else each has its own", "true or false")
    nice: Int = key(0, "niceness", "-20 to 19", ge=-20, le=19)
    buffer: Size = key(65536, "bytes that it offers to each call; a longer datagram is cut (MSG_TRUNC)", units.SIZE_ALLOWED,
                       "ours: nothing is cut")
    flags: Annotated[tuple[Literal["MSG_DONTWAIT", "MSG_PEEK", "MSG_TRUNC"], ...], BeforeValidator(_texts)] = key(
        (), "flags of each call", "MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC", example='["MSG_TRUNC"]')
    own_sockets: Flag = key(False, "each thread opens its sockets itself, with SO_REUSEPORT", "true or false")
    start: Duration = key(0, "when it first reads", units.DURATION_ALLOWED)

    _check_name = field_validator("name", mode="before")(_name)


class Tap(Part):
    """A packet socket on ptype_all, as tcpdump has, that writes a pcap."""

    file: str = key(..., "pcap to write, relative to where the command runs", "a path", example='"tap.pcap"', min_length=1)
    snaplen: Int = key(262144, "bytes kept of each packet", "1 to 262144", "[K] tcpdump's default", ge=1, le=262144)
    proto: Literal["all", "ip", "arp"] = key("all", "which packets: ETH_P_ALL, ETH_P_IP or ETH_P_ARP", "all, ip or arp")


class Tx(Part):
    """What the path sends: echo and ARP replies, ICMP errors, RST."""

    pcap: str | None = key(None, "pcap to write the sent frames to, relative to where the command runs", "a path", example='"sent.pcap"')


class Host(Part):
    """One receiving machine."""

    kernel: Literal["6.18", "3.10"] = key("6.18", "kernel profile", '"6.18" or "3.10", in quotes')
    profile: str = key("bm36", "cost profile: nanoseconds of every station",
                       f"{', '.join(PROFILES)}, or the path of a profile file (with a / or .toml)")
    seed: Int = key(1, "seed of everything random: the same seed gives the same bytes", "0 to 9223372036854775807", ge=0, le=units.LARGEST)
    hz: Literal[100, 250, 300, 1000] | None = key(None, "ticks a second (CONFIG_HZ); default 250 for 6.18, 1000 for 3.10",
                                                  "100, 250, 300 or 1000",
                                                  "[M] 250", example="250")
    cpus: Int = key(2, "CPUs; two is the least with which interrupts and applications can be together or apart", "1 to 64", "ours", ge=1,
                    le=CPUS_MAX)
    listen: Literal["auto", "capture", "listed"] = key(
        "auto", "sockets: capture opens what the capture's traffic goes to, listed only those below; auto is listed when there are any",
        "auto, capture or listed")
    cpu: Cpu = key(Cpu(), "", "a table")
    nic: Nic = key(Nic(), "", "a table")
    ethtool: Ethtool = key(Ethtool(), "", "a table")
    irq: Irq = key(Irq(), "", "a table")
    rps: dict[int, Cpus] = key({}, "CPUs that share a queue's packets (rps_cpus); none is off", 'queue = CPUs such as { "0" = "1-3" }',
                               "[M] off",
                               example='"1-3"')
    rps_flow_cnt: dict[int, Annotated[Int, Field(ge=0, le=32768)]] = key(
        {}, "RFS: flows of a queue that are remembered (rps_flow_cnt), rounded up to a power of two; needs net.core.rps_sock_flow_entries",
        'queue = flows, 0 to 32768, such as { "0" = 4096 }, "all" for every queue', "[K] 2.6.35", example='{ "0" = 4096 }')
    sysctl: dict[str, Any] = key({}, "", "a table of sysctls")
    routes: tuple[Route, ...] = key((), "", "tables [[route]]", alias="route", max_length=ROUTES_MAX)
    neighbours: tuple[Neighbour, ...] = key((), "", "tables [[neighbour]]", alias="neighbour", max_length=ROUTES_MAX)
    iptables: Iptables = key(Iptables(), "", 'the path of the rules, or a table with file or text')
    sockets: tuple[Socket, ...] = key((), "", "tables [[socket]]", alias="socket", max_length=SOCKETS_MAX)
    apps: tuple[App, ...] = key((App(name="app0"),), "", "tables [[app]]", alias="app", max_length=THREADS_MAX)
    loads: tuple[Load, ...] = key((), "", "tables [[load]]", alias="load", max_length=CPUS_MAX)
    softirqs: tuple[SoftirqSource, ...] = key((), "", "tables [[softirq]]", alias="softirq", max_length=CPUS_MAX)
    taps: tuple[Tap, ...] = key((), "", "tables [[tap]]", alias="tap", max_length=64)
    tx: Tx = key(Tx(), "", "a table")

    _raw: dict[str, Any] = PrivateAttr(default_factory=dict)    # what was written, for overrides
    _source: str = PrivateAttr(default="host")                  # what error lines call it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Host) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    @model_validator(mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        """Give sockets and applications without a name their number."""
        if isinstance(value, dict):
            value = dict(value)
            for room in ("socket", "app"):
                if isinstance(value.get(room), list):
                    value[room] = [{"name": f"{room}{i}", **item} if isinstance(item, dict) else item for i, item in enumerate(value[room])]
        return value

    @field_validator("kernel", mode="before")
    @classmethod
    def _kernel(cls, value: object) -> object:
        if not isinstance(value, str):                      # TOML reads 3.10 as the number 3.1
            raise ValueError("")
        return value

    @field_validator("profile")
    @classmethod
    def _profile(cls, value: str) -> str:
        if value in PROFILES or "/" in value or value.endswith(".toml"):
            return value
        near = units.nearest(value, list(PROFILES))
        raise ValueError(f"{', '.join(PROFILES)}, or a path (with a / or .toml)" + (f"; did you mean {near}?" if near else ""))

    @field_validator("rps", "rps_flow_cnt", mode="before")
    @classmethod
    def _rps(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, dict) and "all" in value:
            value = {**dict.fromkeys(range(QUEUES_MAX), value["all"]), **{int(k): v for k, v in value.items() if str(k).isdigit()},
                     **{k: v for k, v in value.items() if not str(k).isdigit() and k != "all"}}
        return _queue_keys(value, str(info.field_name))

    @model_validator(mode="after")
    def _check(self) -> Host:
        from rxpath.workbench import hostcheck

        hostcheck.check(self)
        return self

    # What follows works out what the file leaves to the kernel.  All of it is derived; nothing is stored twice.

    @property
    def ticks(self) -> int:
        """HZ."""
        return self.hz or knobs.DEFAULT_HZ[self.kernel]

    @property
    def queue_count(self) -> int:
        """Receive queues: nic.queues, ethtool.combined, or the driver's default."""
        most = igb_nfc.MODELS[self.nic.model]
        return self.nic.queues or self.ethtool.combined or (min(most, self.cpus) if self.nic.driver == "igb" else 1)

    @property
    def mtu(self) -> int:
        return self.nic.mtu or (65536 if self.nic.driver == "loopback" else 1500)

    @property
    def rx_ring(self) -> int:
        """Descriptors of a receive ring: igb rounds up to a multiple of 8."""
        return (self.ethtool.rx + 7) // 8 * 8

    @property
    def tx_ring(self) -> int:
        return (self.ethtool.tx + 7) // 8 * 8

    @property
    def rx_usecs(self) -> int:
        """igb's rx-usecs: 0 off, 1 dynamic, 3 dynamic conservative, else microseconds."""
        if self.ethtool.rx_usecs is not None:
            return self.ethtool.rx_usecs
        return 3 if self.ethtool.adaptive_rx is not False else 0

    @property
    def gro(self) -> bool:
        return self.nic.driver == "igb" if self.ethtool.gro is None else self.ethtool.gro

    @property
    def speed_bps(self) -> int:
        return units.rate_bps(self.nic.speed)

    @property
    def rss_key(self) -> bytes:
        return bytes.fromhex(self.ethtool.hkey)

    def indirection(self) -> tuple[int, ...]:
        """The 128 entries of the RSS table."""
        indir, queues = self.ethtool.indir, self.queue_count
        if not isinstance(indir, str):
            return indir
        return tuple(igb_nfc.indirection(indir, queues, RETA_SIZE))

    def filters(self) -> list[igb_nfc.Nfc]:
        """ethtool.ntuple as the card takes it; Wrong names the rule that it refuses."""
        taken: list[igb_nfc.Nfc] = []
        for i, text in enumerate(self.ethtool.ntuple):
            try:
                rule = igb_nfc.admit(igb_nfc.parse(text), self.nic.model, self.queue_count, taken)
            except ValueError as error:
                raise Wrong(f"ethtool.ntuple.{i}", str(error)) from None
            taken = [r for r in taken if r.loc != rule.loc] + [rule]
        return taken

    def irq_cpu(self, queue: int) -> int:
        """The CPU that takes a queue's interrupt; veth and loopback have none: the sender's CPU."""
        if self.nic.driver != "igb":
            return self.nic.sender_cpu
        return self.irq.affinity.get(queue, queue % self.cpus if self.irq.irqbalance else 0)

    def napi_cpu(self, queue: int) -> int:
        """The CPU of a queue's napi thread."""
        cpus = self.nic.threaded_cpus
        return cpus[queue % len(cpus)] if cpus else self.irq_cpu(queue)

    def rps_cpus(self, queue: int) -> tuple[int, ...]:
        return self.rps.get(queue, ())

    def sysctls(self) -> dict[str, knobs.Value]:
        """Every sysctl with its effective value, by its full name."""
        return knobs.effective(self.sysctl, self.kernel, self.ticks, self.nic.name)

    def conf(self, flag: str) -> int:
        """A per-interface flag as the path sees it, `all` and the NIC combined as Linux does: conf("rp_filter")."""
        return knobs.combined(flag, self.sysctls(), self.nic.name)

    @property
    def opens_from_capture(self) -> bool:
        """Whether a replay opens the sockets that the capture's traffic goes to."""
        return self.listen == "capture" or (self.listen == "auto" and not self.sockets)

    def app_cpu(self, app: App, thread: int) -> int:
        return app.cpu[thread % len(app.cpu)] if app.cpu and app.cpu != ANY else thread % self.cpus
