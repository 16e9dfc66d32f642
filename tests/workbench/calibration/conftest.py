"""A folder of calibrations of its own for each test; a profile in it."""
import pytest

from rxpath.vtime import calibrated
from rxpath.workbench.calibration import derive, measure, profile
from rxpath.workbench.calibration.measure import Measured, Value


@pytest.fixture
def data(monkeypatch, tmp_path):
    """XDG_DATA_HOME."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    calibrated._fits.cache_clear()
    yield tmp_path
    calibrated._fits.cache_clear()


@pytest.fixture
def calibrate(data):
    """calibrate(name, default=True): writes a profile without measuring anything; its name."""
    def write(name="here-20261130-120000", default=True, system_call=200.0, noise=None):
        one = Value(system_call, system_call, system_call, system_call - 10, system_call + 30, 0)
        found = Measured(measure.Cpus(0, 1), {"system_call": one})
        found.noise, found.rounds = noise, 5
        profile.save(profile.text(name, derive.derive(found), found, default), name)
        return name
    return write
