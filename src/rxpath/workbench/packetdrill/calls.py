"""The system calls of a script, made with the sockets of Python programs (programs/): the same stack, the same errnos.

A script's descriptors are its own: socket() = 3 says what the new one is called.  What the simulated host cannot do has no method here, and
is named as missing."""
from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rxpath.workbench.packetdrill.missing import Differs, Missing
from rxpath.workbench.packetdrill.script import Any_, Array, Call, Expression, Number, Struct, Text
from rxpath.workbench.packetdrill.values import ERRNOS, SYMBOLS, address, number, option_value, words

LARGEST = 1 << 24                                       # bytes of one read
BIND_PORT = 8080                                        # what `...` stands for, as in packetdrill


@dataclass
class Outcome:
    """What a call gave: a number (a descriptor's script name for those that make one), or an errno.  told: what else it filled in."""
    value: int = 0
    errno: int = 0
    made: Any = None                                    # a new socket or epoll instance
    told: list[tuple[str, Expression, Any]] = field(default_factory=list)    # (what, as the script has it, as it is)


Handler = Callable[["Calls", Any, Sequence[Expression]], Outcome]


class Calls:
    """The descriptors of one script.  local, remote: what `...` stands for in addresses."""

    def __init__(self, local: str, remote: str) -> None:
        self.fds: dict[int, Any] = {}
        self.local, self.remote = local, remote
        self.flags: dict[int, int] = {}                 # of fcntl, beyond O_NONBLOCK
        self.newest: Any = None                         # the socket of which %{ }% asks

    def make(self, s: Any, call: Call) -> Outcome:
        """In a program (s: its modules): the call, and what came of it."""
        handler = HANDLERS.get(call.name)
        if handler is None:
            raise Missing("system call", f"{call.name}()")
        try:
            return handler(self, s, call.arguments)
        except OSError as e:
            return Outcome(-1, e.errno if e.errno is not None and not isinstance(e, socket.gaierror) else errno.EINVAL)
        except (OverflowError, ValueError, TypeError):  # the standard library refuses what the kernel would
            return Outcome(-1, errno.EINVAL)
        except AttributeError:
            if not any(hasattr(fd, "register") for fd in self.fds.values()):
                raise
            return Outcome(-1, errno.ENOTSOCK)          # an epoll instance where a socket is meant

    def fd(self, e: Expression) -> Any:
        n = number(e)
        if n not in self.fds:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self.fds[n]

    # ------------------------------------------------------------ what came of it, beside what the script says
    def judge(self, call: Call, got: Outcome) -> None:
        """Differs: it is something else.  A new descriptor gets its name."""
        if isinstance(call.result, Any_):
            expected: int | None = None
        else:
            expected = number(call.result)
        if got.errno == errno.ENOPROTOOPT and call.errno is None and call.name in ("setsockopt", "getsockopt"):
            raise Missing("socket option", words(at(call.arguments, 2)))
        if got.errno or call.errno:
            name = errno.errorcode.get(got.errno, str(got.errno)) if got.errno else ""
            if call.errno is not None and call.errno not in ERRNOS:
                raise Missing("errno", call.errno)
            wanted = ERRNOS.get(call.errno or "", 0)
            if got.errno != wanted or (expected is not None and expected >= 0):
                said = f"-1 {name} ({os.strerror(got.errno)})" if got.errno else str(got.value)
                asked = f"-1 {call.errno}" if call.errno else words(call.result)
                raise Differs(f"{call.name}() = {asked} was expected, it returned {said}")
            return
        if got.made is not None:
            if expected is None or expected < 0:
                raise Differs(f"{call.name}() = {words(call.result)} was expected, it made a descriptor")
            if expected in self.fds:
                raise Differs(f"{call.name}() = {expected}: the script has that descriptor already")
            self.fds[expected] = got.made
            if not hasattr(got.made, "register"):
                self.newest = got.made
        elif expected is not None and got.value != expected:
            raise Differs(f"{call.name}() = {words(call.result)} was expected, it returned {got.value}")
        for what, script, actual in got.told:
            told(call.name, what, script, actual)


def told(name: str, what: str, script: Expression, actual: Any) -> None:
    """What a call has filled in, beside the script."""
    if isinstance(script, Any_):
        return
    if isinstance(actual, bytes):
        ok = isinstance(script, Text) and (actual.startswith(script.value.encode()) if script.more else actual == script.value.encode())
        shown = repr(actual)
    elif isinstance(actual, tuple):
        ok, shown = address(script) == actual, f"{actual[0]}:{actual[1]}"
    else:
        ok, shown = number(script) == actual, str(actual)
    if not ok:
        raise Differs(f"{name}(): {what} {words(script)} was expected, it is {shown}")


def at(arguments: Sequence[Expression], i: int) -> Expression:
    if i >= len(arguments):
        raise Missing("argument", f"{i + 1} of the call")
    return arguments[i]


def at_least_bytes(e: Expression) -> int:
    n = number(e)
    if n > LARGEST:
        raise Missing("read", f"of more than {LARGEST:,} bytes")
    if n < 0:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return n


# ---------------------------------------------------------------- sockets
def sys_socket(c: Calls, s: Any, a: Sequence[Expression]) -> Outcome:
    family = socket.AF_INET if isinstance(at(a, 0), Any_) else number(a[0])
    return Outcome(made=s.socket(family, number(at(a, 1)), number(at(a, 2))))


def sys_bind(c: Calls, s: Any, a: Sequence[Expression]) -> Outcome:
    c.fd(at(a, 0)).bind(address(at(a, 1)) or (c.local, BIND_PORT))
    return Outcome()


def sys_listen(c: Calls, s: Any, a: Sequence[Expression]) -> Outcome:
    listen = getattr(c.fd(at(a, 0)), "listen", None)
    if listen is None:
        raise Missing("system call", "listen()")
    listen(number(at(a, 1)))
    return Outcome()


def sys_accept(c: Calls, s: Any, a: Sequence[Expression]) -> Outcome:
    accept = getattr(c.fd(at(a, 0)), "accept", None)
    if accept is None:
        raise Missing("system call", "accept()")
    made, peer = accept()
    if len(a) > 3:                                      # accept4()
        flags = number(a[3])
        if flags & socket.SOCK_NONBLOCK:
            made.setblocking(False)
    return Outcome(made=made, told=[("address", at(a, 1), peer)])


def sys_connect(c: Calls, s: Any, a: Sequence[Expression]) -> Outcome:
    c.fd(at(a, 0)).connect(address(at(a, 1)) or (c.remote, BIND_PORT))
    return Outcome()


def sys_close(c: Calls, s: Any, a: Sequence[Expression]) -> Outcome:
    c.fd(at(a, 0)).close()
    del c.fds[number(a[0])]
    return Outcome()


def sys_shutdown(c: Calls, s: Any, a: Sequence[Expression]) -> Outcome:
    c.fd(at(a, 0)).shutdown(number(at(a, 1)))
    return Outcome()


def sys_fcntl(c: Calls, s: Any, a: Sequence[Expression]) -> Outcome:
    sock, command, fd = c.fd(at(a, 0)), number(at(a, 1)), number(a[0])
    if command == fcntl.F_GETFL:
        return Outcome(os.O_RDWR | (0 if sock.getblocking() else os.O_NONBLOCK) | c.flags.get(fd, 0))
    if command == fcntl.F_SETFL:
        flags = number(at(a, 2))
        sock.setblocking(not flags & os.O_NONBLOCK)
        c.flags[fd] = flags & os.O_APPEND
        return Outcome()
    raise Missing("command of fcntl()", words(a[1]))


def sys_ioctl(c: Calls, s: Any, a: Sequence[Expression]) -> Outcome:
    request = number(at(a, 1))
    if request == SYMBOLS["FIONBIO"]:
        c.fd(at(a, 0)).setblocking(not number(at(a, 2)))
        return Outcome()
    return Outcome(told=[("value", pointed(at(a, 2)), int(c.fd(at(a, 0)).ioctl(request)))])


def pointed(e: Expression) -> Expression:
    """[8000]: where the call writes it."""
    return e.items[0] if isinstance(e, Array) and len(e.items) == 1 else e


def sys_setsockopt(c: Calls, s: Any, a: Sequence[Expression]) -> Outcome:
    value = option_value(at(a, 3))
    size = number(at(a, 4)) if not isinstance(at(a, 4), Any_) else 4
    if isinstance(value, int) and size != 4:            # as many bytes as the script says
        value = struct.pack("q", value)[:max(size, 0)]
    c.fd(at(a, 0)).setsockopt(number(at(a, 1)), number(at(a, 2)), value)
    return Outcome()


def sys_getsockopt(c: Calls, s: Any, a: Sequence[Expression]) -> Outcome:
    script = pointed(at(a, 3))
    size = number(at(a, 4)) if not isinstance(at(a, 4), Any_) else 4
    raw = c.fd(at(a, 0)).getsockopt(number(at(a, 1)), number(at(a, 2)), min(size, 1024))
    if isinstance(script, Struct) and set(script.fields) == {"onoff", "linger"}:
        onoff, linger = struct.unpack("ii", raw[:8])
        return Outcome(told=[("onoff", script.fields["onoff"], onoff), ("linger", script.fields["linger"], linger)])
    if isinstance(script, Text):
        return Outcome(told=[("value", script, bytes(raw).rstrip(b"\0"))])
    return Outcome(told=[("value", script, int.from_bytes(raw[:4], "little", signed=True) if not isinstance(raw, int) else raw)])


# ---------------------------------------------------------------- reading
def sys_read(c: Calls, s: Any, a: Sequence[Expression]) -> Outcome:
    data = c.fd(at(a, 0)).recv(at_least_bytes(at(a, 2)))
    return Outcome(len(data), told=[("data", at(a, 1), data)])


def sys_recv(c: Calls, s: Any, a: Sequence[Expression]) -> Outcome:
    n, flags = at_least_bytes(at(a, 2)), number(at(a, 3))
    data, peer = bytearray(n), None
    got, peer = c.fd(at(a, 0)).recvfrom_into(data, n, flags)
    out = Outcome(got, told=[("data", at(a, 1), bytes(data[:got]))])
    if len(a) > 4 and peer is not None:
        out.told.append(("address", a[4], peer))
    return out


def sys_readv(c: Calls, s: Any, a: Sequence[Expression]) -> Outcome:
    data = c.fd(at(a, 0)).recv(sum(iovecs(at(a, 1))))
    return Outcome(len(data))


def iovecs(e: Expression) -> list[int]:
    """[{..., 1000}, {..., 2000}]: their lengths."""
    if not isinstance(e, Array):
        raise Missing("iovec", words(e))
    found = []
    for item in e.items:
        if not isinstance(item, Array) or len(item.items) != 2:
            raise Missing("iovec", words(item))
        found.append(at_least_bytes(item.items[1]))
    return found


def sys_recvmsg(c: Calls, s: Any, a: Sequence[Expression]) -> Outcome:
    message, flags = at(a, 1), number(at(a, 2))
    if not isinstance(message, Struct) or "msg_iov" not in message.fields:
        raise Missing("msghdr", words(message))
    sizes = iovecs(message.fields["msg_iov"])
    buffers = [bytearray(n) for n in sizes]
    n, ancillary, msg_flags, _ = c.fd(at(a, 0)).recvmsg_into(buffers, 1024, flags)
    out = Outcome(n)
    if "msg_flags" in message.fields:
        out.told.append(("msg_flags", message.fields["msg_flags"], msg_flags))
    expected = message.fields.get("msg_control")
    if isinstance(expected, Array):
        controls(expected, ancillary)
    return out


def controls(expected: Array, actual: list[tuple[int, int, bytes]]) -> None:
    """msg_control beside what came: levels, types, numbers."""
    shown = [f"level {level}, type {kind}, {len(data)} bytes" for level, kind, data in actual]
    if len(expected.items) != len(actual):
        raise Differs(f"recvmsg(): {len(expected.items)} control messages were expected, there are {len(actual)} ({'; '.join(shown)})")
    for item, (level, kind, data) in zip(expected.items, actual, strict=True):
        if not isinstance(item, Struct) or set(item.fields) != {"cmsg_level", "cmsg_type", "cmsg_data"}:
            raise Missing("control message", words(item))
        if (number(item.fields["cmsg_level"]), number(item.fields["cmsg_type"])) != (level, kind):
            raise Differs(f"recvmsg(): {words(item)} was expected, it is level {level}, type {kind}")
        value = item.fields["cmsg_data"]
        if isinstance(value, Struct):
            raise Missing("control message", words(item))
        told("recvmsg", "cmsg_data", value, int.from_bytes(data[:4], "little", signed=True))


# ---------------------------------------------------------------- readiness
def sys_poll(c: Calls, s: Any, a: Sequence[Expression]) -> Outcome:
    wanted = at(a, 0)
    if not isinstance(wanted, Array):
        raise Missing("pollfd", words(wanted))
    poll, items = s.poll(), []
    for item in wanted.items:
        if not isinstance(item, Struct) or not {"fd", "events"} <= set(item.fields):
            raise Missing("pollfd", words(item))
        items.append((c.fd(item.fields["fd"]), item))
        poll.register(items[-1][0].fileno(), number(item.fields["events"]))
    ready = dict(poll.poll(number(at(a, 2))))
    return Outcome(len(ready), told=[("revents", item.fields.get("revents", Number(0)), ready.get(sock.fileno(), 0))
                                     for sock, item in items])


def sys_epoll_create(c: Calls, s: Any, a: Sequence[Expression]) -> Outcome:
    return Outcome(made=s.epoll())


def sys_epoll_ctl(c: Calls, s: Any, a: Sequence[Expression]) -> Outcome:
    ep, how, sock = c.fd(at(a, 0)), number(at(a, 1)), c.fd(at(a, 2))
    if how == SYMBOLS["EPOLL_CTL_DEL"]:
        ep.unregister(sock.fileno())
        return Outcome()
    event = at(a, 3)
    if not isinstance(event, Struct) or "events" not in event.fields:
        raise Missing("epoll_event", words(event))
    (ep.register if how == SYMBOLS["EPOLL_CTL_ADD"] else ep.modify)(sock.fileno(), number(event.fields["events"]))
    return Outcome()


def sys_epoll_wait(c: Calls, s: Any, a: Sequence[Expression]) -> Outcome:
    timeout = number(at(a, 3))
    found = c.fd(at(a, 0)).poll(None if timeout < 0 else timeout / 1000, number(at(a, 2)))
    expected = at(a, 1)
    items = list(expected.items) if isinstance(expected, Array) else [expected]
    out = Outcome(len(found))
    names = {sock.fileno(): fd for fd, sock in c.fds.items()}
    for item, (fd, events) in zip(items, found, strict=False):
        if isinstance(item, Struct):
            out.told.append(("events", item.fields["events"], events))
            if "fd" in item.fields:
                out.told.append(("fd", item.fields["fd"], names.get(fd, fd)))
    return out


HANDLERS: dict[str, Handler] = {name.removeprefix("sys_"): f for name, f in list(globals().items()) if name.startswith("sys_")}
HANDLERS |= {"accept4": sys_accept, "recvfrom": sys_recv, "epoll_create1": sys_epoll_create}
