"""A case beside what its host really lost: cases made by hand, in which every figure is known."""
import json
from pathlib import Path

import jsonschema
import pytest

from rxpath.workbench.case.beside import beside
from rxpath.workbench.case.truth import truth
from rxpath.workbench.cli import app as cli
from rxpath.workbench.host.given import of_case
from rxpath.workbench.readings.case import open_recorded
from rxpath.workbench.views.case import as_json, error
from rxpath.workbench.words.mistakes import BadInput

from ...frames import udp_frame
from .made import HOST, T0, packet, ring, samples, snmp, softnet, udp_table, write

SCHEMA = json.loads((Path(__file__).parents[3] / "src/rxpath/workbench/views/replay.schema.json").read_text())
FRAME = udp_frame(bytes(64), dst="10.0.0.1")
PORT = 5000
STAT = b"7 (reader) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n"


def programs(held=((3, 77),)):
    return json.dumps([{"name": "reader", "pid": 7, "sockets": held, "epoll": {}, "threads": [
        {"id": 7, "cpus": [1], "stat": STAT.decode(), "syscall": "45 0x3 0x0 0x800 0x0 0x0 0x0 0x0 0x0"}]}]).encode()


def files(read, lost=0, queued=0, ran=0, waited=0, dropped=0, whole=True):
    made = {"/proc/net/snmp": snmp(InDatagrams=read, RcvbufErrors=lost, InErrors=lost), "/proc/net/softnet_stat": softnet(dropped),
            "/proc/net/udp": udp_table(PORT, queued, lost)}
    if whole:
        made |= {"/proc/7/task/7/schedstat": f"{ran} {waited} 5\n".encode(), "/proc/7/task/7/stat": STAT}
    return made


def frames(pps, seconds, start=0.0):
    return [packet(int((T0 + start + i / pps) * 1e9), FRAME) for i in range(int(pps * seconds))]


def made(tmp_path, name="a.rxcase", pps=20_000, seconds=2.0, service_us=100.0, **more):
    """A reader that takes so long; what it loses follows: it reads 1/service a second, the rest is lost but for 256 in the buffer."""
    read = min(1e6 / service_us, pps)
    each = [(t, files(int(read * t), int(max((pps - read) * t, 0)), 212992 if pps > read else 0, int(service_us * 1000 * read * t)))
            for t in [i / 10 for i in range(int(seconds * 10) + 1)]]
    return write(tmp_path / name, **({"capture": ring(frames(pps, seconds)), "counters": samples(each),
                                      "texts": {"programs.json": programs()}} | more))


def test_a_reader_is_as_quick_as_its_cpu_time_says_and_the_prediction_needs_no_fit(tmp_path):
    path = made(tmp_path)
    b = beside(path, of_case(path))
    row = b.row("socket")
    assert row.real == 20_000 and abs(row.predicted - row.real) < 0.05 * row.real and row.fitted is None and row.agrees
    assert row.together > 0.9 and any("reader: 100 us of CPU time" in m for m in b.measured)
    assert not b.explained and not b.cannot_judge


def test_what_no_file_says_is_fitted_to_the_first_half_and_the_second_tests_it(tmp_path):
    """Without schedstat nobody knows how long the program works."""
    each = [(i / 10, files(1000 * i, 1000 * i, 212992, whole=False)) for i in range(21)]
    path = made(tmp_path, counters=samples(each))
    b = beside(path, of_case(path))
    row = b.row("socket")
    assert row.predicted == 0 and b.fitted is not None and b.fitted.what == "work" and 80_000 < b.fitted.ns < 120_000
    real, ours = b.second_half
    assert real == 10_000 and abs(ours - real) < 0.06 * real
    assert of_case(path).apps[0].service.constant == 0 and b.host.apps[0].service.constant == round(b.fitted.ns)


def test_nothing_is_fitted_to_a_program_whose_host_file_says_how_long_it_works(tmp_path):
    path = made(tmp_path, host=HOST + 'service = "1us"\n')
    b = beside(path, of_case(path))
    assert b.fitted is None and not b.measured and b.row("socket").predicted == 0
    assert "really 20,000, here 0" in b.explained[0]


def standing_still():
    """5,000 a second; from 0.5 s to 0.9 s nothing is read: 256 fit, the rest is lost.  (samples, lost)"""
    each, read, lost = [], 0, 0
    for i in range(21):
        queued = 0
        if 5 < i <= 9:
            lost += 500 if i > 6 else 244
            queued = 212992
        elif i:
            read += 500 + (256 if i == 10 else 0)
        each.append((i / 10, files(read, lost, queued, ran=read * 10_000)))
    return samples(each), lost


def test_times_in_which_nothing_was_read_are_pauses(tmp_path):
    counters, lost = standing_still()
    path = made(tmp_path, pps=5000, counters=counters)
    b = beside(path, of_case(path))
    assert [(round(begin - 1000, 1), round(length, 1)) for begin, length in b.readers[0].pauses] == [(0.5, 0.4)]
    assert abs(b.row("socket").predicted - lost) < 0.1 * lost and b.row("socket").together > 0.8


def test_a_socket_that_nobody_reads_stands_still_and_nothing_is_fitted(tmp_path):
    each = [(i / 10, files(0, max(500 * i - 256, 0), 212992 if i else 4096)) for i in range(21)]
    path = made(tmp_path, pps=5000, counters=samples(each))
    b = beside(path, of_case(path))
    assert b.readers[0].never and b.fitted is None and "read nothing at all" in b.measured[0]
    assert abs(b.row("socket").predicted - 9744) < 300


def test_a_host_that_loses_nothing_agrees(tmp_path):
    path = made(tmp_path, pps=2000, service_us=10)
    b = beside(path, of_case(path))
    assert not [r for r in b.rows if r.real or r.predicted] and not b.explained


def test_a_capture_that_lost_more_than_the_host_cannot_judge(tmp_path):
    path = made(tmp_path, lost=50_000)
    b = beside(path, of_case(path))
    assert "the capture itself lost 50,000 frames, the host 20,000" in b.cannot_judge and b.fitted is None


def test_a_capture_that_ended_early_cannot_judge(tmp_path):
    path = made(tmp_path, manifest={"capture": {"file": "capture.blocks", "stopped": "the limit of 1 MiB (--most)", "devices": [
        {"name": "eth0", "linktype": 1, "mac": "02:00:00:00:00:01"}]}})
    assert "ended before the counters did (the limit of 1 MiB" in beside(path, of_case(path)).cannot_judge


def test_a_clock_that_was_set_leaves_whole_runs_to_compare(tmp_path):
    each = [(i / 10, files(1000 * i, 1000 * i, 212992, ran=100_000_000 * i), 3600.0 if i > 10 else 0.0) for i in range(21)]
    path = made(tmp_path, counters=samples(each))
    b = beside(path, of_case(path))
    assert "the clock was set by +3600.000 s" in b.said[0] and not b.stretches and b.row("socket").real == 20_000
    assert abs(b.row("socket").predicted - 20_000) < 1000


def test_what_was_lost_before_the_capture_is_not_judged(tmp_path):
    """Backlogs lie before the tap: the model sees what got through."""
    each = [(i / 10, {**files(1000 * i, 0, 0, ran=10_000 * i), "/proc/net/softnet_stat": softnet(1000 + 10 * i)}) for i in range(21)]
    b = beside(path := made(tmp_path, pps=10_000, service_us=10, counters=samples(each)), of_case(path))
    row = b.row("backlog")
    assert (row.real, row.predicted, row.judged) == (200, 0, False) and error(row) == "not judged"
    assert [line for line in b.explained if line.startswith("CPUs' backlogs: really 200, which are not in the capture")]
    assert as_json(b)["classes"][0]["judged"] is False
    calm = beside(path := made(tmp_path, "b.rxcase"), of_case(path))
    assert calm.row("socket").judged and not [r for r in calm.rows if r.key == "backlog"]


def test_counters_that_wrap_go_on_and_those_that_are_reset_are_not_known(tmp_path):
    each = [(i / 10, {**files(1000 * i, 0, 0, ran=1), "/proc/net/softnet_stat": softnet(0xFFFFFFF0 + 10 * i)}) for i in range(21)]
    path = made(tmp_path, pps=10_000, counters=samples(each))
    b = beside(path, of_case(path))
    assert b.row("backlog").real == 200
    each = [(i / 10, files(1000 * i, 500 * i if i < 10 else 0, 0, ran=1)) for i in range(21)]
    path = made(tmp_path, "b.rxcase", pps=10_000, counters=samples(each))
    b = beside(path, of_case(path))
    assert truth(open_recorded(path)).losses["socket"].total is None
    assert any("Udp.RcvbufErrors went backwards within the recording" in text for text in b.said)


def test_samples_that_are_damaged_end_where_they_are(tmp_path):
    whole = samples([(i / 10, files(1000 * i, 1000 * i, 212992, ran=100_000_000 * i)) for i in range(21)])
    at = whole.index(b"@ ", len(whole) // 2)
    path = made(tmp_path, counters=whole[:at] + b"@ nonsense\n" + whole[at:])
    b = beside(path, of_case(path))
    assert any("cannot be read: those before it are taken" in text for text in b.said) and 0.5 < b.seconds < 1.5


def test_a_case_without_samples_says_what_can_be_done(tmp_path):
    path = made(tmp_path, counters=b"")
    with pytest.raises(BadInput, match="counters of one moment"):
        beside(path, of_case(path))


# ---------------------------------------------------------------- the command
def run(capsys, *args):
    code = cli.run(list(args))
    out, err = capsys.readouterr()
    return code, out, err


def test_replay_shows_truth_before_its_own_story(tmp_path, capsys):
    code, out, err = run(capsys, "replay", made(tmp_path), "--no-whatif", "--no-progress")
    assert code == 0 and "What the host really lost, and the model" in out and "20,000" in out, err
    assert out.index("really") < out.index("From the wire to the application")
    assert "reader spends 9" in out or "reader spends 10" in out


def test_json_has_it_too(tmp_path, capsys):
    code, out, _ = run(capsys, "replay", made(tmp_path), "--no-whatif", "--no-progress", "--json")
    found = json.loads(out)
    jsonschema.validate(found, SCHEMA)
    assert code == 0 and found["case"]["classes"][0]["real"] == 20_000


@pytest.mark.parametrize("option", [("--speed", "2"), ("--rate", "1kpps"), ("--loop", "2"), ("--listen", "udp:5000")])
def test_a_case_that_is_replayed_otherwise_is_a_capture_and_a_host(tmp_path, capsys, option):
    code, out, err = run(capsys, "replay", made(tmp_path, pps=2000, seconds=0.3), "--no-whatif", "--no-progress", *option)
    assert code == 0 and "really lost" not in out and "frames offered" in out, err


@pytest.mark.parametrize("command", [("hosts",), ("host", "show"), ("host", "check"), ("boot", "--host"), ("doctor",)])
def test_every_command_takes_a_case(tmp_path, capsys, command):
    code, _, err = run(capsys, *command, made(tmp_path))
    assert code in (0, 1) and "Traceback" not in err and not err.startswith("rxpath:"), err


def test_a_host_file_can_be_made_of_a_case(tmp_path, capsys):
    rings = b"Ring parameters for eth0:\nPre-set maximums:\nRX: 4096\nTX: 4096\nCurrent hardware settings:\nRX: 512\nTX: 256\n"
    path = made(tmp_path, host="", texts={"settings/ethtool_-i_eth0": b"driver: igb\nversion: 6.1\n", "settings/ethtool_-g_eth0": rings})
    code, out, err = run(capsys, "host", "snapshot", "--from", path)
    assert code == 0 and 'driver = "igb"' in out and "rx = 512" in out, err
    code, out, err = run(capsys, "host", "show", path)
    assert code == 0 and "ethtool.rx = 512" in out, err
