"""What a connection's queues weigh where no packet socket gets: skbs of a card, pages to the byte.  net/core/skbuff.c, net/core/sock.c."""
import pytest

from rxpath.abi.numbers import MAX_SKB_FRAGS
from rxpath.transport.tcp_charge import tcp_rmem_schedule

from .stream import Stream


def test_a_card_s_segments_join_until_the_skb_has_all_its_fragments(lab):
    """skb_try_coalesce(): a head that is a page fragment becomes one of the other's, MAX_SKB_FRAGS at most."""
    s = Stream(lab())
    s.mark()
    for k in range(2 * (1 + MAX_SKB_FRAGS) + 3):
        s.send(1448 * k, 1448)
    sk = s.net.socks[s.sk]
    first = s.net.skb[sk.receive_queue.head]
    assert (sk.qlen, first.len) == (3, 1448 * (1 + MAX_SKB_FRAGS))
    assert s.moved()["TCPRcvCoalesce"] == 2 * MAX_SKB_FRAGS + 2


@pytest.mark.parametrize("size, pages", [(1, 1), (4095, 1), (4096, 1), (4097, 2), (8192, 2)])
def test_pages_are_taken_for_what_is_lacking_and_no_more(lab, size, pages):
    """sk_mem_pages()"""
    s = Stream(lab())
    sk, before = s.net.socks[s.sk], s.net.tcp_memory
    assert sk.forward_alloc == 0 and tcp_rmem_schedule(s.net, 0, sk, size)
    assert (sk.forward_alloc, s.net.tcp_memory - before) == (pages * 4096, pages)
    assert tcp_rmem_schedule(s.net, 0, sk, size) and sk.forward_alloc == pages * 4096, "it is there already"
