"""What a recording and a host file leave open, drawn by the seed: the moment of a tick at which the traffic begins, when each program and
each background load has started, the secrets of the hashes, the RSS key that a card draws at boot, and when within the resolution of its
timestamp a frame came.

Seed 1 draws none of it: the traffic begins at START_NS, programs start when the host file says, secrets and key are the usual ones, frames
come at their timestamps.  It is the run that reports show; the others say how much of it is chance (jobs/spread.py).

Both CPUs of a 6.18 tick at the same nanosecond, on the jiffy (/proc/timer_list; skew_tick is off by default).  So the tick's phase is one
draw, and it is the traffic that is moved against it, with everything that the host file says begins at some time."""
from __future__ import annotations

from enum import IntEnum, auto

from rxpath.abi.kernels import Behaviour, kernel
from rxpath.abi.net import Net
from rxpath.abi.numbers import Secret
from rxpath.vtime.dice import next_random, seeded
from rxpath.workbench.host.model.device import Device
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.host.model.machine import Load, SoftirqSource

SHOWN = 1                                                   # the seed that draws nothing
KEY_BYTES = 40


class Of(IntEnum):
    """What is drawn: each has dice of its own, so that one more changes no other."""
    LEAD = auto()
    PROGRAM = auto()
    LOAD = auto()
    SOFTIRQ = auto()
    UDP_HASH = auto()
    FLOW_HASH = auto()
    ICMP_CREDIT = auto()
    RSS_KEY = auto()
    ARRIVAL = auto()


def draws(host: Host) -> bool:
    return host.seed != SHOWN


def _dice(host: Host, of: Of, i: int = 0) -> int:
    return seeded((host.seed * 1_000_003 + 7919 * i) * len(Of) + of & (1 << 62) - 1)


def _below(host: Host, most: int, of: Of, i: int = 0) -> int:
    """0 to most - 1, each as likely."""
    return (_dice(host, of, i) >> 31) * most >> 32


def jiffy_ns(host: Host) -> int:
    return 1_000_000_000 // host.ticks


def lead_ns(host: Host) -> int:
    """How much later everything begins that the host file or the traffic gives a time: one jiffy, in which programs start, and a part of
    the next."""
    return jiffy_ns(host) + _below(host, jiffy_ns(host), Of.LEAD) if draws(host) else 0


def program_start(host: Host, thread: int, given: int) -> int:
    """When a program's thread first reads."""
    if not draws(host):
        return given
    return given + lead_ns(host) if given else _below(host, jiffy_ns(host), Of.PROGRAM, thread)


def load_start(host: Host, load: Load, thread: int) -> int:
    """When a background load begins: without a time in the host file it has been there for long."""
    if not draws(host):
        return load.start
    return load.start + lead_ns(host) if load.start else _below(host, load.slice * 100 // load.share, Of.LOAD, thread)


def softirq_start(host: Host, source: SoftirqSource, number: int) -> int:
    if not draws(host):
        return source.start or source.every
    return source.start + lead_ns(host) if source.start else 1 + _below(host, source.every, Of.SOFTIRQ, number)


def secrets(net: Net, host: Host) -> None:
    """What the kernel draws at boot."""
    if draws(host):
        net.udp_hash_seed = _dice(host, Of.UDP_HASH) & 0xFFFFFFFF
        net.hash_key, net.icmp_rng = _dice(host, Of.FLOW_HASH), _dice(host, Of.ICMP_CREDIT)
        for secret in Secret:
            for word in range(4):
                net.siphash_key[secret][word] = _dice(host, Of.UDP_HASH, 1 + secret * 4 + word) & 0xFFFFFFFF


def rss_key(host: Host, dev: Device) -> bytes:
    """netdev_rss_key_fill(): one key for all cards of a boot, unless the host file has the card's."""
    random = kernel(host.kernel).behaviours()[Behaviour.rss_key_random]
    if not draws(host) or not random or "hkey" in dev.ethtool.model_fields_set:
        return dev.rss_key
    key, x = b"", _dice(host, Of.RSS_KEY)
    while len(key) < KEY_BYTES:
        x = next_random(x)
        key += (x >> 31).to_bytes(4, "little")
    return key


def arrival_dice(host: Host) -> int:
    """Dice for the moments of arrival (cable/scan.py); 0: at the timestamps."""
    return _dice(host, Of.ARRIVAL) | 1 if draws(host) else 0
