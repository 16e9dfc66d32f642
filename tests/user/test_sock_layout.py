"""struct sock: what a datagram touches lies in its first three cache lines, and the whole is eight of them."""
import ctypes

from rxpath.abi.sock import sock

LINE = 64


def test_a_socket_is_eight_lines_long():
    assert ctypes.sizeof(sock) == 8 * LINE, "streams keep what is theirs in struct tcp_sock"


def test_lookup_softirq_and_reader_have_a_line_each():
    begins = {name: getattr(sock, name).offset for name in ("rcv_saddr_lo", "lock", "rcvbuf", "owned")}
    assert begins == {"rcv_saddr_lo": 0, "lock": LINE, "rcvbuf": 2 * LINE, "owned": 3 * LINE}
