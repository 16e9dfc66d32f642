"""Cost profiles that were measured on this machine (`rxpath calibrate`), and how well they predict it (`rxpath validate`): where they lie,
and which one is this machine's own.

    $XDG_DATA_HOME/rxpath/calibrations      here-20261130-184756 .toml, a profile as costs.py reads it, with a table [calibration]
                                            here-20261130-184756 .json, its errors by kind of load, once it is validated

"here" is the newest of this machine that was measured while nobody else worked; a host without a profile has that one."""
import functools
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

HERE, ALL = "here", "all"
KINDS = {
    "steady": "traffic that the reader keeps up with, or nearly",
    "overload": "a reader that is asked for more than it can do",
    "bursts": "bursts into a buffer",
    "rps": "RPS to the reader's CPU",
    "fragments": "fragmented datagrams",
    "shared": "reader and sender, readers, or a hog on one CPU",
}                                                           # of load; an error is known for each, and for ALL of them


class Errors(NamedTuple):
    """points: mean absolute error of the loss; worst: the largest.  p50: mean error of the median latency where the kernel loses, as a
    share, None where that was nowhere.  experiments: of this kind, undisturbed ones."""
    experiments: int
    points: float
    worst: float
    p50: float | None


def folder() -> Path:
    """Of this user: of who called sudo, where that is how root came to be."""
    data = os.environ.get("XDG_DATA_HOME", "")
    if not data:
        data = os.path.join(_home(), ".local", "share")
    return Path(data) / "rxpath" / "calibrations"


def _home() -> str:
    owner = os.environ.get("SUDO_UID", "")
    if os.geteuid() == 0 and owner.isdigit():
        import pwd  # late: seldom
        try:
            return pwd.getpwuid(int(owner)).pw_dir
        except KeyError:
            pass
    return os.path.expanduser("~")


def is_calibrated(name: str) -> bool:
    """Is that the name of a profile that was measured?  "here" alone is not: newest() says which one it means."""
    return name.startswith(HERE + "-") and "/" not in name and not name.endswith(".toml")


def path_of(name: str) -> Path:
    return folder() / f"{name}.toml"


def names() -> list[str]:
    """All of them, the newest last."""
    try:
        return sorted(entry[:-5] for entry in os.listdir(folder()) if entry.startswith(HERE + "-") and entry.endswith(".toml"))
    except OSError:
        return []


def newest() -> str | None:
    """This machine's own profile: the newest that was measured on it, on this kernel, and undisturbed."""
    found = names()
    return next((name for name in reversed(found) if _fits(name, str(path_of(name)))), None) if found else None


@functools.cache
def _fits(name: str, path: str) -> bool:
    made = made_on(path)
    return bool(made) and made.get("default") is True and made.get("machine") == machine_id() and made.get("kernel") == os.uname().release


def made_on(path: str | Path) -> dict[str, Any]:
    """The table [calibration] of a profile; {} where it has none or cannot be read."""
    import tomllib  # late: a start without calibrations does not need it
    try:
        table = tomllib.loads(Path(path).read_bytes().decode()).get("calibration")
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}


@functools.cache
def machine_id() -> str:
    """A number of this machine that tells nothing about it: its own, else its name's, and the model of its CPUs."""
    import hashlib  # late: the same
    text = ""
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            text = text or Path(path).read_text().strip()
        except OSError:
            continue
    return hashlib.blake2b(f"rxpath {text or os.uname().nodename} {cpu_model()}".encode(), digest_size=8).hexdigest()


def cpu_model() -> str:
    """Of the first CPU; "" where /proc/cpuinfo does not say it."""
    try:
        with open("/proc/cpuinfo") as file:
            return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")
    except OSError:
        return ""


def errors(name: str) -> dict[str, Errors]:
    """By kind of load (workbench/calibration/experiments.py); {} where the profile was not validated."""
    if not is_calibrated(name):
        return {}
    try:
        kinds = json.loads(path_of(name).with_suffix(".json").read_text())["kinds"]
        return {kind: Errors(**{key: row[key] for key in Errors._fields}) for kind, row in kinds.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
