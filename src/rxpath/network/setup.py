"""Control plane of this room: inet_init() of net/ipv4/af_inet.c, addresses, routes, neighbours, groups, handlers.

Plain Python that writes the tables which the path only reads.  `b` is what boot made: b.net, b.call, b.log."""
from collections.abc import Callable, Sequence
from typing import Any

from .. import path
from .._compile import entry
from ..abi.kernels import Behaviour
from ..abi.limits import NNEIGH, NROUTE
from ..abi.net import NMCGROUP, Net
from ..abi.numbers import ETH_P_ARP, ETH_P_IP, IPPROTO, NO_DEV, NO_ROUTE, RTN
from ..abi.numbers import RT_TABLE_LOCAL as RT_TABLE_LOCAL
from ..abi.numbers import RT_TABLE_MAIN as RT_TABLE_MAIN
from .fib_trie import fib_find_node, fib_link, fib_plen_add, fib_table_lookup, fib_unlink, inet_make_mask
from .igmp import ip_mc_dec_group, ip_mc_inc_group, mc_find
from .neighbour import ADMIN, NUD_PERMANENT, NUD_STALE, OVERRIDE, neigh_create, neigh_lookup, neigh_update

TYPES = {"unicast": RTN.UNICAST, "local": RTN.LOCAL, "broadcast": RTN.BROADCAST, "multicast": RTN.MULTICAST,
         "blackhole": RTN.BLACKHOLE, "unreachable": RTN.UNREACHABLE, "prohibit": RTN.PROHIBIT}
WHAT = {IPPROTO.ICMP: "ICMP", IPPROTO.IGMP: "IGMP", IPPROTO.UDP: "UDP", IPPROTO.TCP: "TCP"}
IN_ORDER = (IPPROTO.ICMP, IPPROTO.UDP, IPPROTO.TCP, IPPROTO.IGMP, IPPROTO.UDPLITE, IPPROTO.PIM)         # any other comes after these


def inet_init(b: Any, dev_add_pack: Callable[[Any, int], object]) -> None:
    """inet_protos and ptype_base get their handlers."""
    others = (key for key, _ in path.inet_protocol.handlers if key not in IN_ORDER)
    for protocol in (*IN_ORDER, *others):
        inet_add_protocol(b, protocol)
    for key, f in path.proto_recvmsg.handlers:
        b.log.append(("inet_init", f"proto_register: {WHAT[key]}: recvmsg is {f.__name__}"))
    for key in (ETH_P_ARP, ETH_P_IP):
        dev_add_pack(b, key)                         # link/'s: an earlier room, so boot hands it in


def inet_add_protocol(b: Any, protocol: int) -> None:
    """The path's handler for that IP protocol."""
    number = path.inet_protocol.handler(protocol)
    b.net.inet_protos[protocol] = number
    b.log.append(("inet_init", f"inet_add_protocol: inet_protos[{protocol}] = {path.inet_protocol.name_of(number)}"))


def inet_del_protocol(b: Any, protocol: int) -> None:
    """Packets of that protocol are now of an unknown one."""
    b.net.inet_protos[protocol] = -1
    b.log.append(("inet_init", f"inet_del_protocol: inet_protos[{protocol}]"))


def set_not_modelled(b: Any, protocols: Sequence[int]) -> None:
    """IP protocols that a real host would handle: they end as NOT_MODELLED, and their senders are not told otherwise."""
    for protocol in protocols:
        b.net.inet_not_modelled[protocol] = 1


# ---------------------------------------------------------------- addresses and routes
@entry
def fib_insert(net: Net, i: int, dst: int, plen: int, kind: int, table: int, oif: int, via: int, metric: int, prefsrc: int) -> None:
    fa = net.fib[i]
    fa.key_hi, fa.key_lo, fa.plen, fa.type, fa.oif, fa.gw_lo = 0, dst & inet_make_mask(plen), plen, kind, oif, via
    fa.table, fa.metric, fa.prefsrc, fa.used = table, metric, prefsrc, 1
    fib_link(net, i)
    fib_plen_add(net, plen)
    net.rt_genid += 1                                # rt_cache_flush()


@entry
def fib_delete(net: Net, dst: int, plen: int) -> bool:
    """The best route to that prefix.  False: there is none."""
    i = fib_find_node(net, dst & inet_make_mask(plen), plen)
    if i == NO_ROUTE:
        return False
    fib_unlink(net, i)
    net.rt_genid += 1
    fa = net.fib[i]
    fa.used = 0
    return True


@entry
def route_get(net: Net, daddr: int) -> int:
    """ip route get: index of the route in net.fib, NO_ROUTE."""
    return fib_table_lookup(net, daddr)


def free_route(net: Net) -> int:
    if net.nfib < NROUTE:
        net.nfib += 1
        return net.nfib - 1
    for i in range(NROUTE):
        if not net.fib[i].used:
            return i
    raise ValueError(f"more than {NROUTE} routes")


def add_route(b: Any, dst: int, plen: int, kind: int = RTN.UNICAST, dev: int = 0, via: int = 0, metric: int = 0, table: int = RT_TABLE_MAIN,
              prefsrc: int = 0) -> None:
    """ip route add.  dst and via are 32-bit addresses in host order."""
    if not 0 <= plen <= 32:
        raise ValueError(f"prefix length {plen}: 0 to 32")
    b.call(fib_insert)(b.net, free_route(b.net), dst, plen, kind, table, dev, via, metric, prefsrc)


def del_route(b: Any, dst: int, plen: int) -> None:
    """ip route del"""
    if not b.call(fib_delete)(b.net, dst, plen):
        raise ValueError(f"no route to {dst >> 24}.{dst >> 16 & 255}.{dst >> 8 & 255}.{dst & 255}/{plen}")


def add_address(b: Any, addr: int, plen: int, dev: int = 0) -> None:
    """ip addr add, as fib_add_ifaddr() does: the address itself, the directed broadcast, the connected network."""
    mask = 0xFFFFFFFF << 32 - plen & 0xFFFFFFFF
    d = b.net.dev[dev]
    if d.addr == 0:
        d.addr, d.mask = addr, mask
    secondary = d.mask == mask and (d.addr ^ addr) & mask == 0               # of the first one's network: that one speaks for it
    add_route(b, addr, 32, RTN.LOCAL, dev, table=RT_TABLE_LOCAL, prefsrc=d.addr if secondary else addr)
    if addr >> 24 == 127:                            # all of the network is local on lo
        add_route(b, addr & mask, plen, RTN.LOCAL, dev, table=RT_TABLE_LOCAL, prefsrc=addr)
        return
    if plen < 32:
        add_route(b, addr & mask, plen, RTN.UNICAST, dev, prefsrc=addr)
    if plen < 31:
        add_route(b, addr | ~mask & 0xFFFFFFFF, 32, RTN.BROADCAST, dev, table=RT_TABLE_LOCAL, prefsrc=addr)
        if not b.net.behaviour[Behaviour.lowest_is_unicast]:
            add_route(b, addr & mask, 32, RTN.BROADCAST, dev, table=RT_TABLE_LOCAL, prefsrc=addr)


# ---------------------------------------------------------------- neighbours and groups
@entry
def neigh_add(net: Net, addr: int, mac: int, permanent: bool) -> bool:
    i = neigh_lookup(net, addr, NO_DEV)
    if i < 0:
        i = neigh_create(net, 0, addr, NO_DEV)
    if i >= 0:
        neigh_update(net, 0, i, mac, NUD_PERMANENT if permanent else NUD_STALE, OVERRIDE | ADMIN)
    return i >= 0


def add_neighbour(b: Any, addr: int, mac: int, permanent: bool = False) -> None:
    """ip neigh add, with `nud permanent`: then no frame changes it; else it is STALE."""
    if not b.call(neigh_add)(b.net, addr, mac, permanent):
        raise ValueError(f"more than {NNEIGH} neighbours")


def resolve_neighbours(b: Any) -> None:
    """Somebody at the other end of the cable answers ARP: whoever is to get a frame is asked for first, and entries age."""
    b.net.neigh_resolve = 1


@entry
def mc_join(net: Net, dev: int, group: int) -> int:
    """Users of the group now, 0: no room."""
    if not ip_mc_inc_group(net, dev, group):
        return 0
    im = net.mc_group[mc_find(net, dev, group)]
    return im.users


@entry
def mc_leave(net: Net, dev: int, group: int) -> bool:
    """Was it the last user?"""
    ip_mc_dec_group(net, dev, group)
    return mc_find(net, dev, group) < 0


def join_group(b: Any, group: int, dev: int = 0) -> bool:
    """The device's side of IP_ADD_MEMBERSHIP.  Is it the first of the group?"""
    users = b.call(mc_join)(b.net, dev, group)
    if not users:
        raise ValueError(f"more than {NMCGROUP} multicast groups")
    return bool(users == 1)


def leave_group(b: Any, group: int, dev: int = 0) -> bool:
    """Was it the last of the group?"""
    return bool(b.call(mc_leave)(b.net, dev, group))
