"""A receiving machine as its host file describes it: its tables, and what they leave to the kernel, worked out.

Read by the command line and by boot, which writes the path's tables from it.  host/file.py reads the TOML, host/sysctls.py owns the
sysctls, host/check.py holds the checks that need more than one key.  Every field says its own documentation once: what it does, what is
allowed, its unit and the source of its default; error lines, `rxpath host init`, docs/host-file.md and the JSON report all use that.
Limits are DESIGN's: 64 CPUs, 1,024 threads, 65,536 sockets."""
from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from rxpath.drivers import igb_nfc
from rxpath.workbench.host.model.machine import Cpu, Load, SoftirqSource
from rxpath.workbench.host.model.network import ROUTES_MAX, Iptables, Neighbour, Route
from rxpath.workbench.host.model.nic import QUEUES_MAX, RETA_SIZE, Ethtool, Irq, Nic, queue_keys
from rxpath.workbench.host.model.outputs import Tap, Tx
from rxpath.workbench.host.model.programs import SOCKETS_MAX, THREADS_MAX, App, Socket
from rxpath.workbench.host.sysctls import DEFAULT_HZ, Value, combined, effective
from rxpath.workbench.toml_in.tables import ANY, CPUS_MAX, Cpus, Int, Part, Wrong, key
from rxpath.workbench.words import units

PROFILES = ("bm36", "xeon2g_2015", "vm")


class Host(Part):
    """One receiving machine."""

    kernel: Literal["6.18", "3.10"] = key("6.18", "kernel profile", '"6.18" or "3.10", in quotes')
    profile: str = key("bm36", "cost profile: nanoseconds of every station",
                       f"{', '.join(PROFILES)}, or the path of a profile file (with a / or .toml)")
    seed: Int = key(1, "seed of everything random: the same seed gives the same bytes", "0 to 9223372036854775807", ge=0, le=units.LARGEST)
    hz: Literal[100, 250, 300, 1000] | None = key(None, "ticks a second (CONFIG_HZ); default 250 for 6.18, 1000 for 3.10",
                                                  "100, 250, 300 or 1000",
                                                  "[M] 250", example="250")
    cpus: Int = key(2, "CPUs; two is the least with which interrupts and applications can be together or apart", "1 to 64", "ours", ge=1,
                    le=CPUS_MAX)
    listen: Literal["auto", "capture", "listed"] = key(
        "auto", "sockets: capture opens what the capture's traffic goes to, listed only those below; auto is listed when there are any",
        "auto, capture or listed")
    cpu: Cpu = key(Cpu(), "", "a table")
    nic: Nic = key(Nic(), "", "a table")
    ethtool: Ethtool = key(Ethtool(), "", "a table")
    irq: Irq = key(Irq(), "", "a table")
    rps: dict[int, Cpus] = key({}, "CPUs that share a queue's packets (rps_cpus); none is off", 'queue = CPUs such as { "0" = "1-3" }',
                               "[M] off",
                               example='"1-3"')
    rps_flow_cnt: dict[int, Annotated[Int, Field(ge=0, le=32768)]] = key(
        {}, "RFS: flows of a queue that are remembered (rps_flow_cnt), rounded up to a power of two; needs net.core.rps_sock_flow_entries",
        'queue = flows, 0 to 32768, such as { "0" = 4096 }, "all" for every queue', "[K] 2.6.35", example='{ "0" = 4096 }')
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
    _source: str = PrivateAttr(default="host")                  # what error lines call it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Host) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    @model_validator(mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        """Give sockets and applications without a name their number."""
        if isinstance(value, dict):
            value = dict(value)
            for room in ("socket", "app"):
                if isinstance(value.get(room), list):
                    value[room] = [{"name": f"{room}{i}", **item} if isinstance(item, dict) else item for i, item in enumerate(value[room])]
        return value

    @field_validator("kernel", mode="before")
    @classmethod
    def _kernel(cls, value: object) -> object:
        if not isinstance(value, str):                      # TOML reads 3.10 as the number 3.1
            raise ValueError("")
        return value

    @field_validator("profile")
    @classmethod
    def _profile(cls, value: str) -> str:
        if value in PROFILES or "/" in value or value.endswith(".toml"):
            return value
        near = units.nearest(value, list(PROFILES))
        raise ValueError(f"{', '.join(PROFILES)}, or a path (with a / or .toml)" + (f"; did you mean {near}?" if near else ""))

    @field_validator("rps", "rps_flow_cnt", mode="before")
    @classmethod
    def _rps(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, dict) and "all" in value:
            value = {**dict.fromkeys(range(QUEUES_MAX), value["all"]), **{int(k): v for k, v in value.items() if str(k).isdigit()},
                     **{k: v for k, v in value.items() if not str(k).isdigit() and k != "all"}}
        return queue_keys(value, str(info.field_name))

    # What follows works out what the file leaves to the kernel.  All of it is derived; nothing is stored twice.

    @property
    def ticks(self) -> int:
        """HZ."""
        return self.hz or DEFAULT_HZ[self.kernel]

    @property
    def queue_count(self) -> int:
        """Receive queues: nic.queues, ethtool.combined, or the driver's default."""
        most = igb_nfc.MODELS[self.nic.model]
        return self.nic.queues or self.ethtool.combined or (min(most, self.cpus) if self.nic.driver == "igb" else 1)

    @property
    def mtu(self) -> int:
        return self.nic.mtu or (65536 if self.nic.driver == "loopback" else 1500)

    @property
    def rx_ring(self) -> int:
        """Descriptors of a receive ring: igb rounds up to a multiple of 8."""
        return (self.ethtool.rx + 7) // 8 * 8

    @property
    def tx_ring(self) -> int:
        return (self.ethtool.tx + 7) // 8 * 8

    @property
    def rx_usecs(self) -> int:
        """igb's rx-usecs: 0 off, 1 dynamic, 3 dynamic conservative, else microseconds."""
        if self.ethtool.rx_usecs is not None:
            return self.ethtool.rx_usecs
        return 3 if self.ethtool.adaptive_rx is not False else 0

    @property
    def gro(self) -> bool:
        return self.nic.driver == "igb" if self.ethtool.gro is None else self.ethtool.gro

    @property
    def speed_bps(self) -> int:
        return units.rate_bps(self.nic.speed)

    @property
    def rss_key(self) -> bytes:
        return bytes.fromhex(self.ethtool.hkey)

    def indirection(self) -> tuple[int, ...]:
        """The 128 entries of the RSS table."""
        indir, queues = self.ethtool.indir, self.queue_count
        if not isinstance(indir, str):
            return indir
        return tuple(igb_nfc.indirection(indir, queues, RETA_SIZE))

    def filters(self) -> list[igb_nfc.Nfc]:
        """ethtool.ntuple as the card takes it; Wrong names the rule that it refuses."""
        taken: list[igb_nfc.Nfc] = []
        for i, text in enumerate(self.ethtool.ntuple):
            try:
                rule = igb_nfc.admit(igb_nfc.parse(text), self.nic.model, self.queue_count, taken)
            except ValueError as error:
                raise Wrong(f"ethtool.ntuple.{i}", str(error)) from None
            taken = [r for r in taken if r.loc != rule.loc] + [rule]
        return taken

    def irq_cpu(self, queue: int) -> int:
        """The CPU that takes a queue's interrupt; veth and loopback have none: the sender's CPU."""
        if self.nic.driver != "igb":
            return self.nic.sender_cpu
        return self.irq.affinity.get(queue, queue % self.cpus if self.irq.irqbalance else 0)

    def napi_cpu(self, queue: int) -> int:
        """The CPU of a queue's napi thread."""
        cpus = self.nic.threaded_cpus
        return cpus[queue % len(cpus)] if cpus else self.irq_cpu(queue)

    def rps_cpus(self, queue: int) -> tuple[int, ...]:
        return self.rps.get(queue, ())

    def sysctls(self) -> dict[str, Value]:
        """Every sysctl with its effective value, by its full name."""
        return effective(self.sysctl, self.kernel, self.ticks, self.nic.name)

    def conf(self, flag: str) -> int:
        """A per-interface flag as the path sees it, `all` and the NIC combined as Linux does: conf("rp_filter")."""
        return combined(flag, self.sysctls(), self.nic.name)

    @property
    def opens_from_capture(self) -> bool:
        """Whether a replay opens the sockets that the capture's traffic goes to."""
        return self.listen == "capture" or (self.listen == "auto" and not self.sockets)

    def app_cpu(self, app: App, thread: int) -> int:
        return app.cpu[thread % len(app.cpu)] if app.cpu and app.cpu != ANY else thread % self.cpus
