"""CPython's own tests of sockets, those of them that use UDP or ask what the module has, on rxpath.socket instead of the kernel's:

    python tools/cpython_sockets.py [-v] [NAME ...]          # a class of test.test_socket, or class.test; default: all of CLASSES

They are the tests of the Python that runs this (test.test_socket), as they stand.  Their `socket` is rxpath.socket, and the standard
module's class is ours, as under `rxpath run`.  Both ends of each test are sockets of one live host, over its lo: so sending and receiving
are ours, and neither root nor a device is needed.  The host's card is one end of a pair of descriptors and stays silent.

Who is skipped has a reason of the list below.  What is skipped by us is run all the same: one that passes is an error, so that the list
stays as short as it can be.  The exit code is 1 for that, for a test that fails, for a skip without a reason of the list, and if fewer
than 80 % of the tests run."""
import argparse
import ctypes
import faulthandler
import gc
import io
import os
import platform
import re
import sys
import unittest
import warnings
from collections import Counter
from contextlib import redirect_stderr
from enum import StrEnum
from typing import Any

from rxpath import live
from rxpath import socket as ours
from rxpath.backends.pair import pair

# All that make AF_INET sockets of SOCK_DGRAM, and those of the module itself.  Not here: IPv6, UDP-Lite, streams, other families.
CLASSES = ("GeneralModuleTests", "BasicUDPTest", "UDPTimeoutTest", "SendmsgUDPTest", "RecvmsgUDPTest", "RecvmsgIntoUDPTest",
           "InterruptedRecvTimeoutTest", "CmsgMacroTests", "InheritanceTest", "NonblockConstantTest", "TestExceptions")
LEAST = 0.8                                          # of the tests run
LIMIT_S = 120                                        # for all; then where each thread is, and the end
CLONE_NEWUTS = 0x04000000


class Reason(StrEnum):
    """Why a test may be skipped."""
    OTHER_SYSTEM = "not on Linux"
    IPV6 = "needs IPv6"
    INTERNET = "needs the Internet"
    INSIDE = "asks for private parts of the standard library's class"
    NOT_BUILT = "needs a function or module that this Python was built without"


# What the tests say themselves when they skip.
THEIR_WORDS = ((r"Windows specific|macOS specific", Reason.OTHER_SYSTEM), (r"IPv6", Reason.IPV6),
               (r"[Nn]etwork|python\.org", Reason.INTERNET),
               (r"test needs socket\.|_testcapi|need _socket module|not (defined|supported|available)|requires", Reason.NOT_BUILT))

OUR_SKIPS = {
    "GeneralModuleTests.test_SocketType_is_socketobject": Reason.INSIDE,
    "GeneralModuleTests.test_socket_methods": Reason.INSIDE,
    "GeneralModuleTests.test__sendfile_use_sendfile": Reason.INSIDE,
}


class Result(unittest.TestResult):
    """One word for each test: passed, failed or a Reason; what went wrong in full."""

    def __init__(self, verbose: bool) -> None:
        super().__init__()
        self.verbose, self.ends, self.wrong = verbose, {}, []        # type: ignore[var-annotated]
        self._bad: list[str] = []

    @staticmethod
    def name(test: Any) -> str:
        return ".".join(test.id().split(".")[-2:])

    def startTest(self, test: Any) -> None:
        super().startTest(test)
        self._bad, self.ends[self.name(test)] = [], "passed"

    def addError(self, test: Any, err: Any) -> None:
        self._bad.append(self._exc_info_to_string(err, test))        # type: ignore[attr-defined]

    addFailure = addError

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        if err is not None:
            self.addError(test, err)

    def addSkip(self, test: Any, reason: str) -> None:
        found = next((word for pattern, word in THEIR_WORDS if re.search(pattern, reason)), None)
        self.ends[self.name(test)] = found or "failed"
        if found is None:
            self.wrong.append(f"{self.name(test)} is skipped for a reason that is not in the list: {reason}")

    def stopTest(self, test: Any) -> None:
        super().stopTest(test)
        name = self.name(test)
        if name in OUR_SKIPS and self.ends[name] == "passed":
            if not self._bad:
                self.wrong.append(f"{name} passes and is in the list of skips ({OUR_SKIPS[name]})")
            self.ends[name] = OUR_SKIPS[name]
        elif self._bad:
            self.ends[name] = "failed"
            self.wrong += [f"{name}\n{text}" for text in self._bad]
        if self.verbose:
            print(f"{name}: {self.ends[name]}", flush=True)


def score(result: Result) -> tuple[str, bool]:
    """The text, and whether enough has run and nothing is wrong."""
    table: dict[str, Counter[str]] = {}
    for name, end in result.ends.items():
        table.setdefault(name.split(".")[0], Counter())[end if end in ("passed", "failed") else "skipped"] += 1
    rows = [f"{'':28}{'tests':>7}{'passed':>8}{'failed':>8}{'skipped':>9}"]
    for name, n in table.items():
        rows.append(f"{name:28}{n.total():7}{n['passed']:8}{n['failed']:8}{n['skipped']:9}")
    total = sum(table.values(), Counter())
    ran = total["passed"] + total["failed"]
    share = ran / max(total.total(), 1)
    skipped = Counter(str(end) for end in result.ends.values() if end not in ("passed", "failed"))
    rows += ["", f"{ran} of {total.total()} tests run ({100 * share:.0f} %), {total['passed']} pass."]
    rows += [f"Skipped: {n:3}  {reason}" for reason, n in sorted(skipped.items(), key=lambda item: (-item[1], item[0]))]
    return "\n".join(rows), not result.wrong and share >= LEAST


def own_name() -> None:
    """A host name of this process alone, where that needs nobody's leave: one of the tests changes it."""
    if os.geteuid() == 0:
        ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUTS)


def main() -> int:
    parser = argparse.ArgumentParser(description="CPython's tests of UDP sockets on rxpath.socket.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a class of test.test_socket, or class.test")
    parser.add_argument("-v", action="store_true", help="say each test's end")
    arguments = parser.parse_args()
    own_name()
    near, far = pair()
    with live.Host(near, "10.9.0.2/24") as host:
        ours.use(host)
        ours.install()
        try:
            # After install(): it looks for IPv6 when it is imported.
            from test import support, test_socket
        except ImportError as error:
            print(f"this Python has no tests of its own: {error}", file=sys.stderr)
            return 2
        support.use_resources = []                           # nobody asks the Internet
        test_socket.socket = ours
        try:
            suite = unittest.defaultTestLoader.loadTestsFromNames(arguments.names or CLASSES, test_socket)
        except AttributeError as error:
            parser.error(str(error))
        result, said = Result(arguments.v), io.StringIO()
        gc.collect()
        gc.freeze()                                          # the tests collect all garbage again and again
        faulthandler.dump_traceback_later(LIMIT_S, exit=True, file=sys.__stderr__)
        with redirect_stderr(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")                  # as under `python -m test`: sockets that tests forget
            suite.run(result)
        faulthandler.cancel_dump_traceback_later()
        datagrams = host.counters().get("Udp.InDatagrams", 0)
    far.close()
    result.wrong += [f"said meanwhile:\n{said.getvalue()}"] if said.getvalue() else []
    print(*result.wrong, sep="\n\n", end="\n\n" if result.wrong else "")
    text, well = score(result)
    print(f"CPython {platform.python_version()}'s test_socket on rxpath.socket, both ends on one live host\n{text}\n"
          f"The live host received {datagrams} datagrams.")
    return 0 if well or (arguments.names and not result.wrong) else 1


if __name__ == "__main__":
    sys.exit(main())
