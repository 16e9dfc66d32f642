"""What a capture tells of its receiver's network: prefix, gateway, neighbours, VLANs, groups, open and closed ports; and a receiver that
fits where no frame is addressed to one host.  Called by receiver.py."""
import ipaddress
from collections import Counter
from typing import NamedTuple

from ..abi.census import NCHANGE
from ..abi.numbers import IPPROTO
from .ether import BROADCAST_MAC, DEFAULT_MAC
from .hosts import Address, Census, End, Host, neighbours

PREFIX, PREFIX6, WIDEST = 24, 64, 16
NEIGHBOURS = 256                # that a host is given
MADE_UP = "192.0.2.254"         # RFC 5737: where not even a sender has an address


# ---------------------------------------------------------------- the network
def prefix_of(census: Census, address: Address, mac: int) -> tuple[int, str]:
    """(length, how it is known): by DHCP, by the broadcasts that are seen, by what it asks for in ARP; else assumed."""
    if address.version == 6:
        return PREFIX6, ""
    a = int(address)
    for d in census.dhcps:
        if d.mask and (d.ip == a or d.mac == mac) and (d.ip ^ a) & d.mask == 0:
            return 32 - (~d.mask & 0xFFFFFFFF).bit_length(), "from DHCP"
    bits, how = 32 - PREFIX, ""
    seen = Counter[int]()
    for e in census.ends:
        if e.version == 4 and e.mac in (BROADCAST_MAC, -1) and e.lo != 0xFFFFFFFF and e.lo & 1 and not e.tx and e.lo >> 28 != 14:
            seen[e.lo] += e.rx
    for broadcast, _ in sorted(seen.items(), key=lambda item: (-item[1], item[0])):
        ones, least = (~broadcast & broadcast + 1).bit_length() - 1, (broadcast ^ a).bit_length()
        if ones >= 4 and max(least, 2) <= ones and least <= 32 - WIDEST:
            bits = min(max(32 - PREFIX, least), ones)
            how = f"from broadcasts to {ipaddress.IPv4Address(broadcast)}"
            break
    for asked in census.arps:
        if asked.ip == a and asked.most:
            need = max((asked.least ^ a).bit_length(), (asked.most ^ a).bit_length())
            if bits < need <= 32 - WIDEST:
                bits, how = need, "from what it asks for in ARP"
    return 32 - bits, how


def gateway_of(census: Census, hosts: list[Host], addresses: list[Address], prefixes: dict[str, int], mac: int) -> str:
    """The address of the router on the receiver's network, "": not known."""
    mine = [(int(a), prefixes[str(a)]) for a in addresses if a.version == 4]

    def on_link(ip: int) -> bool:
        return any((ip ^ a) >> 32 - length == 0 and ip != a for a, length in mine)
    for d in census.dhcps:
        if d.mac == mac and d.router and on_link(d.router):
            return str(ipaddress.IPv4Address(d.router))
    routers = {h.mac for h in hosts if h.behind}
    for ip, at in neighbours(census, {a for a, _ in mine}):
        if at in routers and on_link(ip):
            return str(ipaddress.IPv4Address(ip))
    return ""


def neighbours_of(census: Census, ours: list[End], gateway: str) -> list[tuple[str, int]]:
    """(IPv4 address, MAC) of those whose answers would otherwise wait for ARP: as they say in ARP, and as their frames come."""
    macs, mine = {e.mac for e in ours}, {e.lo for e in ours if e.version == 4}
    found = dict(neighbours(census, mine))
    for e in sorted(census.ends, key=lambda e: (-e.tx, e.order)):
        if e.version == 4 and e.tx and e.one_host and e.mac > 0 and e.mac not in macs and e.lo not in mine and not e.is_loopback:
            found.setdefault(e.lo, e.mac)
        if len(found) >= NEIGHBOURS:
            break
    return [(str(ipaddress.IPv4Address(ip)), at) for ip, at in sorted(found.items())[:NEIGHBOURS]]


def vlans_of(census: Census, ours: list[End]) -> tuple[list[int], list[tuple[int, int]]]:
    """Outer tags of the receiver's traffic and of what goes to groups or all, and (outer, inner) of twice tagged frames."""
    tags = {e.vlan for e in ours if e.vlan > 0} | {e.vlan for e in census.ends if e.vlan > 0 and not e.one_host and e.rx}
    return sorted({t & 0xFFF for t in tags}), sorted((t & 0xFFF, t >> 12) for t in tags if t >> 12)


# ---------------------------------------------------------------- ports and groups
def groups_of(census: Census) -> list[str]:
    """Multicast groups that traffic goes to, in the order in which they are met."""
    return list(dict.fromkeys(str(e.address) for e in census.ends if e.address.is_multicast and e.rx))


class Change(NamedTuple):
    """A UDP port closes before a record arrives, or opens after it; record 0: it begins closed."""
    record: int
    port: int
    opens: bool


def changes_of(census: Census, mine: set[tuple[int, int]]) -> tuple[list[Change], dict[int, str]]:
    """When ports of these addresses opened and closed: of those that have sent, without whose word one refusal may mean all, as the kernel
    does not send one for each datagram.  Then the ports that cannot be followed, with the reason: of several addresses one may be
    refused and another not, and some change too often."""
    ports = [p for p in census.ports_at(mine) if p.proto == IPPROTO.UDP]
    users = Counter(p.port for p in ports if p.rx)
    found: list[Change] = []
    lost: dict[int, str] = {}
    for p in ports:
        r = census.refused.get((p.hi, p.lo, p.port))
        if r is None or not p.tx:
            continue
        if users[p.port] > 1 or r.n > len(r.changes):
            lost[p.port] = "at one of several addresses" if users[p.port] > 1 else f"{r.n:,} times, and {NCHANGE} can be followed"
            continue
        was_open = p.tx > r.sent
        states = [Change(record, p.port, i % 2 == 1) for i, record in enumerate(r.changes)]
        found += states if was_open else [Change(0, p.port, False), *states[1:]]
    return sorted(found), dict(sorted(lost.items()))


def ports_of(census: Census, ours: list[End], changing: set[int]) -> tuple[Counter[int], Counter[int], Counter[int], Counter[int]]:
    """Ports of the receiver's addresses, and of groups and broadcasts, which are everybody's: open UDP with their datagrams (those that are
    known to change, too), listening TCP with their SYNs; then those that it has refused."""
    mine = {(e.hi, e.lo) for e in ours}
    everybody = {(e.hi, e.lo) for e in census.ends if not e.one_host and (e.hi or e.lo)}
    udp, tcp, closed, refused, unreachable = Counter[int](), Counter[int](), Counter[int](), Counter[int](), Counter[int]()
    for p in census.ports_at(mine | everybody):
        own = (p.hi, p.lo) in mine
        if p.proto == IPPROTO.UDP:
            if (p.tx == 0 or 2 * p.unreachable > p.rx) and p.port not in changing:      # who has sent from it had it open
                unreachable[p.port] += p.unreachable
            udp[p.port] += p.rx
        elif p.proto == IPPROTO.TCP and own:
            if p.syn and (p.synack or not p.rst):
                tcp[p.port] += p.syn
            elif p.syn:
                refused[p.port] += p.syn
    for port, n in unreachable.items():
        if n and port in udp:
            closed[port] = udp.pop(port)
    return udp, tcp, closed, refused


# ---------------------------------------------------------------- nobody
def make_up(census: Census) -> tuple[str, int]:
    """(address, MAC) of a receiver that fits: free, beside the busiest sender, IPv4 where there is any."""
    taken = {e.address for e in census.ends}
    used = {m.mac for m in census.macs}
    mac = next(m for m in range(DEFAULT_MAC, DEFAULT_MAC + len(used) + 1) if m not in used)
    senders = sorted((e for e in census.ends if e.one_host and e.tx and not (e.version == 4 and e.lo >> 28 == 15)),
                     key=lambda e: (e.version, -e.tx, e.order))
    for e in senders:
        length, _ = prefix_of(census, e.address, e.mac)
        bits = e.address.max_prefixlen - length
        net = int(e.address) >> bits << bits
        last = net + (1 << min(bits, 8)) - 2
        for host in range(last, last - 5, -1):
            free = type(e.address)(host)
            if host > net and free not in taken and not free.is_loopback:
                return str(free), mac
    return MADE_UP, mac


