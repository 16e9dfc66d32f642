"""rules.toml, its schema and its loader say the same; every knob that a rule names can be turned and typed."""
import json
import re
import tomllib

import jsonschema
import pytest

from rxpath.abi.reasons import DELIVERED, Drop
from rxpath.workbench.advice import rules
from rxpath.workbench.advice import shell as commands
from rxpath.workbench.advice.facts import FACTS
from rxpath.workbench.advice.rules import RuleError
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host.file import fields_of
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.traffic.spec import Flow

TEXT = rules.FILE.read_text()
WANTED = [*(f"R{i}" for i in range(1, 8)), "R7b", *(f"R{i}" for i in range(8, 41) if i not in (29, 30)), *(f"T{i}" for i in range(1, 18))]


def test_every_rule_is_there_in_order():
    assert [r.id for r in rules.load().rule] == WANTED


def test_the_schema_is_made_from_the_models_and_accepts_the_file():
    assert rules.SCHEMA.read_text() == rules.schema(), "python -m rxpath.workbench.advice.rules"
    jsonschema.validate(tomllib.loads(TEXT), json.loads(rules.SCHEMA.read_text()))


@pytest.mark.parametrize("change, said", [
    ('op = ">"', None), ("", None),
    (('id = "R3"\ntitle', 'id = "R3"\nnonsense = 1\ntitle'), "rules.toml: rule R3: nonsense: unknown key"),
    (('fact = "window_fill", op = ">"', 'fact = "window_fill", op = "~"'), "rule R3: discriminator.when.0.op: \"~\" is not allowed"),
    (('fact = "window_fill"', 'fact = "window_fil"'), "rule R3: discriminator.when: unknown fact 'window_fil'; did you mean window_fill?"),
    (('knobs = ["no_throttle", "ring"]', 'knobs = ["no_throtle"]'), "rule R3: knobs: unknown knob 'no_throtle'; did you mean no_throttle?"),
    (('id = "R3"', 'id = "R2"'), "rule R2: id: appears twice"),
    (('cause = "Within one', 'cause_ = "Within one'), "rule R3: cause: is missing"),
    (('knobs = ["rps", "rfs"]', 'knobs = ["rpss"]'), "knob.backlog: only_with.knobs: unknown knob 'rpss'; did you mean rps?"),
    (('knobs = ["rps", "rfs"]', 'knobs = ["flow_limit"]'), "knob.backlog: only_with.knobs: flow_limit exists itself only with others"),
    (('fact = "backlog_high"', 'fact = "backlog_hig"'), "knob.backlog: only_with.unless: unknown fact 'backlog_hig'; did you mean"),
    (("version = 1", "version = 2"), "version: 2 is not allowed"),
    (("version = 1", "version = "), "TOML"),
])
def test_a_mistake_is_one_line_that_names_file_rule_and_key(change, said):
    if said is None:
        assert rules.loads(TEXT, "rules.toml") == rules.load()
        return
    old, new = change
    assert old in TEXT
    with pytest.raises(RuleError) as error:
        rules.loads(TEXT.replace(old, new, 1), "rules.toml")
    assert said in str(error.value) and "\n" not in str(error.value) and str(error.value).startswith("rules.toml: ")


def test_every_loss_has_a_rule_or_a_sentence():
    """A loss that no rule explains and no verdict covers would leave the reader alone."""
    known = {c.fact.removeprefix("lost.") for r in rules.load().rule for c in r.symptom} | set(rules.VERDICT)
    known |= {"SOCKET_RCVBUFF", "SOCKET_BACKLOG", "FRAG_TOO_FAR"}          # buffer_lost, reassembly_failed
    assert {d.name for d in Drop if d not in DELIVERED and d != Drop.NOT_DROPPED_YET} <= known


def test_every_modelled_knob_writes_keys_that_a_host_file_has_and_a_person_can_type():
    host = hostfile.default()
    for name, knob in rules.load().knob.items():
        for setting in knob.set if knob.modelled else ():
            key = re.sub(r"\{(full|listener|reader|reader_socket|nic)\}", "x", setting.key)
            key = re.sub(r"\{(queue|queues|route|stream|port_stream)\}", "0", key)
            if key.startswith("traffic."):
                assert key.split(".")[-1] in fields_of(Flow), f"{name}: {key}"
            elif not key.startswith("net."):
                room, _, rest = key.partition(".")
                assert room in fields_of(Host), f"{name}: {key}"
                numbered = rest == "" or room in ("irq", "rps", "rps_flow_cnt")
                assert numbered or rest.split(".")[-1] in fields_of(_model(room)), f"{name}: {key}"
            assert any(p.match(key) for p, _ in commands.COMMANDS), f"{name}: no command for {key}"
    assert commands.commands(host, ("net.core.rmem_max=1",)) == ["sysctl -w net.core.rmem_max=1"]


def _model(room):
    found = hostfile._model_of(fields_of(Host)[room])
    assert found is not None
    return found


def test_a_knob_that_is_not_modelled_is_no_key_of_the_host_file():
    """When somebody adds the key, this says that the knob can be tried now."""
    for name, knob in rules.load().knob.items():
        for setting in () if knob.modelled else knob.set:
            with pytest.raises(ValueError):
                hostfile.apply_overrides(hostfile.default(), [f"{setting.key}={setting.to[0]}"])
                raise AssertionError(f"{name}: {setting.key} exists")


def test_every_fact_has_a_unit_and_is_a_number_of_a_run():
    import rxpath
    from rxpath.workbench.advice.facts import measure

    measured = measure(rxpath.replay("first"))
    assert set(measured) == set(FACTS)
    for name, value in measured.items():
        assert isinstance(value, (int, float)) and FACTS[name].unit, name
    assert measured["lost.SOCKET_RCVBUFF"] == measured["buffer_lost"] > 4000
    assert measured["reader_load"] < 0.5 and measured["rcvbuf_unasked"] == 1 and measured["p99_us"] > 1000


def test_that_nothing_was_lost_is_no_reason_of_a_latency():
    ring, budget = (rules.load().knob[name].useless[0] for name in ("ring", "budget"))
    assert ring.text.startswith("no frame was lost") and ring.is_reason("loss") and not ring.is_reason("latency")
    assert "time_squeeze" in budget.text and budget.is_reason("latency") and budget.is_reason("cpu")
