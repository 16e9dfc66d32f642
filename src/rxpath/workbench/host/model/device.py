"""One device of a host: its tables, and what they leave to the driver, worked out from the driver's row (rxpath/drivers/rows.py)."""
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rxpath.drivers import igb_nfc, nfc
from rxpath.drivers.counters import stand_in
from rxpath.drivers.rows import ALIASES, Behaviours, Driver
from rxpath.workbench.host.model.nic import Ethtool, Irq, Nic
from rxpath.workbench.toml_in.tables import Wrong
from rxpath.workbench.words import units


@dataclass(frozen=True)
class Device:
    """room: what its keys begin with, "" for the first card ([nic], [ethtool], [irq]), "card.0." for the first [[card]]."""

    nic: Nic
    ethtool: Ethtool
    irq: Irq
    rps: Mapping[int, tuple[int, ...]]
    rps_flow_cnt: Mapping[int, int]
    cpus: int
    behaviours: Behaviours
    room: str = ""

    def key(self, name: str) -> str:
        """The dotted key of a setting that is "nic.queues", "ethtool.rx" or "irq.0" of the first card."""
        return self.room + (name.removeprefix("nic.") if self.room else name)

    @cached_property
    def driver(self) -> Driver:
        """The row of the card that is simulated, under this kernel."""
        row = stand_in(self.nic.driver)
        return row.of(self.nic.model or row.default_model, self.behaviours)

    @property
    def stands_in(self) -> bool:
        """Whether another card takes the place of the one that the host names."""
        return self.driver.name != ALIASES.get(self.nic.driver, self.nic.driver)

    @property
    def name(self) -> str:
        return self.nic.name

    @property
    def model(self) -> str:
        return self.nic.model or self.driver.default_model

    @property
    def most_queues(self) -> int:
        most = self.driver.models.get(self.model, 1)
        return min(most, self.cpus) if self.driver.queues_by_cpus else most

    @property
    def queue_count(self) -> int:
        """Receive queues: nic.queues, ethtool.combined, or the driver's default."""
        return self.nic.queues or self.ethtool.combined or self.driver.default_queues(self.most_queues, self.cpus)

    @property
    def mtu(self) -> int:
        return self.nic.mtu or self.driver.mtu

    @property
    def rx_ring(self) -> int:
        """Descriptors of a receive ring, as the driver rounds them; 0: it has none."""
        ring = self.driver.rx_ring
        return 0 if ring is None else ring.size(self.ethtool.rx or ring.default)

    @property
    def tx_ring(self) -> int:
        ring = self.driver.tx_ring
        return 0 if ring is None else ring.size(self.ethtool.tx or ring.default)

    @property
    def most_descriptors(self) -> int:
        ring = self.driver.rx_ring
        return 0 if ring is None else ring.most

    @property
    def rx_usecs(self) -> int:
        """ethtool -C rx-usecs: a word of the driver's, else microseconds; 0: no moderation, or no interrupts."""
        moderation = self.driver.moderation
        if moderation is None:
            return 0
        if self.ethtool.rx_usecs is not None:
            return self.ethtool.rx_usecs
        return {None: moderation.default, True: moderation.adaptive, False: 0}[self.ethtool.adaptive_rx]

    @property
    def rss_udp(self) -> str:
        """Fields of the RSS hash for UDP."""
        return self.ethtool.rx_flow_hash_udp4 or self.driver.rss_udp

    @property
    def adaptive_rx(self) -> bool:
        moderation = self.driver.moderation
        return moderation is not None and self.rx_usecs != 0 and self.rx_usecs in moderation.words

    @property
    def gro(self) -> bool:
        return self.driver.gro if self.ethtool.gro is None else self.ethtool.gro

    @property
    def speed(self) -> str:
        return self.nic.speed or self.driver.speed

    @property
    def speed_bps(self) -> int:
        return units.rate_bps(self.speed)

    @property
    def line_bps(self) -> int | None:
        """How fast frames can come; None: there is no line."""
        return self.speed_bps if self.driver.has_ring else None

    @property
    def rss_key(self) -> bytes:
        return bytes.fromhex(self.ethtool.hkey)

    def indirection(self) -> tuple[int, ...]:
        """The entries of the RSS table."""
        indir, queues, size = self.ethtool.indir, self.queue_count, self.driver.reta_size
        if not isinstance(indir, str):
            return indir
        if indir == "default":
            return self.driver.indirection(queues)
        return tuple(igb_nfc.indirection(indir, queues, size))

    def filters(self) -> list[Any]:
        """ethtool.ntuple as the card takes it; Wrong names the rule that it refuses."""
        taken: list[Any] = []
        rules = nfc.RULES.get(self.driver.name)
        for i, text in enumerate(self.ethtool.ntuple):
            try:
                rule = rules.admit(rules.parse(text), self.model, self.queue_count, taken)      # type: ignore[union-attr]
            except ValueError as error:
                raise Wrong(self.key(f"ethtool.ntuple.{i}"), str(error)) from None
            taken = [r for r in taken if r.loc != rule.loc] + [rule]
        return taken

    def irq_cpu(self, queue: int) -> int:
        """The CPU that takes a queue's interrupt; without one, the sender's CPU."""
        if not self.driver.has_interrupts:
            return self.nic.sender_cpu
        return self.irq.affinity.get(queue, queue % self.cpus if self.irq.irqbalance else 0)

    def napi_cpu(self, queue: int) -> int:
        """The CPU of a queue's napi thread."""
        cpus = self.nic.threaded_cpus
        return cpus[queue % len(cpus)] if cpus else self.irq_cpu(queue)

    def rps_cpus(self, queue: int) -> tuple[int, ...]:
        return self.rps.get(queue, ())
