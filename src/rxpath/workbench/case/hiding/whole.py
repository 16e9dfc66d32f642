"""A case whose host nobody can tell: every member of it by who knows that kind, and none that nobody knows.

What stays: numbers, times, sizes, ports, VLANs, the kernel's version, cards, drivers, and names of network devices as Linux gives them
(eth0, enp3s0).  What goes: addresses, names of hosts, users, programs, units, chains, paths, payload, comments."""
from __future__ import annotations

import ipaddress
import json
import os
import re
import secrets
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from rxpath.cable.case_file import FORMAT, MANIFEST, CaseFile
from rxpath.cable.errors import CaptureError
from rxpath.files import read_file as read_whole
from rxpath.workbench.case.hiding.addresses import Pseudonyms
from rxpath.workbench.case.hiding.capture import Hidden
from rxpath.workbench.case.hiding.steering import Steering
from rxpath.workbench.case.hiding.texts import HIDDEN, Texts
from rxpath.workbench.host.file import HostError, loads
from rxpath.workbench.host.given import the_host
from rxpath.workbench.readings.case.make import entry
from rxpath.workbench.readings.case.programs import NAME as PROGRAMS
from rxpath.workbench.readings.case.recorded import BEGIN, END, HOST, MOMENTS, SETTINGS
from rxpath.workbench.readings.case.samples import FILE, FILE_MOST, HEAD, LINE_MOST
from rxpath.workbench.readings.lines import decoded
from rxpath.workbench.readings.sniff import read_file
from rxpath.workbench.words.mistakes import BadInput, writing

CAPTURE = "capture.pcapng"
KEY_LEAST, KEY_MOST = 16, 4096                              # bytes of a key
BIG_ENDIAN = ("s390", "s390x", "ppc", "ppc64", "mips", "mips64", "sparc64", "parisc", "m68k")
SUBNET = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d{1,3}){3})/(\d{1,2})(?!\d)")
DEVICE = re.compile(r"^\s*\d{1,9}: ([^\s:@]+)(?:@(\S+?))?: <|^\s*([^\s:|]+):\s*\d+(?:\s+\d+){15}\s*$", re.M)
RSS_KEY = re.compile(r'\s*(?:ethtool\.)?hkey\s*=\s*"[0-9a-fA-F]{80}"\s*')
# of the manifest: key -> what it holds
NUMBERS = ("format", "hz", "seconds", "asked", "cpu_s", "hidden_processes", "clocks", "limits")
WORDS = ("tool", "made", "kernel", "machine", "python", "counters")
OF_CAPTURE, OF_DEVICE = ("snap", "bytes", "stopped"), ("linktype", "mtu", "frames", "lost", "frozen")


@dataclass
class Told:
    """What was done.  members, frames: how many there are in the hidden case; left_out: members that nobody knows, by why."""

    members: int = 0
    frames: int = 0
    left_out: list[str] = field(default_factory=list)


def key_of(file: str | None) -> bytes:
    """The key in a file; without one a key that nobody keeps."""
    if file is None:
        return secrets.token_bytes(32)
    try:
        key = read_whole(file, KEY_MOST)
    except OSError as error:
        raise BadInput(f"--key {file}: {error.strerror or error}") from None
    if not KEY_LEAST <= len(key.strip()) <= KEY_MOST:
        raise BadInput(f"--key {file}: {len(key.strip()):,} bytes: a key has {KEY_LEAST} to {KEY_MOST:,} "
                       "(head -c 32 /dev/urandom | base64 > key)")
    return key.strip()


def hide(path: str, out: str, secret: bytes) -> Told:
    """The case at `path`, hidden, as a new file.  BadInput says what cannot be."""
    if os.path.exists(out):
        raise BadInput(f"{out} already exists: use another name, or remove it")
    try:
        with CaseFile(path) as case, tempfile.TemporaryDirectory(prefix="rxpath-case-", dir=os.path.dirname(os.path.abspath(out))) as own, \
                writing(out):
            part = os.path.join(own, "case")
            told = _Whole(case, secret).write(part)
            os.rename(part, out)
            return told
    except CaptureError as error:
        raise BadInput(str(error)) from None


class _Whole:
    def __init__(self, case: CaseFile, secret: bytes) -> None:
        self.case, self.told = case, Told()
        self.texts_of = {name: case.read(name) for name in case.names
                         if name.startswith((SETTINGS, BEGIN, END, MOMENTS)) or name in (HOST, PROGRAMS)}
        first = self._first_sample()
        every = [decoded(data) for data in self.texts_of.values()] + [decoded(data) for data in first.values()]
        self.made = Pseudonyms(secret, _subnets(every))
        self.texts = Texts(self.made, _devices(every, case.manifest), str(case.manifest.get("machine", "")) in BIG_ENDIAN)

    def _counters(self) -> str:
        said = self.case.manifest.get("counters")
        name = said.get("file") if isinstance(said, dict) else None
        return name if isinstance(name, str) and name in self.case.infos else ""

    def _first_sample(self) -> dict[str, bytes]:
        """For devices: the files of one sample."""
        if not (name := self._counters()):
            return {}
        with self.case.stream(name) as stream:
            found: dict[str, bytes] = {}
            for path, data in _parts(stream):               # type: ignore[arg-type]
                if path.startswith("@") and found:
                    break
                if data:
                    found[path] = data
            return found

    # ------------------------------------------------------------ members
    def write(self, part: str) -> Told:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as made:
            names: set[str] = set()
            for name, data in self._members():
                if name in names:
                    raise BadInput(f"{self.case.name}: two members would have one name: another key, please")
                names.add(name)
                made.writestr(entry(name), data)
                self.told.members += 1
            manifest = self._manifest()
            if counters := self._counters():
                with self.case.stream(counters) as stream, made.open(entry("counters"), "w", force_zip64=True) as into:
                    for piece in self._samples(stream):     # type: ignore[arg-type]
                        into.write(piece)
                manifest["counters"]["file"] = "counters"
            if isinstance(self.case.manifest.get("capture"), dict):
                hidden = Hidden(self.made, self.texts.words, self._steering())
                with made.open(entry(CAPTURE), "w", force_zip64=True) as into:
                    for piece in hidden.pieces(self.case.name):
                        into.write(piece)
                self.told.frames = hidden.records
                if hidden.problem:
                    self.told.left_out.append(f"the capture's end: {hidden.problem}")
            made.writestr(entry(MANIFEST), json.dumps(manifest, indent=1))
        self.told.left_out += [f"{self.texts.words(name)[:80]}: {why}" for name, why in self.case.refused]
        return self.told

    def _members(self) -> Iterator[tuple[str, bytes]]:
        capture = self.case.manifest.get("capture")
        others = {MANIFEST, self._counters(), capture.get("file") if isinstance(capture, dict) else None}
        for name in self.case.names:
            if name == HOST:
                if text := self._host(decoded(self.texts_of[name])):
                    yield HOST, text.encode()
            elif name == PROGRAMS:
                if (data := self._programs(self.texts_of[name])) is not None:
                    yield PROGRAMS, data
            elif name in self.texts_of:
                folder = next(f for f in (SETTINGS, BEGIN, END, MOMENTS) if name.startswith(f))
                short = name.removeprefix(folder) if folder != MOMENTS else "/".join(name.split("/")[2:])
                if not read_file(decoded(self.texts_of[name]), short).records:
                    self.told.left_out.append(f"{folder}{self.texts.member(short)[:80]}: not a text that is read here")
                    continue
                yield name.removesuffix(short) + self.texts.member(short), self.texts.text(self.texts_of[name])
            elif name not in others:
                self.told.left_out.append(f"{self.texts.member(name)[:80]}: not a part of a case that is known here")

    # ------------------------------------------------------------ the host file
    def _host(self, text: str) -> str:
        """Without comments; names of sockets and programs are pseudonyms.  "": it cannot be read."""
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            self.told.left_out.append(f"{HOST}: not a host file that can be read")
            return ""
        names = {str(item["name"]) for key in ("socket", "app") for item in _tables(tables.get(key)) if item.get("name")}
        lines, inside = [], False
        for line in text.split("\n"):
            if not inside:
                line = _without_comment(line)
            begins = line.count('"""') + line.count("'''")
            key = next((key for key in ("attach_reuseport_cbpf", "attach_filter") if key in line), "")
            if key and any(int(n) > 0xFFFF for n in re.findall(r"\d+", line)):
                self.told.left_out.append(f"{HOST}: a socket's filter ({key}), which may hold addresses")
                continue
            if inside or begins:
                self.texts.chains |= set(re.findall(r"^\s*:(\S+) - ", line))
                made = self.texts.line(line)
            else:
                made = self._host_line(line, names)
            inside ^= begins % 2 == 1
            if made is not None:
                lines.append(made)
        self.texts.chains = set()
        whole = "\n".join(lines)
        try:
            loads(whole, HOST)
        except HostError as error:
            self.told.left_out.append(f"{HOST}: hidden, it would not be a host file any more ({str(error)[:120]})")
            return ""
        return re.sub("\n{3,}", "\n\n", whole)

    def _host_line(self, line: str, names: set[str]) -> str:
        if RSS_KEY.fullmatch(line):
            return line
        parts = re.split(r'("[^"]*"|\'[^\']*\')', line)
        return "".join(f'"{self.made.name(p[1:-1])}"' if i % 2 and p[1:-1] in names else self.texts.words(p) for i, p in enumerate(parts))

    # ------------------------------------------------------------ programs, counters, manifest
    def _programs(self, data: bytes) -> bytes | None:
        try:
            found = json.loads(data)
            made = [{"name": self.texts.program(str(p["name"])), "pid": int(p["pid"]),
                     "sockets": [[int(fd), int(inode)] for fd, inode in p["sockets"]],
                     "epoll": {str(int(fd)): self.texts.words(str(text)) for fd, text in p["epoll"].items()},
                     "threads": [self._thread(t) for t in p["threads"]]} for p in found]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self.told.left_out.append(f"{PROGRAMS}: not as the recorder writes it")
            return None
        return json.dumps(made).encode()

    def _thread(self, thread: dict[str, Any]) -> dict[str, Any]:
        call = str(thread["syscall"])
        return {"id": int(thread["id"]), "cpus": None if thread["cpus"] is None else [int(c) for c in thread["cpus"]],
                "stat": self.texts.line(str(thread["stat"])) or "",
                "syscall": call if re.fullmatch(r"running|-?\d+(?: 0x[0-9a-f]{1,16})*", call) else ""}

    def _samples(self, stream: BinaryIO) -> Iterator[bytes]:
        """The stream of counters, sample for sample; what is damaged ends it."""
        for path, data in _parts(stream):
            if path.startswith("@"):
                yield path.encode()
                continue
            name = self.texts.words(path)
            yield f"{name} =\n".encode() if data is None else self._sampled(name, path, data)

    def _sampled(self, name: str, path: str, data: bytes) -> bytes:
        text = self.texts.text(data)
        return f"{name} {len(text)}\n".encode() + text + b"\n"

    def _manifest(self) -> dict[str, Any]:
        said = self.case.manifest
        made: dict[str, Any] = {"format": FORMAT}
        for key, value in said.items():
            if key in NUMBERS or key in WORDS:
                made[key] = self._plain(value)
            elif key == "capture" and isinstance(value, dict):
                made[key] = {"file": CAPTURE, **{k: self._plain(value[k]) for k in OF_CAPTURE if k in value},
                             **({"devices": [self._device(d) for d in value["devices"] if isinstance(d, dict)]}
                                if isinstance(value.get("devices"), list) else {})}
            elif key == "moments" and isinstance(value, list):
                made[key] = [{"of": f"moment {i + 1}"} for i in range(len(value))]
            elif key == "no_capture":
                made[key] = HIDDEN
            elif key != "network_namespace":
                self.told.left_out.append(f"{MANIFEST}: {self.texts.words(str(key))[:40]}: not known here")
        made["hidden"] = {"by": "rxpath case --hide"}
        return made

    def _steering(self) -> Steering | None:
        """Of the host's card, where it has several queues."""
        try:
            device = the_host(self.case.name).device
        except (HostError, BadInput):
            return None
        return Steering(device.rss_key, device.indirection()) if device.driver.has_ring and device.queue_count > 1 else None

    def _device(self, device: dict[str, Any]) -> dict[str, Any]:
        mac = str(device.get("mac", ""))
        return {"name": self.texts.words(str(device.get("name", "")))[:15], "mac": self.texts.words(mac),
                **{k: self._plain(device[k]) for k in OF_DEVICE if k in device}}

    def _plain(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self.texts.words(str(k)): self._plain(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self._plain(v) for v in value]
        return self.texts.words(value) if isinstance(value, str) else value


def _tables(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _without_comment(line: str) -> str:
    """A line of TOML without what stands behind a # that is in no string."""
    quote = ""
    for i, c in enumerate(line):
        if quote:
            quote = "" if c == quote and line[i - 1] != "\\" else quote
        elif c in "\"'":
            quote = c
        elif c == "#":
            return line[:i].rstrip()
    return line


def _parts(stream: BinaryIO) -> Iterator[tuple[str, bytes | None]]:
    """(path, content or None where it is as before), and the line that begins a sample, whole.  What is damaged ends them."""
    known: set[str] = set()
    while line := stream.readline(LINE_MOST):
        if HEAD.fullmatch(line):
            yield line.decode(), None
            continue
        match = FILE.fullmatch(line)
        if match is None:
            return
        path = match[1].decode()
        if match[2] == b"=":
            if path not in known:
                return
            yield path, None
            continue
        size = int(match[2])
        data = stream.read(size + 1) if size <= FILE_MOST else b""
        if len(data) != size + 1:
            return
        known.add(path)
        yield path, data[:-1]


def _subnets(texts: Iterable[str]) -> set[tuple[int, int]]:
    found = set()
    for text in texts:
        for address, bits in SUBNET.findall(text):
            try:
                found.add((int(ipaddress.IPv4Address(address)), int(bits)))
            except ValueError:
                continue
    return found


def _devices(texts: Iterable[str], manifest: dict[str, Any]) -> set[str]:
    found = {name for text in texts for match in DEVICE.findall(text) for name in match if name}
    capture = manifest.get("capture")
    return found | {str(d.get("name", "")) for d in _tables(capture.get("devices") if isinstance(capture, dict) else None)} - {""}


__all__ = ["Told", "hide", "key_of"]
