"""Scripts against the simulated host: datagrams and readiness, times, calls that block, and what is told when something differs."""
import re
from pathlib import Path

import pytest

from rxpath.workbench.packetdrill import host
from rxpath.workbench.packetdrill.parse import parse
from rxpath.workbench.packetdrill.play import play

BOUND = "0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 bind(3, ..., ...) = 0\n"


def run(text, plain=False, settings=(), path="a.pkt"):
    return play(parse(path, text), host.make(settings), plain)


def passes(text, **more):
    got = run(text, **more)
    assert got.passed, f"{got.line}: {got.what}"
    return got


@pytest.mark.parametrize("plain", [False, True], ids=["compiled", "plain"])
def test_a_conversation_of_datagrams(plain):
    got = passes("`sysctl -q net.core.rmem_default=300000`\n" + BOUND + """
        +0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
        +0 fcntl(3, F_GETFL) = 0x802 (flags O_RDWR|O_NONBLOCK)
        +0 read(3, ..., 100) = -1 EAGAIN (Resource temporarily unavailable)
        +.1 < udp (100)
        +0 ioctl(3, SIOCINQ, [100]) = 0
        +0 recv(3, ..., 1000, MSG_PEEK) = 100
        +0 recvfrom(3, "\\0"..., 1000, 0, {sa_family=AF_INET, sin_port=htons(32768), sin_addr=inet_addr("192.0.2.1")}, ...) = 100
        +0 fcntl(3, F_SETFL, O_RDWR) = 0
        +0...0.2 recvmsg(3, {msg_name(...)=..., msg_iov(2)=[{..., 10}, {..., 20}], msg_flags=MSG_TRUNC, msg_control=[]}, 0) = 30
        +.2 < udp (50)
        +0 getsockopt(3, SOL_SOCKET, SO_RCVBUF, [300000], [4]) = 0
        +0 setsockopt(3, SOL_SOCKET, SO_RXQ_OVFL, [1], 4) = 0
        +0 close(3) = 0
        +0 read(3, ..., 1) = -1 EBADF (Bad file descriptor)
        +0 < udp (77)
        +0 > icmp unreachable port_unreachable [udp (77)]
        +0 %{
              x = 1 + 1
              print(x)
              }%
        1.5 `sysctl -q net.ipv4.udp_rmem_min=5000`""", plain=plain)
    assert got.printed == ["2"]


def test_readiness_by_poll_and_epoll():
    passes(BOUND + """
        +0 poll([{fd=3, events=POLLIN, revents=0}], 1, 0) = 0
        +0 epoll_create(1) = 5
        +0 epoll_ctl(5, EPOLL_CTL_ADD, 3, {events=EPOLLIN|EPOLLET, fd=3}) = 0
        +0 epoll_wait(5, {events=0, ptr=0}, 1, 0) = 0
        +0 < udp (9000)
        +0 poll([{fd=3, events=POLLIN|POLLOUT, revents=POLLIN|POLLOUT}], 1, 0) = 1
        +0 epoll_wait(5, {events=EPOLLIN, fd=3}, 1, 0) = 1
        +0 epoll_wait(5, {events=0, ptr=0}, 1, 0) = 0
        +0 epoll_ctl(5, EPOLL_CTL_DEL, 3, ...) = 0
        +0...0.05 epoll_wait(5, ..., 1, 50) = 0""")


def test_explicit_ports_are_other_flows():
    passes(BOUND + "+0 < udp 5>9 (20)\n+0 > icmp unreachable port_unreachable [udp (20)]\n+0 < udp 7>8080 (30)\n+0 read(3, ..., 99) = 30")


def test_a_packet_may_come_at_any_time_and_the_next_event_goes_by_it():
    passes(BOUND + "+0 close(3) = 0\n+.5 < udp (1)\n* > icmp unreachable port_unreachable\n+.1 < udp (1)\n"
                   "+0 > icmp unreachable port_unreachable")


# ---------------------------------------------------------------- what differs is told with its line
@pytest.mark.parametrize("text, line, said", [
    ("+0 read(3, ..., 9) = 5", 3, "read() blocks: the script says that it returns at once (+0...TIME says until when it may block)"),
    ("+0 < udp (4)\n+0 read(3, ..., 9) = 5", 4, "read() = 5 was expected, it returned 4"),
    ('+0 < udp (1)\n+0 read(3, "x", 9) = 1', 4, "read(): data \"x\" was expected, it is b'\\x00'"),
    ("+0 bind(3, ..., ...) = 0", 3, "bind() = 0 was expected, it returned -1 EINVAL (Invalid argument)"),
    ("+0 bind(3, ..., ...) = -1 EBADF (x)", 3, "bind() = -1 EBADF was expected, it returned -1 EINVAL (Invalid argument)"),
    ("+0 close(3) = -1 EBADF (x)", 3, "close() = -1 EBADF was expected, it returned 0"),
    ("+0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3", 3, "socket() = 3: the script has that descriptor already"),
    ("+0 > . 1:1(0) ack 1", 3, "no packet left until 0.004; expected: > . 1:1(0) ack 1"),
    ("+0 < udp 1>2 (1)\n+0 > . 1:1(0) ack 1", 4, "a TCP segment was expected, a ICMP message came; expected: > . 1:1(0) ack 1; "
     "left: > icmp unreachable port_unreachable"),
    ("+0...0.1 read(3, ..., 9) = 1\n+0 close(3) = 0", 3, "read() still blocks at 0.104"),
    ("+0...0.3 read(3, ..., 9) = 1\n+.1 < udp (1)\n+.3 close(3) = 0", 3, "read() returned at 0.100, expected at 0.300"),
    ("+0 ioctl(3, SIOCINQ, [7]) = 0", 3, "ioctl(): value 7 was expected, it is 0"),
    ("+0 %{ assert 1 == 2, 'why' }%", 3, "assert 1 == 2: why"),
    ("+0 < udp (1)\n+0 recvmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 9}], msg_flags=0, msg_control=[{cmsg_level=1, cmsg_type=2, "
     "cmsg_data=3}]}, 0) = 1", 4, "recvmsg(): 1 control messages were expected, there are 0 ()")])
def test_what_differs_is_told_with_its_line(text, line, said):
    got = run(BOUND + text)
    assert got.missing is None and not got.passed
    assert (got.line, re.sub(r"(\.\d{3})\d{3}", r"\1", got.what)) == (line, said)


@pytest.mark.parametrize("text, kind, name", [
    ("+0 write(3, ..., 9) = 9", "system call", "write()"), ("+0 socket(..., NOTHING, 0) = 4", "symbol", "NOTHING"),
    ("+0 close(3) = -1 ENONE (x)", "errno", "ENONE"), ("+0 `nstat`", "shell command", "nstat"),
    ("+0 %{ import os }%", "Python statement", "import os"), ("+0 %{ assert tcpi_rtt }%", "name in %{ }%", "tcpi_rtt"),
    ("+0 < icmp nothing", "ICMP type", "nothing"), ("+0 poll(3, 1, 0) = 0", "pollfd", "3"),
    ("+0 bind(3, {sa_family=AF_INET6, sin_port=1, sin_addr=2}, ...) = 0", "address family", "AF_INET6"),
    ("+0 read(3, ..., 99999999) = 0", "read", "of more than 16,777,216 bytes"), ("+0 read(3) = 0", "argument", "3 of the call")])
def test_what_is_missing_is_named(text, kind, name):
    got = run(BOUND + text)
    assert got.missing == (kind, name) and got.line == 3 and got.what == f"missing: {kind} {name}"


@pytest.mark.parametrize("text, what", [
    ("+0 getsockopt(3, SOL_SOCKET, SO_TYPE, [2], [-1]) = -1 EINVAL (Invalid argument)", ""),
    ("+0 epoll_create(1) = 5\n+0 bind(5, ..., ...) = -1 ENOTSOCK (Socket operation on non-socket)", ""),
    ("+99999999 close(3) = 0", "missing: time beyond 3,600 seconds of a script"),
    ("+0...99999999 read(3, ..., 5) = 0", "missing: time beyond 3,600 seconds of a script"),
    ("+0 listen(3, -1) = -1 EOPNOTSUPP (x)", ""), ("+0 recv(3, ..., -1, 0) = -1 EINVAL (x)", "")])
def test_odd_arguments_are_answered(text, what):
    assert run(BOUND + text).what == what


def test_more_calls_than_there_are_threads_are_missing():
    got = run(BOUND + "+0 poll([], 0, 0) = 0\n" * 500)
    assert got.missing == ("thread", "for more than 500 system calls")


def test_a_tolerance_of_the_script_holds():
    text = "+0 < udp 1>2 (1)\n+.006 > icmp unreachable port_unreachable\n"
    assert not run(BOUND + text).passed
    assert run("--tolerance_usecs=7000\n" + BOUND + text).passed


def test_the_same_script_gives_the_same_result_with_another_kernel():
    passes(BOUND + "+0 < udp (5)\n+0 read(3, ..., 9) = 5", settings=["kernel=3.10"])


# ---------------------------------------------------------------- TCP: our own scripts, whose expectations Linux 6.18 has met (linux.py)
SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.pkt"))


@pytest.mark.parametrize("plain", [False, True], ids=["compiled", "plain"])
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_our_scripts_pass(path, plain):
    passes(path.read_text(), plain=plain, path=str(path))


def test_what_a_connection_cannot_do_yet_is_named():
    got = run("0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 setsockopt(3, SOL_TCP, TCP_FASTOPEN, [5], 4) = 0")
    assert got.missing == ("socket option", "TCP_FASTOPEN")


def test_the_first_difference_of_a_segment_is_told():
    text = SCRIPTS_BY_NAME["handshake_and_read"].read_text()
    got = run(text.replace("ack 1001\n", "ack 1002\n", 1))
    assert "ack 1002 was expected, it is 1001" in got.what
    assert not run(text.replace("tcpi_bytes_received == 1000", "tcpi_bytes_received == 1001")).passed
    assert not run(text.replace("<mss 1460,nop,nop,sackOK,nop,wscale 10>", "<mss 1461,nop,nop,sackOK,nop,wscale 10>")).passed


SCRIPTS_BY_NAME = {p.stem: p for p in SCRIPTS}
