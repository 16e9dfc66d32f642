"""A live host in the terminal, drawn anew once a second (workbench/live/watch.py): the program's own lines pass above it."""
from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from rxpath.workbench.live.watch import Look
from rxpath.workbench.views.terminal import table, titled

SOCKETS_MOST = 4
LANDMARKS = {"igb_clean_rx_irq", "napi_gro_receive", "__netif_receive_skb_core", "arp_rcv", "ip_rcv_core", "ip_defrag", "ip_local_deliver",
             "icmp_rcv", "udp_rcv", "tcp_v4_rcv", "__udp_enqueue_schedule_skb", "udp_recvmsg", "tcp_recvmsg", "igb_xmit_frame"}


def render(look: Look) -> Group:
    """What a terminal of 80 columns and 24 lines has room for: of each room the stations that tell most, the fullest sockets."""
    head = Text(f"{look.seconds:,.0f} s   in {look.frames_in:,.0f}/s   out {look.frames_out:,.0f}/s   turns {look.turns:,.0f}/s   "
                f"CPU {look.cpu:.1%} of one")
    stations = table("station", "per second", "in all")
    for name, rate, n in look.stations:
        if name in LANDMARKS:
            stations.add_row(name, f"{rate:,.0f}", f"{n:,}")
    parts: list[Any] = [head, stations]
    if look.sockets:
        sockets = table("socket", "memory", "of", "drops")
        for s in sorted(look.sockets, key=lambda s: -s.memory)[:SOCKETS_MOST]:
            sockets.add_row(s.name, f"{s.memory:,}", f"{s.limit:,}", f"{s.drops:,}")
        parts.append(sockets)
    ends = ", ".join(f"{name} {n:,}" for name, n in look.drops.items())
    lost = ", ".join(f"{name} {n:,}" for name, n in look.lost_before.items() if n)
    parts.append(Text(f"ends of frames: {ends or 'none'}; lost before us: {lost or 'none'}"))
    if look.trail:
        parts.append(titled("one packet's way", Text(" > ".join(look.trail))))
    parts += [Text(f"gone: {text}", "red") for text in look.gone]
    return Group(*parts)


class View:
    """The lower part of the terminal, from with to its end."""

    def __init__(self) -> None:
        self.live = Live(Text("waiting for frames"), console=Console(highlight=False), auto_refresh=False, vertical_overflow="crop")

    def show(self, look: Look) -> None:
        self.live.update(render(look), refresh=True)

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.live.stop()
