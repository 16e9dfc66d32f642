"""Routing of what a program sends: ip_route_output_key_hash() of net/ipv4/route.c.  RFC 1122 3.3.1.

Called through path.py's table route_output by transport/; reads and fills the CPU's struct flowi4 (net.fl4)."""
from .._compile import path_function
from ..abi.flow import flowi4
from ..abi.headers import ipv4_is_lbcast, ipv4_is_local_multicast, ipv4_is_loopback, ipv4_is_multicast
from ..abi.limits import NDEV
from ..abi.net import Net
from ..abi.nic import netif_running
from ..abi.numbers import AF_INET, EINVAL, ENETUNREACH, ENODEV, NO_DEV, NO_ROUTE, RTN
from ..path import Stage, route_output
from ..turn import charge
from .fib_trie import fib_error, fib_table_lookup, inet_lookup_ifaddr
from .route import next_hop

INADDR_LOOPBACK = 0x7F000001


@path_function
def inet_ifindex(net: Net, ifindex: int) -> int:
    """dev_get_by_index(): NO_DEV: there is none."""
    for i in range(NDEV):
        dev = net.dev[i]
        if dev.ifindex == ifindex:
            return i
    return NO_DEV


@path_function
def ip_dev_find(net: Net, addr: int) -> int:
    """__ip_dev_find(): the device that has the address, NO_DEV."""
    i = fib_table_lookup(net, addr)
    if i >= 0:
        fa = net.fib[i]
        if fa.type == RTN.LOCAL:
            return fa.oif
    return NO_DEV


@route_output(AF_INET)
@path_function
def ip_route_output_key_hash(net: Net, cpu: int) -> int:
    """Which device, from which address, to whose MAC.  0, or a negative errno."""
    charge(net, cpu, Stage.ip_route_output_key_hash)
    fl4 = net.fl4[cpu]
    dev = NO_DEV
    fl4.route, fl4.type = NO_ROUTE, RTN.UNICAST
    to_many = ipv4_is_multicast(fl4.daddr) or ipv4_is_lbcast(fl4.daddr)
    if fl4.saddr:
        if ipv4_is_multicast(fl4.saddr) or ipv4_is_lbcast(fl4.saddr) or fl4.saddr >> 24 == 0:
            return EINVAL
        if fl4.oif == 0 and to_many:                                         # the device that has the source
            dev = ip_dev_find(net, fl4.saddr)
            if dev < 0:
                return ENETUNREACH
            return mkroute_output(net, fl4, dev)
        if fl4.anysrc == 0 and not inet_lookup_ifaddr(net, fl4.saddr) and ip_dev_find(net, fl4.saddr) < 0:
            return ENETUNREACH                                               # seen on 6.18
    if fl4.oif:
        dev = inet_ifindex(net, fl4.oif)
        if dev < 0:
            return ENODEV
        device = net.dev[dev]
        if not netif_running(device):
            return ENETUNREACH
        if ipv4_is_local_multicast(fl4.daddr) or ipv4_is_lbcast(fl4.daddr):
            if fl4.saddr == 0:
                fl4.saddr = device.addr
            return mkroute_output(net, fl4, dev)
        if fl4.saddr == 0 and ipv4_is_multicast(fl4.daddr):
            fl4.saddr = device.addr
    if fl4.daddr == 0:                                                       # this host
        fl4.daddr = fl4.saddr if fl4.saddr else INADDR_LOOPBACK
        if fl4.saddr == 0:
            fl4.saddr = INADDR_LOOPBACK
        if net.loopback < 0:
            return ENETUNREACH
        fl4.type = RTN.LOCAL
        fl4.route = fib_table_lookup(net, fl4.daddr)
        return mkroute_output(net, fl4, net.loopback)
    return ip_route_output_fib(net, fl4, dev)


@path_function
def ip_route_output_fib(net: Net, fl4: flowi4, dev: int) -> int:
    """The FIB's answer, and what follows from it.  dev: the device that is asked for, NO_DEV."""
    i = fib_lookup_oif(net, fl4.daddr, dev)
    if i < 0:
        if dev < 0:
            return ENETUNREACH
        device = net.dev[dev]                                                # the table is wrong: it is on that link
        if fl4.saddr == 0:
            fl4.saddr = device.addr
        return mkroute_output(net, fl4, dev)
    fa = net.fib[i]
    if fib_error(fa.type):
        return fib_error(fa.type)
    fl4.route, fl4.type, dev = i, fa.type, fa.oif
    if fa.type == RTN.LOCAL:
        if fl4.saddr == 0:
            fl4.saddr = fa.prefsrc if fa.prefsrc else fl4.daddr
        dev = net.loopback
        if dev < 0:                                                          # this host has no lo
            return ENETUNREACH
    elif fl4.saddr == 0:
        device = net.dev[dev]
        fl4.saddr = fa.prefsrc if fa.prefsrc else device.addr
    return mkroute_output(net, fl4, dev)


@path_function
def fib_lookup_oif(net: Net, daddr: int, dev: int) -> int:
    """The longest prefix that has a route, with a device only among those by it; NO_ROUTE.  An address of this host's is everywhere."""
    i = fib_table_lookup(net, daddr)
    if i < 0 or dev < 0:
        return i
    fa = net.fib[i]
    if fa.oif == dev or fa.type == RTN.LOCAL or fib_error(fa.type):
        return i
    return NO_ROUTE


@path_function
def mkroute_output(net: Net, fl4: flowi4, dev: int) -> int:
    """__mkroute_output(): what kind of address it is."""
    device = net.dev[dev]
    if ipv4_is_loopback(fl4.saddr) and dev != net.loopback and device.route_localnet == 0:
        return EINVAL
    fl4.dev = dev
    if ipv4_is_lbcast(fl4.daddr):
        fl4.type = RTN.BROADCAST
    elif ipv4_is_multicast(fl4.daddr):
        fl4.type = RTN.MULTICAST
    elif fl4.daddr >> 24 == 0:
        return EINVAL
    fl4.mtu = device.mtu
    many = fl4.type == RTN.BROADCAST or fl4.type == RTN.MULTICAST
    fl4.next_hop = fl4.daddr if many else next_hop(net, fl4.daddr, fl4.route)
    return 0
