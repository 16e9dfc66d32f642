"""From a Host to flat lists that boot writes into the path's tables: routes as Linux derives them from addresses, sockets one by one,
application threads.  Kernel twins: fib_add_ifaddr (net/ipv4/fib_frontend.c) and the order of bind()."""

from __future__ import annotations

from dataclasses import dataclass

from rxpath.abi.kernels import KERNELS, Behaviour
from rxpath.workbench.host.check import app_sockets
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.host.model.programs import OTHER_TCP, App, Service, Socket, endpoint
from rxpath.workbench.words import units


@dataclass(frozen=True, slots=True)
class FibRoute:
    """One route.  `table` is local or main; `via` 0 is on link; `source` is the preferred source address, 0 for none."""

    dst: int
    prefix: int
    type: str
    table: str
    dev: str
    via: int = 0
    source: int = 0

    def __str__(self) -> str:
        via = f" via {units.ipv4_text(self.via)}" if self.via else ""
        source = f" src {units.ipv4_text(self.source)}" if self.source else ""
        return f"{self.type} {units.ipv4_text(self.dst)}/{self.prefix}{via} dev {self.dev} table {self.table}{source}"


@dataclass(frozen=True, slots=True)
class OpenSocket:
    """One socket to open: its listed socket, the address and port, and with own_sockets the thread that owns it (else -1)."""

    name: str
    listed: Socket
    address: int
    port: int
    peer: tuple[int, int] | None
    app: str
    thread: int


@dataclass(frozen=True, slots=True)
class Thread:
    """One application thread.  `sockets` are indices into open_sockets(); `reads_all` also reads what a replay opens by itself, reads_tcp
    of that only TCP."""

    app: App
    index: int
    cpu: int
    sockets: tuple[int, ...]
    reads_all: bool
    wait: str
    service: Service
    reads_tcp: bool = False


def routes(host: Host) -> list[FibRoute]:
    """Every route: those of the addresses and of 127/8 first, then the listed ones.

    6.18 no longer has a broadcast route for a subnet's lowest address; 3.10 has it (removed in 5.14 [K])."""
    dev = host.nic.name
    found: dict[tuple[str, int, int], FibRoute] = {}

    def add(route: FibRoute) -> None:
        found.setdefault((route.table, route.dst, route.prefix), route)

    own = [(d.name, *units.cidr(text)) for d in host.devices for text in d.nic.addresses]
    for name, address, prefix in [("lo", 0x7F000001, 8), *own]:
        mask = units.netmask(prefix)
        subnet, highest = address & mask, address | ~mask & 0xFFFFFFFF
        first = next(a for n, a, p in (("lo", 0x7F000001, 8), *own) if (n, p) == (name, prefix) and (a ^ address) & mask == 0)
        add(FibRoute(address, 32, "local", "local", name, source=first))       # a secondary address: the first one speaks for it
        if prefix == 32:
            continue
        if name == "lo":
            add(FibRoute(subnet, prefix, "local", "local", name, source=address))
        else:
            add(FibRoute(subnet, prefix, "unicast", "main", name, source=address))
        if prefix < 31:
            if not KERNELS[host.kernel].behaviours()[Behaviour.lowest_is_unicast]:
                add(FibRoute(subnet, 32, "broadcast", "local", name, source=address))
            add(FibRoute(highest, 32, "broadcast", "local", name, source=address))
    for route in host.routes:
        dst, prefix = (0, 0) if route.dst == "default" else units.cidr(route.dst)
        table = "local" if route.type in ("local", "broadcast") else "main"
        wanted = FibRoute(dst, prefix, route.type, table, route.dev or ("lo" if route.type == "local" else dev),
                          units.ipv4(route.via) if route.via else 0)
        found[(table, dst, prefix)] = wanted                # a listed route replaces a derived one
    return list(found.values())


def open_sockets(host: Host) -> list[OpenSocket]:
    """Every listed socket one by one, in the order of bind(); a socket that threads own themselves comes once for each thread."""
    owners: dict[str, App] = {}
    for app in host.apps:
        if app.own_sockets and app.threads > 1:
            for sock in app_sockets(host, app):
                owners.setdefault(sock.name, app)
    result = []
    for sock in host.sockets:
        peer = endpoint(sock.connect)[0] if sock.connect else None
        owner = owners.get(sock.name)
        pairs = sock.endpoints()
        for thread in range(owner.threads) if owner else (-1,):
            for address, port in pairs:
                name = sock.name if len(pairs) == 1 else f"{sock.name}:{port}"
                result.append(OpenSocket(name if thread < 0 else f"{name}#{thread}", sock, address, port, peer,
                                         owner.name if owner else "", thread))
    return result


def threads(host: Host) -> list[Thread]:
    """Every application thread with its CPU and its sockets.  `wait` stays auto when a replay's own sockets decide."""
    opened = open_sockets(host)
    result = []
    for app in host.apps:
        names = {sock.name for sock in app_sockets(host, app)}
        named = [(i, sock.thread if sock.app == app.name else -1) for i, sock in enumerate(opened) if sock.listed.name in names]
        everyones = tuple(i for i, _ in named)
        own = any(owner >= 0 for _, owner in named)
        for index in range(app.threads):
            mine = tuple(i for i, owner in named if owner in (-1, index)) if own else everyones
            if app.divide_sockets:
                mine = mine[index::app.threads]
            reads_all = "*" in app.sockets
            wait = app.wait
            if wait == "auto" and not (reads_all and host.opens_from_capture):
                wait = "recv" if len(mine) == 1 else "epoll"
            result.append(Thread(app, index, host.app_cpu(app, index), mine, reads_all, wait, app.service, OTHER_TCP in app.sockets))
    return result
