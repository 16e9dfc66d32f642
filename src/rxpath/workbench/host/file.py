"""Host files in and out: TOML to Host, --set overrides, and every mistake as one line that names the place and what is allowed.

    host = load("hosts/a.toml")
    host = apply_overrides(host, ["net.core.netdev_budget=600", "ethtool.rx=4096", "socket.dns.rcvbuf=4MiB"])

The models are in host.py, the sysctls in host/sysctls.py, the written text (host init, host show, the docs) in host/text.py."""

from __future__ import annotations

import errno
import functools
import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from rxpath import files
from rxpath.abi.capture import MAX_TIME
from rxpath.vtime import calibrated
from rxpath.workbench.host.check import check, flatten
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.host.model.programs import App, Service, Times
from rxpath.workbench.host.sysctl_conf import is_real
from rxpath.workbench.host.sysctls import find as find_sysctl
from rxpath.workbench.host.sysctls import names as sysctl_names
from rxpath.workbench.toml_in.tables import Wrong
from rxpath.workbench.words import units

PLACE_MAX = 300                                             # characters of a place in an error: a path, a setting
FILE_MAX = 16 << 20                                         # a host file with 65,536 sockets has some megabytes


class HostError(ValueError):
    """A host file or an override that cannot be used: one line, `place: key: what is wrong and what is allowed`."""

    def __init__(self, place: str, key: str, text: str, more: int = 0):
        self.place, self.key, self.text, self.more = place, key, text, more
        shown = place if len(place) <= PLACE_MAX else place[:PLACE_MAX // 2] + "..."
        line = ": ".join(part for part in (shown, key, text) if part) + (f" (and {more} more)" if more else "")
        super().__init__(" ".join(line.split()))


def load(path: str | Path) -> Host:
    """Read a host file.  Paths in it (rules, profile, service times) are relative to the file."""
    return loads(read_file(path, "host"), str(path), Path(path).parent)


def load_to_change(path: str | Path) -> Host:
    """The same for apply_overrides(), which looks again at every file that it names: one that says what it said before is not read anew."""
    return _known(read_file(path, "host"), str(path), Path(path).parent, calibrated.newest())


@functools.lru_cache(maxsize=8)
def _known(content: bytes, place: str, base: Path, _newest: str | None) -> Host:
    return loads(content, place, base)


def read_file(path: str | Path, what: str) -> bytes:
    """The bytes of a TOML file that a person wrote."""
    place = str(path)
    try:
        return files.read_file(path, FILE_MAX)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise HostError(place, "", f"is larger than {units.size_text(FILE_MAX)}: not a {what} file") from None
        raise HostError(place, "", f"cannot be read: {error.strerror or error}") from None


def loads(content: str | bytes, place: str = "host", base: Path | None = None) -> Host:
    """The same from text; `base` is the directory that relative paths start from."""
    data = tables(content, place)
    if base is not None:
        anchor(data, base)
    return build(data, place)


def tables(content: str | bytes, place: str) -> dict[str, Any]:
    """TOML, or a HostError that names the line."""
    try:
        text = content.decode() if isinstance(content, bytes) else content
    except UnicodeDecodeError as error:
        raise HostError(place, "", f"is not UTF-8 text (byte {error.start})") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error), re.DOTALL)
        where = f":{match[2]}:{match[3]}" if match and match[2] else ""
        raise HostError(place + where, "", "TOML: " + (match[1] if match and where else str(error))) from None
    except RecursionError:
        raise HostError(place, "", "TOML: nested too deeply") from None
    except ValueError:                                          # Python's own limit
        raise HostError(place, "", "TOML: a number with thousands of digits") from None


def default() -> Host:
    """The host without a file: an igb, two CPUs, kernel 6.18, this machine's own cost profile, else bm36; sockets are opened for the
    capture's traffic."""
    return build({}, "host")


def build(data: dict[str, Any], place: str, changes: Sequence[tuple[str, str]] = ()) -> Host:
    """Validate; `changes` are (dotted key, as written) of overrides in `data`, so that an error blames the right one."""
    nic = data.get("nic")
    if isinstance(nic, dict) and "ethtool" in nic and "ethtool" not in data:    # [nic.ethtool] is the same as [ethtool]
        data = {**data, "nic": {k: v for k, v in nic.items() if k != "ethtool"}, "ethtool": nic["ethtool"]}
    own = {} if "profile" in data or (newest := calibrated.newest()) is None else {"profile": newest}
    try:
        host = Host.model_validate({**data, **own})
        check(host)
    except (ValidationError, Wrong) as error:
        found = [(error.key, error.text)] if isinstance(error, Wrong) else [read_error(item) for item in error.errors(include_url=False)]
        key, text = found[0]
        for changed, written in reversed(changes):
            if key == changed or key.startswith(changed + ".") or changed.startswith(key + "."):
                raise HostError(f"--set {written}", "" if key == changed else key, text, len(found) - 1) from None
        raise HostError(place, key, text, len(found) - 1) from None
    except RecursionError:
        raise HostError(place, "", "nested too deeply") from None
    host._raw, host._source = data, place
    for i, app in enumerate(host.apps):
        if app.service.file is not None:
            service_ns(app.service, f"{place}: app.{i}.service.file")
        if app.service.sleep is not None and app.service.sleep.file is not None:
            service_ns(app.service.sleep, f"{place}: app.{i}.service.sleep.file")
        for what, stops in (("pause", app.pause), ("restart", app.restart)):
            if stops is not None and stops.file is not None:
                pauses_ns(stops.file, f"{place}: app.{i}.{what}.file")
    if host.profile.endswith(".toml") or "/" in host.profile:
        if not Path(host.profile).is_file():
            raise HostError(place, "profile", f"there is no file {host.profile}")
    return host


def revise(host: Host, changes: dict[str, Any], place: str | None = None) -> Host:
    """A host with other settings: tables are merged, everything else (lists too) is replaced.  Keys as in the file."""
    def merge(old: Any, new: Any) -> Any:
        if isinstance(old, dict) and isinstance(new, dict):
            return {**old, **{k: merge(old.get(k), v) for k, v in new.items()}}
        return new

    return build(merge(host._raw, changes), place or host._source)


def anchor(data: dict[str, Any], base: Path) -> None:
    """Make the paths that are read relative to the host file."""
    move(data, lambda path: str(base / path))


def move(data: dict[str, Any], to: Callable[[str], str]) -> None:
    """Let every path that is read be another.  Whatever is not a path is left for the validation."""
    def at(value: Any) -> Any:
        return to(value) if isinstance(value, str) and value else value

    profile = data.get("profile")
    if isinstance(profile, str) and ("/" in profile or profile.endswith(".toml")):
        data["profile"] = at(profile)
    sysctls = data.get("sysctl")
    if isinstance(sysctls, dict) and "file" in sysctls:
        sysctls["file"] = at(sysctls["file"])
    rules = data.get("iptables")
    if isinstance(rules, str):
        data["iptables"] = at(rules)
    elif isinstance(rules, dict) and "file" in rules:
        rules["file"] = at(rules["file"])
    apps = data.get("app")
    for app in apps if isinstance(apps, list) else ():
        service = app.get("service") if isinstance(app, dict) else None
        inside = [service.get("work"), service.get("sleep")] if isinstance(service, dict) else []
        for table in (service, *inside, *((app.get("pause"), app.get("restart")) if isinstance(app, dict) else ())):
            for name in ("file", "capture"):
                if isinstance(table, dict) and name in table:
                    table[name] = at(table[name])


def service_ns(service: Service | Times, place: str = "") -> tuple[int, ...]:
    """The service times in nanoseconds: one for constant and exponential (its mean), else the whole list."""
    if service.list is not None:
        return service.list
    if service.file is None:
        return (service.constant if service.constant is not None else service.exponential or 0,)
    try:
        return _times(_text(service.file, place), service.file)
    except HostError as error:
        raise HostError(place, "", error.text) from None


@functools.lru_cache(maxsize=4)
def _times(text: str, file: str) -> tuple[int, ...]:
    """What a file of times says.  Kept: every candidate of a what-if is a host of its own with the same file."""
    known: dict[str, int] = {}                              # most repeat what other lines say
    times = [known[t] if t in known else known.setdefault(t, _file_time(t, file, number, "")) for number, t in _lines(text)]
    if not times:
        raise HostError("", "", f"{file} has no times")
    return tuple(times)


def mean_service_ns(service: Service) -> int:
    times = service_ns(service)
    return sum(times) // len(times)


def pauses_ns(file: str, place: str = "", later: int = 0) -> tuple[tuple[int, int], ...]:
    """(begin, length) of each pause of a file, in ns; all begin so much later."""
    found: list[tuple[int, int]] = []
    for number, text in _lines(_text(file, place)):
        parts = [part.strip() for part in text.split(",")]
        if number == 1 and len(parts) == 2 and not any(c.isdigit() for c in text):
            continue                                        # a line of names
        if len(parts) != 2:
            raise HostError(place, "", f"{file}:{number}: {units.shown(text)} is not allowed: begin and length, such as 1.5s,200ms")
        begin, length = (min(_file_time(part, file, number, place), MAX_TIME) for part in parts)
        if found and begin < sum(found[-1]):
            raise HostError(place, "", f"{file}:{number}: a pause at {units.duration_text(begin)} begins before the one above it has ended "
                                       f"({units.duration_text(sum(found[-1]))}): sort them, and join those that overlap")
        if length:
            found.append((begin, length))
    if not found:
        raise HostError(place, "", f"{file} has no pauses")
    return tuple((begin + later, length) for begin, length in found)


def _text(file: str, place: str) -> str:
    try:
        return files.read_file(file, FILE_MAX).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise HostError(place, "", f"{file} cannot be read: {getattr(error, 'strerror', None) or 'not text'}") from None


def _lines(text: str) -> list[tuple[int, str]]:
    """(number, text) of each line that says something."""
    return [(number, said) for number, line in enumerate(text.split("\n"), 1) if (said := line.partition("#")[0].strip())]


def _file_time(text: str, file: str, number: int, place: str) -> int:
    try:
        return units.duration_ns(text)
    except ValueError as error:
        raise HostError(place, "", f"{file}:{number}: {units.shown(text)} is not allowed: {error}") from None


def with_outputs(host: Host, tap: str | None, tx: str | None) -> Host:
    """The host with a tap more, and the file for the frames that it sends."""
    changes: dict[str, object] = {}
    if tap is not None:
        changes["tap"] = [*host._raw.get("tap", []), {"file": tap}]
    if tx is not None:
        changes["tx"] = {"pcap": tx}
    return revise(host, changes)


# Errors: pydantic's list to one line.

def _model_of(field: Any) -> type[BaseModel] | None:
    """The model inside an annotation: Nic, tuple[Route, ...]."""
    stack = [field.annotation] if field is not None else []
    while stack:
        kind = stack.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
        stack += getattr(kind, "__args__", ())
    return None


def fields_of(model: type[BaseModel]) -> dict[str, Any]:
    """The fields of a model by the names that a host file uses."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _schema(loc: Sequence[str | int], root: type[BaseModel] = Host) -> Any:
    """The field that a location ends in, None where the description has none."""
    model = root
    field: Any = None
    for step in loc:
        if isinstance(step, int):
            continue
        field = fields_of(model).get(step)
        inner = _model_of(field) if field is not None else None
        if inner is None:
            break
        if step != loc[-1]:
            model = inner
    return field


def read_error(item: Any, root: type[BaseModel] = Host) -> tuple[str, str]:
    """(key, text) of one pydantic error."""
    loc = [step for step in item["loc"] if step != "[key]"]
    dotted = ".".join(str(step) for step in loc)
    problem = item.get("ctx", {}).get("error")
    if isinstance(problem, Wrong):
        room = f"card.{loc[1]}." if loc[:1] == ["card"] and not problem.key.startswith("card.") else ""
        return room + problem.key, problem.text
    field = _schema(loc, root)
    if item["type"] == "extra_forbidden":
        return dotted, _unknown(str(loc[-1]), loc[:-1], root)
    allowed = (field.json_schema_extra or {}).get("allowed", "") if field is not None else ""
    if item["type"] == "missing":
        return dotted, f"is missing: {allowed}"
    said = str(problem) if item["type"] == "value_error" else ""
    if item["type"] == "too_long":
        said = f"at most {item['ctx']['max_length']}"
        return dotted, f"too many: {said}"
    return dotted, f"{units.shown(item['input'])} is not allowed: {said or allowed or item['msg']}"


def _unknown(name: str, above: Sequence[str | int], root: type[BaseModel] = Host) -> str:
    """An unknown key: the nearest of that table, or the table where it belongs, or what there is."""
    model = root
    for step in above:
        if isinstance(step, str):
            model = _model_of(fields_of(model).get(step)) or model
    here = list(fields_of(model))
    near = units.nearest(name, here)
    if near:
        near = ".".join([*(str(step) for step in above), near])
    else:
        for room, field in fields_of(root).items():
            inner = _model_of(field)
            if inner is not None and inner is not model and name in fields_of(inner):
                near = f"{room}.{name}"
                break
        if model is not root and name in fields_of(root):
            near = f"{name} at the top of the file"
    return "unknown key; " + (f"did you mean {near}?" if near else f"there are: {', '.join(here)}")


# Overrides: --set KEY=VALUE.

def apply_overrides(host: Host, overrides: Iterable[str]) -> Host:
    """A host with single keys changed: any key of the file by its dotted path, sysctls by their real names, `ethtool.X` by ethtool's.

    Lists are addressed by number or by name (`app.0.cpu=1`, `socket.dns.rcvbuf=4MiB`); one past the last adds an entry.  A socket that a
    replay opens by itself has the name that reports give it: `socket.udp5000.rcvbuf=4MiB`."""
    data = _copy(host._raw)
    changes = []
    for written in overrides:
        key, equals, value = written.partition("=")
        if not equals or not key.strip():
            raise HostError(f"--set {written}", "", "must be KEY=VALUE, such as net.core.netdev_budget=600")
        changes.append((_set(data, key.strip(), value_of(value.strip(), written), written, host), written))
    return build(data, host._source, changes)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    return [_copy(v) for v in value] if isinstance(value, (list, tuple)) else value


def value_of(text: str, written: str) -> Any:
    """A number, true, false, a TOML list, table or quoted text; anything else is text without quotes: 4MiB, 3.10, on, 1-3."""
    if re.fullmatch(r"[+-]?\d{1,19}", text, re.ASCII):
        return int(text)
    if text in ("true", "false"):
        return text == "true"
    if text[:1] in ("[", "{", '"', "'"):
        try:
            table = tomllib.loads(f"value = {text}")
        except (ValueError, RecursionError):
            table = {}
        if list(table) != ["value"]:
            raise HostError(f"--set {written}", "", f"{units.shown(text)} is not a TOML value")
        return table["value"]
    return text


def _set(data: dict[str, Any], key: str, value: Any, written: str, host: Host) -> str:
    """Put one value at its key; returns the key as error lines name it."""
    def wrong(text: str) -> HostError:
        return HostError(f"--set {written}", "", text)

    if key != "sysctl.file":
        key = key.removeprefix("sysctl.")
    if key == "sysctl.file":
        data["sysctl"] = {**(flatten(data["sysctl"]) if isinstance(data.get("sysctl"), dict) else {}), "file": value}
        return key
    if key.startswith("net."):
        if find_sysctl(key, *host.interfaces) is None and find_sysctl(re.sub(r"\.conf\..+\.", ".conf.all.", key)) is None and is_real(key):
            raise wrong("Linux has it, but the path does not read it: it would change nothing here")
        table = data.get("sysctl", {})
        data["sysctl"] = {**(flatten(table) if isinstance(table, dict) else {}), key: value}
        return key
    steps = key.split(".")
    if steps[:2] == ["nic", "ethtool"]:
        steps = steps[1:]
    model: type[BaseModel] | None = Host
    node: dict[str, Any] = data
    named: list[str] = []
    while True:
        step = steps.pop(0)
        field = fields_of(model).get(step) if model is not None else None
        if model is not None and field is None and not (named[-1:] in (["irq"], ["rps"], ["rps_flow_cnt"]) and step.isdigit()):
            raise wrong(_unknown_override(step, named, host))
        named.append(step)
        if not steps:
            node[step] = value
            return ".".join(named)
        model = _model_of(field) if field is not None else None
        if model is not None and field is not None and "tuple[" in str(field.annotation):
            entries = node.setdefault(step, [{}] if step == "app" else [])
            if not isinstance(entries, list):
                raise wrong(f"{step} is not a list")
            which = steps.pop(0)
            index = _entry(entries, step, which)
            if index is None and step == "socket" and host.opens_from_capture and (found := re.fullmatch(r"(udp|tcp)(\d{1,5})", which)):
                if data.get("listen", "auto") == "auto":     # one that the replay opens by itself: the others are opened as before
                    data["listen"] = "capture"
                entries.append({"name": which, "proto": found[1], "bind": f"*:{found[2]}"})
                index = len(entries) - 1
            if index is None:
                there = ", ".join(str(entry.get("name", i)) for i, entry in enumerate(entries[:8]) if isinstance(entry, dict))
                raise wrong(f'there is no {step} "{which}"; there are: {there or "none"}')
            if index == len(entries):
                entries.append({})
            named.append(str(index))
            if not steps:
                entries[index] = value
                return ".".join(named)
            node = entries[index]
            continue
        if model is None and step not in ("affinity", "rps", "rps_flow_cnt"):
            raise wrong(f"{'.'.join(named)} is a single value: there is nothing below it")
        below = node.get(step)
        if isinstance(below, str) and step == "iptables":
            below = {"file": below}
        if not isinstance(below, dict) or step == "service":    # a service has one kind: naming another replaces it
            below = {}
        node[step] = below
        node = below


def _entry(entries: list[Any], room: str, which: str) -> int | None:
    """The index of an entry by number or by name."""
    for i, entry in enumerate(entries):
        if isinstance(entry, dict) and entry.get("name", f"eth{i + 1}" if room == "card" else f"{room}{i}") == which \
                and room in ("socket", "app", "card"):
            return i
    return int(which) if which.isascii() and which.isdigit() and len(which) < 6 and int(which) <= len(entries) else None


def _unknown_override(step: str, named: list[str], host: Host) -> str:
    if not named:
        near = units.nearest(step, list(fields_of(Host)))
        if not near:                                        # a sysctl without its prefix: netdev_budget, core.rmem_max
            for name in sysctl_names(host.nic.name):
                if name.endswith("." + step):
                    return f"unknown key; did you mean {name}?"
            if step in fields_of(App):
                return f"unknown key; did you mean app.0.{step}?"
    return _unknown(step, named)
