"""What a knob's words mean on this host: which keys {full}, {reader} or {queues} stand for, and what "x4", "max" or a word with @ becomes.

rules.toml has the words, candidates.py makes steps of them."""
from __future__ import annotations

import re
from collections.abc import Mapping

from rxpath.cable.generate import flow_count
from rxpath.workbench.advice.facts import Seen
from rxpath.workbench.host.iptables.move import ENDS, may_go_first, may_go_to_raw
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.host.rules import rules as rules_of
from rxpath.workbench.host.text import with_work

SOCKETS = 32                                                # that overflowed are set one by one; rmem_default sets all
BUSY_POLL_US = "50"                                         # what Documentation/admin-guide/sysctl/net.rst recommends
ASLEEP = {"@busy_read": {"recv", "poll"}, "@busy_poll": {"poll", "epoll"}}               # calls that the sysctl lets poll before they sleep
MEMBER = re.compile(r"\{(full|listener|reader|reader_socket|queues|queue|nic|route|stream|port_stream)\}")
LARGEST_INT = (1 << 31) - 1                                 # of a sysctl; SO_RCVBUF takes half of it, and doubles it
FEW = 8                                                     # flows of a stream that a hash may put into too few sockets
FRAGMENT = 2304                                             # bytes of memory that a fragment of an MTU takes, at most
HOT = 0.05                                                  # of the packets at the rules, that a rule must match to be worth moving


class CannotBe(Exception):
    """A knob that this host does not have, or that would change more than it should: why."""


# ---------------------------------------------------------------- keys
def keys(key: str, seen: Seen) -> list[str]:
    """{full}, {reader}, {queue}, {queues} become what they stand for."""
    if key == "nic.queues" and seen.host.ethtool.combined:
        key = "ethtool.combined"
    found = MEMBER.search(key)
    if found is None:
        return [key]
    members: dict[str, list[str]] = {
        "full": list(dict.fromkeys(name for s in seen.read_sockets if (name := seen.tunable(s)) is not None))[:SOCKETS],
        "listener": [s.name for s in seen.host.sockets if s.proto == "tcp"],
        "reader": [a.name for a in seen.readers],
        "reader_socket": list(dict.fromkeys(name for s in seen.books.sockets if s.proto == "udp" and (name := seen.tunable(s)) is not None
                                            and any(seen.reads(a, s) for a in seen.readers))),
        "stream": [str(i) for i, s in enumerate(seen.spec.traffic) if flow_count(s.stream()) < FEW] if seen.spec is not None else [],
        "port_stream": _streams_to_one_port(seen),
        "nic": [seen.host.nic.name], "route": [str(_default_route(seen.host))],
        "queue": [str(q) for q in seen.lossy_queues], "queues": [str(q) for q in range(seen.host.device.queue_count)],
    }
    return [key.replace(found[0], m) for m in members[found[1]]]


def _default_route(host: Host) -> int:
    """Its place in the host file's list, or the next one."""
    return next((i for i, route in enumerate(host.routes) if route.dst == "default"), len(host.routes))


def present(key: str, seen: Seen) -> object:
    """What a key is on this host, worked out where the file leaves it to the kernel."""
    host = seen.host
    room, _, rest = key.partition(".")
    if room == "net":
        return host.sysctls().get(key)
    if key in ("nic.queues", "ethtool.combined"):
        return host.device.queue_count
    if key in ("ethtool.rx", "ethtool.tx"):
        return host.device.rx_ring if key == "ethtool.rx" else host.device.tx_ring
    if key == "ethtool.rx-usecs":
        return host.device.rx_usecs
    if key == "ethtool.rx-flow-hash-udp4":
        return host.device.rss_udp
    if key == "ethtool.gro":
        return host.device.gro
    if room == "irq":
        return host.device.irq_cpu(int(rest))
    if room == "rps":
        return host.device.rps_cpus(int(rest)) if rest else host.rps
    if room == "route":
        n, _, attribute = rest.partition(".")
        return getattr(host.routes[int(n)], attribute) if int(n) < len(host.routes) else None
    if room in ("app", "socket"):
        name, _, attribute = rest.rpartition(".")
        if room == "socket":
            if attribute == "rcvbuf":                       # what getsockopt shows is doubled
                return seen.rcvbufs.get(name, 0) // 2
            return next((getattr(s, attribute) for s in host.sockets if s.name == name), False)
        return next((getattr(a, attribute) for a in host.apps if a.name == name), None)
    if room == "iptables" and rest:
        return getattr(host.iptables, rest)
    if room in ("ethtool", "nic"):
        return getattr(getattr(host, room), rest.replace("-", "_"))
    return getattr(host, {"tap": "taps"}.get(key, key), None)


def same(key: str, value: str, seen: Seen) -> bool:
    """Is it that already?"""
    if key == "ethtool.indir" and value.startswith("equal "):
        n = int(value.split()[1])
        return seen.host.device.indirection() == tuple(i % n for i in range(seen.host.device.driver.reta_size))
    now = present(key, seen)
    if isinstance(now, bool):
        return value == ("true" if now else "false")
    if isinstance(now, tuple):
        return value.replace(" ", "") == str(list(now)).replace(" ", "")
    return str(now) == value


# ---------------------------------------------------------------- values
def value(key: str, word: int | bool | str, largest: int | str | None, seen: Seen, made: Mapping[str, str], n: int) -> str | None:
    """The text after `=`; None: nothing to set.  n: the key's place among those of its setting."""
    now = present(key, seen)
    most = _largest(key, largest, seen)
    if isinstance(word, str) and word.startswith("@"):
        return _word(word, key, seen, made, n)
    if isinstance(word, str) and re.fullmatch(r"[x/]\d+", word):
        by = int(word[1:])
        if isinstance(now, tuple):
            return '"' + " ".join(str(v * by) for v in now) + '"'
        if not isinstance(now, int):                        # this kernel does not have it: the refusal says since when it exists
            return "1"
        if most is not None and now >= most:
            return None
        return str(min(now * by, most or now * by) if word[0] == "x" else max(1, now // by))
    if word == "max":
        return str(most)
    if isinstance(word, bool):
        return "true" if word else "false"
    return str(word)


def _largest(key: str, largest: int | str | None, seen: Seen) -> int | None:
    """What the kernel or the card takes at most; of a buffer, what holds all that came for it: no larger one can do more."""
    if key == "ethtool.rx":
        return seen.host.device.most_descriptors
    if largest == "@cpus":
        return max(seen.host.cpus, *(a.threads for a in seen.readers))
    if largest == "@frames":
        return min(LARGEST_INT, seen.books.offered)
    if largest == "@fragments":
        return min(LARGEST_INT, seen.books.copies["fragments"] * FRAGMENT)
    if largest in ("@held", "@held_rcvbuf"):
        return min(LARGEST_INT, _holds_all(seen)) // (2 if largest == "@held_rcvbuf" else 1)
    assert largest is None or isinstance(largest, int), largest
    return largest


def _holds_all(seen: Seen) -> int:
    """Bytes of a receive buffer in which all that came for the socket that lost most would have had room."""
    most = max(seen.read_sockets, key=lambda s: s.received + s.drops + s.queued, default=None)
    if most is None:
        return 0
    charge = -(-most.rmem_max // most.queue_max) if most.queue_max else FRAGMENT
    return (most.received + most.drops + most.queued) * charge * 3 // 2


def _word(word: str, key: str, seen: Seen, made: Mapping[str, str], n: int) -> str | None:
    host = seen.host
    everywhere = list(range(host.cpus))
    if word in ASLEEP:
        return BUSY_POLL_US if seen.waits & ASLEEP[word] else None
    if word == "@queues":
        return str(min(host.device.most_queues, host.cpus))
    if word == "@equal":
        return f"equal {host.device.queue_count}"
    if word == "@spread":
        return str(int(key.rpartition(".")[2]) % host.cpus)
    if word == "@free":
        free = _free_cpus(seen)
        return str(free[n % len(free)]) if free else None
    if word == "@nic":
        return host.nic.name
    if word == "@cpus":
        return str(host.cpus)
    if word in MOVES:
        return _rules_to_move(seen, *MOVES[word])
    if word == "@ports":
        return "{}-{}".format(*_ports(seen, made))
    if word == "@bind_ports":
        return _bind_ports(key.split(".")[1], seen, made)
    if word == "@mask":
        return f'"{(1 << host.cpus) - 1:x}"'
    if word == "@all_cpus":
        return str(everywhere)
    if word == "@other_cpus":
        busy = seen.poll_cpu(int(key.rpartition(".")[2]))
        return str([c for c in everywhere if c != busy])
    if word == "@quiet_cpus":
        taken = {seen.poll_cpu(int(key.rpartition(".")[2])), *(t.cpu for t in seen.reader_threads)}
        return str([c for c in everywhere if c not in taken]) if len(taken) < host.cpus else None
    if word == "@irq_cpu":
        return str(seen.poll_cpu(seen.used_queues[0])) if seen.used_queues else None
    if word == "@idle_for_irq":
        return _idle_for_irq(int(key.rpartition(".")[2]), seen, n)
    if word == "@cover":
        asked = [int(v) for k, v in made.items() if k.endswith((".rcvbuf", ".backlog"))]
        now = present(key, seen)
        assert isinstance(now, int)
        return str(max(asked)) if asked and max(asked) > now else None
    if word == "@irq_on_node":
        near = [c for c in everywhere if seen.node(c) == host.nic.node]          # [irq] is the first card's
        return str(near[int(key.rpartition(".")[2]) % len(near)]) if near else None
    name = key.split(".")[1]
    app = next(a for a in host.apps if a.name == name)
    if word == "@threads":
        return str(app.threads if app.threads > 1 else min(2, host.cpus))
    if word == "@half_service":
        return with_work(app.service, 1, 2)
    if word == "@idle_for_app":
        return _cpus_for(app.threads, seen, [c for c in everywhere if c not in seen.poll_cpus] or everywhere)
    if word == "@other_core":
        apart = [c for c in everywhere if c not in seen.poll_cpus | seen.shared_cores]
        return _cpus_for(app.threads, seen, apart) if apart else None
    if word == "@nic_node":
        near = [c for c in everywhere if seen.node(c) == seen.busiest_node]
        return _cpus_for(app.threads, seen, [c for c in near if c not in seen.poll_cpus] or near) if near else None
    assert word == "@reader_cpus", word
    return _cpus_for(int(made.get(f"app.{name}.threads", app.threads)), seen, everywhere)


# ---------------------------------------------------------------- several ports
def _streams_to_one_port(seen: Seen) -> list[str]:
    """Streams of a spec that all go to one port of the one program that is to be relieved."""
    if seen.spec is None or len(seen.readers) != 1:
        return []
    ports = {s.port for s in seen.books.sockets if s.proto == "udp" and seen.reads(seen.readers[0], s)}
    return [str(i) for i, s in enumerate(seen.spec.traffic) if len(ports) == 1 and s.dport == tuple((port, port) for port in ports)]


def _ports(seen: Seen, made: Mapping[str, str]) -> tuple[int, int]:
    """A port for each thread, from the present one on."""
    first = seen.read_sockets[0].port
    threads = next((int(text) for key, text in made.items() if key.endswith(".threads")), seen.readers[0].threads)
    if first + threads - 1 > 65535:
        raise CannotBe(f"there are no {threads} ports from {first} on")
    return first, first + threads - 1


def _bind_ports(name: str, seen: Seen, made: Mapping[str, str]) -> str:
    """The same for the socket that is bound there; one of its addresses."""
    listed = next((s for s in seen.host.sockets if s.name == name), None)
    bound = listed.bind[0].rpartition(":")[0] if listed is not None else "*"
    if listed is not None and len(listed.endpoints()) > 1:
        raise CannotBe(f"socket {name} has several ports already")
    return "{}:{}-{}".format(bound or "*", *_ports(seen, made))


# ---------------------------------------------------------------- firewall rules
MOVES = {f"@{to}_{n}": (to, n) for to in ("first", "here", "raw") for n in (1, 2, 4)}


def _rules_to_move(seen: Seen, to: str, n: int) -> str:
    """The n rules whose move saves most: packets that they match, times the rules that stand before them; only where every packet's verdict
    stays as it is.  here: where the verdicts of the frames that came to the rules do."""
    rules = rules_of(seen.host)
    assert rules is not None
    found: list[tuple[int, str]] = []
    refused = ""
    for row in seen.books.rules:
        chain = rules.tables[row.table][row.chain]
        number = next((k for k, rule in enumerate(chain.rules, 1) if rule.line == row.line), 0)
        if not number or row.packets < HOT * seen.books.offered or (to != "raw" and number == 1):
            continue
        where = f"{row.table} {row.chain} {number}"
        met = {r.line for r in seen.books.rules if (r.table, r.chain) == (row.table, row.chain)} if to == "here" else None
        why = may_go_to_raw(rules, where) if to == "raw" else may_go_first(rules, where, met)
        if not why:
            found.append((-row.packets * number, where))
        elif chain.rules[number - 1].target in ENDS:
            refused = refused or f"line {row.line} of the rules: {why}"
    if not found:
        raise CannotBe(refused or "no rule that many packets match stands behind others")
    return str([where for _, where in sorted(found)[:n]]).replace("'", '"')


def _free_cpus(seen: Seen) -> list[int]:
    """CPUs on which no program and no other load runs, the idlest first."""
    taken = {t.cpu for t in seen.books.apps} | {c for load in seen.host.loads for c in load.cpu}
    return [c for c in seen.idlest if c not in taken]


def _idle_for_irq(queue: int, seen: Seen, n: int) -> str | None:
    """The CPU with the least to do, no reader's if there is one; of several queues each gets its own."""
    others = [c for c in _free_cpus(seen) if c != seen.poll_cpu(queue)] or [c for c in seen.idlest if c != seen.poll_cpu(queue)]
    return str(others[n % len(others)]) if others else None


def _cpus_for(threads: int, seen: Seen, allowed: list[int]) -> str:
    """CPUs for so many threads: those with the least other load and the least kernel work first."""
    rivals = {c: sum(c in load.cpu for load in seen.host.loads) for c in allowed}
    order = sorted(allowed, key=lambda c: (c in seen.shared_cores, rivals[c], round(seen.kernel_busy(c), 2), c))
    return str([order[i % len(order)] for i in range(threads)])
