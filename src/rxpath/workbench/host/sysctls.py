"""The sysctls that the path reads: real names, the kernel's defaults and ranges for each kernel profile, and since when each exists.

Everything about a single sysctl stands in one row of SYSCTLS; host files, --set, `rxpath host init`, the docs and the JSON report read it.
Sources: [M] seen on Linux 6.18 (HZ 250), [V] read in the kernel's or igb's source or a commit, [K] from memory of it."""

from __future__ import annotations

from dataclasses import dataclass

from rxpath.workbench.words import units

INT_MAX = (1 << 31) - 1
DEFAULT_HZ = {"6.18": 250, "3.10": 1000}                    # 250: the kernel these rules were observed on; 1000: the 3.10 of many servers
KERNELS = ("6.18", "3.10")

Value = int | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sysctl:
    """One row.  `default_310` where 3.10 differs; `since` is the first version that has the name, None when 3.10 has it already."""

    name: str
    default: Value
    low: int
    high: int
    unit: str
    doc: str
    source: str
    since: str | None = None
    default_310: Value | None = None
    kind: str = "int"                                       # int | jiffies2 (floor and default are two jiffies) | cpumask | triple | power2
    combine: str = ""                                       # conf.* rows: how `all` and the interface make the effective value
    why_fixed: str = ""                                     # low == high: why nothing else is taken

    def in_kernel(self, kernel: str) -> bool:
        return self.since is None or kernel != "3.10"

    def default_for(self, kernel: str, hz: int) -> Value:
        if self.kind == "jiffies2":
            return 2_000_000 // hz
        return self.default_310 if kernel == "3.10" and self.default_310 is not None else self.default

    def floor(self, hz: int) -> int:
        return 2_000_000 // hz if self.kind == "jiffies2" else self.low

    def allowed(self, hz: int) -> str:
        """What may be written, for error lines and for the docs."""
        low = self.floor(hz)
        if self.kind == "cpumask":
            return 'a hexadecimal mask in quotes such as "f", or a list of CPUs [0, 1]'
        if self.kind == "triple":
            return f'three whole numbers "min pressure max", {low} to {self.high}, ascending'
        if low == self.high:
            return f"{low} only: {self.why_fixed}"
        text = f"{low} to {self.high}"
        note = {"power2": " (a power of two)", "jiffies2": f" (from two jiffies at hz = {hz})"}
        return text + note.get(self.kind, "")


_CONF = "net.ipv4.conf.*."

SYSCTLS: tuple[Sysctl, ...] = (
    # softirq and the per-CPU backlog: net/core/dev.c
    Sysctl("net.core.netdev_budget", 300, 0, INT_MAX, "packets",
           "packets that one net_rx_action pass may process; on 6.18 it matters with five or more NAPIs on a CPU", "[M]"),
    Sysctl("net.core.netdev_budget_usecs", 8000, 0, INT_MAX, "us",
           "time that one net_rx_action pass may take; default and floor are two jiffies",
           "[M] floor at HZ 250: 7999 is EINVAL; 4.12 [K]", since="4.12",
           kind="jiffies2"),
    Sysctl("net.core.dev_weight", 64, 1, INT_MAX, "packets", "packets that process_backlog handles in one poll", "[M]"),
    Sysctl("net.core.netdev_max_backlog", 1000, 0, INT_MAX, "packets",
           "length of the per-CPU input_pkt_queue (RPS, netif_rx); beyond it CPU_BACKLOG", "[M]"),
    Sysctl("net.core.gro_normal_batch", 8, 0, INT_MAX, "packets", "packets that GRO collects before it passes the list up",
           "[M]; 5.4 [K]", since="5.4"),
    Sysctl("net.core.flow_limit_cpu_bitmap", 0, 0, 0, "CPUs",
           "CPUs whose backlog drops the largest flow first once it is half full", "[M] [V] scaling.rst; 3.11 [K]", since="3.11",
           kind="cpumask"),
    Sysctl("net.core.flow_limit_table_len", 4096, 1, 1 << 16, "buckets", "hash buckets of the flow limit",
           "[M]; 3.11 [K]", since="3.11", kind="power2"),
    Sysctl("net.core.rps_sock_flow_entries", 0, 0, 1 << 17, "flows",
           "RFS: flows whose reader's CPU is remembered, rounded up to a power of two; 0 is off; needs rps_flow_cnt of a queue",
           "[K] 2.6.35; scaling.rst suggests 32768"),
    Sysctl("net.core.busy_poll", 0, 0, INT_MAX, "us", "busy polling in poll and epoll; 0 is off", "[M]; 3.11 [K]", since="3.11"),
    Sysctl("net.core.busy_read", 0, 0, INT_MAX, "us", "SO_BUSY_POLL of a new socket; 0 is off", "[M]; 3.11 [K]", since="3.11"),
    # socket memory: net/core/sock.c, net/ipv4/udp.c
    Sysctl("net.core.rmem_default", 212992, 2304, INT_MAX, "bytes", "sk_rcvbuf of a new socket: 256 packets of truesize 832", "[M]"),
    Sysctl("net.core.rmem_max", 4194304, 2304, INT_MAX, "bytes", "largest argument that SO_RCVBUF takes; the kernel then doubles it",
           "[M]; 212992 until August 2025 [V]", default_310=212992),
    Sysctl("net.ipv4.udp_mem", (393216, 524288, 786432), 0, INT_MAX, "pages of 4096 bytes",
           "UDP's memory over all sockets: below the first freely taken, above the third refused with PROTO_MEM",
           "[K] udp_init's rule (an eighth of the pages; 3/4, 1, 3/2 of it) for 16 GiB", kind="triple"),
    Sysctl("net.ipv4.udp_rmem_min", 4096, 1, INT_MAX, "bytes", "what a socket may hold between the limits of udp_mem", "[M]"),
    Sysctl("net.ipv4.udp_early_demux", 1, 0, 1, "", "look up the UDP socket before the route",
           "[M]; the switch came with 4.12 [K]", since="4.12"),
    Sysctl("net.ipv4.ip_early_demux", 1, 0, 1, "", "look up any socket before the route", "[M]; 3.6 [K]"),
    Sysctl("net.ipv4.ip_nonlocal_bind", 0, 0, 1, "", "a program may bind an address that is not this host's", "[M]"),
    # fragments: net/ipv4/ip_fragment.c
    Sysctl("net.ipv4.ipfrag_high_thresh", 4194304, 0, INT_MAX, "bytes",
           "memory of all fragment queues; at more a new fragment is refused", "[M]"),
    Sysctl("net.ipv4.ipfrag_low_thresh", 3145728, 0, INT_MAX, "bytes", "not more than ipfrag_high_thresh; 3.10 evicts down to it", "[M]"),
    Sysctl("net.ipv4.ipfrag_time", 30, 0, 86400, "s", "life of a fragment queue, fixed when its first fragment comes", "[M]"),
    Sysctl("net.ipv4.ipfrag_max_dist", 64, 0, INT_MAX, "fragments",
           "fragments of the same source in between that give a queue up; 0 is off", "[M]"),
    # ICMP: net/ipv4/icmp.c
    Sysctl("net.ipv4.icmp_ratelimit", 1000, 0, INT_MAX, "ms",
           "least time between limited messages to one destination (after a burst of 6); 0 is off", "[M]"),
    Sysctl("net.ipv4.icmp_ratemask", 6168, 0, INT_MAX, "bit mask of types", "6168 limits types 3, 4, 11, 12", "[M]"),
    Sysctl("net.ipv4.icmp_msgs_per_sec", 1000, 0, INT_MAX, "messages/s", "limited messages to everybody together",
           "[M]; 3.18 [K]", since="3.18"),
    Sysctl("net.ipv4.icmp_msgs_burst", 50, 0, INT_MAX, "messages", "burst of that limit", "[M]; 3.18 [K]", since="3.18"),
    Sysctl("net.ipv4.icmp_echo_ignore_all", 0, 0, 1, "", "1: echo requests are not answered", "[M]"),
    Sysctl("net.ipv4.icmp_echo_ignore_broadcasts", 1, 0, 1, "", "1: nor those to broadcast and multicast", "[M]"),
    Sysctl("net.ipv4.ip_forward", 0, 0, 0, "", "routers are not modelled", "[M]",
           why_fixed="forwarding is not modelled, the host is the last hop"),
    # per interface: net/ipv4/devinet.c.  `all` and the interface are combined as inetdevice.h does
    Sysctl(_CONF + "rp_filter", 0, 0, 2, "", "reverse path filter: 0 off, 1 strict, 2 loose; the larger of all and interface",
           "[M]; many distributions set 2",
           combine="max"),
    Sysctl(_CONF + "accept_source_route", 1, 0, 1, "", "IP source-route option; taken when all and interface say so (all is 0)",
           "[M]", combine="and"),
    Sysctl(_CONF + "accept_local", 0, 0, 1, "", "take packets whose source is an own address", "[M]", combine="or"),
    Sysctl(_CONF + "route_localnet", 0, 0, 1, "", "127/8 is not a martian here", "[M]", combine="or"),
    Sysctl(_CONF + "log_martians", 0, 0, 1, "", "log martians; they are counted either way", "[M]", combine="or"),
    Sysctl(_CONF + "arp_ignore", 0, 0, 0, "", "which ARP requests are answered", "[M]", combine="max",
           why_fixed="the other modes are not modelled"),
    Sysctl(_CONF + "forwarding", 0, 0, 0, "", "routers are not modelled", "[M]", combine="and",
           why_fixed="forwarding is not modelled, the host is the last hop"),
)

BY_NAME = {row.name: row for row in SYSCTLS}
_ALL_DEFAULT = {"accept_source_route": 0}                   # devinet.c: ipv4_devconf (all) has 0 where ipv4_devconf_dflt has 1


def conf_flags() -> list[str]:
    """The per-interface names without their prefix: rp_filter, ..."""
    return [row.name[len(_CONF):] for row in SYSCTLS if row.combine]


def find(name: str, *interfaces: str) -> Sysctl | None:
    """The row of a sysctl by its full name; net.ipv4.conf.{all,default,INTERFACE}.X share one."""
    if name.startswith("net.ipv4.conf."):
        scope, _, flag = name[len("net.ipv4.conf."):].rpartition(".")
        return BY_NAME.get(_CONF + flag) if scope in ("all", "default", *interfaces) else None
    return BY_NAME.get(name)


def names(*interfaces: str) -> list[str]:
    """Every name that a host file may write."""
    result = []
    for row in SYSCTLS:
        result += [row.name.replace("*", scope) for scope in ("all", "default", *interfaces)] if row.combine else [row.name]
    return result


def unknown_text(name: str, *interfaces: str) -> str:
    """Why a name was not found, with the nearest name that exists."""
    if name.startswith("net.ipv4.conf."):
        scope, _, flag = name[len("net.ipv4.conf."):].rpartition(".")
        if _CONF + flag in BY_NAME:
            return f'no interface "{scope}" here: all, default, {", ".join(interfaces)}'
    near = units.nearest(name, names(*interfaces))
    return "unknown sysctl; " + (f"did you mean {near}?" if near else "docs/host-file.md lists those that the path reads")


def _cpu_mask(value: object, allowed: str) -> int:
    """As the kernel reads it, hexadecimal; a bare number is taken only where decimal and hexadecimal agree."""
    if isinstance(value, (list, tuple)):
        try:
            return sum(1 << cpu for cpu in units.cpu_list(value))
        except ValueError:
            raise ValueError(allowed) from None
    text = value.lower().replace(",", "").removeprefix("0x") if isinstance(value, str) else ""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 9:
        return value
    if not text or len(text) > 32 or any(c not in "0123456789abcdef" for c in text):
        raise ValueError(allowed)
    return int(text, 16)


def check(row: Sysctl, value: object, kernel: str, hz: int) -> Value:
    """The value as the kernel would keep it, or ValueError with what is allowed."""
    if not row.in_kernel(kernel):
        raise ValueError(f"kernel {kernel} does not have it: Linux has it since {row.since}")
    allowed = f"{units.shown(value)} is not allowed: {row.allowed(hz)}"
    if row.kind == "cpumask":
        return _cpu_mask(value, allowed)
    if row.kind == "triple":
        parts: object = value.split() if isinstance(value, str) else value
        if not isinstance(parts, (list, tuple)) or len(parts) != 3:
            raise ValueError(allowed)
        numbers = []
        for part in parts:
            if isinstance(part, str) and part.isascii() and part.isdigit() and len(part) < 12:
                numbers.append(int(part))
            elif isinstance(part, int) and not isinstance(part, bool):
                numbers.append(part)
            else:
                raise ValueError(allowed)
        if not row.low <= numbers[0] <= numbers[1] <= numbers[2] <= row.high:
            raise ValueError(allowed)
        return tuple(numbers)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(allowed)
    if not row.floor(hz) <= value <= row.high or (row.kind == "power2" and value & (value - 1)):
        raise ValueError(allowed)
    return value


def effective(settings: dict[str, Value], kernel: str, hz: int, *interfaces: str) -> dict[str, Value]:
    """Every sysctl that this kernel has, set or default, by its full name; an interface inherits `default`, as when it is created."""
    result: dict[str, Value] = {}
    for row in SYSCTLS:
        if not row.in_kernel(kernel):
            continue
        if not row.combine:
            result[row.name] = settings.get(row.name, row.default_for(kernel, hz))
            continue
        flag = row.name[len(_CONF):]
        base = row.default_for(kernel, hz)
        for scope in ("all", "default", *interfaces):
            name = f"net.ipv4.conf.{scope}.{flag}"
            if scope == "all":
                default: Value = _ALL_DEFAULT.get(flag, base)
            else:
                default = base if scope == "default" else result[f"net.ipv4.conf.default.{flag}"]
            result[name] = settings.get(name, default)
    return result


def combined(flag: str, values: dict[str, Value], interface: str) -> int:
    """The per-interface flag as the path sees it: IN_DEV_MAXCONF, _ANDCONF or _ORCONF of `all` and the interface."""
    first, second = values[f"net.ipv4.conf.all.{flag}"], values[f"net.ipv4.conf.{interface}.{flag}"]
    assert isinstance(first, int) and isinstance(second, int)
    how = BY_NAME[_CONF + flag].combine
    return max(first, second) if how == "max" else first & second if how == "and" else first | second
