"""What to try next: a lot of LOT choices, as a function of what came of the lots before, and of nothing else.

The first is today's host.  Two lots are spread over the space; then Optuna's TPE proposes, and a quarter of each lot is drawn freely, since
TPE alone stays where many knobs do nothing.  A lot has its own study and its own sampler, seeded by its number: neither workers nor an
interruption between lots can change it.  What TPE proposes depends on the processor's vector width, in the last bits of log(); a journal
therefore keeps the proposals too."""
from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from typing import Any

from rxpath.workbench.many.tuning.space import Choice, Space
from rxpath.workbench.words.mistakes import BadInput

LOT, SPREAD = 8, 16                                         # trials of a lot; trials that are spread before TPE begins
FREE = 2                                                    # of a lot, drawn freely
MANY = 4                                                    # knobs: with more, half of each stay as today

Told = tuple[Choice, list[float] | None]                    # None: it could not be run


def optuna() -> Any:
    """Optuna, or one line that says how to get it."""
    try:
        import optuna as found
    except ImportError:
        raise BadInput("rxpath tune needs Optuna, which is not installed: pip install 'rxpath[tune]'") from None
    found.logging.set_verbosity(found.logging.ERROR)
    return found


def lot(space: Space, told: Sequence[Told], seed: int, objectives: int) -> list[Choice]:
    """The next lot.  told: whole lots, in the order in which they were asked."""
    n = len(told)
    if n < SPREAD:
        drawn = ([space.today] if n == 0 else []) + [_spread(space, i, seed) for i in range(max(n, 1), n + LOT)]
    else:
        drawn = _proposed(space, told, seed, objectives) + [_free(space, i, seed) for i in range(n + LOT - FREE, n + LOT)]
    return [space.existing(choice) for choice in drawn]


def _draw(*what: object) -> float:
    """From 0 to 1, the same on every machine."""
    digest = hashlib.blake2b(repr(what).encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / (1 << 48)


def _setting(space: Space, knob: int, share: float) -> int:
    """Which setting of a knob is at that share of it."""
    n = len(space.knobs[knob].settings)
    if len(space.knobs) > MANY:
        return 0 if share < 0.5 else 1 + int((share - 0.5) * 2 * (n - 1))
    return int(share * n)


def _spread(space: Space, trial: int, seed: int) -> Choice:
    """A Latin hypercube: of SPREAD trials each has another sixteenth of every knob."""
    out = []
    for k in range(len(space.knobs)):
        order = sorted(range(SPREAD), key=lambda i: _draw("order", seed, k, i))
        out.append(_setting(space, k, (order[trial] + _draw("place", seed, k, trial)) / SPREAD))
    return tuple(out)


def _free(space: Space, trial: int, seed: int) -> Choice:
    return tuple(_setting(space, k, _draw("free", seed, k, trial)) for k in range(len(space.knobs)))


def _proposed(space: Space, told: Sequence[Told], seed: int, objectives: int) -> list[Choice]:
    o = optuna()
    names = [f"{k:03}" for k in range(len(space.knobs))]
    distributions = {n: o.distributions.IntDistribution(0, len(knob.settings) - 1) for n, knob in zip(names, space.knobs, strict=True)}
    def existing(choice: Choice) -> list[int]:
        return [k for k in space.order if space.exists(k, choice)]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                     # which of Optuna's options are experimental
        sampler = o.samplers.TPESampler(seed=int(_draw("lot", seed, len(told)) * (1 << 31)), multivariate=True, constant_liar=True,
                                        n_startup_trials=LOT, group=any(knob.only_with for knob in space.knobs))
        study = o.create_study(directions=["minimize"] * objectives, sampler=sampler)
        for choice, values in told:
            state = o.trial.TrialState.FAIL if values is None else o.trial.TrialState.COMPLETE
            has = existing(choice)
            study.add_trial(o.trial.create_trial(state=state, values=values, distributions={names[k]: distributions[names[k]] for k in has},
                                                 params={names[k]: choice[k] for k in has}))
        return [_ask(space, study.ask(), names) for _ in range(LOT - FREE)]


def _ask(space: Space, trial: Any, names: Sequence[str]) -> Choice:
    """Knob by knob, those that exist with what the others came to."""
    found: dict[int, int] = {}
    for k in space.order:
        found[k] = int(trial.suggest_int(names[k], 0, len(space.knobs[k].settings) - 1)) if space.exists(k, found) else 0
    return tuple(found[k] for k in range(len(names)))
