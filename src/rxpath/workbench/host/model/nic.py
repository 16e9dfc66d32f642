"""A card as a host file describes it: [nic], [ethtool], [irq]; further ones [[card]], with the same tables below them."""
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from rxpath.abi.kernels import Behaviour
from rxpath.abi.limits import NFIFO
from rxpath.drivers import igb_nfc, ixgbe_nfc
from rxpath.drivers.counters import stand_in
from rxpath.drivers.rows import DEFAULT, DRIVERS, MTU_LEAST
from rxpath.workbench.toml_in.tables import CPUS_MAX, Cpus, Duration, Flag, Int, Part, Pinned, Size, Wrong, key, texts
from rxpath.workbench.words import units

QUEUES_MAX = max(row.most_queues for row in DRIVERS.values())
RSS_KEY = "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"  # Microsoft's RSS verification suite
RETA_SIZES = sorted({row.of(model, [0] * len(Behaviour)).reta_size for row in DRIVERS.values() for model in row.models})
RETA_TEXT = " or ".join(map(str, RETA_SIZES))
MODELS = "; ".join(f"{row.name}: {', '.join(row.models)}" for row in DRIVERS.values() if len(row.models) > 1)
RSS_UDP = ", ".join(f"{row.rss_udp} ({row.name})" for row in DRIVERS.values() if row.has_ring)
RINGS = "; ".join(f"{row.name}: {row.rx_ring.allowed}{row.rx_ring.history}, default {row.rx_ring.default}"
                  for row in DRIVERS.values() if row.rx_ring)
MODERATION = "; ".join(f"{row.name}: {row.moderation.allowed}" for row in DRIVERS.values() if row.moderation)
BUFFERS = ", ".join(row.packet_buffers for row in DRIVERS.values() if row.packet_buffer)
TAP_QUEUE = max(row.tap_queue or 0 for row in DRIVERS.values())
WITH_TAP = " and ".join(row.name for row in DRIVERS.values() if row.tap_queue is not None)
RX_FRAMES = ", ".join(f"{row.name} {errno}" for row in DRIVERS.values()
                      if (errno := row.refuses.get("rx-frames") or row.refuses.get("set_coalesce")))
NO_RING = " and ".join(row.name for row in DRIVERS.values() if not row.has_ring)


class Nic(Part):
    """The device that receives."""

    driver: str = key(DEFAULT, f"driver of the device; frames of {NO_RING} enter by netif_rx; another driver's name: the nearest of these "
                               "stands in for it, and the report says so", f"{', '.join(DRIVERS)}, or a driver of docs/drivers.md")
    model: str | None = key(None, "which of its cards the driver drives: queues, filters; default the first", MODELS,
                            "[V] igb_ethtool.c, [K] igb_main.c", example=f'"{DRIVERS[DEFAULT].default_model}"')
    rx_fifo: Size = key(0, "the card's packet buffer, in front of a lone ring, or of all with pause frames that turn DROP_EN off "
                           f"(igb: ethtool.pause-rx, ixgbe: pause-tx): {BUFFERS}; "
                           "0: none, a frame without a descriptor is lost at once",
                        "0, or 16KiB to 128KiB (igb), to 512KiB (ixgbe 82599), to 384KiB (X540, X550)",
                        "ours: 0; sizes [K] data sheets, igb_reset(), [V] ixgbe_main.c")
    tap_queue: Int = key(TAP_QUEUE, f"of a guest's device ({WITH_TAP}): packets that wait in the host's tap while the ring is full (its "
                                    "txqueuelen); what it cannot hold is lost there, in the tap's TX dropped", f"0 to {NFIFO}",
                         "[V] tun.c, ether_setup()", ge=0, le=NFIFO)
    name: str = key("eth0", "interface name, as in rules and sysctls", "1 to 15 characters without blanks or /", min_length=1,
                    max_length=15,
                    pattern=r"^[^\s/:]+$")
    mac: str = key("auto", "hardware address; auto takes it from the traffic", 'auto or a MAC address such as "02:00:00:00:00:01"')
    addresses: tuple[str, ...] = key((), "own addresses with their prefixes; none: worked out from the traffic",
                                     'a list of addresses with prefixes such as ["10.0.0.1/24"]', example='["10.0.0.1/24"]')
    vlans: Literal["auto"] | tuple[Annotated[Int, Field(ge=0, le=4094)], ...] = key(
        "auto", "VLAN devices on it (ip link add link eth0 type vlan id N), with its addresses; auto: one for each tag of the traffic, "
        "which the report says; a tagged packet without its device is nobody's (OTHERHOST)", 'auto, or a list of ids such as [100, 200]')
    queues: Int | None = key(None, f"receive queues; default one for each CPU up to what the card has; {NO_RING} have 1",
                             f"1 to {QUEUES_MAX}", "[K] igb: min(8, CPUs)",
                             ge=1, le=QUEUES_MAX, example="2")
    mtu: Int | None = key(None, "largest packet in bytes; default " + ", ".join(f"{row.mtu} ({row.name})" for row in DRIVERS.values()),
                          f"{MTU_LEAST} to " + ", to ".join(f"{row.mtu_most} ({row.name})" for row in DRIVERS.values()),
                          "[V] Ethernet; [K] igb's and lo's limits", ge=MTU_LEAST, le=65536, example="1500")
    promiscuous: Flag = key(False, "take frames for every MAC address (IFF_PROMISC)", "true or false")
    multicast: tuple[str, ...] = key((), 'groups or MAC addresses that the filter admits beside the sockets\' own; "all" is IFF_ALLMULTI',
                                     'a list of groups "239.1.1.1", MAC addresses, or "all"', example='["239.1.1.1"]')
    speed: str | None = key(None, "line rate; default the driver's", units.BPS_ALLOWED, "[V] igb is a gigabit driver",
                            example=f'"{DRIVERS[DEFAULT].speed}"')
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
    sender_cpu: Int = key(0, f"{NO_RING}: the CPU on which the sender calls netif_rx", "a CPU, 0 to cpus - 1", ge=0, lt=CPUS_MAX)
    sender_spin: Duration = key(150_000, f"{NO_RING}: the sender wakes up so long before its next call and looks at its clock until then; "
                                         "0: its timer goes off when the call is due", '0 to "1s", or a whole number of nanoseconds',
                                "[M] a wake-up after 20 to 130 ms of idleness takes 150 us", le=10**9)

    @field_validator("driver")
    @classmethod
    def _driver(cls, value: str) -> str:
        stand_in(value)
        return value

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
        items = texts(value)
        for item in items if isinstance(items, (list, tuple)) else ():
            address, prefix = units.cidr(item)
            if address >> 28 == 14 or address in (0, 0xFFFFFFFF):       # 240.0.0.0/4 is as good as others (6.18: it receives)
                raise ValueError(f"{item} is not a unicast address")
            if prefix == 0:
                raise ValueError(f"{item}: a prefix of 1 to 32")
        return items

    @field_validator("multicast", mode="before")
    @classmethod
    def _multicast(cls, value: object) -> object:
        items = texts(value)
        for item in items if isinstance(items, (list, tuple)) else ():
            if item != "all" and not (isinstance(item, str) and ":" in item and units.mac(item) >> 40 & 1):
                if units.ipv4(item) >> 28 != 14:
                    raise ValueError(f"{item} is not a multicast group (224.0.0.0/4)")
        return items

    @field_validator("speed", mode="before")
    @classmethod
    def _speed(cls, value: object) -> str | None:
        return None if value is None else units.bps_text(units.rate_bps(value))


class Ethtool(Part):
    """ethtool's settings under ethtool's names."""

    rx: Int | None = key(None, "receive ring, descriptors (-G), rounded up to a multiple of 8 unless it is a power of two", RINGS,
                         "[V] igb.h", example="256")
    tx: Int | None = key(None, "transmit ring, descriptors (-G)", "as rx", "[V] igb.h", example="256")
    rx_usecs: Int | None = key(None, "interrupt throttling (-C): a word of the driver's, or a fixed interval in us", MODERATION,
                               "3 [K] igb's default", alias="rx-usecs", example="3")
    adaptive_rx: Flag | None = key(None, "another word for rx-usecs adaptive (igb: 3) or 0; igb itself has only rx-usecs", "on or off",
                                   alias="adaptive-rx",
                                   example="true")
    rx_frames: Int = key(0, "packets that end the throttling early (-C): no driver here throttles by them",
                         f"0 only; set on a device: {RX_FRAMES}; "
                         "nic.napi_defer_hard_irqs with nic.gro_flush_timeout is in every driver", "[V] the drivers' sources",
                         alias="rx-frames", ge=0, le=0)
    pause_rx: Flag = key(False, "obey the partner's pause frames (-A rx): what that delays, our sending, is not modelled; with several "
                                "queues of an igb it turns DROP_EN off, and a full ring blocks all (needs nic.rx_fifo)", "on or off",
                         "ours: a switch without flow control", alias="pause-rx")
    pause_tx: Flag = key(False, "send pause frames when nic.rx_fifo fills (-A tx): what the sender cannot send is lost there, as TX_PAUSE; "
                                "several queues of an igb drop each for itself and never pause",
                         "on or off", "ours: a switch without flow control", alias="pause-tx")
    ntuple: Annotated[tuple[str, ...], BeforeValidator(texts)] = key(
        (), "rules that choose a queue before RSS (-N), in ethtool's words; igb: i350 and i210 only",
        f"a list of rules: {igb_nfc.WORDS}; ixgbe: {ixgbe_nfc.WORDS}", "[V] igb_ethtool.c, ixgbe_ethtool.c", example="[]")
    combined: Int | None = key(None, "queues (-L): the same knob as nic.queues", f"1 to {QUEUES_MAX}", ge=1, le=QUEUES_MAX, example="2")
    rx_checksumming: Flag = key(True, "the NIC verifies checksums (-K)", "on or off", "[K]", alias="rx-checksumming")
    gro: Flag | None = key(None, f"generic receive offload (-K); default on, off for {NO_RING}", "on or off",
                           "[M] veth: off", example="true")
    rx_udp_gro_forwarding: Flag = key(False, "GRO of UDP without a UDP_GRO socket (-K)", "on or off", "[M]; 5.12 [K]",
                                      alias="rx-udp-gro-forwarding")
    rx_vlan_offload: Flag = key(True, "the NIC takes the VLAN tag off (-K)", "on or off", "[K]", alias="rx-vlan-offload")
    rx_flow_hash_udp4: Literal["sd", "sdfn"] | None = key(
        None, "fields of the RSS hash for UDP (-N): addresses, or addresses and ports; default " + RSS_UDP, "sd or sdfn",
        "[V] the drivers' sources", alias="rx-flow-hash-udp4", example='"sd"')
    rx_flow_hash_tcp4: Literal["sd", "sdfn"] = key("sdfn", "fields of the RSS hash for TCP (-N); a real igb takes sdfn only", "sd or sdfn",
                                                   "[K] igb",
                                                   alias="rx-flow-hash-tcp4")
    hkey: str = key(RSS_KEY, "RSS key (-X), 40 bytes; a real igb draws a random one at each boot",
                    "40 bytes in hexadecimal, colons allowed",
                    "[V] Microsoft's RSS verification suite")
    indir: str | tuple[Int, ...] = key(
        "default", "RSS indirection table (-X): default (as the driver fills it), equal N, weights, or a list of queues",
        f'default, "equal N", "weight W0 W1 ...", each with "start S" before it, or a list of {RETA_TEXT} queues',
        "[K] igb: i * queues / 128; ixgbe and virtio_net: i modulo queues")

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
            if len(value) not in RETA_SIZES or any(not 0 <= units.whole(item) < QUEUES_MAX for item in value):
                raise ValueError("")
            return tuple(value)
        if not isinstance(value, str):
            raise ValueError("")
        if max(igb_nfc.indirection(value, 1, RETA_SIZES[0])) >= QUEUES_MAX:
            raise ValueError(f"queues 0 to {QUEUES_MAX - 1}")
        return " ".join(value.split())


def queue_keys(value: object, room: str) -> dict[int, object]:
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
            rest["affinity"] = queue_keys({**listed, **short} if isinstance(listed, dict) else listed, "irq")
        return rest


Rps = dict[int, Cpus]
RpsFlowCnt = dict[int, Annotated[Int, Field(ge=0, le=32768)]]


def rps_key() -> Any:
    return key({}, "CPUs that share a queue's packets (rps_cpus); none is off", 'queue = CPUs such as { "0" = "1-3" }', "[M] off",
               example='"1-3"')


def rps_flow_cnt_key() -> Any:
    return key({}, "RFS: flows of a queue that are remembered (rps_flow_cnt), rounded up to a power of two; needs "
                   "net.core.rps_sock_flow_entries", 'queue = flows, 0 to 32768, such as { "0" = 4096 }, "all" for every queue',
               "[K] 2.6.35", example='{ "0" = 4096 }')


def queues_or_all(value: object, info: ValidationInfo) -> dict[int, object]:
    """The tables rps and rps_flow_cnt: `all` stands for every queue that there is."""
    if isinstance(value, dict) and "all" in value:
        value = {**dict.fromkeys(range(QUEUES_MAX), value["all"]), **{int(k): v for k, v in value.items() if str(k).isdigit()},
                 **{k: v for k, v in value.items() if not str(k).isdigit() and k != "all"}}
    return queue_keys(value, str(info.field_name))


class Card(Nic):
    """A further card: the keys of [nic], and its own tables [card.ethtool], [card.irq], [card.rps], [card.rps_flow_cnt]."""

    ethtool: Ethtool = key(Ethtool(), "", "a table")
    irq: Irq = key(Irq(), "", "a table")
    rps: Rps = rps_key()
    rps_flow_cnt: RpsFlowCnt = rps_flow_cnt_key()

    _rps = field_validator("rps", "rps_flow_cnt", mode="before")(queues_or_all)
