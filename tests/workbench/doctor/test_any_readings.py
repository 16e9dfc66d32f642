"""Whatever the readings are - cut, mangled, of several hosts, half missing - there is an answer of 80 columns, or one line that refuses."""
import json
import random
import re
from pathlib import Path

import pytest

from rxpath.workbench.doctor import inputs
from rxpath.workbench.doctor.verdict import CANNOT_TELL, NOTHING, SOMETHING, examine
from rxpath.workbench.readings import read_text
from rxpath.workbench.views import doctor as view
from rxpath.workbench.views import terminal
from rxpath.workbench.words.mistakes import BadInput

ROOT = Path(__file__).parents[3]
TEXTS = [p.read_text() for folder in ("tests/data/host", "docs/doctor") for p in sorted((ROOT / folder).rglob("*")) if p.is_file()]


def mangled(text, dice):
    """Numbers moved, lines cut, tabs and ends of lines changed, or as it is."""
    how = dice.randrange(6)
    if how == 0:
        return re.sub(r"\d{1,18}", lambda m: str(int(m[0]) + dice.choice((0, 0, 1, 5000, 2**31))), text)
    if how == 1:
        return text[:dice.randrange(len(text) + 1)]
    return text.replace("\t", " ") if how == 2 else text.replace("\n", "\r\n") if how == 3 else text


@pytest.mark.parametrize("seed", range(40))
def test_any_readings_have_an_answer(seed):
    dice = random.Random(seed)
    chosen = dice.sample(TEXTS, dice.randint(1, 6))
    readings = []
    for _ in range(dice.choice((1, 2, 2, 3))):
        reading = read_text("")
        for text in chosen:
            reading = reading.together(read_text(mangled(text, dice)))
        readings.append(reading)
    one = len(readings) == 1
    try:
        e = inputs.checked([inputs.zero(readings[0]), *readings] if one else readings, dice.choice((None, 5.0)), seed % 3 == 0)
    except BadInput as refused:
        assert "\n" not in str(refused)
        return
    verdict = examine(e)
    said = terminal.plain((view.since_boot if one else view.render)(verdict, readings), view.WIDTH)
    assert max(map(len, said.splitlines())) <= view.WIDTH
    assert verdict.status in (NOTHING, SOMETHING, CANNOT_TELL)
    assert (verdict.status == SOMETHING) == bool(re.search(r"^(LOST|DAMAGED|lost since|damaged since)", said, re.M))
    json.dumps(view.as_json(verdict, readings, one))
