"""A receiving machine as its host file describes it: its tables, and what they leave to the kernel, worked out.

Read by the command line and by boot, which writes the path's tables from it.  host/file.py reads the TOML, host/sysctls.py owns the
sysctls, host/check.py holds the checks that need more than one key.  Every field says its own documentation once: what it does, what is
allowed, its unit and the source of its default; error lines, `rxpath host init`, docs/host-file.md and the JSON report all use that.
Limits are those of the tables (abi/limits.py): 64 CPUs, 1,024 threads, 131,072 sockets."""
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import PrivateAttr, field_validator, model_validator

from rxpath.abi.kernels import KERNELS, kernel
from rxpath.abi.limits import NCARD
from rxpath.abi.numbers import SMALL_HEAD
from rxpath.abi.sysctls import Value
from rxpath.drivers.rows import LO, is_lo
from rxpath.vtime import calibrated
from rxpath.workbench.host.model.device import Device
from rxpath.workbench.host.model.machine import Cpu, Load, SoftirqSource, Stalls
from rxpath.workbench.host.model.network import ROUTES_MAX, Iptables, Neighbour, Route
from rxpath.workbench.host.model.nic import Card, Ethtool, Irq, Nic, Rps, RpsFlowCnt, queues_or_all, rps_flow_cnt_key, rps_key
from rxpath.workbench.host.model.outputs import Tap, Tx
from rxpath.workbench.host.model.programs import SOCKETS_MAX, THREADS_MAX, App, Socket
from rxpath.workbench.host.sysctls import DEFAULT_HZ, combined, effective
from rxpath.workbench.toml_in.tables import ANY, CPUS_MAX, Int, Part, key
from rxpath.workbench.words import units

PROFILES = ("bm36", "xeon2g_2015", "vm", "vm_xeon")


def _calibrated(name: str) -> str:
    """The name of a profile that was measured; ValueError where there is none."""
    if name == calibrated.HERE:
        newest = calibrated.newest()
        if newest is None:
            raise ValueError("a calibration of this machine and kernel, undisturbed by others; there is none: rxpath calibrate")
        return newest
    if name not in calibrated.names():
        raise ValueError(f"a calibration of this machine; rxpath calibrate --list names them, {calibrated.folder()} has no {name}")
    return name


class Host(Part):
    """One receiving machine."""

    kernel: str = key("6.18", "kernel profile", ", ".join(f'"{name}"' for name in KERNELS) + ", in quotes")
    profile: str = key("bm36", "cost profile: nanoseconds of every station",
                       f"{', '.join(PROFILES)}; here, this machine's own (rxpath calibrate; the default where there is one); or the path "
                       "of a profile file (with a / or .toml)")
    seed: Int = key(1, "seed of everything random: the same seed gives the same bytes", "0 to 9223372036854775807", ge=0, le=units.LARGEST)
    hz: Literal[100, 250, 300, 1000] | None = key(
        None, "ticks a second (CONFIG_HZ); default " + ", ".join(f"{k.hz} for {name}" for name, k in KERNELS.items()),
        "100, 250, 300 or 1000", "[M] 250", example="250")
    cpus: Int = key(2, "CPUs; two is the least with which interrupts and applications can be together or apart", "1 to 64", "ours", ge=1,
                    le=CPUS_MAX)
    small_head: Literal[576, 704] = key(
        SMALL_HEAD, "bytes of an object of the kernel's skb_small_head_cache: 576, or 704 where WLAN and tunnels are configured, as in "
        "distributions' kernels; 256 more is the smallest truesize of a packet of veth or lo", "576 or 704", "[M] 576")
    listen: Literal["auto", "capture", "listed"] = key(
        "auto", "sockets: capture opens what the capture's traffic goes to, listed only those below; auto is listed when there are any",
        "auto, capture or listed")
    cpu: Cpu = key(Cpu(), "", "a table")
    stalls: Stalls = key(Stalls(), "", "a table")
    nic: Nic = key(Nic(), "", "a table")
    ethtool: Ethtool = key(Ethtool(), "", "a table")
    irq: Irq = key(Irq(), "", "a table")
    rps: Rps = rps_key()
    rps_flow_cnt: RpsFlowCnt = rps_flow_cnt_key()
    cards: tuple[Card, ...] = key((), "", "tables [[card]]", alias="card", max_length=NCARD - 1)
    sysctl: dict[str, Any] = key({}, "", "a table of sysctls")
    routes: tuple[Route, ...] = key((), "", "tables [[route]]", alias="route", max_length=ROUTES_MAX)
    neighbours: tuple[Neighbour, ...] = key((), "", "tables [[neighbour]]", alias="neighbour", max_length=ROUTES_MAX)
    iptables: Iptables = key(Iptables(), "", 'the path of the rules, or a table with file or text')
    sockets: tuple[Socket, ...] = key((), "", "tables [[socket]]", alias="socket", max_length=SOCKETS_MAX)
    apps: tuple[App, ...] = key((App(name="app0"),), "", "tables [[app]]", alias="app", max_length=THREADS_MAX)
    loads: tuple[Load, ...] = key((), "", "tables [[load]]", alias="load", max_length=CPUS_MAX)
    softirqs: tuple[SoftirqSource, ...] = key((), "", "tables [[softirq]]", alias="softirq", max_length=CPUS_MAX)
    taps: tuple[Tap, ...] = key((), "", "tables [[tap]]", alias="tap", max_length=64)
    tx: Tx = key(Tx(), "", "a table")

    _raw: dict[str, Any] = PrivateAttr(default_factory=dict)    # what was written, for overrides
    _devices: tuple[Device, ...] = PrivateAttr(default=())
    _sysctls: dict[str, Value] | None = PrivateAttr(default=None)
    _source: str = PrivateAttr(default="host")                  # what error lines call it
    _without_effect: dict[str, str] = PrivateAttr(default_factory=dict)      # sysctls of Linux that the path does not read: why

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Host) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    @model_validator(mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        """Give sockets, applications and cards without a name their number; lo is called lo."""
        if isinstance(value, dict):
            value = dict(value)
            nic = value.get("nic")
            if isinstance(nic, dict) and "name" not in nic and is_lo(nic.get("driver")):
                value["nic"] = {"name": LO.name, **nic}
            if isinstance(value.get("card"), list):
                value["card"] = [{"name": f"eth{i}", **item} if isinstance(item, dict) else item
                                 for i, item in enumerate(value["card"], 1)]
            for room in ("socket", "app"):
                if isinstance(value.get(room), list):
                    value[room] = [{"name": f"{room}{i}", **item} if isinstance(item, dict) else item for i, item in enumerate(value[room])]
        return value

    @field_validator("kernel", mode="before")
    @classmethod
    def _kernel(cls, value: object) -> object:
        if not isinstance(value, str) or value not in KERNELS:              # TOML reads 3.10 as the number 3.1
            raise ValueError("")
        return value

    @field_validator("profile")
    @classmethod
    def _profile(cls, value: str) -> str:
        if value in PROFILES or "/" in value or value.endswith(".toml"):
            return value
        if value == calibrated.HERE or calibrated.is_calibrated(value):
            return _calibrated(value)
        near = units.nearest(value, list(PROFILES))
        raise ValueError(f"{', '.join(PROFILES)}, here, or a path (with a / or .toml)" + (f"; did you mean {near}?" if near else ""))

    _rps = field_validator("rps", "rps_flow_cnt", mode="before")(queues_or_all)

    # What follows works out what the file leaves to the kernel.  All of it is derived; nothing is stored twice.

    @property
    def ticks(self) -> int:
        """HZ."""
        return self.hz or DEFAULT_HZ[self.kernel]

    @property
    def devices(self) -> tuple[Device, ...]:
        """The cards: [nic] with [ethtool], [irq], [rps], then each [[card]]."""
        if not self._devices:
            behaviours = [n for _, n in sorted(kernel(self.kernel).behaviours().items())]
            first = Device(self.nic, self.ethtool, self.irq, self.rps, self.rps_flow_cnt, self.cpus, behaviours)
            self._devices = (first, *(Device(c, c.ethtool, c.irq, c.rps, c.rps_flow_cnt, self.cpus, behaviours, f"card.{i}.")
                                      for i, c in enumerate(self.cards)))
        return self._devices

    @property
    def device(self) -> Device:
        """The first card."""
        return self.devices[0]

    def pools(self) -> list[range]:
        """Each card's queues as numbers of the one pool of rings: a card has room for as many as it can have, the last one grows anyway."""
        pools, first = [], 0
        for dev in self.devices:
            pools.append(range(first, first + dev.queue_count))
            first += max(dev.queue_count, dev.most_queues)
        return pools

    def rings(self) -> list[int]:
        """The queues of all cards, as numbers of the pool."""
        return [q for pool in self.pools() for q in pool]

    def vlans(self, seen: Sequence[int]) -> list[tuple[int, int]]:
        """The VLAN devices as (card, id): those that the file lists for a card, or one for each tag that the traffic has."""
        return [(i, vid) for i, dev in enumerate(self.devices) for vid in (seen if dev.nic.vlans == "auto" else dev.nic.vlans)]

    @property
    def addresses(self) -> tuple[str, ...]:
        """Of all cards."""
        return tuple(text for dev in self.devices for text in dev.nic.addresses)

    @property
    def interfaces(self) -> tuple[str, ...]:
        return tuple(device.name for device in self.devices)

    def sysctls(self) -> dict[str, Value]:
        """Every sysctl with its effective value, by its full name.  Worked out once: a run asks twenty times."""
        if self._sysctls is None:
            self._sysctls = effective(self.sysctl, self.kernel, self.ticks, *self.interfaces)
        return dict(self._sysctls)

    def conf(self, flag: str, interface: str | None = None) -> int:
        """A per-interface flag as the path sees it, `all` and the interface (default: the first card) combined: conf("rp_filter")."""
        return combined(flag, self.sysctls(), interface or self.nic.name)

    @property
    def opens_from_capture(self) -> bool:
        """Whether a replay opens the sockets that the capture's traffic goes to."""
        return self.listen == "capture" or (self.listen == "auto" and not self.sockets)

    def app_cpu(self, app: App, thread: int) -> int:
        return app.cpu[thread % len(app.cpu)] if app.cpu and app.cpu != ANY else thread % self.cpus
