"""`rxpath generate`: traffic into a pcap file, from options, a spec file or a preset.

Straight into a run without a file: `rxpath replay SPEC.toml`."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rxpath.workbench.traffic import presets
from rxpath.workbench.traffic import spec as trafficfile
from rxpath.workbench.traffic.pcap_out import EPOCH, write
from rxpath.workbench.traffic.settings import split
from rxpath.workbench.words.mistakes import BadInput

LINE = "10Gbit"                                             # of a file whose spec names none


def spec_from(options: dict[str, Any], file: str | None, preset: str | None, seed: int | None, line: str | None,
              settings: Sequence[str] = ()) -> trafficfile.Spec:
    """The spec that the command line asks for.  settings: as for --set, of the traffic only."""
    given = {k: v for k, v in options.items() if v is not None}
    if file is not None and preset is not None:
        raise BadInput("--spec and --preset: use one of them")
    for other in split(settings)[1]:
        raise BadInput(f"--set {other}: here nobody receives: traffic.N.KEY, traffic.seed or traffic.line")
    if file is not None:
        if given:
            raise BadInput(f"--{next(iter(given))}: with --spec the file says that; --set traffic.0.{next(iter(given))}=... changes it")
        spec = trafficfile.load(file)
    else:
        spec = trafficfile.build({"traffic": _streams(given, preset)}, f"--preset {preset}" if preset is not None else "generate")
    if line is not None:
        spec = trafficfile.build({**spec._raw, "line": line}, "generate")
    return trafficfile.revise(spec, settings, seed)


def _streams(given: dict[str, Any], preset: str | None) -> list[dict[str, Any]]:
    """Those of the preset, or one, with the options."""
    streams = [dict(s) for s in presets.preset(preset)] if preset is not None else [{}]
    if preset is None and not {"rate", "gap"} & set(given):
        raise BadInput("generate: --rate (or --gap), --spec FILE or --preset NAME says what to send; --help has examples")
    for stream in streams:
        if "rate" in given or "gap" in given:
            stream.pop("rate", None)
        if "duration" in given or "count" in given:
            stream.pop("count", None)
            stream.pop("duration", None)
        stream.update(given)
    return streams


def generate(spec: trafficfile.Spec, out: str | None, progress: Any = None, stop: Any = None) -> tuple[int, int, int]:
    """The spec's frames as a pcap file; (frames, bytes, ns from the first to the last)."""
    if spec.client:
        raise BadInput("[[client]]: what a client sends depends on what the host answers: rxpath replay SPEC.toml runs both; a file can "
                       "only hold [[traffic]]")
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
