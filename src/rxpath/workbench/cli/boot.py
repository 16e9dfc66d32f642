"""`rxpath boot`, `rxpath stations`: what is there before the first packet."""
from __future__ import annotations

from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.options import HostOption, SetOption

BOOT_EXAMPLE = examples("rxpath boot --set cpus=4 --set nic.queues=4")


def boot(host: HostOption = None, set_: SetOption = None) -> None:
    """Boot a host and print what was set up, in the order in which the kernel does it."""
    from rxpath.workbench.host.given import the_host
    from rxpath.workbench.run.simulation import Simulation
    from rxpath.workbench.views import boot as boot_view
    from rxpath.workbench.views import terminal

    with Simulation(the_host(host, set_ or [])) as sim:
        terminal.show(boot_view.render(sim))


STATIONS_EXAMPLE = examples("rxpath stations | grep udp")


def stations() -> None:
    """List the stations of the path in the packet's order: function, room, context, kernel source."""
    from rxpath.workbench.views import boot as boot_view
    from rxpath.workbench.views import terminal

    terminal.show(boot_view.stations())
