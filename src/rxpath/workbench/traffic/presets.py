"""Ready-made traffic: `rxpath generate --preset NAME`."""
from __future__ import annotations

from typing import Any

from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

# name: (what it is like, the streams)
PRESETS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "line-rate": ("the smallest frames back to back on 1 Gbit/s: 1.488 Mpps, one flow",
                  [{"rate": "1488095pps", "size": 18, "count": 500_000}]),
    "imix": ("a mix of sizes, 1000 flows, at random", [{"kind": "poisson", "rate": "200kpps", "size": "imix", "flows": 1000, "skew": 1.0}]),
    "bursts": ("the mean is low, but 600 datagrams come at once every 10 ms",
               [{"kind": "onoff", "burst": 600, "rate": "60kpps", "size": 18, "flows": 16}]),
    "heavy-tails": ("bursts and pauses of all lengths, as of real users", [{"kind": "pareto", "burst": 40, "rate": "80kpps", "size": "imix",
                                                                           "flows": 200, "skew": 1.1}]),
    "dns": ("queries from many resolvers", [{"kind": "poisson", "rate": "40kpps", "size": "28:3,40:5,60:2", "dport": 53,
                                             "src": "10.1.0.0/22", "flows": 20_000, "skew": 0.9}]),
    "syslog": ("some hosts log at the same second", [{"kind": "poisson", "rate": "2kpps", "size": "120:5,300:3,900:1", "dport": 514,
                                                      "src": "10.0.0.2-10.0.0.61", "skew": 0},
                                                     {"kind": "onoff", "burst": 400, "rate": "4kpps", "size": "200", "dport": 514,
                                                      "src": "10.0.0.2-10.0.0.61", "start": "250ms"}]),
    "voice": ("200 calls of 50 datagrams a second each", [{"rate": "10kpps", "size": 172, "flows": 200, "dport": "16384-16583"}]),
    "video": ("a stream of 25 pictures a second in bursts of 80 full frames",
              [{"kind": "onoff", "burst": 80, "peak": "80kpps", "rate": "2kpps", "size": 1316, "dport": 5004}]),
    "syn-flood": ("connection requests from everywhere", [{"protocol": "tcp-syn", "rate": "500kpps", "src": "10.64.0.0/12",
                                                           "flows": 65536, "skew": 0, "dport": 80, "count": 200_000}]),
    "fragments": ("datagrams of 8 kB in six fragments; one in fifty loses its last",
                  [{"rate": "5kpps", "size": 8192, "flows": 50, "incomplete": 0.02}]),
}


def preset(name: str) -> list[dict[str, Any]]:
    if name not in PRESETS:
        near = units.nearest(name, list(PRESETS))
        raise BadInput(f"--preset {name}: there are {', '.join(PRESETS)}" + (f"; did you mean {near}?" if near else ""))
    return PRESETS[name][1]


def lines() -> list[str]:
    width = max(map(len, PRESETS))
    return [f"{name:{width}}  {about}" for name, (about, _) in PRESETS.items()]
