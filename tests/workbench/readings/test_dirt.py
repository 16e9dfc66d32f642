"""Whatever is pasted: read or said, never dropped in silence, never a traceback; and dirt changes nothing."""
import pathlib
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxpath.workbench.readings import difference, losses, moments, read_text
from rxpath.workbench.readings import records as r
from rxpath.workbench.readings.lines import decoded, lines_of

DATA = pathlib.Path(__file__).parents[2] / "data" / "host"
SAMPLES = pathlib.Path(__file__).parents[4] / "shared" / "facts" / "host" / "samples"
OURS = [p.read_text() for p in sorted(DATA.rglob("*")) if p.is_file()]
REAL = [decoded(p.read_bytes()) for p in sorted(SAMPLES.rglob("*")) if p.is_file() and not re.search(r"INDEX|netdata|/sos/", str(p))]
TEXTS = OURS + REAL
needs_samples = pytest.mark.skipif(not REAL, reason="real samples lie beside the checkout, in ../shared")

DIRT = {
    "crlf": lambda t: t.replace("\n", "\r\n"), "tabs as wide as they look": lambda t: t.expandtabs(8),
    "tabs as one blank": lambda t: t.replace("\t", " "), "blanks at the ends": lambda t: t.replace("\n", "   \n"),
    "no indentation": lambda t: "\n".join(line.lstrip() for line in t.split("\n")),
    "a code block": lambda t: "\n".join("    " + line for line in t.split("\n")),
    "an answered mail": lambda t: "\n".join("> " + line for line in t.split("\n")),
    "colours": lambda t: "\n".join(f"\x1b[1;31m{line}\x1b[0m" for line in t.split("\n")),
    "prompts": lambda t: "[root@h ~]# run\n" + t + "\n[root@h ~]# ", "no-break blanks": lambda t: t.replace("  ", " \u00a0")}


@pytest.mark.parametrize("kind", DIRT)
def test_dirt_changes_nothing(kind):
    for text in OURS + REAL[::3]:
        clean, dirty = read_text(text), read_text(DIRT[kind](text))
        assert dirty.records == clean.records, (kind, text[:200])
        assert len(dirty.unread) == len(clean.unread), (kind, text[:200])


def everything_of(text):
    """All that is asked of a text; nothing of it may raise.  The reading."""
    reading = read_text(text)
    parts = moments(reading)
    found = difference(parts[0], parts[-1])
    for stats in (*reading.of(r.EthtoolStats, None), *found.reading.of(r.EthtoolStats, None)):
        losses("igb", stats)
    assert all(str(u) for u in reading.unread)
    return reading


def nothing_is_lost(text, reading):
    """A text with a line that is no comment and no empty one gives a record, or says a line."""
    full = [line for line in lines_of(text) if line.text.strip() and line.text.lstrip()[0] not in "#;"]
    prompts = [line for line in full if re.match(r"\s*(?:\S+@\S+|\[\S+@|[$#%+] |==>|---|===)", line.text)]
    assert reading.records or reading.unread or len(full) <= len(prompts), text[:300]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_texts_that_are_cut_and_joined_are_read_or_said(data):
    parts = []
    for _ in range(data.draw(st.integers(1, 3))):
        text = data.draw(st.sampled_from(TEXTS))
        start, end = sorted((data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))))
        parts.append(text[start:end][:4000])
    text = data.draw(st.sampled_from(["", "\n", "\n\n"])).join(parts)
    nothing_is_lost(text, everything_of(text))


def test_texts_with_letters_changed_lines_shuffled_and_wrapped_raise_nothing():
    dice = random.Random(15)
    for _ in range(150):
        text = dice.choice(TEXTS)[:3000]
        what = dice.randrange(3)
        if what == 0:
            text = "".join(c if dice.random() > 0.01 else dice.choice("\x00\t\r\n :[]{}0\u00e9\x1b-=%(") for c in text)
        elif what == 1:
            lines = text.split("\n")
            dice.shuffle(lines)
            text = "\n".join(lines)
        else:
            text = re.sub(r"(.{72})", r"\1\n", text)
        nothing_is_lost(text, everything_of(text))


def test_two_texts_with_a_prompt_between_them_are_read_as_each_alone():
    dice = random.Random(23)
    for _ in range(80):
        one, other = dice.choice(TEXTS), dice.choice(TEXTS)
        both = read_text(f"{one}\nroot@host:~# next\n{other}")
        assert both.records == read_text(one).records + read_text(other).records, (one[:100], other[:100])


def test_long_lines_of_every_kind_cost_no_more_than_their_length():
    """Patterns that go back over a line for each of its letters would take minutes for these."""
    for unit in ("\t", "-", "=", "1 ", "a ", "(", ":", "[", "{", "x.", "0x1 ", "Linux 1 (", "node_a{a=\"", "kfree_skb: skbaddr=1 ", "$ "):
        for head in ("", "NIC statistics:\n", "Settings for e:\n", "table ip a {\n", "x kfree_skb: skbaddr=1 "):
            everything_of(head + unit * (30_000 // len(unit)) + "x")


def test_numbers_beyond_64_bits_and_other_digits_are_no_numbers():
    huge = "9" * 5000
    for text in (f"Udp: InErrors\nUdp: {huge}\n", f"NIC statistics:\n a_b: {huge}\n", f"cpu{huge} 1 2 3 4\n", f"CPU{huge}\n 1: 5\n",
                 f"udp UNCONN {huge} 0 0.0.0.0:53 0.0.0.0:*\n", f"eth0:{'1 ' * 15}{huge}\n", f"UdpInErrors {huge} 0.0\n",
                 f'[{{"ifname":"e","flags":[],"mtu":{huge}}}]', f"1 drops at a\n{huge} drops at b\n", "NIC statistics:\n a_b: ²\n",
                 f"node_softnet_dropped_total{{cpu=\"{huge}\"}} 1\n", f"RX packets:{huge} errors:0 dropped:0 overruns:0 frame:0\n",
                 "[" * 100_000):
        reading = everything_of(text)
        assert reading.unread or not reading.counter("Udp", "InErrors")
