"""A Host as text and as plain data: `rxpath host init` (a complete commented file), `rxpath host show`, the JSON report, the docs' tables.

All of it is generated from the descriptions in host.py and host/sysctls.py, so that none can go stale."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from rxpath.abi.sysctls import SYSCTLS, Row
from rxpath.drivers.rows import DEFAULT, LO, Driver, driver
from rxpath.workbench.host.file import build, fields_of
from rxpath.workbench.host.model.device import Device
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.host.model.machine import Cpu, Load, SoftirqSource
from rxpath.workbench.host.model.network import Iptables, Neighbour, Route
from rxpath.workbench.host.model.nic import Ethtool, Irq, Nic
from rxpath.workbench.host.model.outputs import Tap, Tx
from rxpath.workbench.host.model.programs import App, Pause, Restart, Service, Socket
from rxpath.workbench.host.sysctl_conf import without_effect
from rxpath.workbench.host.tables import open_sockets, routes, threads
from rxpath.workbench.toml_in.tables import ANY
from rxpath.workbench.words import units

_TABLES: tuple[tuple[str, type[BaseModel], str], ...] = (
    ("cpu", Cpu, "Cores, NUMA nodes, idle states.  CPU frequency is not modelled: every CPU has the speed of the cost profile."),
    ("nic", Nic, "The device that receives."),
    ("ethtool", Ethtool, "ethtool's settings, under ethtool's names."),
    ("irq", Irq, "Interrupt affinity: which CPU takes a queue's interrupt, and with it the softirq."),
    ("iptables", Iptables, "Firewall rules: tables raw, mangle and filter, at PREROUTING and INPUT."),
    ("tx", Tx, "Frames that the path itself sends."),
)
_CARDS = "Further cards: the keys of [nic], and tables of their own, [card.ethtool], [card.irq], [card.rps], [card.rps_flow_cnt]."
_LISTS: tuple[tuple[str, type[BaseModel], str], ...] = (
    ("route", Route, "Routes beyond those that addresses bring (local, connected, broadcast, 127/8)."),
    ("neighbour", Neighbour, "Known neighbours; others are learnt from traffic."),
    ("socket", Socket, "Sockets.  Without any, a replay opens one for each address and port that the capture's traffic goes to."),
    ("app", App, "Programs that read sockets."),
    ("load", Load, "Background load: a thread on each CPU that only computes."),
    ("softirq", SoftirqSource, "Softirqs that are not packets: a disk, RCU, other timers.  They delay NET_RX."),
    ("tap", Tap, "Packet sockets (tcpdump) that write a pcap."),
)


def toml(value: Any) -> str:
    """A value as TOML writes it.  Not by tomlkit: here are single values without a document, many in lines that are switched off, and it
    would be a fourth base dependency."""
    if isinstance(value, BaseModel):                        # only Service has a default
        return '"0us"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(toml(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{toml(str(k))} = {toml(v)}' for k, v in value.items())} }}" if value else "{}"
    return str(value) if isinstance(value, int) else f'"{escaped(str(value))}"'


def with_work(service: Service, times: int, by: int) -> str | None:
    """This service with times / by as much work, as --set takes it; None where it does no work, or its work is a list or learned."""
    law = "constant" if service.constant else "exponential" if service.exponential else ""
    if not law:
        return None
    work = max((service.constant or service.exponential or 0) * times // by, 1)
    rest = ", by_clock = true" if service.by_clock else ""
    if service.sleep is not None:
        rest += ", sleep = { " + ", ".join(f"{k} = {toml(v)}" for k, v in service.sleep if v is not None) + " }"
    return str(work) if law == "constant" and not rest else f"{{ {law} = {work}{rest} }}"


def escaped(text: str, plain: str = "") -> str:
    """What stands between the quotes of a TOML string.  What cannot be printed is written as its number, but for the characters of
    `plain`; half a surrogate pair has no number."""
    def one(c: str) -> str:
        if c in '"\\':
            return "\\" + c
        if c.isprintable() or c in plain:
            return c
        return "\ufffd" if 0xD800 <= ord(c) < 0xE000 else f"\\U{ord(c):08X}"

    return "".join(map(one, text))


def _wrap(text: str, width: int = 120) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) + 1 > width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return ["# " + line for line in lines]


def _field_lines(name: str, field: Any, *, off: bool = False, own: Mapping[str, str] | None = None) -> list[str]:
    """The comment and the setting of one key; `#key = example` where the default is worked out or there is none.  own: what a device of
    that driver has there."""
    extra = field.json_schema_extra
    source = f"  Source: {extra['source']}." if extra["source"] else ""
    lines = _wrap(f"{field.description}.  Allowed: {extra['allowed']}.{source}")
    if own and name in own:
        switched = "" if name in ("driver", "name") else "#"
        return [*lines, f"{switched}{name} = {own[name]}"]
    has_value = field.default not in (PydanticUndefined, None) and not (field.default in ((), {}) and extra["example"])
    value = toml(field.default) if has_value else extra["example"]
    return [*lines, f"{'' if has_value and not off else '#'}{name} = {value}"]


def _own(row: Driver) -> dict[str, str]:
    """The keys of a device by that driver that are not the default device's."""
    if row.name == DEFAULT:
        return {}
    own = {"driver": toml(row.name), "model": toml(row.default_model), "mtu": str(row.mtu), "speed": toml(row.speed)}
    if row is LO:
        own["name"] = toml(row.name)
    if row.rx_ring is not None and row.tx_ring is not None:
        own |= {"rx": str(row.rx_ring.default), "tx": str(row.tx_ring.default)}
    if row.moderation is not None:
        own["rx-usecs"] = str(row.moderation.default)
    return own


def commented(nic: str = DEFAULT) -> str:
    """A complete host file: every key with what it does, what is allowed, its default and where the default comes from; its card is driven
    by `nic`.

    It says what the default host says; lines that begin with # and a key are switched off, because their default depends on another
    key or there is none."""
    out = ["# A host for rxpath: a machine that receives.  Every key is here with its default; delete what you do not change.",
           "# Lines such as #hz = 250 are switched off: their default is worked out, or they have none.",
           "# Times: \"20us\", \"1.5ms\", \"2s\", whole numbers are nanoseconds.  Sizes: \"4MiB\", \"64kB\", whole numbers are bytes.",
           "# Sources: [M] seen on Linux 6.18, [V] read in the source named, [K] from memory of the kernel's source, ours: our choice.", ""]
    for name, field in fields_of(Host).items():
        if field.description and name != "rps":
            out += [*_field_lines(name, field), ""]
    for name, model, text in _TABLES[:4]:
        out += [f"# {text}", f"[{name}]"]
        for key, field in fields_of(model).items():
            out += _field_lines(key, field, own=_own(driver(nic)) if name in ("nic", "ethtool") else None)
        out.append("")
    out += [f"# {_CARDS}", "#[[card]]", '#name = "eth1"', '#addresses = ["10.1.0.1/24"]', ""]
    rps = fields_of(Host)["rps"]
    out += ["# Receive packet steering in software (/sys/class/net/eth0/queues/rx-N/rps_cpus).", "[rps]",
            *_wrap(f"{rps.description}.  Allowed: {rps.json_schema_extra['allowed']}; \"all\" for every queue."), '#"0" = "0-1"', ""]
    out += ["# Kernel settings under their real names.  net.ipv4.conf.*: all, default, or the interface.", "[sysctl]",
            *_wrap("a sysctl.conf, or what sysctl -a printed; the keys below come after it"), '#file = "sysctl.conf"']
    for row in SYSCTLS:
        out += _sysctl_lines(row)
    out.append("")
    for name, model, text in _TABLES[4:]:
        out += [f"# {text}", f"[{name}]"]
        for key, field in fields_of(model).items():
            out += _field_lines(key, field)
        out.append("")
    for name, model, text in _LISTS:
        off = name != "app"
        out += [f"# {text}", f"{'#' if off else ''}[[{name}]]"]
        for key, field in fields_of(model).items():
            lines = _field_lines(key, field, off=off)
            out += [*lines[:-1], 'name = "app0"'] if name == "app" and key == "name" else lines
        out.append("")
    return "\n".join(out)


def write_commented(path: str | Path, nic: str = DEFAULT) -> None:
    """Write `commented()` to a new file; an existing one is not touched (FileExistsError)."""
    text = commented(nic)
    with open(path, "x") as file:
        file.write(text)


def _sysctl_lines(row: Row) -> list[str]:
    default = row.default_for("6.18", 250)
    unit = f" ({row.unit})" if row.unit else ""
    old = row.default_for("3.10", 1000)
    differs = bool(row.since) or old != default or row.kind == "jiffies2"
    notes = [f"Allowed: {row.allowed(250)}."]
    if row.since:
        notes.append(f"Since Linux {row.since}, so not in kernel 3.10.")
    elif old != default:
        notes.append(f"In 3.10 {old}.")
    lines = _wrap(f"{row.doc}{unit}.  {'  '.join(notes)}  Source: {row.source}.")
    scopes = [("all", 0 if row.combine == "and" else default), ("default", default)] if row.combine else [("", default)]
    for scope, value in scopes:
        shown = f"{value:x}" if row.kind == "cpumask" and isinstance(value, int) else value
        lines.append(f"{'#' if differs else ''}{row.name.replace('*', scope)} = {toml(shown)}")
    return lines


def _plain(model: BaseModel) -> dict[str, Any]:
    return {name: _json(value) for name, value in model.model_dump(by_alias=True).items()}


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _json(v) for k, v in value.items()}
    return [_json(v) for v in value] if isinstance(value, (tuple, list)) else value


def _device(dev: Device, own: bool = False) -> dict[str, Any]:
    """The tables of one card; `own`: its [nic] keys beside them, as in [[card]]."""
    queues = range(dev.queue_count)
    nic = {**_plain(dev.nic), "model": dev.model, "queues": dev.queue_count, "mtu": dev.mtu, "speed": dev.speed}
    tables = {
        "ethtool": {**_plain(dev.ethtool), "rx": dev.rx_ring, "tx": dev.tx_ring, "rx-usecs": dev.rx_usecs, "gro": dev.gro,
                    "adaptive-rx": dev.adaptive_rx, "combined": dev.queue_count},
        "irq": {str(queue): dev.irq_cpu(queue) for queue in queues},
        "rps": {str(queue): units.cpu_list_text(dev.rps_cpus(queue)) for queue in queues},
        "rps_flow_cnt": {str(queue): dev.rps_flow_cnt.get(queue, 0) for queue in queues},
    }
    return nic | tables if own else {"nic": nic, **tables}


def effective(host: Host) -> dict[str, Any]:
    """Every knob with the value that the run uses, as plain JSON data: defaults resolved, routes derived."""
    return {
        "kernel": host.kernel, "profile": host.profile, "seed": host.seed, "hz": host.ticks, "cpus": host.cpus,
        "small_head": host.small_head,
        "listen": "capture" if host.opens_from_capture else "listed",
        "cpu": _plain(host.cpu),
        **_device(host.device),
        **({"cards": [_device(dev, own=True) for dev in host.devices[1:]]} if host.cards else {}),
        "sysctl": {name: _json(value) for name, value in host.sysctls().items()},
        "routes": [str(route) for route in routes(host)],
        "neighbours": [_plain(item) for item in host.neighbours],
        "iptables": _plain(host.iptables),
        "sockets": [_plain(item) for item in host.sockets],
        "apps": [{**_plain(item), **({"cpu": "any"} if item.cpu == ANY else {})} for item in host.apps],
        "loads": [_plain(item) for item in host.loads],
        "softirqs": [_plain(item) for item in host.softirqs],
        "taps": [_plain(item) for item in host.taps],
        "tx": _plain(host.tx),
    }


def _flat(value: Any, prefix: str = "") -> dict[str, str]:
    """Dotted names and TOML text; sysctls keep their own names."""
    if isinstance(value, dict) and value:
        result = {}
        for name, item in value.items():
            result.update(_flat(item, name if prefix == "sysctl" else f"{prefix}.{name}" if prefix else name))
        return result
    if isinstance(value, list) and value and isinstance(value[0], dict):
        singular = prefix.removesuffix("s") if prefix != "routes" else prefix
        return {name: text for i, item in enumerate(value) for name, text in _flat(item, f"{singular}.{i}").items()}
    return {prefix: "-" if value is None or value == [] or value == "" else toml(value)}


def describe(host: Host) -> str:
    """The host for a person: one `key = value` a line, * where it differs from the default host of the same kernel, which follows."""
    mine, base = _flat(effective(host)), _flat(effective(build({"kernel": host.kernel}, "")))
    lines = []
    for name, text in mine.items():
        changed = base.get(name) != text
        note = f"   (default {base[name]})" if changed and name in base else ""
        lines.append(f"{'*' if changed else ' '} {name} = {text}{note}")
    opened, ran = open_sockets(host), threads(host)
    lines.append(f"  {len(opened)} sockets listed, {len(ran)} application threads on CPUs {sorted({thread.cpu for thread in ran})}")
    lines += [f"  sysctls without effect here: {said}" for said in without_effect(host._without_effect)]
    return "\n".join(lines) + "\n"


def keys() -> list[tuple[str, Any]]:
    """Every key that --set takes but sysctls, with its field: ethtool.rx, socket.N.rcvbuf, app.N.service.constant."""
    models: list[tuple[str, type[BaseModel]]] = [("", Host), *((f"{name}.", model) for name, model, _ in _TABLES),
                                                 *((f"{name}.N.", model) for name, model, _ in _LISTS),
                                                 ("app.N.service.", Service), ("app.N.pause.", Pause), ("app.N.restart.", Restart)]
    return [(prefix + key, field) for prefix, model in models for key, field in fields_of(model).items()
            if field.description and field.json_schema_extra]


def markdown() -> str:
    """The tables of docs/host-file.md."""
    out: list[str] = []

    def table(title: str, text: str, model: type[BaseModel], *, only: bool = False) -> None:
        out.extend([f"### {title}", "", text, "", "| key | default | what it does | allowed | source |", "|---|---|---|---|---|"])
        for name, field in fields_of(model).items():
            if not field.description or (only and name == "rps"):
                continue
            default = "required" if field.default is PydanticUndefined else "-" if field.default in (None, (),
                                                                                                     {}) else f"`{toml(field.default)}`"
            cells = [f"`{name}`", default, field.description, field.json_schema_extra["allowed"], field.json_schema_extra["source"]]
            out.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        out.append("")

    table("Top of the file", "Before the first table.", Host, only=True)
    for name, model, text in _TABLES[:4]:
        table(f"[{name}]", text, model)
    out.extend(["### [[card]]", "", f"{_CARDS} The first one is `eth1`; `--set card.0.ethtool.rx=512` sets it. "
                "An interface of a pcapng capture goes to the card of its name, else to the card of its order; so do the interfaces of a "
                "cooked capture (SLL2), in the order in which they are met. Generated traffic goes to the card whose network holds its "
                "destination.", ""])
    rps = fields_of(Host)["rps"]
    out.extend(["### [rps]", "",
                f"`0 = \"1-3\"`: {rps.description}. `all` stands for every queue. Allowed: {rps.json_schema_extra['allowed']}.", ""])
    out.extend(["### [sysctl]", "",
                "Under their real names. `*` is `all`, `default` or the interface; an interface that is not set has what "
                "`default` has. Names of Linux that the path does not read change nothing and are listed once; a name that no kernel "
                "has is refused.", "",
                '`file = "sysctl.conf"` takes a file as hosts have it, or what `sysctl -a` printed (also `--set sysctl.file=...`); keys of '
                "the table come after it. Of such a file, values that the path has in one way only, interfaces that this host does not "
                "have, and what this kernel does not have are listed too, not refused.", "",
                "| sysctl | default | unit | what it does | allowed | source |", "|---|---|---|---|---|---|"])
    for row in SYSCTLS:
        default = " ".join(map(str, value)) if isinstance(value := row.default_for("6.18", 250), tuple) else str(value)
        old = row.default_for("3.10", 250)
        default += f"; 3.10: {old}" if not row.since and old != value else ""
        default += f"; not in 3.10 (since {row.since})" if row.since else ""
        out.append(f"| `{row.name}` | {default} | {row.unit} | {row.doc} | {row.allowed(250)} | {row.source} |")
    out.append("")
    for name, model, text in _TABLES[4:]:
        table(f"[{name}]", text, model)
    for name, model, text in _LISTS:
        table(f"[[{name}]]", text, model)

    table("service of an [[app]]", 'What the program does with each datagram. One kind of work in braces; `service = "2us"` is short for '
          '`{ constant = "2us" }`. `{ work = "10us", sleep = "1ms" }` is work of any kind, and sleep after it; each may stand alone.',
          Service)
    table("pause of an [[app]]", "The program stands still: a flush, a garbage collector, SIGSTOP and SIGCONT. All its threads do, "
          "whatever they are at; its sockets stay open, and what comes waits there until they are full.", Pause)
    table("restart of an [[app]]", "The program ends, and starts again later. Its sockets are closed meanwhile: what was unread is gone, "
          "and what comes finds no socket (port unreachable). Not for sockets that are connected, have joined a group, or are read by "
          "another program.", Restart)
    return "\n".join(out)
