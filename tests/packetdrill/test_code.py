"""%{ Python }%: what is evaluated, and that nothing else is."""
import pytest

from rxpath.workbench.packetdrill import tcp_info
from rxpath.workbench.packetdrill.code import Snippets
from rxpath.workbench.packetdrill.missing import Differs, Missing

KNOWN = {"tcpi_snd_cwnd": 10, "TCPI_OPT_SACK": 2}


def test_names_last_from_one_snippet_to_the_next():
    s = Snippets()
    s.run("a = tcpi_snd_cwnd", KNOWN)
    s.run("\n    b = a * 2\n    b += 1\n    if b > 20: c = 'big'\n    else: c = 'small'", KNOWN)
    s.run("assert (a, b, c) == (10, 21, 'big'); print('cwnd', a, f'{b}', '%d' % b)", KNOWN)
    assert s.printed == ["cwnd 10 21 21"]


@pytest.mark.parametrize("text", [
    "assert 1 < 2 <= 2", "assert tcpi_snd_cwnd & TCPI_OPT_SACK", "assert not 0 and (0 or 5) == 5", "assert [1, 2][1] in (2, 3)",
    "assert max(1, 2) - min(1, 2) == abs(-1)", "assert (1 if tcpi_snd_cwnd else 2) == 1", "assert ~0 == -1 and 7 // 2 == 3 and 1 << 3 == 8",
    "pass"])
def test_expressions_that_hold(text):
    Snippets().run(text, KNOWN)


def test_an_assertion_that_fails_says_itself_and_its_message():
    with pytest.raises(Differs, match=r"assert tcpi_snd_cwnd == 11: cwnd=10"):
        Snippets().run("assert tcpi_snd_cwnd == 11, 'cwnd=%d' % tcpi_snd_cwnd", KNOWN)
    with pytest.raises(Differs, match="ZeroDivisionError"):
        Snippets().run("assert 1 / 0", {})


@pytest.mark.parametrize("text, said", [
    ("import os", "import os"), ("x.y", "x.y"), ("open('a')", "open"), ("while 1: pass", "while 1"), ("for i in (1,): pass", "for i"),
    ("lambda: 1", "lambda"), ("[i for i in (1, 2)]", "for i"), ("def f(): pass", "def f"), ("().__class__", "__class__"),
    ("x[0] = 1", r"x\[0\] = 1"), ("2 ** 9", r"2 \*\* 9"), ("1 << 10000", "shift"), ("'a' * 9", "multiplied"), ("'%9999d' % 1", "width"),
    ("nothing", "name in %{ }% nothing"), ("max(*[1, 2])", r"\*\[1, 2\]"), ("print(1, sep=open('a'))", "print"), ("(", "read"),
    ("a = b = c.d = 1", "c.d"), ("f'{1:>9999}'", "1:>9999"), ("x = 1\nx(2)", r"x\(2\)"), ("global a", "global"),
    ("raise ValueError", "raise")])
def test_everything_else_is_missing_and_never_run(text, said):
    with pytest.raises(Missing, match=said):
        Snippets().run(text, KNOWN)


def test_values_do_not_grow_without_limit():
    s = Snippets()
    s.run("x = 1 << 256", {})
    with pytest.raises(Missing, match="longer than"):
        for _ in range(10):
            s.run("x = x * x", {})


def test_deep_nesting_is_missing():
    with pytest.raises(Missing):
        Snippets().run("x = " + "(" * 500 + "1" + ")" * 500, {})
    with pytest.raises(Missing):
        Snippets().run("x = " + "-" * 50_000 + "1", {})


def test_tcp_info_is_as_the_kernel_lays_it_out():
    """Of a connection over loopback; fields that say the same on both ends are told apart by their places."""
    import socket
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as c:
        peer, _ = listener.accept()
        with peer:
            peer.sendall(b"x" * 1000)
            c.recv(1000, socket.MSG_WAITALL)
            got = tcp_info.unpack(c.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1024))
    assert (got["tcpi_state"], got["tcpi_bytes_received"], got["tcpi_data_segs_in"]) == (tcp_info.CONSTANTS["TCP_ESTABLISHED"], 1000, 1)
    assert got["tcpi_pmtu"] == 65535 and got["tcpi_snd_cwnd"] == 10 and got["tcpi_rcv_ooopack"] == 0
    assert got["tcpi_snd_wnd"] > 0
