"""`rxpath help`: a command's help, or what a name means that reports print."""
from __future__ import annotations

from typing import Annotated, Any

import typer

from rxpath.workbench.cli.examples import examples

EXAMPLES = examples(
    ("rxpath help sweep", "as rxpath sweep --help"),
    ("rxpath help SOCKET_RCVBUFF", "how a frame ended: what it means, which counters move"),
    ("rxpath help net.core.netdev_budget", "a sysctl: its default in each kernel, what it does"),
    ("rxpath help app.service", "a key of the host file"),
    ("rxpath help igb", "a driver; also a counter, a station of the path, a kernel: 'kernel 3.10'"),
)


def help_(context: typer.Context, topic: Annotated[list[str] | None, typer.Argument(
        metavar="TOPIC", help="A command, a drop reason, a sysctl, a counter, a station, a driver, a kernel, a key of the host file, "
                             "or a rule of the advice (T1).", show_default=False)] = None) -> None:
    """Explain a command, or a name that a report prints: a drop reason, a counter, a sysctl, a station, a driver, a key."""
    from rxpath.workbench.words.mistakes import BadInput

    words = topic or []
    root: Any = context.find_root().command
    if _is_command(root, words):
        root(args=[*words, "--help"], prog_name="rxpath", standalone_mode=False)
        return
    from rxpath.workbench.views import terminal, topics

    name = " ".join(words)
    shown = topics.render(name) or topics.render(_with_n(name))
    if shown is None:
        near = topics.close_to(name, list(getattr(root, "commands", {})))
        raise BadInput(f"nothing here is called {name!r}" + (f"; close to it: {', '.join(near)}" if near else "") + " (rxpath help --help)")
    terminal.show(shown)


def _is_command(root: Any, words: list[str]) -> bool:
    for word in words:
        root = getattr(root, "commands", {}).get(word)
        if root is None:
            return False
    return True


def _with_n(name: str) -> str:
    """app.service or app.0.service for app.N.service: entries of a list have numbers or names."""
    parts = name.split(".")
    if len(parts) >= 2 and parts[0] in ("app", "socket", "route", "neighbour", "load", "softirq", "tap"):
        from rxpath.workbench.host import text

        keys = {key for key, _ in text.keys()}
        for rest in (parts[1:], parts[2:]):
            key = ".".join([parts[0], "N", *rest])
            if key in keys:
                return key
    return name
