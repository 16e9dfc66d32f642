"""Running ahead equals one step at a time."""
from ..frames import udp_frame


def test_running_ahead_equals_one_step_at_a_time(lab):
    hashes = []
    for one_step in (False, True):
        host = lab(one_step=one_step)
        app = host.app(host.udp(5000), cpu=1)
        host.send(*[udp_frame() for _ in range(300)], gap=600)
        host.run()
        hashes.append((host.net.thread[app].latency_hash, host.ends(), host.net.cpu[0].softirq_ns))
    assert hashes[0] == hashes[1]
