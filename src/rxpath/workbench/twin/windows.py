"""What a twin says: a window after the other, the moments that came nearest to a limit, and all of it together.  Plain data, of a fixed
size however long it goes on; views/twin.py shows it."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NEAREST = 10                                                # moments in the log
OF_ONE = 3                                                  # of one limit
NEAR = 0.01                                                 # of its limit: what is less is not near


@dataclass(frozen=True, slots=True)
class Depth:
    """What stood in a queue at most.  at_ns: when, ns since 1970, within a look (10 ms)."""
    name: str
    unit: str
    most: int
    limit: int
    at_ns: int

    @property
    def share(self) -> float:
        return self.most / self.limit if self.limit else 0.0

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "unit": self.unit, "most": self.most, "limit": self.limit, "share": round(self.share, 4),
                "at_ns": self.at_ns}


@dataclass(frozen=True, slots=True)
class Burst:
    """The busiest millisecond of a window, and when it began."""
    frames: int = 0
    octets: int = 0
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """What happened between two moments of the mirrored traffic.  ends_ns: ns since 1970; took_ns: its length; frames: to the host; own:
    records of what the host sent; skipped: records that the twin left out because it was behind; missed: frames for which the mirror's own
    ring had no room.  behind_ns: how far the twin was behind the clock.  cpus: share of the time that each simulated CPU worked.
    lost: by reason; other: how frames ended otherwise that no program got.  real: what the kernel's own counters lost meanwhile, by
    class, ours the same of the twin; None: it has no such counters."""
    number: int
    ends_ns: int
    took_ns: int
    frames: int
    octets: int
    own: int
    skipped: int
    missed: int
    behind_ns: int
    burst: Burst
    depths: tuple[Depth, ...]                               # nearest to its limit first
    cpus: tuple[float, ...]
    delivered: int
    lost: Mapping[str, int]
    other: Mapping[str, int]
    real: Mapping[str, int] | None = None
    ours: Mapping[str, int] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """All frames of the window were played."""
        return not self.skipped and not self.missed

    @property
    def pps(self) -> int:
        return round(self.frames * 1e9 / max(self.took_ns, 1))

    def to_dict(self) -> dict[str, Any]:
        return {"window": self.number, "ends_ns": self.ends_ns, "took_ns": self.took_ns, "frames": self.frames, "octets": self.octets,
                "own": self.own, "skipped": self.skipped, "missed": self.missed, "behind_ns": self.behind_ns,
                "burst": {"frames": self.burst.frames, "octets": self.burst.octets, "at_ns": self.burst.at_ns},
                "depths": [d.to_dict() for d in self.depths], "cpus": [round(share, 4) for share in self.cpus],
                "delivered": self.delivered, "lost": dict(self.lost), "other": dict(self.other),
                **({} if self.real is None else {"real": dict(self.real), "ours": dict(self.ours)})}


@dataclass(frozen=True, slots=True)
class Room:
    """Head-room of the last seconds.  factor: this traffic may come so many times as fast; place, says: what gives way first, "" nothing
    at any speed that was tried.  frames, seconds: of the traffic that was tried.  why: there is no answer, and why not."""
    factor: float = 0.0
    place: str = ""
    says: str = ""
    frames: int = 0
    seconds: float = 0.0
    at_ns: int = 0
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {"factor": self.factor, "place": self.place, "says": self.says, "frames": self.frames, "seconds": round(self.seconds, 3),
                "at_ns": self.at_ns, "why": self.why}


@dataclass(slots=True)
class Nearest:
    """The moments that came nearest to any limit: NEAREST of them, OF_ONE of one limit at most, and the nearest of each limit.  `limits`
    grows with the queues of the host, not with time."""
    log: list[Depth] = field(default_factory=list)
    limits: dict[str, Depth] = field(default_factory=dict)

    def take(self, depths: tuple[Depth, ...]) -> None:
        """Of one window, its nearest first."""
        for depth in depths:
            known = self.limits.get(depth.name)
            if known is None or depth.share > known.share:
                self.limits[depth.name] = depth
            if depth.share >= NEAR and (len(self.log) < NEAREST or depth.share > self.log[-1].share):
                self._log(depth)

    def _log(self, depth: Depth) -> None:
        mine = [d for d in self.log if d.name == depth.name]
        if len(mine) >= OF_ONE:
            if mine[-1].share >= depth.share:
                return
            self.log.remove(mine[-1])
        self.log.append(depth)
        self.log.sort(key=lambda d: (-d.share, d.at_ns, d.name))
        del self.log[NEAREST:]

    def worst(self) -> Depth | None:
        return self.log[0] if self.log else None


@dataclass(slots=True)
class Total:
    """All windows together.  ended: why it ended.  burst: the busiest millisecond of all."""
    device: str
    kernel: str
    profile: str
    seed: int
    said: tuple[str, ...]
    began_ns: int = 0
    ends_ns: int = 0
    windows: int = 0
    frames: int = 0
    octets: int = 0
    own: int = 0
    skipped: int = 0
    missed: int = 0
    not_whole: int = 0                                      # windows of which frames are missing
    delivered: int = 0
    queued: int = 0                                         # at the end
    lost: dict[str, int] = field(default_factory=dict)
    other: dict[str, int] = field(default_factory=dict)
    real: dict[str, int] | None = None
    ours: dict[str, int] = field(default_factory=dict)
    burst: Burst = field(default_factory=Burst)
    nearest: Nearest = field(default_factory=Nearest)
    room: Room | None = None                                # the last answer
    least: Room | None = None                               # the smallest of all
    kept: str = ""
    ended: str = ""
    notes: tuple[str, ...] = ()

    def add(self, w: Window) -> None:
        """One window more."""
        self.began_ns = self.began_ns or w.ends_ns - w.took_ns
        self.ends_ns, self.windows = w.ends_ns, self.windows + 1
        self.frames, self.octets, self.own = self.frames + w.frames, self.octets + w.octets, self.own + w.own
        self.skipped, self.missed, self.not_whole = self.skipped + w.skipped, self.missed + w.missed, self.not_whole + (not w.whole)
        self.delivered += w.delivered
        for into, more in ((self.lost, w.lost), (self.other, w.other), (self.ours, w.ours)):
            for name, n in more.items():
                into[name] = into.get(name, 0) + n
        if w.real is not None:
            self.real = self.real or {}
            for name, n in w.real.items():
                self.real[name] = self.real.get(name, 0) + n
        if w.burst.frames > self.burst.frames:
            self.burst = w.burst
        self.nearest.take(w.depths)

    def answer(self, room: Room) -> None:
        """Head-room has been found."""
        self.room = room
        if not room.why and (self.least is None or room.factor < self.least.factor):
            self.least = room

    @property
    def took_ns(self) -> int:
        return self.ends_ns - self.began_ns

    def to_dict(self) -> dict[str, Any]:
        return {"device": self.device, "kernel": self.kernel, "profile": self.profile, "seed": self.seed, "said": list(self.said),
                "began_ns": self.began_ns, "ends_ns": self.ends_ns, "windows": self.windows, "frames": self.frames,
                "octets": self.octets, "own": self.own, "skipped": self.skipped, "missed": self.missed, "not_whole": self.not_whole,
                "delivered": self.delivered, "queued": self.queued, "lost": self.lost, "other": self.other,
                **({} if self.real is None else {"real": self.real, "ours": self.ours}),
                "burst": {"frames": self.burst.frames, "octets": self.burst.octets, "at_ns": self.burst.at_ns},
                "nearest": [d.to_dict() for d in self.nearest.log],
                "limits": [d.to_dict() for d in sorted(self.nearest.limits.values(), key=lambda d: (-d.share, d.name))],
                "headroom": self.room.to_dict() if self.room else None, "least_headroom": self.least.to_dict() if self.least else None,
                "kept": self.kept, "ended": self.ended, "notes": list(self.notes)}
