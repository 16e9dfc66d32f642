"""A capture as this run's traffic: where it is, whose it is, how fast and how often it goes.  cable/ reads it; the words are here."""
from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from rxpath import examples
from rxpath.cable.capture import Capture
from rxpath.cable.case_file import is_case
from rxpath.cable.receiver import Receiver
from rxpath.workbench.host.model.programs import endpoint
from rxpath.workbench.traffic.settings import listed
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

if TYPE_CHECKING:
    from rxpath.cable.generate import Generated
    from rxpath.workbench.host.model.host import Host
    from rxpath.workbench.traffic.outbox import Outbox
    from rxpath.workbench.traffic.spec import Spec

Several: TypeAlias = "str | Path | Spec | Sequence[str | Path | Spec]"


def find(name: str) -> str:
    """A file, "-" for standard input, or the name of a bundled capture."""
    if not name:
        raise BadInput("the name of the capture is empty: a pcap or pcapng file, or the name of a bundled one (first)")
    return str(bundled(name)) if _is_bundled(name) else name


def _is_bundled(name: str) -> bool:
    """Anything that may be a file is one."""
    return name != "-" and "/" not in name and "." not in name and not Path(name).exists()


def bundled(name: str) -> Path:
    """The file of a bundled capture."""
    try:
        return examples.path(name)
    except FileNotFoundError as error:
        raise BadInput(f"{name}: no such file, and {error}") from None


def spec_of(capture: str | Path | Spec) -> Spec | None:
    """The traffic spec that this names, or is; None for a capture."""
    if not isinstance(capture, (str, Path)):
        return capture
    if not str(capture).endswith(".toml"):
        return None
    from rxpath.workbench.traffic.spec import load

    return load(capture)


def changed_spec(capture: str | Path | Spec, settings: Sequence[str] = (), seed: int | None = None) -> Spec | None:
    """The same with the settings of --set that are the traffic's, and --seed."""
    spec = spec_of(capture)
    if spec is None:
        if settings:
            raise BadInput(f"--set {settings[0]}: {title(capture)} is a capture; traffic.N.KEY is for a traffic spec (.toml)")
        return None
    from rxpath.workbench.traffic.spec import revise

    return revise(spec, settings, seed) if settings or seed is not None else spec


def several(given: Several) -> list[str | Spec]:
    """One capture or several, each once; a pattern is all files that match it, in the order of their names."""
    one_by_one = [given] if isinstance(given, (str, Path)) or not isinstance(given, Sequence) else list(given)
    found: list[str | Spec] = []
    for item in one_by_one:
        if not isinstance(item, (str, Path)):
            found.append(item)
        elif glob.has_magic(str(item)) and not Path(item).exists():
            files = sorted(glob.glob(str(item), recursive=True))
            if not files:
                raise BadInput(f"{item}: no file matches")
            found += files
        else:
            found.append(str(item))
    names = [one for one in found if isinstance(one, str)]
    if not found:
        raise BadInput("no capture: one or more, each once")
    if len(set(names)) < len(names):
        raise BadInput(f"{next(n for i, n in enumerate(names) if n in names[:i])} is given twice: each capture once")
    return found


def titles(captures: Sequence[str | Spec]) -> list[str]:
    """What a table calls each of several: no two alike."""
    short = [title(one) for one in captures]
    long = [str(one) if isinstance(one, str) and short.count(name) > 1 else name for one, name in zip(captures, short, strict=True)]
    return [f"{name} {long[:i].count(name) + 1}" if long.count(name) > 1 else name for i, name in enumerate(long)]


def title(capture: str | Path | Spec) -> str:
    """What a report calls it."""
    return Path(capture).name if isinstance(capture, (str, Path)) else "traffic"


def bundled_host(name: str | Spec) -> Path | None:
    """The host that comes with a capture, by the name that the user gave: a bundled one's host file, a case itself."""
    if not isinstance(name, str):
        return None
    if name and is_case(name):
        return Path(name)
    if not _is_bundled(name):
        return None
    file = bundled(name).with_suffix(".toml")
    return file if file.exists() else None


@dataclass(frozen=True, slots=True)
class Traffic:
    """What was asked for, and what of it was put on the cable."""
    name: str
    speed: float = 1.0
    rate_pps: int = 0
    loop: int = 1
    records: int = 0
    offered: int = 0
    octets: int = 0
    duration_ns: int = 0
    not_offered: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    checksums_left: tuple[tuple[str, int], ...] = ()       # source, frames: see cable/wire.py
    first_ts: int = 0                                       # of a capture: the first record's time, ns since the epoch
    start_ns: int = 0                                       # when it comes, in virtual time
    merged: int = 0                                         # frames that were split, and the segments that they became: cable/split.py
    segments: int = 0

    def title(self) -> str:
        how = [f"at {self.speed:g} times its speed"] if self.speed != 1 else []
        how += [f"at {self.rate_pps:,} packets a second"] if self.rate_pps else []
        how += [f"{self.loop} times"] if self.loop != 1 else []
        return f"{self.name}{' ' if how else ''}{', '.join(how)}"

    def describe(self) -> dict[str, Any]:
        """For --json."""
        return {"file": self.name, "records": self.records, "octets": self.octets, "duration_ns": self.duration_ns, "speed": self.speed,
                "rate_pps": self.rate_pps, "loop": self.loop,
                **({"checksums_left": dict(self.checksums_left)} if self.checksums_left else {}),
                **({"merged": {"frames": self.merged, "segments": self.segments}} if self.merged else {})}


NOT_OFFERED = {"own": "sent by the receiver itself", "link_type": "link type not supported", "no_interface": "interface not described",
               "no_link_header": "too short for the link header", "not_selected": "not selected"}


def summary(name: str, capture: Capture | Generated, speed: float, rate_pps: int, start_ns: int, others: Sequence[Outbox] = ()) -> Traffic:
    """What a capture has given, and those beside it that react, when they have given all."""
    counts, last = capture.counts(), capture.last_t
    for other in others:
        last = max(last, other.last_t)
        counts |= {"records": counts["records"] + other.offered, "offered": counts["offered"] + other.offered,
                   "bytes": counts["bytes"] + other.octets}
    return Traffic(Path(name).name, speed, rate_pps, capture.loop, counts["records"], counts["offered"], counts["bytes"],
                   max(last - start_ns, 0), tuple((k, counts[k]) for k in NOT_OFFERED if counts.get(k)), tuple(capture.notes()),
                   tuple(capture.left().items()) if isinstance(capture, Capture) else (),
                   capture.first_ts if isinstance(capture, Capture) else 0, start_ns, counts.get("merged", 0), counts.get("segments", 0))


def describe_receiver(r: Receiver) -> dict[str, Any]:
    """For --json."""
    return {"addresses": list(r.addresses), "mac": units.mac_text(r.mac), "gateway": r.gateway, "lo": r.loopback,
            "made_up": r.made_up, "groups": list(r.groups), "vlans": list(r.vlans),
            "udp_ports": list(r.udp_ports), "tcp_ports": list(r.tcp_ports), "closed_udp": list(r.closed_udp),
            "closed_tcp": list(r.closed_tcp), "udp_changes": [c._asdict() for c in r.changes], "lost_ports": r.lost_ports,
            "evidence": r.evidence}


def local_addresses(local: str | None) -> list[str] | None:
    """--local ADDR[,ADDR], a MAC, or a name that `rxpath hosts` shows; who reads the capture knows the names."""
    if local is None:
        return None
    found = [text.strip() for text in local.split(",")]
    if not all(found):
        raise BadInput(f"--local {local}: must be an address such as \"10.0.0.1\", a MAC, or a name that rxpath hosts shows")
    return found


def said_receiver(local: str | None, host: Host) -> tuple[list[str] | None, str]:
    """(the receiver's addresses, who says so): --local, else the host file; None: it is worked out."""
    found = local_addresses(local)
    if found is None and host.nic.addresses:
        return list(host.addresses), "the host file"
    return found, "--local"


def listening(texts: str | Sequence[str]) -> list[tuple[str, int, int]]:
    """[(proto, address, port)] of ["udp:5000,tcp:80", "udp:10.0.0.1:53", "udp:5000-5099"]."""
    out = []
    for text in (t.strip() for item in listed(texts) for t in item.split(",") if t.strip()):
        proto, _, rest = text.partition(":")
        if proto not in ("udp", "tcp"):
            proto, rest = "udp", text
        try:
            out += [(proto, a, p) for a, p in endpoint(rest if ":" in rest else f":{rest}", ports=True)]
        except ValueError:
            raise BadInput(f"--listen {text}: must be like udp:5000, tcp:80, udp:10.0.0.1:53 or udp:5000-5099") from None
    return out
