"""A capture through the path: the pieces in which it is read leave no mark on the run."""
import pathlib

import pytest

from rxpath.cable import capture as capture_module
from rxpath.cable.capture import Capture
from rxpath.cable.receiver import infer_receiver
from rxpath.cable.write import write_repeated
from rxpath.vtime import engine, feed

from ..frames import udp_frame
from ..lab import Lab


def replayed(path: pathlib.Path, plain: bool = False, **options: object) -> tuple[object, ...]:
    host = Lab(plain=plain, cpus=2, itr_ns=20_000)
    r = infer_receiver(path, plain=plain)
    host.net.dev[0].mac = host.net.nic[0].mac = r.mac
    app = host.app(host.udp(5000), service=700)
    with Capture(path, receiver=r, plain=plain, **options) as c:      # type: ignore[arg-type]
        c.attach(host.net)
        while c.load():
            host.call(feed.feed_arm_all)(host.net)
            host.call(engine.run)(host.net, c.until, 0)
            c.consume()
        host.t, host.sent = c.until, c.counts()["offered"]
        host.run()
        host.close()                                                  # the books balance
    th = host.net.thread[app]
    return host.ends(), th.received, th.latency_hash, [(k.softirq_ns, k.hardirq_ns, k.app_ns) for k in (host.net.cpu[i] for i in range(2))]


def test_a_run_does_not_depend_on_the_pieces_it_is_read_in(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_repeated(tmp_path / "x", [udp_frame(bytes(n)) for n in (10, 300, 1200)], 6000, 900)
    whole = replayed(tmp_path / "x", speed=2.0)
    assert whole[1] and len(whole[0]) > 1, "something is received, something is lost"     # type: ignore[arg-type]
    for piece in (1, 7, 500):
        monkeypatch.setattr(capture_module, "PIECE", piece)
        assert replayed(tmp_path / "x", speed=2.0) == whole


def test_compiled_equals_plain_through_the_path(tmp_path: pathlib.Path) -> None:
    write_repeated(tmp_path / "x", [udp_frame(bytes(n)) for n in (10, 300)], 400, 500)
    assert replayed(tmp_path / "x", loop=2) == replayed(tmp_path / "x", plain=True, loop=2)
