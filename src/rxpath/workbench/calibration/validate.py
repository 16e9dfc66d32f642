"""`rxpath validate`: experiments on this machine's kernel, the same in the model, and how far they are apart.

First the kernel, each experiment several times; what is kept lies in a folder (runs), so that one that was stopped goes on where it was,
and the model can be asked again with another profile.  A capture holds the times at which the sender really called - of one that shares its
CPU with a reader its schedule, since its times hold already what the reader took from it."""
from __future__ import annotations

import contextlib
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rxpath.vtime import calibrated
from rxpath.vtime.costs import load_profile
from rxpath.workbench.calibration import in_model, machine, on_kernel
from rxpath.workbench.calibration.experiments import EXPERIMENTS, Experiment
from rxpath.workbench.calibration.in_model import Predicted
from rxpath.workbench.calibration.machine import Cpus
from rxpath.workbench.calibration.on_kernel import Run
from rxpath.workbench.calibration.program import Pair, Program
from rxpath.workbench.judge.kernel.undo import STATE, Journal, recover
from rxpath.workbench.readings.live import machine as live
from rxpath.workbench.words.mistakes import BadInput, writing

RUNS, TRIES = 5, 3                                          # quiet repetitions of each; attempts for one
STEADY = 2.0                                                # points: an experiment whose own spread is below this measures the model
LOSES = 1.0                                                 # per cent: what loses more has a median latency worth comparing
FORMAT = 2


@dataclass(frozen=True, slots=True)
class Row:
    """One experiment.  Losses in per cent of its datagrams, times in ns.  runs: undisturbed repetitions; noisy: none was, and the disturbed
    ones were taken.  error: points, model less kernel.  within: inside the kernel's range, half a point round it allowed."""
    name: str
    kind: str
    what: str
    runs: int
    noisy: bool
    kernel: float
    least: float
    most: float
    model: float
    error: float
    within: bool
    kernel_p50: int
    model_p50: int
    kernel_p99: int
    model_p99: int
    kernel_wakeups: float
    model_wakeups: float
    kernel_queue: int
    model_queue: int

    @property
    def spread(self) -> float:
        return self.most - self.least

    @property
    def steady(self) -> bool:
        return not self.noisy and self.spread < STEADY

    @property
    def loses(self) -> bool:
        return self.kernel >= LOSES

    @property
    def p50_error(self) -> float:
        """As a share of the kernel's."""
        return self.model_p50 / self.kernel_p50 - 1 if self.kernel_p50 else 0.0


@dataclass
class Validation:
    """rows: what was compared; cannot: experiments that cannot be made here, and why."""
    profile: str
    rows: list[Row] = field(default_factory=list)
    cannot: dict[str, str] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict)
    saved: str = ""
    interrupted: bool = False

    @property
    def kinds(self) -> dict[str, calibrated.Errors]:
        """Of undisturbed experiments; "all": of all of them."""
        out = {kind: errors_of([r for r in self.rows if r.kind == kind and not r.noisy]) for kind in calibrated.KINDS}
        whole = errors_of([r for r in self.rows if not r.noisy])
        return {kind: e for kind, e in (*out.items(), (calibrated.ALL, whole)) if e.experiments}

    @property
    def measure(self) -> dict[str, int]:
        """Of experiments whose own spread is below STEADY: how many, how many of these within 5 points; of those that lose, how many, and
        of these p50 within 20 %."""
        steady = [r for r in self.rows if r.steady]
        losing = [r for r in steady if r.loses]
        return {"steady": len(steady), "within_5_points": len([r for r in steady if abs(r.error) <= 5]), "losing": len(losing),
                "p50_within_20_percent": len([r for r in losing if abs(r.p50_error) <= 0.2])}

    def to_dict(self) -> dict[str, Any]:
        return {"profile": self.profile, **self.made, "measure": self.measure, "kinds": {k: e._asdict() for k, e in self.kinds.items()},
                "experiments": [asdict(r) | {"p50_error": r.p50_error, "steady": r.steady} for r in self.rows], "cannot": self.cannot}


def errors_of(rows: Sequence[Row]) -> calibrated.Errors:
    losing = [abs(r.p50_error) for r in rows if r.loses]
    points = [abs(r.error) for r in rows] or [0.0]
    return calibrated.Errors(len(rows), round(statistics.fmean(points), 2), round(max(points), 2),
                             round(statistics.fmean(losing), 3) if losing else None)


# ---------------------------------------------------------------- what lies in a folder
class Store:
    """The repetitions of a machine's kernel: one JSON line each in runs.jsonl, the sender's times beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "runs.jsonl"
        if folder.exists() and not folder.is_dir():
            raise BadInput(f"{folder} is not a folder")
        self.rows: dict[str, list[dict[str, Any]]] = {}
        if self.path.exists():
            self._read()

    def _read(self) -> None:
        with writing(self.path):
            text = self.path.read_bytes()
        for number, line in enumerate(text[:text.rfind(b"\n") + 1].splitlines(), 1):
            try:
                row = json.loads(line)
                if row["rxpath"] != FORMAT:
                    raise ValueError
                name, what = row["experiment"], row["what"]
                if name in EXPERIMENTS and what == EXPERIMENTS[name].what:     # else of a release in which it was another experiment
                    self.rows.setdefault(name, []).append(row)
            except (ValueError, KeyError, TypeError):
                raise BadInput(f"{self.path}:{number}: not a run of rxpath validate: another folder") from None

    @property
    def made(self) -> dict[str, Any]:
        """On which machine; {} where there is nothing yet."""
        first = next((rows[0] for rows in self.rows.values() if rows), None)
        return dict(first["made"]) if first is not None else {}

    def kept(self, name: str) -> list[dict[str, Any]]:
        return [row for row in self.rows.get(name, []) if row["quiet"]]

    def add(self, name: str, run: Run, made: Mapping[str, Any]) -> None:
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            number = len(self.rows.get(name, []))
            times = f"{name}.{number}.times"
            (self.folder / times).write_bytes(run.packed)
            row = {"rxpath": FORMAT, "experiment": name, "what": EXPERIMENTS[name].what, "quiet": run.quiet, "times": times,
                   "made": dict(made),
                   **{k: getattr(run, k) for k in ("loss", "p50", "p99", "queue_max", "wakeups", "service", "others", "steal", "failed")}}
            with open(self.path, "ab") as file:
                file.write(json.dumps(row).encode() + b"\n")
        self.rows.setdefault(name, []).append(row)

    def sent(self, row: Mapping[str, Any]) -> list[int]:
        try:
            return on_kernel.unpacked((self.folder / row["times"]).read_bytes())
        except (OSError, ValueError) as error:
            raise BadInput(f"{self.folder / row['times']}: {error}") from None
        except Exception as error:
            raise BadInput(f"{self.folder / row['times']}: not the times of a run ({error})") from None


def made_here(cpus: Cpus) -> dict[str, Any]:
    return {"date": time.strftime("%Y-%m-%d"), "kernel": os.uname().release, "machine": calibrated.machine_id(),
            "model": calibrated.cpu_model(), "cpus": os.cpu_count() or 1, "hz": live.build().hz,
            "measured_on": [cpus.a] if cpus.b is None else [cpus.a, cpus.b]}


# ---------------------------------------------------------------- the kernel
def run_kernel(store: Store, wanted: Mapping[str, Experiment], cpus: Cpus, *, runs: int = RUNS, anyway: bool = False,
               stop: Callable[[], bool] = lambda: False, say: Callable[[str], None] = lambda text: None) -> dict[str, str]:
    """What the store lacks of these; experiments that cannot be made, and why.  anyway: disturbed repetitions count, too."""
    made, cannot = made_here(cpus), dict[str, str]()
    there = store.made
    if there and (there.get("machine"), there.get("kernel")) != (made["machine"], made["kernel"]):
        raise BadInput(f"{store.folder} holds runs of another machine or kernel ({there.get('model')}, {there.get('kernel')}): another "
                       "folder, or --no-run to compare what it holds")
    missing = {name: e for name, e in wanted.items() if _count(store, name, anyway) < runs}
    if not missing:
        return cannot
    with _journal() as journal, Program() as program:
        for number, (name, e) in enumerate(missing.items(), 1):
            if stop():
                break
            try:
                with Pair(program) as pair, on_kernel.set_up(e, pair, cpus, journal):
                    for _ in range(TRIES * (runs - _count(store, name, anyway))):
                        if stop() or _count(store, name, anyway) >= runs:
                            break
                        say(f"{number} of {len(missing)}: {name}, run {_count(store, name, anyway) + 1} of {runs}")
                        if not anyway:
                            machine.wait_until_quiet(5)
                        store.add(name, on_kernel.once(e, pair, cpus), made)
            except on_kernel.Cannot as error:
                cannot[name] = str(error)
            except BadInput:
                if not stop():                              # a child that was just being started has had the terminal's Ctrl-C, too
                    raise
    return cannot


def _count(store: Store, name: str, anyway: bool) -> int:
    return len(store.rows.get(name, []) if anyway else store.kept(name))


@contextlib.contextmanager
def _journal() -> Iterator[Journal | None]:
    """Of root, who may set what is the whole machine's."""
    if os.geteuid() != 0 or not os.access("/proc/sys/net/core/netdev_max_backlog", os.W_OK):
        yield None
        return
    try:
        recover(STATE)
        journal = Journal()
    except OSError:
        yield None
        return
    try:
        yield journal
    finally:
        journal.close()


# ---------------------------------------------------------------- the model
def compare(store: Store, wanted: Mapping[str, Experiment], profile: str, *, runs: int = RUNS, idle: str = "C1",
            stop: Callable[[], bool] = lambda: False, say: Callable[[str], None] = lambda text: None) -> Validation:
    """The model on what the store holds."""
    found = Validation(profile, made=store.made)
    with tempfile.TemporaryDirectory(prefix="rxpath-") as place:
        for name, e in wanted.items():
            quiet = store.kept(name)
            rows = (quiet or store.rows.get(name, []))[:runs]
            if not rows:
                continue
            if stop():
                found.interrupted = True
                break
            say(f"the model: {name}")
            ours = [_predicted(store, row, e, profile, number + 1, idle, Path(place) / "sent.pcap") for number, row in enumerate(rows)]
            found.rows.append(_row(name, e, rows, ours, not quiet))
    return found


def _predicted(store: Store, row: Mapping[str, Any], e: Experiment, profile: str, seed: int, idle: str, capture: Path) -> Predicted:
    sent = store.sent(row) if e.alone else [d.t for d in e.datagrams]
    if e.rps and len(sent) == len(e.datagrams):
        sent = without_interrupts(e, sent)
    if len(sent) != len(e.datagrams):
        raise BadInput(f"{store.folder / row['times']}: a run of another version of {row['experiment']}: another folder")
    in_model.write_capture(capture, e.datagrams, sent)
    hz = store.made.get("hz")
    built = in_model.host(e, profile, seed, service=row["service"], hz=hz if hz in (100, 250, 300, 1000) else None, idle=idle,
                          release=str(store.made.get("kernel", "")))
    return in_model.predicted(e, capture, built)


def without_interrupts(e: Experiment, sent: Sequence[int]) -> list[int]:
    """When this sender would have called had it sent no interrupts to the other CPU: the model's sender pays for its own, at other calls
    than the real one did.  What is due at once comes as fast as its median call."""
    gaps = [b - a for (a, b), (x, y) in zip(itertools.pairwise(sent), itertools.pairwise(e.datagrams), strict=True) if x.t == y.t]
    pace = round(statistics.median(gaps)) if gaps else 0
    out = [sent[0]]
    for (a, b), d in zip(itertools.pairwise(sent), e.datagrams[1:], strict=True):
        out.append(max(d.t, out[-1] + min(b - a, pace)))
    return out


def _row(name: str, e: Experiment, rows: Sequence[Mapping[str, Any]], ours: Sequence[Predicted], noisy: bool) -> Row:
    kernel, model = [r["loss"] for r in rows], [p.loss for p in ours]
    k, m = statistics.fmean(kernel), statistics.fmean(model)
    return Row(name, e.kind, e.what, len(rows), noisy, k, min(kernel), max(kernel), m, m - k, min(kernel) - 0.5 <= m <= max(kernel) + 0.5,
               round(statistics.median(r["p50"] for r in rows)), round(statistics.median(p.p50 for p in ours)),
               round(statistics.median(r["p99"] for r in rows)), round(statistics.median(p.p99 for p in ours)),
               statistics.fmean(r["wakeups"] for r in rows), statistics.fmean(p.wakeups for p in ours), max(r["queue_max"] for r in rows),
               max(p.queue_max for p in ours))


def save(found: Validation) -> None:
    """Beside the profile, where that was measured here: reports state these errors from then on."""
    if calibrated.is_calibrated(found.profile) and found.kinds:
        path = calibrated.path_of(found.profile).with_suffix(".json")
        with writing(path):
            path.write_text(json.dumps(found.to_dict(), indent=1) + "\n")
        found.saved = str(path)


def default_folder() -> Path:
    """The runs of this machine and kernel."""
    return calibrated.folder().parent / "validation" / f"{os.uname().release}-{calibrated.machine_id()}"


def validate(wanted: Mapping[str, Experiment], *, profile: str = calibrated.HERE, folder: str | None = None, fresh: bool = False,
             run: bool = True, runs: int = RUNS, anyway: bool = False, cpus: Cpus | None = None, idle: str = "C1",
             stop: Callable[[], bool] = lambda: False, say: Callable[[str], None] = lambda text: None) -> Validation:
    """Both sides of these experiments.  run: ask the kernel for what the folder lacks; fresh: for all of it."""
    name = _profile(profile)
    place = Path(folder) if folder else default_folder()
    store = Store(place)
    if fresh:
        store = _emptied(store)
    cannot = run_kernel(store, wanted, cpus or machine.cpus(), runs=runs, anyway=anyway, stop=stop, say=say) if run else {}
    found = Validation(name, made=store.made, interrupted=True) if stop() else compare(store, wanted, name, runs=runs, idle=idle, stop=stop,
                                                                                       say=say)
    found.cannot = cannot
    if not found.rows and not found.interrupted and cannot:
        raise BadInput(f"no experiment can be made here: {'; '.join(dict.fromkeys(cannot.values()))}")
    if not found.rows and not found.interrupted:
        raise BadInput(f"{place} holds no run of these experiments: without --no-run they are made")
    if not found.interrupted and set(wanted) == set(EXPERIMENTS):
        save(found)
    return found


def _profile(wanted: str) -> str:
    """Its full name."""
    try:
        load_profile(wanted)
    except ValueError as error:
        raise BadInput(f"--profile: {error}; --profile vm compares with that of another machine") from None
    return calibrated.newest() or wanted if wanted == calibrated.HERE else wanted


def _emptied(store: Store) -> Store:
    """Only files of ours go."""
    for rows in store.rows.values():
        for row in rows:
            (store.folder / Path(row["times"]).name).unlink(missing_ok=True)
    store.path.unlink(missing_ok=True)
    return Store(store.folder)
