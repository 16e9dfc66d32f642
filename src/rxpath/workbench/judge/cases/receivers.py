"""Who receives: sockets of one port in every relation to a datagram, groups of SO_REUSEPORT, multicast and broadcast.

In a name, B is the destination address, ra and rp are SO_REUSEADDR and SO_REUSEPORT; sockets stand in the order of their bind().  Which
member of a SO_REUSEPORT group a flow reaches depends on a secret of the kernel's: the group's cases compare the rule (who moves when a
member leaves), not the member."""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge.case import (
    Case,
    Close,
    Connect,
    GetOpt,
    Join,
    Observation,
    Open,
    Ready,
    Recv,
    Send,
    SetOpt,
    Settle,
    Step,
    Watch,
)
from rxpath.workbench.judge.hosts import NIC, host

SOURCE = "who receives, 6.18.44"
US2, ANY, PORT, GROUP, OTHER_GROUP = "10.0.0.7", "0.0.0.0", 5000, "239.1.1.1", "239.9.9.9"
PLAIN = host([], nic={**NIC, "addresses": ["10.0.0.1/24", "10.0.0.7/24"]})
SENDER, ELSEWHERE = (f.PEER, 40000), (f.PEER, 40001)
FLOWS = 60


def sock(id_: str, bind: str = ANY, **more: Any) -> Open:
    """One on PORT.  device, cpu: SO_BINDTODEVICE, SO_INCOMING_CPU."""
    options = tuple((name, more.pop(key)) for key, name in (("device", "SO_BINDTODEVICE"), ("cpu", "SO_INCOMING_CPU")) if key in more)
    return Open(id_, (bind, PORT), options=options, **more)


def b(id_: str, **more: Any) -> Open:
    return sock(id_, f.US, **more)


def to(dst: str = f.US, n: int = 3, **more: Any) -> Send:
    mac = f.multicast_mac(dst) if f.ip4(dst) >> 28 == 14 else f.BROADCAST if dst in ("10.0.0.255", "255.255.255.255") else f.MAC_US
    return Send(tuple(f.udp_frame(b"%d" % i, dst=dst, mac=mac, **more) for i in range(n)))


def ended(id_: str) -> tuple[Step, Step]:
    """What it has, and closed."""
    return Recv(id_, count=0), Close(id_)


def case(name: str, opened: Iterable[Open], *steps: Step, settle: bool = False) -> Case:
    """The sockets, then datagrams (to B, if nothing else is said), what each received, and everything closed again."""
    opened = list(opened)
    quiet: tuple[Step, ...] = (Settle(),) if settle else ()
    ids = [o.id for o in opened] + [s.id for s in steps if isinstance(s, Open)]
    read = [Recv(i, count=0) for i in ids]
    return Case(name, "transport", PLAIN, (*opened, *quiet, *(steps or (to(),)), *read, *(Close(i) for i in ids)), SOURCE, shared=True)


def unicast() -> Iterator[Case]:
    conn: dict[str, Any] = {"connect": SENDER}
    rows: list[tuple[str, list[Open]]] = [
        ("wildcard; B", [sock("w"), b("b")]), ("B; wildcard", [b("b"), sock("w")]),
        ("other address only", [sock("o", US2)]), ("wildcard; other address", [sock("w"), sock("o", US2)]),
        ("B; B", [b("1"), b("2")]), ("wildcard; B; wildcard", [sock("w"), b("b"), sock("w2")]),
        ("B ra; B", [b("1", reuseaddr=True), b("2")]), ("B; B ra", [b("1"), b("2", reuseaddr=True)]),
        ("B ra; B rp", [b("1", reuseaddr=True), b("2", reuseport=True)]),
        ("B rp; B ra", [b("1", reuseport=True), b("2", reuseaddr=True)]),
        ("B rp; B", [b("1", reuseport=True), b("2")]), ("wildcard rp; B", [sock("w", reuseport=True), b("b")]),
        ("wildcard ra; B ra", [sock("w", reuseaddr=True), b("b", reuseaddr=True)]),
        ("wildcard rp; B rp", [sock("w", reuseport=True), b("b", reuseport=True)]),
        ("wildcard; broadcast address", [sock("w"), sock("c", "10.0.0.255")]),
        ("ra+rp B; ra B", [b("1", reuseaddr=True, reuseport=True), b("2", reuseaddr=True)]),
        ("ra B; ra+rp B", [b("1", reuseaddr=True), b("2", reuseaddr=True, reuseport=True)]),
        ("connected; B ra; B ra", [b("c", reuseaddr=True, **conn), b("1", reuseaddr=True), b("2", reuseaddr=True)]),
        ("B ra; connected", [b("1", reuseaddr=True), b("c", reuseaddr=True, **conn)]),
        ("connected elsewhere; B ra", [b("c", reuseaddr=True, connect=ELSEWHERE), b("1", reuseaddr=True)]),
        ("connected elsewhere", [b("c", connect=ELSEWHERE)]),
        ("connected to another host", [b("c", connect=(f.OTHER, 40000))]),
        ("two connected to the same peer", [b("1", reuseaddr=True, **conn), b("2", reuseaddr=True, **conn)]),
        ("device and connected; connected", [b("1", reuseaddr=True, device="vb0", **conn), b("2", reuseaddr=True, **conn)]),
        ("connected; device and connected", [b("1", reuseaddr=True, **conn), b("2", reuseaddr=True, device="vb0", **conn)]),
        ("connected; wrong device and connected", [b("1", reuseaddr=True, **conn), b("2", reuseaddr=True, device="lo", **conn)]),
        ("wildcard, connected", [sock("1", **conn)]), ("wildcard ra, connected; B ra", [sock("1", reuseaddr=True, **conn),
                                                                                       b("2", reuseaddr=True)]),
        ("B device; B", [b("1", device="vb0"), b("2")]), ("B ra device; B ra", [b("1", reuseaddr=True, device="vb0"),
                                                                               b("2", reuseaddr=True)]),
        ("B ra; B ra device", [b("1", reuseaddr=True), b("2", reuseaddr=True, device="vb0")]),
        ("wildcard ra device; B ra", [sock("1", reuseaddr=True, device="vb0"), b("2", reuseaddr=True)]),
        ("wildcard ra device; wildcard ra", [sock("1", reuseaddr=True, device="vb0"), sock("2", reuseaddr=True)]),
        ("B ra wrong device; B ra", [b("1", reuseaddr=True, device="lo"), b("2", reuseaddr=True)]),
        ("B wrong device", [b("1", device="lo")]), ("B on two devices", [b("1", device="lo"), b("2", device="vb0")]),
        ("wildcard on two devices", [sock("1", device="vb0"), sock("2", device="lo")]),
        ("connected; B ra device", [b("1", reuseaddr=True, **conn), b("2", reuseaddr=True, device="vb0")]),
        ("no such device", [b("1", device="nowhere")]),
        ("CPU ours; other; none", [b("1", reuseaddr=True, cpu="here"), b("2", reuseaddr=True, cpu="other"), b("3", reuseaddr=True)]),
        ("CPU other; none", [b("1", reuseaddr=True, cpu="other"), b("2", reuseaddr=True)]),
        ("CPU none; other", [b("1", reuseaddr=True), b("2", reuseaddr=True, cpu="other")]),
        ("CPU ours twice", [b("1", reuseaddr=True, cpu="here"), b("2", reuseaddr=True, cpu="here")]),
        ("CPU ours; device", [b("1", reuseaddr=True, cpu="here"), b("2", reuseaddr=True, device="vb0")]),
        ("device; CPU ours", [b("1", reuseaddr=True, device="vb0"), b("2", reuseaddr=True, cpu="here")]),
    ]
    for name, opened in rows:
        yield case(name, opened)
    for bind in (f.US, ANY):
        three = [sock(i, bind, reuseaddr=True) for i in "123"]
        yield case(f"ra {bind} x3, closed one by one", three, to(), *ended("3"), to(), *ended("2"), to())
    yield case(f"ra {bind} x3, the first closed", three, Close("1"), to(), *ended("3"), to())
    pair = [b("2", reuseaddr=True, reuseport=True), b("3", reuseaddr=True, reuseport=True)]
    yield case("a reuseport pair; ra B", [*pair, b("1", reuseaddr=True)], to())
    yield case("connect, datagrams, AF_UNSPEC, datagrams", [b("1")], to(), Connect("1", ELSEWHERE), to(), Connect("1", SENDER), to(),
               Connect("1", None), to(sport=41000))
    yield case("wildcard: connect, AF_UNSPEC, datagrams to another address", [sock("1")], Connect("1", SENDER), to(), to(US2),
               Connect("1", None), to(), to(US2))
    yield case("connected anew: the last connection counts", [b("1", reuseaddr=True), b("2", reuseaddr=True)], Connect("2", SENDER), to(),
               Connect("1", SENDER), to(), Connect("2", SENDER), to(), Connect("2", None), to(), Connect("1", ELSEWHERE), to())
    yield case("early demux: a connection that comes after its flow", [b("1")], to(n=4), Connect("1", SENDER), to(n=4),
               Connect("1", ELSEWHERE), to(n=2), to(n=2, sport=40001))
    yield case("a device that comes later", [b("1")], to(), SetOpt("1", "SO_BINDTODEVICE", "lo"), to(), GetOpt("1", "SO_BINDTODEVICE"),
               SetOpt("1", "SO_BINDTODEVICE", ""), to(), SetOpt("1", "SO_BINDTODEVICE", "vb0"), to(), GetOpt("1", "SO_BINDTODEVICE"))
    yield case("closed and bound again", [b("1")], to(), *ended("1"), to(), b("4"), to())
    yield case("SO_REUSEPORT set after bind; ra B", [b("1", reuseaddr=True)], SetOpt("1", "SO_REUSEPORT", 1), b("2", reuseaddr=True), to())
    yield case("SO_REUSEPORT set after bind; rp B", [b("1")], SetOpt("1", "SO_REUSEPORT", 1), b("2"), to())


# ---------------------------------------------------------------- SO_REUSEPORT
def flows(tag: str, dst: str = f.US) -> Send:
    """One datagram of each flow."""
    return Send(tuple(f.udp_frame(f"{tag} {i}".encode(), sport=40000 + i, dst=dst) for i in range(FLOWS)))


def who(seen: Observation, tag: str) -> dict[int, str]:
    """Flow -> the socket that got its datagram of that phase; sockets are named GROUP.MEMBER."""
    found = {}
    for id_, got in seen.received.items():
        for r in got:
            if r.data.startswith(tag.encode() + b" "):
                found[int(r.data.split()[1])] = id_
    return found


def members(name: str, n: int, bind: str = f.US, cpus: tuple[str, ...] = ()) -> list[Open]:
    return [sock(f"{name}.{i}", bind, reuseport=True, **({"cpu": cpus[i]} if cpus else {})) for i in range(n)]


def done(name: str, left: Iterable[int]) -> list[Step]:
    return [s for i in left for s in ended(f"{name}.{i}")]


def place(found: dict[int, str], order: list[int]) -> dict[int, int]:
    """Flow -> index in the group's array, whose members stand in this order."""
    return {flow: order.index(int(id_.split(".")[1])) for flow, id_ in found.items()}


def follows(small: dict[int, int], n: int, of12: dict[int, int]) -> bool:
    """Is the index floor(h * n / 2^32) of the same hash as that of a group of 12?"""
    return len(small) == FLOWS and all(small[k] == of12[k] * n // 12 for k in small)


def group_of_sizes(seen: Observation) -> dict[str, Any]:
    of12 = place(who(seen, "t12"), list(range(12)))
    again = place(who(seen, "again"), list(range(12)))
    found: dict[str, Any] = {"each flow one member": len(of12) == FLOWS, "stable": of12 == again, "several": len(set(of12.values())) > 1}
    for n in (2, 3, 4, 6):
        found[f"index of {n}"] = follows(place(who(seen, f"t{n}"), list(range(n))), n, of12)
    return found


def group_changes(seen: Observation) -> dict[str, Any]:
    of12 = place(who(seen, "t12"), list(range(12)))
    orders = {"full": [0, 1, 2, 3], "closed": [0, 3, 2], "added": [0, 3, 2, 4]}         # the last member moves into the hole
    found: dict[str, Any] = {tag: follows(place(who(seen, tag), order), len(order), of12) for tag, order in orders.items()}
    last = {k: v for k, v in who(seen, "connected").items() if k != 7}
    found["connected"] = all(place(last, [4, 3, 2])[k] == of12[k] * 3 // 12 for k in last) and len(last) == FLOWS - 1
    found["its own flow"] = who(seen, "connected").get(7) == "4.0"
    return found


def wildcard_group(seen: Observation) -> dict[str, Any]:
    here, there = who(seen, "us"), who(seen, "us2")
    return {"the same member for two destinations": here == there, "flows": len(here), "members": len(set(here.values()))}


def bound_groups(seen: Observation) -> dict[str, Any]:
    """A bound group's hash has the destination address in it."""
    here, there = ({k: v.split(".")[1] for k, v in who(seen, t).items()} for t in ("us", "us2"))
    return {"another member for another destination": here != there, "flows": (len(here), len(there))}


def cpu_group(seen: Observation) -> dict[str, Any]:
    of12, got = place(who(seen, "t12"), list(range(12))), place(who(seen, "cpu"), [0, 1, 2, 3])
    first = {k: of12[k] * 4 // 12 for k in of12}
    return {"only those of this CPU": sorted(set(got.values())), "a non-match takes the next": all(
        got[k] == (i if i % 2 == 0 else (i + 1) % 4) for k, i in first.items())}


def shares(seen: Observation) -> dict[str, Any]:
    """How many flows each socket got."""
    return dict(Counter(who(seen, "m").values()))


def late_group(seen: Observation) -> dict[str, Any]:
    return {"order": follows(place(who(seen, "late"), [0, 1, 2]), 3, place(who(seen, "t12"), list(range(12))))}


def reuseport() -> Iterator[Case]:
    twelve: list[Step] = [*members("12", 12), flows("t12")]

    def grouped(name: str, view: Callable[[Observation], dict[str, Any]], *steps: Step) -> Case:
        return Case(name, "transport", PLAIN, steps, SOURCE, shared=True, view=view)

    sizes: list[Step] = [*twelve, flows("again"), *done("12", range(12))]
    for n in (2, 3, 4, 6):
        sizes += [*members(str(n), n), flows(f"t{n}"), *done(str(n), range(n))]
    yield grouped("reuseport: index is floor(hash * n / 2^32), stable", group_of_sizes, *sizes)
    first: list[Step] = [*twelve, *done("12", range(12))]
    yield grouped("reuseport: a member leaves, comes, connects", group_changes, *first, *members("4", 4), flows("full"), *done("4", [1]),
                  flows("closed"), sock("4.4", f.US, reuseport=True), flows("added"),
                  Connect("4.0", (f.PEER, 40007)), flows("connected"), *done("4", [0, 2, 3, 4]))
    yield grouped("reuseport: a wildcard group hashes without the destination", wildcard_group, *members("w", 6, ANY), flows("us"),
                  flows("us2", US2), *done("w", range(6)))
    yield grouped("reuseport: a bound group hashes with the destination", bound_groups, *members("1", 6), *members("7", 6, US2),
                  flows("us"), flows("us2", US2), *done("1", range(6)), *done("7", range(6)))
    yield grouped("reuseport: SO_INCOMING_CPU in the group", cpu_group, *first,
                  *members("c", 4, cpus=("here", "other", "here", "other")), flows("cpu"), *done("c", range(4)))
    yield grouped("reuseport: one that said so after bind() is the first of the next one's group", late_group, *first,
                  b("l.0", reuseaddr=True), SetOpt("l.0", "SO_REUSEPORT", 1), b("l.1", reuseport=True), b("l.2", reuseport=True),
                  flows("late"), *done("l", range(3)))
    yield grouped("reuseport: who is bound after a member has connected begins a group with it", shares,
                  *members("m", 2), Connect("m.1", (f.PEER, 40007)), b("m.2", reuseport=True), flows("m"), *done("m", range(3)))
    yield case("reuseport: a group of one", [b("1", reuseport=True)], to())
    yield case("reuseport: SO_INCOMING_CPU of nobody here", [b("1", reuseport=True, cpu="other")], to())


# ---------------------------------------------------------------- multicast and broadcast
def multicast() -> Iterator[Case]:
    joined: dict[str, Any] = {"join": (GROUP,)}
    to_group = to(GROUP)

    def noall_sock(id_: str, **more: Any) -> Open:
        return Open(id_, (ANY, PORT), options=(("IP_MULTICAST_ALL", 0),), **more)

    ra: dict[str, Any] = {"reuseaddr": True}
    rows: list[tuple[str, list[Open], list[Step]]] = [
        ("every member gets a copy", [sock(i, **ra, **joined) for i in "123"], [to_group]),
        ("reuseport does not matter", [sock(i, reuseport=True, **joined) for i in "123"], [to_group]),
        ("bound to a unicast address", [sock("1", **ra, **joined), b("2", **ra, **joined)], [to_group]),
        ("bound to the group", [sock("1", **ra, **joined), sock("2", GROUP, **ra, **joined), sock("3", GROUP, **ra)], [to_group]),
        ("bound to another group", [sock("1", **ra, **joined), sock("2", OTHER_GROUP, **ra, join=(OTHER_GROUP,))], [to_group]),
        ("a stranger", [sock("1", **ra, **joined), sock("2", **ra)], [to_group]),
        ("a stranger that wants only its own", [sock("1", **ra, **joined), noall_sock("2", **ra)], [to_group]),
        ("a member that wants only its own", [noall_sock("1", **ra, **joined), noall_sock("2", **ra, join=(OTHER_GROUP,))], [to_group]),
        ("a member of another group", [sock("1", **ra, **joined), sock("2", **ra, join=(OTHER_GROUP,))], [to_group]),
        ("wrong device", [sock("1", **ra, **joined), sock("2", **ra, device="lo")], [to_group]),
        ("right device", [sock("1", **ra, **joined), sock("2", **ra, device="vb0")], [to_group]),
        ("connected to the sender, from wildcard", [sock("1", **ra, **joined, connect=SENDER), sock("2", **ra)], [to_group]),
        ("only one, connected from wildcard", [sock("1", **joined, connect=SENDER)], [to_group]),
        ("bound to the group, connected to the sender", [sock("1", GROUP, **joined, connect=SENDER)], [to_group, to(GROUP, sport=40001)]),
        ("nobody joined", [sock("1")], [to_group]), ("nobody on that port", [sock("1", **joined)], [to(GROUP, dport=9)]),
        ("all hosts need no join", [sock("1", **ra), noall_sock("2", **ra)], [to("224.0.0.1")]),
        ("all hosts, nobody wants it", [noall_sock("2")], [to("224.0.0.1")]),
        ("joined twice", [sock("1", **joined)], [Join("1", GROUP), Settle(), to_group]),
        ("left", [sock("1", **joined), sock("2", **ra)], [Join("1", GROUP, leave=True), Settle(), to_group]),
        ("left by one of two", [sock("1", **ra, **joined), sock("2", **ra, **joined)], [Join("1", GROUP, leave=True), Settle(), to_group]),
        ("left without having joined", [sock("1")], [Join("1", GROUP, leave=True)]),
        ("sources: only from the sender", [sock("1")], [Join("1", GROUP, source=f.PEER), Settle(), to_group, to(GROUP, src=f.OTHER)]),
        ("sources: only from somebody else", [sock("1")], [Join("1", GROUP, source=f.OTHER), Settle(), to_group, to(GROUP, src=f.OTHER)]),
        ("sources: from two sources, one left", [sock("1")], [
            Join("1", GROUP, source=f.OTHER), Join("1", GROUP, source=f.PEER), Join("1", GROUP, source=f.PEER), Settle(), to_group,
            to(GROUP, src=f.OTHER), Join("1", GROUP, True, f.OTHER), Join("1", GROUP, True, f.OTHER), Settle(), to_group,
            to(GROUP, src=f.OTHER)]),
        ("sources: from one source, beside a full member", [sock("1", **ra, **joined), sock("2", **ra)],
         [Join("2", GROUP, source=f.OTHER), Settle(), to_group, to(GROUP, src=f.OTHER)]),
        ("sources: from one source, and of the whole group", [sock("1")],
         [Join("1", GROUP), Join("1", GROUP, source=f.OTHER), Settle(), to_group]),
        ("not a group", [sock("1")], [Join("1", "10.0.0.9")]),
        ("the member closes", [sock("1", **ra, **joined), sock("2", **ra)], [to_group, *ended("1"), Settle(), to_group]),
        ("IP_MULTICAST_ALL later", [sock("1", **ra, **joined), sock("2", **ra)],
         [SetOpt("2", "IP_MULTICAST_ALL", 0), to_group, GetOpt("2", "IP_MULTICAST_ALL"), SetOpt("2", "IP_MULTICAST_ALL", 1), to_group]),
        ("a full member beside an empty one", [Open("1", (ANY, PORT), join=(GROUP,), reuseaddr=True, options=(("SO_RCVBUF", 0),)),
                                               sock("2", **ra, **joined)], [to(GROUP, 6)]),
        ("from port 0, checksum none", [sock("1", **joined)], [Send((f.eth(f.ip(f.udp(b"q", 0, PORT, f.PEER, GROUP, check=0), dst=GROUP),
                                                                          f.multicast_mac(GROUP)),))]),
        ("in a frame for us alone", [sock("1", **joined)], [Send((f.udp_frame(dst=GROUP),))]),
        ("damaged", [sock(i, **ra, **joined) for i in "12"],
         [Send(tuple(f.eth(f.ip(f.udp(b"q" * n, 40000, PORT, f.PEER, GROUP, check=0x1234), dst=GROUP), f.multicast_mac(GROUP))
                     for n in (64, 80)))]),
    ]
    for name, opened, steps in rows:
        yield case(f"multicast: {name}", opened, *steps, settle=True)


def broadcast() -> Iterator[Case]:
    ra: dict[str, Any] = {"reuseaddr": True}
    for dst in ("10.0.0.255", "255.255.255.255"):
        other = "255.255.255.255" if dst == "10.0.0.255" else "10.0.0.255"
        every: list[tuple[str, list[Open]]] = [
            ("wildcards", [sock(i, reuseaddr=True) for i in "123"]), ("bound to it", [sock("1", dst, **ra), sock("2", **ra)]),
            ("bound to the other one", [sock("1", other)]), ("bound to a unicast address", [b("1")]),
            ("connected", [sock("1", connect=SENDER)]), ("connected elsewhere", [sock("1", **ra, connect=ELSEWHERE), sock("2", **ra)]),
            ("reuseport group", [sock(i, reuseport=True) for i in "123"]), ("device", [sock("1", **ra, device="vb0"), sock("2", **ra)]),
            ("wrong device", [sock("1", **ra, device="lo")]), ("nobody", []),
            ("IP_MULTICAST_ALL = 0", [Open("1", (ANY, PORT), options=(("IP_MULTICAST_ALL", 0),))]),
        ]
        for name, opened in every:
            yield case(f"broadcast {dst}: {name}", opened, to(dst))


def order() -> Iterator[Case]:
    """Of n sockets: the one bound last but one first, and so on, and at the end the one bound last."""
    for n in (2, 3, 5):
        ids = tuple(str(i) for i in range(n))
        for what, dst, joined in (("multicast", GROUP, (GROUP,)), ("broadcast", "10.0.0.255", ())):
            yield case(f"order of delivery: {what}, {n}", [sock(i, reuseaddr=True, join=joined) for i in ids], Watch(ids),
                       to(dst, 1), Ready(), settle=True)
    yield case("order of delivery: one of five closed, one bound again", [sock(i, reuseaddr=True) for i in "01234"], Close("2"),
               sock("5", reuseaddr=True), Watch(("0", "1", "3", "4", "5")), to("10.0.0.255", 1), Ready())


NOT_BUILT = (
    ("IPv6 dual-stack socket beside an IPv4 one", "IPv6 is not built"),
    ("IP_BLOCK_SOURCE, IP_MSFILTER", "exclude lists of a membership are not built"),
    ("joined on another link only", "the judge's host has one link"),
)


def cases() -> list[Case]:
    return [*unicast(), *reuseport(), *broadcast(), *multicast(), *order(),
            *(Case(name, "transport", PLAIN, (), SOURCE, not_built=why) for name, why in NOT_BUILT)]
