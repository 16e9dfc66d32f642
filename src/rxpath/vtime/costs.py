"""Cost profiles: ns for each station and event, each number with its source, in profiles/*.toml.  This is control plane: it writes
net.cost[cpu], which the path reads.

A file has `name`, `about`, tables [stations], [events], [bytes] of `NAME = { ns = ..., source = "..." }`, [factors] of
`NAME = { factor = ..., source = "..." }`, a guest's [halt] of `TIME = { ns = ..., source = "..." }` (how much longer than IDLE_EXIT the way
back takes after so long a halt); with `base` and `factor` it takes what it does not name from another profile, multiplied.
What no table names costs nothing.  IPI_LATENCY counts from the end of IPI_SEND and may be below 0: a hypervisor interrupts the other CPU
before it lets the sender go on; never before it was sent.

One that was measured on a machine (calibrated.py) has `low` and `high` beside ns, the spread of what was measured, [stalls] with
`per_second`, `mean_ns` and `source` - what the hypervisor takes, unless the host file has a [stalls] of its own -, and [calibration]."""
import functools
import itertools
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from .._compile import write_numbers
from ..abi.net import Net
from ..files import read_file
from ..path import STATIONS, Stage
from . import calibrated

FOLDER = Path(__file__).parent / "profiles"
STAGES = tuple(Stage)
BYTE_STAGES = (Stage.BYTE_COPY, Stage.BYTE_CSUM)
LATENCIES = (Stage.NIC_LATENCY, Stage.IPI_LATENCY)
SHIFT = 10                                           # the cost table holds ns << 10 for a byte
HALTS = 8                                            # engine.halt_slept
FACTORS = ("SIBLING", "REMOTE_MEMORY")               # beside a busy hyper-thread; of what the NIC has written, from another node
MEMORY_BOUND = (Stage.igb_clean_rx_irq, Stage.eth_type_trans, Stage.igb_add_rx_frag, Stage.BYTE_COPY, Stage.BYTE_CSUM)


# A file may give but one IPI_SEND, taken where the other CPU was halted.  To one at work it costs no more than that, nor than a guest's
# exit; and that CPU pays for it, too.  [M] a KVM guest under RPS: 2.0 to 2.2 us of each send(), 2.2 to 3.0 of each interrupt
GUEST_IPI_SEND, GUEST_IPI = 2000, 2300


class ProfileError(ValueError):
    """A cost profile that says something else than it may; the message says where and what is allowed."""


class Profile(NamedTuple):
    name: str
    about: str
    ns: dict[Stage, int]                             # as the cost table holds it
    source: dict[Stage, str]
    factors: Mapping[str, float] = MappingProxyType({})      # FACTORS; what is not there is 1.0
    halt: tuple[tuple[int, int], ...] = ()           # (so long a halt, ns that the way back takes more than IDLE_EXIT), by length
    spread: Mapping[Stage, tuple[float, float]] = MappingProxyType({})      # ns, least and most, of those that were measured here
    stalls: tuple[float, int] | None = None          # (in a second, ns of one on average)
    made: Mapping[str, Any] = MappingProxyType({})   # [calibration]: when, where, how quiet

    def apply(self, net: Net, cpus: Iterable[int], factors: Sequence[float] = ()) -> None:
        """Write the cost tables of these CPUs.  factors[cpu] makes one slower (2.0) or faster; latencies are nobody's time and stay."""
        for cpu in cpus:
            factor = factors[cpu] if cpu < len(factors) else 1.0
            if not 0.01 <= factor <= 1000:
                raise ProfileError(f"factor {factor} of CPU {cpu}: must be between 0.01 and 1000")
            row = net.cost[cpu]
            of = [self.ns.get(stage, 0) for stage in STAGES]
            write_numbers(row, of if factor == 1 else [ns if stage in LATENCIES else round(ns * factor) for stage, ns in enumerate(of)])
        net.sim.nhalt = len(self.halt)
        for i, (slept, ns) in enumerate(self.halt):
            net.sim.halt_slept[i], net.sim.halt_ns[i] = slept, ns

    def remote(self, net: Net, cpu: int, to: Any) -> None:
        """What waits for the NIC's memory takes longer from another NUMA node: into the table `to` of this CPU."""
        for stage in MEMORY_BOUND:
            to[stage] = round(net.cost[cpu][stage] * self.factors.get("REMOTE_MEMORY", 1.0))


def profile_names() -> list[str]:
    return sorted(p.stem for p in FOLDER.glob("*.toml"))


def load_profile(name: str) -> Profile:
    """A profile of ours by name, one that was measured by its name or as "here", or any file by its path."""
    if "/" in name or name.endswith(".toml"):
        return _of_file(Path(name))
    if name == calibrated.HERE:
        newest = calibrated.newest()
        if newest is None:
            raise ProfileError("profile here: this machine and kernel were not calibrated, or only while others worked: rxpath calibrate")
        name = newest
    if calibrated.is_calibrated(name):
        return _of_file(calibrated.path_of(name))
    if not (FOLDER / f"{name}.toml").is_file():
        raise ProfileError(f"no cost profile {name!r}: there are {', '.join(profile_names())}, here (rxpath calibrate), or give the "
                           "path of a .toml file")
    return _ours(name)


@functools.cache
def _ours(name: str) -> Profile:
    """Ours do not change while we run, and reading one takes a third of the time of a short run."""
    return _read(FOLDER / f"{name}.toml")


def _of_file(path: Path) -> Profile:
    """Read once while it stays as it is: a run asks three times, and a worker of a cluster has many runs of one file."""
    try:
        found = path.stat()
    except (OSError, ValueError):                                   # what is wrong with it, reading says
        return _read(path)
    return _same(str(path), found.st_mtime_ns, found.st_size, found.st_ino) if stat.S_ISREG(found.st_mode) else _read(path)


@functools.lru_cache(maxsize=64)
def _same(path: str, changed: int, size: int, inode: int) -> Profile:
    return _read(Path(path))


def _read(path: Path) -> Profile:
    import tomllib  # late: --help does not need it
    try:
        text = read_file(path, 1 << 20).decode()
        data = tomllib.loads(text)
    except OSError as e:
        raise ProfileError(f"{path}: {e.strerror}") from e
    except ValueError as e:                                         # not TOML, not UTF-8, a number of thousands of digits
        raise ProfileError(f"{path}: {e}") from e
    return _profile(str(path), data)


def _profile(where: str, data: dict[str, Any]) -> Profile:
    unknown = set(data) - {"name", "about", "base", "factor", "factor_source", "stations", "events", "bytes", "factors", "halt", "stalls",
                          "calibration"}
    if unknown:
        raise ProfileError(f"{where}: unknown key {sorted(unknown)[0]!r}")
    if not isinstance(data.get("name"), str):
        raise ProfileError(f"{where}: 'name' is missing")
    ns: dict[Stage, int] = {}
    source: dict[Stage, str] = {}
    factors: dict[str, float] = {}
    spread: dict[Stage, tuple[float, float]] = {}
    halt: tuple[tuple[int, int], ...] = ()
    if "base" in data:
        base, factor = load_profile(str(data["base"])), data.get("factor", 1.0)
        if not isinstance(factor, int | float) or isinstance(factor, bool) or factor <= 0 or factor > 1000:
            raise ProfileError(f"{where}: 'factor' must be a number above 0")
        for stage, value in base.ns.items():
            ns[stage] = round(value * factor)
            source[stage] = f"{data.get('factor_source', '')}; {factor:g} x {base.name}: {base.source[stage]}"
        factors.update(base.factors)
        halt = tuple((slept, round(value * factor)) for slept, value in base.halt)
    for table in ("stations", "events", "bytes"):
        entries = data.get(table, {})
        if not isinstance(entries, dict):
            raise ProfileError(f"{where}: [{table}] must be a table")
        for key, entry in entries.items():
            stage = _stage(where, table, key)
            ns[stage], source[stage] = _cost(f"{where}: {table}.{key}", stage, entry)
            if "low" in entry:
                spread[stage] = float(entry["low"]), float(entry["high"])
    _ipis(data.get("events", {}), ns, source)
    return Profile(data["name"], str(data.get("about", "")), ns, source, factors | _factors(where, data.get("factors", {})),
                   _halt(where, data["halt"]) if "halt" in data else halt, spread, _stalls(where, data.get("stalls")),
                   _calibration(where, data.get("calibration", {})))


def _ipis(events: dict[str, Any], ns: dict[Stage, int], source: dict[Stage, str]) -> None:
    """What a file that gives IPI_SEND alone leaves open: IPIs of CPUs that are at work."""
    if "IPI_SEND" not in events:
        return
    kick = ns[Stage.IPI_SEND]
    handled = max(ns.get(Stage.IPI, 0), min(kick, GUEST_IPI))
    for stage, value in ((Stage.IPI_SEND_BUSY, min(kick, GUEST_IPI_SEND)), (Stage.IPI_BUSY, handled)):
        if stage.name not in events:
            ns[stage], source[stage] = value, f"from IPI_SEND: {source[Stage.IPI_SEND]}"


def _factors(where: str, entries: Any) -> dict[str, float]:
    if not isinstance(entries, dict):
        raise ProfileError(f"{where}: [factors] must be a table")
    for key, entry in entries.items():
        if key not in FACTORS:
            raise ProfileError(f"{where}: [factors] has no {key!r}: there are {', '.join(FACTORS)}")
        if not isinstance(entry, dict) or set(entry) != {"factor", "source"}:
            raise ProfileError(f'{where}: factors.{key}: must be {{ factor = number, source = "where it is from" }}')
        value = entry["factor"]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 100:
            raise ProfileError(f"{where}: factors.{key}: factor must be a number from 1 to 100")
        if not isinstance(entry["source"], str) or not entry["source"].strip():
            raise ProfileError(f"{where}: factors.{key}: every number needs its source")
    return {key: float(entry["factor"]) for key, entry in entries.items()}


def _halt(where: str, entries: Any) -> tuple[tuple[int, int], ...]:
    if not isinstance(entries, dict) or not 1 <= len(entries) <= HALTS:
        raise ProfileError(f"{where}: [halt] must be a table of 1 to {HALTS} times")
    points = []
    for key, entry in entries.items():
        number = key.removesuffix("us").removesuffix("ms").removesuffix("ns")
        unit = {"ns": 1, "us": 1000, "ms": 1_000_000}.get(key[len(number):])
        if unit is None or not number.isdecimal():
            raise ProfileError(f"{where}: [halt] {key!r}: a time such as 20us or 5ms")
        points.append((int(number) * unit, _cost(f"{where}: halt.{key}", Stage.IDLE_EXIT, entry)[0]))
    if any(a[0] >= b[0] or a[1] > b[1] for a, b in itertools.pairwise(points)):
        raise ProfileError(f"{where}: [halt]: longer halts come later, and take no less to leave")
    return tuple(points)


def _stalls(where: str, entry: Any) -> tuple[float, int] | None:
    if entry is None:
        return None
    if not isinstance(entry, dict) or set(entry) != {"per_second", "mean_ns", "source"} or not str(entry["source"]).strip():
        raise ProfileError(f'{where}: [stalls] must have per_second, mean_ns and source = "where it is from"')
    rate, length = entry["per_second"], entry["mean_ns"]
    if not _number(rate, 0, 100_000) or not _number(length, 1000, 1e10):
        raise ProfileError(f"{where}: [stalls]: per_second from 0 to 100000, mean_ns from 1000 to 1e10")
    return (float(rate), round(length)) if rate else None


def _calibration(where: str, entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise ProfileError(f"{where}: [calibration] must be a table")
    return entry


def _number(value: Any, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _stage(where: str, table: str, key: str) -> Stage:
    allowed = [s for s in Stage if {"stations": s in STATIONS, "bytes": s in BYTE_STAGES,
                                    "events": s not in STATIONS and s not in BYTE_STAGES}[table]]
    for stage in allowed:
        if stage.name == key:
            return stage
    import difflib  # for a wrong name only
    near = difflib.get_close_matches(key, [s.name for s in allowed], 1)
    raise ProfileError(f"{where}: [{table}] has no {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


def _cost(where: str, stage: Stage, entry: Any) -> tuple[int, str]:
    if not isinstance(entry, dict) or set(entry) - {"low", "high"} != {"ns", "source"} or ("low" in entry) != ("high" in entry):
        raise ProfileError(f'{where}: must be {{ ns = number, source = "where it is from" }}; low and high, where it was measured')
    value, source = entry["ns"], entry["source"]
    for name in set(entry) - {"source"}:
        least = -1e6 if stage == Stage.IPI_LATENCY else 0.0
        if not _number(entry[name], least, 1e9):
            raise ProfileError(f"{where}: {name} must be a number from {least:g} to 1e9")
    if not isinstance(source, str) or not source.strip():
        raise ProfileError(f"{where}: every number needs its source")
    if stage in BYTE_STAGES:
        return round(value * (1 << SHIFT)), source
    return round(value), source


def __getattr__(name: str) -> dict[Stage, int]:
    """BM36: the numbers of that profile, read when somebody asks."""
    if name == "BM36":
        return load_profile("bm36").ns
    raise AttributeError(name)
