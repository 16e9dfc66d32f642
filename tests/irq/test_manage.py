"""request_irq(): the driver of time calls whatever handler a queue's vector was given."""
import pytest

from rxpath import path
from rxpath.irq.manage import request_irq

from ..frames import udp_frame


def test_drivers_with_interrupts_request_one_for_each_queue_and_veth_none(lab):
    def handlers(host):
        return [path.irq_handler.name_of(host.net.ring[q].irq_handler) for q in range(host.queues)]
    assert handlers(lab(queues=2)) == ["igb_msix_ring"] * 2
    assert handlers(lab(driver="nonapi")) == ["nonapi_interrupt"]
    veth = lab(driver="veth")
    assert handlers(veth) == [""] and path.sender_xmit.name_of(veth.net.ring[0].sender_xmit) == "veth_forward"


def test_another_handler_answers_from_the_next_interrupt_on(lab):
    host = lab()
    app = host.app(host.udp(5000))
    host.send(*[udp_frame() for _ in range(3)], gap=100_000).run()
    assert host.net.stage_count[0][path.Stage.netif_rx] == 0
    request_irq(host.net, 0, "nonapi_interrupt", 0)
    host.net.ring[0].mode = 1                                    # and its frames go to the backlog
    host.send(*[udp_frame() for _ in range(4)], gap=100_000).run()
    assert host.net.stage_count[0][path.Stage.netif_rx] == 4 and host.net.thread[app].received == 7


def test_a_queue_that_comes_while_the_device_is_up_gets_its_vector(lab):
    host = lab(queues=1)
    host.boot.netdev.ethtool("set_channels", combined=4)
    assert [path.irq_handler.name_of(host.net.ring[q].irq_handler) for q in range(4)] == ["igb_msix_ring"] * 4


def test_a_name_that_no_handler_has(lab):
    with pytest.raises(ValueError, match=r"no irq_handler is called e1000_intr: igb_msix_ring, .*nonapi_interrupt"):
        request_irq(lab().net, 0, "e1000_intr", 0)
