"""Our stations of a packet and the kernel's functions, in the order in which it was met, recorded live."""
from rxpath.workbench.judge import order
from rxpath.workbench.views import judge as view

TRACE = """          prog-7     [001] ..... 12.000001: netif_rx: dev=vb0 skbaddr=1 len=92
          prog-7     [001] ..... 12.000002: <stack trace>
 => netif_rx_internal
 => __netif_rx
 => veth_xmit
          prog-7     [001] ..... 12.000003: fib_table_lookup: table 255
          prog-7     [001] ..... 12.000004: <stack trace>
 => fib_table_lookup
 => ip_route_input_slow.part.0
 => ip_rcv
 => net_rx_action
          prog-7     [001] ..... 12.000005: kfree: nothing of ours
          prog-7     [001] ..... 12.000006: <stack trace>
 => kfree
 => do_exit
          prog-7     [001] ..... 12.000007: netif_receive_skb: dev=peer0 skbaddr=2 len=92
          prog-7     [001] ..... 12.000008: <stack trace>
 => packet_rcv
 => net_rx_action
"""


def test_packets_meet_the_kernels_functions_in_its_order(judge):
    found = list(order.judged(judge.kernel))
    assert len(found) >= 20 and all(o.agrees for o in found), view.order_text(found)
    assert sum(len(o.both) for o in found) > 200


def test_functions_are_entered_where_they_first_stand_on_a_stack(tmp_path):
    (tmp_path / "trace").write_text(TRACE)
    tracer = object.__new__(order.Stacks)
    tracer.root = tmp_path
    assert tracer.functions() == ["veth_xmit", "__netif_rx", "netif_rx_internal", "net_rx_action", "ip_rcv", "ip_route_input_slow",
                                  "fib_table_lookup"]


def test_another_order_and_a_station_left_out_are_found():
    kernel = ["veth_xmit", "ip_rcv", "unknown_there", "ip_rcv_core", "udp_rcv", "ip_rcv"]
    assert order.compared("x", ["veth_xmit", "eth_type_trans", "ip_rcv", "ip_rcv_core", "udp_rcv"], kernel).agrees
    swapped = order.compared("x", ["veth_xmit", "ip_rcv_core", "ip_rcv", "udp_rcv"], kernel)
    assert not swapped.agrees and swapped.missing == []
    without = order.compared("x", ["veth_xmit", "ip_rcv", "ip_rcv_core"], kernel)
    assert not without.agrees and without.missing == ["udp_rcv"]
