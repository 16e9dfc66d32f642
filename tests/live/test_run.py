"""`rxpath run` and `rxpath.socket`: programs of the standard library, unmodified, against the real kernel."""
import os
import re
import subprocess
import sys
import textwrap

import pytest

from .namespaces import OURS, THEIRS, Side, needs_root

pytestmark = needs_root

PROGRAMS = {
    "blocking": """
        import socket
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("", 5000))
            print("ready", flush=True)
            for _ in range(3):
                print(s.recvfrom(100)[0].decode(), flush=True)
        """,
    "select": """
        import select, socket
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("", 5000))
        s.setblocking(False)
        print("ready", flush=True)
        for _ in range(3):
            assert select.select([s], [], [], 20)[0]
            print(s.recv(100).decode(), flush=True)
        s.close()
        """,
    "selectors": """
        import selectors, socket
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s, selectors.DefaultSelector() as selector:
            s.bind(("", 5000))
            selector.register(s, selectors.EVENT_READ)
            print("ready", flush=True)
            for _ in range(3):
                assert selector.select(20)
                print(s.recv(100).decode(), flush=True)
        """,
    "asyncio": """
        import asyncio
        class Printer(asyncio.DatagramProtocol):
            def __init__(self, done):
                self.done, self.n = done, 0
            def datagram_received(self, data, addr):
                print(data.decode(), flush=True)
                self.n += 1
                if self.n == 3:
                    self.done.set_result(None)
        async def main():
            loop = asyncio.get_running_loop()
            done = loop.create_future()
            transport, _ = await loop.create_datagram_endpoint(lambda: Printer(done), local_addr=("0.0.0.0", 5000))
            print("ready", flush=True)
            await asyncio.wait_for(done, 20)
            transport.close()
        asyncio.run(main())
        """,
    "socketserver": """
        import socketserver
        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                print(self.request[0].decode(), flush=True)
        with socketserver.UDPServer(("0.0.0.0", 5000), Handler) as server:
            print("ready", flush=True)
            for _ in range(3):
                server.handle_request()
        """,
    "threads": """
        import socketserver, threading
        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                print(self.request[0].decode(), flush=True)
                if self.request[0] == b"2":
                    threading.Thread(target=self.server.shutdown).start()
        with socketserver.ThreadingUDPServer(("0.0.0.0", 5000), Handler) as server:
            print("ready", flush=True)
            server.serve_forever(0.05)
        """,
}


ECHOES = {
    "blocking": """
        import socket
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("", 5000))
            print("ready", flush=True)
            for _ in range(5):
                data, who = s.recvfrom(65536)
                s.sendto(data, who)
        """,
    "asyncio": """
        import asyncio
        class Echo(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                self.transport, self.n, self.done = transport, 0, asyncio.get_running_loop().create_future()
            def datagram_received(self, data, addr):
                self.transport.sendto(data, addr)
                self.n += 1
                if self.n == 5:
                    self.done.set_result(None)
        async def main():
            transport, echo = await asyncio.get_running_loop().create_datagram_endpoint(Echo, local_addr=("0.0.0.0", 5000))
            print("ready", flush=True)
            await asyncio.wait_for(echo.done, 30)
            transport.close()
        asyncio.run(main())
        """,
    "socketserver": """
        import socketserver
        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                self.request[1].sendto(self.request[0], self.client_address)
        with socketserver.UDPServer(("0.0.0.0", 5000), Handler) as server:
            server.max_packet_size = 65536
            print("ready", flush=True)
            for _ in range(5):
                server.handle_request()
        """,
}


class Program:
    """A program under `rxpath run` in a namespace of its own; the test's thread is in there, too."""

    def __init__(self, code, *options, python=(sys.executable,), peer=f"{THEIRS}"):
        self.side = Side().__enter__()
        arguments = ["run", "--dev", "tap0", "--addr", f"{OURS}/24", "--peer", peer, *options, "--", *python]
        self.process = subprocess.Popen([sys.executable, "-m", "rxpath.workbench.cli", *arguments, "-c", textwrap.dedent(code)],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def line(self):
        line = self.process.stdout.readline().rstrip()
        if not line:
            raise AssertionError(self.process.communicate(timeout=20)[1])
        return line

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
        self.side.__exit__()


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_that_know_nothing_of_us(name):
    with Program(PROGRAMS[name], "--stats") as program, program.side.udp() as client:
        assert program.line() == "ready"
        program.side.ping(times=1)
        got = []
        for k in range(3):
            client.sendto(b"%d" % k, (OURS, 5000))
            got.append(program.line())
        _, err = program.process.communicate(timeout=20)
    assert sorted(got) == ["0", "1", "2"] and program.process.returncode == 0, err
    assert "Udp.InDatagrams 3" in err and "Traceback" not in err and "Error" not in err, err


@pytest.mark.parametrize("name", ECHOES)
def test_servers_that_answer(name):
    with Program(ECHOES[name]) as program, program.side.udp() as client:
        assert program.line() == "ready"
        empty = 3 if name == "asyncio" else 0        # its transports send no empty datagrams
        for size in (empty, 1, 1472, 1473, 20000):   # the last two in fragments, both ways
            data = bytes(k & 255 for k in range(size))
            client.sendto(data, (OURS, 5000))
            assert client.recvfrom(65536) == (data, (OURS, 5000))
        _, err = program.process.communicate(timeout=20)
    assert program.process.returncode == 0, err


def test_a_client_that_asks_first():
    """ARP is resolved from our side, and a closed port is heard of."""
    code = """
        import socket
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(20)
        s.connect(("10.9.0.1", 7000))
        s.send(b"question")
        print(s.recv(100).decode(), flush=True)
        s.connect(("10.9.0.1", 7001))
        s.send(b"nobody")
        try:
            s.recv(100)
        except ConnectionRefusedError:
            print("refused", flush=True)
        """
    with Program(code) as program, program.side.udp() as server:
        server.bind(("", 7000))
        server.settimeout(20)
        data, who = server.recvfrom(100)
        assert data == b"question" and who[0] == OURS
        server.sendto(b"answer", who)
        assert program.line() == "answer" and program.line() == "refused"


def test_what_the_module_is_for_a_program():
    code = """
        import errno, socket, sys
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        assert isinstance(s, socket.socket) and type(s).__module__ == "rxpath.socket"
        assert s.family is socket.AF_INET and s.type is socket.SOCK_DGRAM and s.timeout is None
        s.bind(("127.0.0.1", 0))
        assert s.getsockname()[1] > 0
        a, b = socket.socketpair()
        a.send(b"x")
        assert b.recv(1) == b"x" and isinstance(a, socket.socket), "other families are the kernel's"
        try:
            socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        except OSError as error:
            assert error.errno == errno.EAFNOSUPPORT
        try:
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(("10.1.2.3", 1))
        except OSError as error:
            assert error.errno == errno.EADDRNOTAVAIL
        import os
        assert "RXPATH_RUN" not in os.environ and "startup" not in os.environ.get("PYTHONPATH", "")
        if os.fork() == 0:
            try:
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            except OSError as error:
                os._exit(error.errno)
        assert os.waitstatus_to_exitcode(os.wait()[1]) == errno.ENETDOWN
        print("well")
        """
    with Program(code) as program:
        assert program.line() == "well"


@pytest.mark.parametrize("wrong, says", [
    (["--dev", "tap0", "--addr", "10.9.0.2"], "prefix length"),
    (["--dev", "lo", "--addr", "10.9.0.2/24", "--backend", "tap"], "lo: no TAP"),
    (["--dev", "a" * 16, "--addr", "10.9.0.2/24"], "characters"), (["--dev", "t/0", "--addr", "10.9.0.2/24"], "characters"),
    (["--dev", "tap0", "--addr", "10.9.0.2/24", "--queues", "0"], "1 to"),
    (["--dev", "lo", "--addr", "10.9.0.2/24", "--peer", "10.9.0.1"], "other side of a TAP"),
    (["--dev", "no0", "--addr", "10.9.0.2/24", "--backend", "xdp"], "no0: no such device"),
    (["--dev", "tap0", "--addr", "10.9.0.2/24", "--backend", "x"], "one of"),
    (["--dev", "tap0", "--addr", "10.9.0.2/24", "--gateway", "10.8.0.1"], "not in"),
    (["--dev", "tap0", "--addr", "10.9.0.2/24", "--peer", "10.8.0.1"], "another address")])
def test_a_mistake_is_one_line(wrong, says):
    with Side():
        done = subprocess.run([sys.executable, "-m", "rxpath.workbench.cli", "run", *wrong, "--", sys.executable, "-c", "print(1)"],
                              capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1 and says in done.stderr, done


@pytest.mark.parametrize("command, says", [
    (["nc", "-u"], "no such program|only sockets of Python"), (["cat"], "only sockets of Python"),
    ([sys.executable, "-I", "x.py"], "isolated"),
    ([sys.executable, "-uS", "x.py"], "without site"), (["./no-such"], "no such program")])
def test_what_is_no_python_program_is_refused(command, says):
    done = subprocess.run([sys.executable, "-m", "rxpath.workbench.cli", "run", "--dev", "tap0", "--addr", "10.9.0.2/24", "--", *command],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and re.search(says, done.stderr) and done.stderr.count("\n") == 1, done


def test_a_sitecustomize_of_the_machines_own_is_read_too(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import builtins\nbuiltins.the_machines_own = 1\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with Program("import socket; print(the_machines_own, socket.socket.__module__)") as program:
        assert program.line() == "1 rxpath.socket"


def test_nothing_is_left_of_a_program_that_is_killed():
    with Program(PROGRAMS["blocking"]) as program:
        assert program.line() == "ready"
        program.process.kill()
        program.process.wait(20)
        with open("/proc/thread-self/net/dev") as file:
            assert "tap0" not in file.read()
