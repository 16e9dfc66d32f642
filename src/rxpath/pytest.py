"""The pytest plugin (docs/testing.md): `rxpath_host`, a simulated host for one test, on which programs with sockets run in virtual time.

    def test_echo(rxpath_host):
        rxpath_host.program(server)
        assert rxpath_host.ask(b"ping", port=7) == b"ping"

    @pytest.mark.rxpath(host="server.toml", overrides={"net.core.rmem_default": 4096})
    def test_that_it_survives_a_small_buffer(rxpath_host): ...

pip installs it; pytest finds it by itself.  Nothing of rxpath is loaded before a test asks for the fixture."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rxpath.workbench.testing.host import HostUnderTest

MARK = "rxpath"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARK}(host=None, overrides=(), plain=None): the host of rxpath_host: a host file, its tables or "
                                       "a Host; settings on top")


@pytest.fixture
def rxpath_hosts() -> Iterator[Callable[..., HostUnderTest]]:
    """rxpath_hosts(host=None, overrides=(), plain=None) -> HostUnderTest: as many hosts as a test wants.  At the end their programs are
    ended and their books checked."""
    from rxpath.workbench.testing.host import HostUnderTest

    made: list[HostUnderTest] = []

    def make(*args: Any, **kwargs: Any) -> HostUnderTest:
        made.append(HostUnderTest(*args, **kwargs))
        return made[-1]
    try:
        yield make
        for host in made:
            host.books()
    finally:
        for host in made:
            host.close()


@pytest.fixture
def rxpath_host(request: pytest.FixtureRequest, rxpath_hosts: Callable[..., HostUnderTest]) -> HostUnderTest:
    """A simulated host; the marker `rxpath` says which."""
    mark = request.node.get_closest_marker(MARK)
    return rxpath_hosts(*mark.args, **mark.kwargs) if mark is not None else rxpath_hosts()
