"""`rxpath generate`: traffic into a pcap file, from options, a spec file or a preset; and captures merged, sped up and looped into one.

Straight into a run without a file: `rxpath replay SPEC.toml`."""
from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from rxpath.workbench.traffic import spec as trafficfile
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput, apart, writing

EPOCH = 1_700_000_000_000_000_000                           # of the first frame in a file: the same spec gives the same bytes
LINE = "10Gbit"                                             # of a file whose spec names none

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


def spec_from(options: dict[str, Any], file: str | None, preset: str | None, seed: int | None, line: str | None) -> trafficfile.Spec:
    """The spec that the command line asks for."""
    given = {k: v for k, v in options.items() if v is not None}
    if file is not None and preset is not None:
        raise BadInput("--spec and --preset: one of them")
    if file is not None:
        if given:
            raise BadInput(f"--{next(iter(given))}: with --spec the file says that")
        changes = {k: v for k, v in (("seed", seed), ("line", line)) if v is not None}
        checked = trafficfile.build({"traffic": [{"rate": 1}], **changes}, "generate")
        return trafficfile.load(file).model_copy(update={k: getattr(checked, k) for k in changes})
    streams = [dict(s) for s in _preset(preset)] if preset is not None else [{}]
    if preset is None and not {"rate", "gap"} & set(given):
        raise BadInput("generate: --rate (or --gap), --spec FILE or --preset NAME says what to send; --help has examples")
    for stream in streams:
        if "rate" in given or "gap" in given:
            stream.pop("rate", None)
        if "duration" in given or "count" in given:
            stream.pop("count", None)
            stream.pop("duration", None)
        stream.update(given)
    top = {k: v for k, v in (("seed", seed), ("line", line)) if v is not None}
    return trafficfile.build({"traffic": streams, **top}, f"--preset {preset}" if preset is not None else "generate")


def _preset(name: str) -> list[dict[str, Any]]:
    if name not in PRESETS:
        near = units.nearest(name, list(PRESETS))
        raise BadInput(f"--preset {name}: there are {', '.join(PRESETS)}" + (f"; did you mean {near}?" if near else ""))
    return PRESETS[name][1]


def preset_lines() -> list[str]:
    width = max(map(len, PRESETS))
    return [f"{name:{width}}  {about}" for name, (about, _) in PRESETS.items()]


# ---------------------------------------------------------------- out
def open_out(out: str | None) -> BinaryIO:
    if out is None or out == "-":
        if sys.stdout.isatty():
            raise BadInput("generate: a capture is no text for a terminal: -o FILE, or a pipe behind it")
        return sys.stdout.buffer
    with writing(out):
        return open(out, "wb")


def write(out: str | None, pieces: Iterable[memoryview | bytes]) -> int:
    """A pcap header and pieces of records; returns the bytes.  A file that was not finished is not left behind."""
    from rxpath.cable.write import HEADER

    file = open_out(out)
    name = out if out and out != "-" else "standard output"
    n = 0
    try:
        for piece in itertools.chain([HEADER.pack(0xA1B23C4D, 2, 4, 0, 0, 262144, 1)], pieces):
            n += len(piece)
            with writing(name):
                file.write(piece)
        with writing(name):
            file.flush()
    except BaseException:
        if file is not sys.stdout.buffer:
            with contextlib.suppress(OSError):
                file.close()
            if os.path.isfile(name) and not os.path.islink(name):           # never a device
                os.unlink(name)
        raise
    if file is not sys.stdout.buffer:
        file.close()
    return n


def generate(spec: trafficfile.Spec, out: str | None, progress: Any = None, stop: Any = None) -> tuple[int, int, int]:
    """The spec's frames as a pcap file; (frames, bytes, ns from the first to the last)."""
    if spec.line is None:
        spec = spec.model_copy(update={"line": LINE})
    with trafficfile.generator(spec) as traffic:
        def pieces() -> Iterable[memoryview]:
            for piece in traffic.pcap(EPOCH):
                yield piece
                if progress is not None:
                    progress(*traffic.progress())
                if stop is not None and stop():
                    return
        n = write(out, pieces())
        return traffic.g.offered, n, max(traffic.last_t, 0)


def command(options: dict[str, Any], *, spec: str | None, preset: str | None, seed: int | None, line: str | None, out: str | None,
            merge: list[str], speed: float, loop: int, fresh: bool, show_progress: bool) -> int:
    """`rxpath generate`; the exit status."""
    from rxpath.workbench.cli.replay import Bar, Interrupt

    if out == "":
        raise BadInput("generate -o: the file's name is empty")
    apart("generate -o", out, spec, *merge)
    if merge:
        from rxpath.workbench.traffic import merge as merging

        if spec is not None or preset is not None or any(v is not None for v in options.values()):
            raise BadInput("generate --merge: captures are merged as they are; --speed, --loop and --fresh change them")
        bar = Bar(show_progress, "merging")
        with Interrupt() as interrupt:
            try:
                frames, size, ns = merging.merge(merge, out, speed=speed, loop=loop, fresh=fresh, progress=bar, stop=interrupt)
            finally:
                bar.close()
    else:
        if speed != 1 or loop != 1 or fresh:
            raise BadInput("generate: --speed, --loop and --fresh are for --merge")
        wanted = spec_from(options, spec, preset, seed, line)
        bar = Bar(show_progress, f"generating {Path(spec).name if spec else preset or ''}".strip())
        with Interrupt() as interrupt:
            try:
                frames, size, ns = generate(wanted, out, bar, interrupt)
            finally:
                bar.close()
    if out not in (None, "-"):
        print(f"rxpath: wrote {out}: {frames:,} frames in {ns / 1e9:,.3f} s, {size:,} bytes"
              + ("; ended early" if interrupt.asked else ""), file=sys.stderr)
    return 130 if interrupt.asked else 0
