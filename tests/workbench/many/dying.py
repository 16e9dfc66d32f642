"""What a worker of test_cluster.py does: its work, but a unit of one seed kills it."""
import os
import signal

from rxpath.workbench.jobs import parcel

SEED = 13


def do(parcels, files):
    """As parcel.do()."""
    if any(f"seed={SEED}" in p.unit.overrides for p in parcels):
        os.kill(os.getpid(), signal.SIGKILL)
    return parcel.do(parcels, files)
