"""Sockets of a run: from the host's lists, from --listen, and from what the capture's traffic goes to."""
from __future__ import annotations

from rxpath.abi.limits import NSOCK
from rxpath.abi.numbers import IPPROTO
from rxpath.cable.receiver import Receiver
from rxpath.drivers.net_device import dev_mc_add, multicast_mac
from rxpath.network import setup as network_setup
from rxpath.transport import tcp_sockopt
from rxpath.transport.sock_reuseport import reuseport_attach_prog
from rxpath.user import mcast, sock
from rxpath.user import socket as sockets
from rxpath.user.filter import sk_attach_filter
from rxpath.vtime import setup
from rxpath.workbench.host import cbpf
from rxpath.workbench.host import tables as hosttables
from rxpath.workbench.host.model.programs import OTHER_TCP
from rxpath.workbench.host.tables import OpenSocket
from rxpath.workbench.run.machine import CLIENTS, Machine, Opened
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

PROTOCOLS = {"udp": IPPROTO.UDP, "tcp": IPPROTO.TCP}

ADOPTED = 1 << 17                                           # connections that wait there: all that there can be
LO_IFINDEX = 2                                              # device number 1, as assemble.py gives it


def open_all(m: Machine) -> None:
    """In the order of bind(): the host's, those of --listen, those of the capture's traffic."""
    for i, item in enumerate(hosttables.open_sockets(m.host)):
        if (item.listed.proto, item.port) in m.own:
            continue
        try:
            _open_listed(m, item, i)
        except OSError as error:
            raise BadInput(f"socket {item.name}: {error.strerror}") from None
    bound = {(s.proto, s.port) for s in m.sockets} | m.own
    extra = list(m.listen)
    if m.host.opens_from_capture and not m.listen and m.receiver is not None:
        extra += _of_traffic(m, m.receiver, bound)
    for proto, address, port in extra:
        if (proto, port) not in bound:
            try:
                i = sockets.create(m.boot, PROTOCOLS[proto])
                _bind(m, i, address, port)
            except OSError as error:
                raise BadInput(f"socket {proto}{port}: {error.strerror}") from None
            if proto == "udp" and not m.listen and m.receiver is not None and port in m.receiver.tunnels:
                m.net.socks[i].encap_type, m.net.udp_tunnels = 1, m.net.udp_tunnels + 1       # no program's: the tunnel's device has it
                continue
            m.sockets.append(Opened(i, f"{proto}{port}", proto, units.ipv4_text(address), port))
    if m.receiver is not None and m.receiver.tcp.number and not m.listen and \
            (m.host.opens_from_capture or any(OTHER_TCP in app.sockets for app in m.host.apps)):
        _adopter(m)
    if m.receiver is not None and m.host.opens_from_capture:
        changing = {c.port for c in m.receiver.changes}
        first = next((s.index for s in sorted(m.sockets, key=lambda s: s.port in changing) if s.proto == "udp"), -1)
        groups = [group for group in m.receiver.groups if ":" not in group]
        for group in groups if first >= 0 else ():
            _join(m, first, units.ipv4(group))
        if groups and first < 0:
            m.notes.append(f"no socket joined {', '.join(groups[:4])}{' and more' if len(groups) > 4 else ''}: what goes there is not UDP, "
                           "so that no socket is open for it")


def _of_traffic(m: Machine, r: Receiver, bound: set[tuple[str, int]]) -> list[tuple[str, int, int]]:
    """The ports that the capture's traffic goes to, and that the host file has no socket for: as many as there is room for."""
    wanted = [(proto, 0, port) for proto, ports in (("udp", r.udp_ports), ("tcp", r.tcp_ports)) for port in ports
              if (proto, port) not in bound]                    # those of each protocol that get most first
    room = NSOCK - m.net.nsock
    if len(wanted) > room:
        m.notes.append(f"traffic goes to {len(wanted):,} ports, and there is room for {room:,} more sockets: those that get the least are "
                       f"closed ({len(wanted) - room:,})")
    return sorted(wanted[:room], key=lambda item: (item[0] != "udp", item[2]))


def _adopter(m: Machine) -> None:
    """Who accepts the captured connections that no listener is for: those that programs of the receiver opened."""
    i = sockets.create(m.boot, IPPROTO.TCP)
    port = sockets.bind(m.boot, i)
    sockets.listen(m.boot, i, ADOPTED)
    m.net.tcp_adopter, m.net.tcp[i].max_ack_backlog = i, ADOPTED            # somaxconn limits servers
    m.sockets.append(Opened(i, CLIENTS, "tcp", "0.0.0.0", port))


def _bind(m: Machine, i: int, address: int, port: int, backlog: int = 4096) -> None:
    """bind(), and listen() of a TCP server."""
    sockets.bind(m.boot, i, address, port)
    if m.net.socks[i].protocol == IPPROTO.TCP:
        sockets.listen(m.boot, i, backlog)


def _open_listed(m: Machine, item: OpenSocket, listed: int) -> None:
    b, wanted = m.boot, item.listed
    i = sockets.create(b, PROTOCOLS[wanted.proto])
    options = [("SO_RCVBUF", wanted.rcvbuf), ("SO_RCVBUFFORCE", wanted.rcvbufforce), ("SO_REUSEADDR", wanted.reuseaddr or None),
               ("SO_REUSEPORT", (wanted.reuseport or item.thread >= 0) or None), ("SO_INCOMING_CPU", wanted.incoming_cpu),
               ("SO_BINDTODEVICE", _ifindex(m, wanted.bindtodevice)), ("UDP_GRO", wanted.udp_gro or None),
               ("SO_RCVTIMEO", wanted.timeout), ("IP_MULTICAST_ALL", None if wanted.multicast_all else 0)]
    for name, value in options:
        if value is not None:
            sock.setsockopt(b, i, name, int(value))
    if wanted.defer_accept:
        tcp_sockopt.setsockopt(b, i, "TCP_DEFER_ACCEPT", wanted.defer_accept)
    if wanted.attach_filter is not None:
        sk_attach_filter(b, i, cbpf.written(wanted.attach_filter))
    if wanted.busy_poll is not None:
        m.call(setup.set_busy_poll)(m.net, i, wanted.busy_poll)
    _bind(m, i, item.address, item.port, wanted.backlog)
    if item.peer is not None:
        sockets.connect(b, i, *item.peer)
    for group in wanted.join:
        _join(m, i, units.ipv4(group))
    m.sockets.append(Opened(i, item.name, wanted.proto, units.ipv4_text(item.address), item.port, listed))
    attach(m, i, item)


def attach(m: Machine, i: int, item: OpenSocket) -> None:
    """SO_ATTACH_REUSEPORT_CBPF of a bound socket, if its entry in the host file has it: of the whole group, whoever says it last."""
    text = item.listed.attach_reuseport_cbpf
    if text is not None:
        members = sum((o.address, o.port) == (item.address, item.port) for o in hosttables.open_sockets(m.host))
        reuseport_attach_prog(m.boot, i, cbpf.program(text, members))


def _ifindex(m: Machine, name: str | None) -> int | None:
    return None if name is None else next((nd.dev.ifindex for nd in m.boot.netdevs if nd.name == name), LO_IFINDEX)


def _join(m: Machine, i: int, group: int) -> None:
    """IP_ADD_MEMBERSHIP: the socket's list, the device's, and the card's filter.  Of several cards it is the one that a route leads to.
    On the first card's VLAN devices, too, if they were made for the traffic."""
    b, card = m.boot, m.boot.netdev
    route = m.call(network_setup.route_get)(m.net, group) if m.host.cards else -1
    if route >= 0:
        card = next((nd for nd in b.netdevs if nd.index == m.net.fib[route].oif), card)
    mcast.join(b, i, group, card.dev.ifindex)
    network_setup.join_group(b, group, card.index)
    dev_mc_add(card, multicast_mac(group))
    if m.receiver is not None and m.host.nic.vlans == "auto":
        for k in range(m.net.nvlan):
            vlan = m.net.vlan_dev[k]
            mcast.join(b, i, group, m.net.dev[vlan].ifindex)
            network_setup.join_group(b, group, vlan)
