"""System calls of the judge on our host: those of any program (programs/sockets.py), each of which is over before the next one."""
import pytest

from rxpath.workbench.judge import run
from rxpath.workbench.judge.case import Close, Connect, Open
from rxpath.workbench.judge.ours.machine import Ours
from rxpath.workbench.judge.tcp.build import listener, read, talk
from rxpath.workbench.judge.tcp.steps import Accept, Poll


@pytest.mark.parametrize("plain", [False, True])
def test_what_a_call_sends_over_lo_has_arrived_before_the_next_call(plain):
    """Linux 6.18 gives these answers."""
    case = talk("over lo", listener(), Open("o", proto="tcp stream"), Connect("o", ("10.0.0.1", 80)), Poll("o"), Accept("c"), Close("o"),
                Poll("c"), read())
    with Ours(plain) as ours:
        said = [(what.split(" ", 1)[1], answer) for what, answer in ours.one(case, run.host_of(case)).answers]
    calls = [(what, answer) for what, answer in said if what.split()[0] in ("Connect", "Poll", "Close", "Recv")]
    assert calls == [("Connect o", "EINPROGRESS"), ("Poll o", "OUT"), ("Close o", ""), ("Poll c", "IN|OUT|RDHUP"), ("Recv c 0", "EOF")]
