"""The caller's last act: what may have parked its packet is not followed by anything, and the compiler says where it is."""
import pytest

from rxpath import boot, path, turn
from rxpath._compile import check, functions
from rxpath.path import Touch, touched_station
from rxpath.turn import late, late_private, park, touch

boot.link_path(whole=True)                                  # every module of every room
KNOWN = {f.__name__: f for f in (touch, park, late, late_private)}


def mistakes(*fs):
    return [(f.__name__, line - f.__code__.co_firstlineno, why.split("()")[0])
            for f, line, why in check.mistakes(KNOWN | {f.__name__: f for f in fs})]


def returned(net, cpu, skb):
    return touch(net, cpu, skb, Touch.icmp_send)


def the_end_of_its_way(net, cpu, skb):
    if skb.len:
        touch(net, cpu, skb, Touch.icmp_send)
    else:
        skb.len = 1


def before_a_plain_return(net, cpu, skb):
    if skb.len:
        returned(net, cpu, skb)
        return 0
    return 1


def a_loop_that_asks(net, cpu, skb):
    while skb.len:
        if skb.data:
            touch(net, cpu, skb, Touch.icmp_send)
        else:
            returned(net, cpu, skb)
        if late_private(net, cpu):
            return -1
    return 0


def a_loop_that_asks_first(net, cpu, skb):
    while True:
        if late(net, cpu):
            return -1
        returned(net, cpu, skb)


def who_calls_such_a_loop(net, cpu, skb):
    if a_loop_that_asks(net, cpu, skb) == -1:
        return -1
    skb.len = 0
    return 0


def test_what_is_right_is_silent():
    right = (returned, the_end_of_its_way, before_a_plain_return, a_loop_that_asks, a_loop_that_asks_first, who_calls_such_a_loop)
    assert mistakes(*right) == []


def writes_afterwards(net, cpu, skb):
    touch(net, cpu, skb, Touch.icmp_send)
    skb.len = 0


def looks_at_the_result(net, cpu, skb):
    if returned(net, cpu, skb) == 0:
        skb.len = 0
    return 0


def goes_on_below(net, cpu, skb):
    if skb.len:
        the_end_of_its_way(net, cpu, skb)
    skb.data = 0


def a_loop_that_does_not_ask(net, cpu, skb):
    while skb.len:
        returned(net, cpu, skb)
    return 0


def asks_too_late(net, cpu, skb):
    while skb.len:
        returned(net, cpu, skb)
        skb.len -= 1
        if late(net, cpu):
            return -1
    return 0


def adds_to_the_result(net, cpu, skb):
    return 1 + returned(net, cpu, skb)


@pytest.mark.parametrize(("f", "line", "callee"), [
    (writes_afterwards, 1, "touch"), (looks_at_the_result, 1, "returned"), (goes_on_below, 2, "the_end_of_its_way"),
    (a_loop_that_does_not_ask, 2, "returned"), (asks_too_late, 2, "returned"), (adds_to_the_result, 1, "returned"),
], ids=lambda x: getattr(x, "__name__", None))
def test_what_breaks_the_rule_is_named_with_its_line(f, line, callee):
    assert mistakes(f, returned, the_end_of_its_way) == [(f.__name__, line, callee)]


def steered(net, cpu, skb):
    if path.call_touched(Touch.rfs_list, net, cpu, skb) == 0:
        skb.len = 0


def received(net, cpu, skb):
    if path.call_touched(Touch.rfs_receive, net, cpu, skb) == 0:
        skb.len = 0


def test_a_handler_behind_a_constant_is_the_callee():
    """call_touched(Touch.rfs_list, ...) is a call of rfs_list(), which parks nothing."""
    assert list(check.mistakes(functions.FUNCTIONS | {"steered": steered})) == []
    assert [f for f, _, _ in check.mistakes(functions.FUNCTIONS | {"received": received})] == [received]


def test_the_path_keeps_the_rule():
    assert [(f.__name__, line, why) for f, line, why in check.mistakes(functions.FUNCTIONS)] == []


def test_every_station_that_waits_for_its_turn_bears_the_name_at_the_call():
    assert {(key.name, f.__name__) for key, f in touched_station.handlers} == {(t.name, t.name) for t in Touch}
    with pytest.raises(KeyError, match="returned"):
        path.touched(returned)
    assert turn.touch is touch
