"""The tables of a census: hardware addresses, hosts, ports.  Sets of eight places; where a set is full, who was seen least makes room.
Called by census.py when it folds a conversation, and by census_said.py."""
from .._compile import path_function, reset_struct
from ..abi.census import NARP, NCENSUS_HOST, NCENSUS_MAC, NCENSUS_PORT, NDHCP, NJOIN, WAYS, census_t
from ..abi.numbers import IPPROTO


@path_function
def census_mix(a: int, b: int, c: int) -> int:
    return ((a ^ a >> 29) * 0x9E3779B1 + (b ^ b >> 31) * 0x85EBCA77 + c * 0xC2B2AE3D) & 0x7FFF_FFFF_FFFF_FFFF


@path_function
def census_place(mixed: int) -> int:
    """Where the search begins, before the mask."""
    return mixed >> 13 ^ mixed >> 31


@path_function
def census_hash(a: int, b: int, c: int) -> int:
    return census_place(census_mix(a, b, c))


@path_function
def census_mac_of(c: census_t, mac: int) -> int:
    """Its place.  One that is new, or another's, begins empty."""
    at = (census_hash(mac, 0, 0) & NCENSUS_MAC // WAYS - 1) * WAYS
    worst = at
    for i in range(at, at + WAYS):
        m = c.macs[i]
        if m.used == 0:
            c.mac_at[c.nmac] = i
            c.nmac += 1
            m.used, m.mac, m.order = 1, mac, c.frames
            return i
        if m.mac == mac:
            return i
        w = c.macs[worst]
        if m.rx + m.tx < w.rx + w.tx:
            worst = i
    old = c.macs[worst]
    reset_struct(old)
    old.used, old.mac, old.order = 1, mac, c.frames
    return worst


@path_function
def census_host_of(c: census_t, mac: int, hi: int, lo: int, version: int, vlan: int) -> int:
    mixed = census_mix(lo, hi, mac)
    at, key = (census_place(mixed) & NCENSUS_HOST // WAYS - 1) * WAYS, mixed | 1
    for i in range(at, at + WAYS):
        if c.host_key[i] == key:
            h = c.hosts[i]
            if h.lo == lo and h.hi == hi and h.mac == mac and h.version == version and h.vlan == vlan:
                return i
        if c.host_key[i] == 0:
            c.host_at[c.nhost] = i
            c.nhost += 1
            census_host_new(c, i, key, mac, hi, lo, version, vlan)
            return i
    worst = at
    for i in range(at + 1, at + WAYS):
        if c.host_seen[i] < c.host_seen[worst]:
            worst = i
    c.lost_hosts += 1
    c.lost_frames += c.host_seen[worst]
    reset_struct(c.hosts[worst])
    census_host_new(c, worst, key, mac, hi, lo, version, vlan)
    return worst


@path_function
def census_host_new(c: census_t, i: int, key: int, mac: int, hi: int, lo: int, version: int, vlan: int) -> None:
    c.host_key[i], c.host_seen[i] = key, 0
    h = c.hosts[i]
    h.used, h.mac, h.hi, h.lo, h.version, h.vlan, h.order = 1, mac, hi, lo, version, vlan, c.frames


@path_function
def census_port_of(c: census_t, hi: int, lo: int, proto: int, port: int, sends_only: bool) -> int:
    """-1: it only sends, and nobody makes room for that."""
    mixed = census_mix(lo, hi, proto << 16 | port)
    at, key = (census_place(mixed) & NCENSUS_PORT // WAYS - 1) * WAYS, mixed | 1
    for i in range(at, at + WAYS):
        if c.port_key[i] == key:
            p = c.ports[i]
            if p.lo == lo and p.hi == hi and p.proto == proto and p.port == port:
                return i
        if c.port_key[i] == 0:
            c.port_at[c.nport] = i
            c.nport += 1
            census_port_new(c, i, key, hi, lo, proto, port)
            return i
    if sends_only:
        return -1
    worst = at
    for i in range(at + 1, at + WAYS):
        if c.port_seen[i] < c.port_seen[worst]:
            worst = i
    old = c.ports[worst]
    if old.proto == IPPROTO.UDP and old.rx:
        c.lost_ports += 1
        c.lost_datagrams += old.rx
    reset_struct(old)
    census_port_new(c, worst, key, hi, lo, proto, port)
    return worst


@path_function
def census_port_new(c: census_t, i: int, key: int, hi: int, lo: int, proto: int, port: int) -> None:
    c.port_key[i], c.port_seen[i] = key, 0
    p = c.ports[i]
    p.used, p.hi, p.lo, p.proto, p.port = 1, hi, lo, proto, port


@path_function
def census_arp_of(c: census_t, mac: int, ip: int) -> int:
    """-1: no place; so do the two below."""
    at = census_hash(mac, ip, 0)
    for k in range(WAYS):
        i = at + k & NARP - 1
        a = c.arps[i]
        if a.used == 0:
            a.used, a.mac, a.ip = 1, mac, ip
            return i
        if a.mac == mac and a.ip == ip:
            return i
    return -1


@path_function
def census_dhcp_of(c: census_t, mac: int) -> int:
    for i in range(NDHCP):
        d = c.dhcps[i]
        if d.used == 0:
            d.used, d.mac = 1, mac
            return i
        if d.mac == mac:
            return i
    return -1


@path_function
def census_joined(c: census_t, hi: int, lo: int, group: int) -> None:
    """The host with this address is a member of the group."""
    for i in range(NJOIN):
        j = c.joins[i]
        if j.used == 0:
            j.used, j.hi, j.lo, j.group = 1, hi, lo, group
            return
        if j.hi == hi and j.lo == lo and j.group == group:
            return
