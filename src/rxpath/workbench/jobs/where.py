"""Where runs are done: on this machine's cores, or by the workers of a Dask cluster."""
from __future__ import annotations

from rxpath.workbench.jobs.pool import Pool

Jobs = int | str | None                                     # how many at a time, None: all cores; or the address of a Dask scheduler


def the_pool(jobs: Jobs) -> Pool:
    """Raises BadInput where an address is not that of a cluster of this rxpath."""
    if not isinstance(jobs, str):
        return Pool(jobs)
    from rxpath.workbench.jobs.cluster import Cluster

    return Cluster(jobs)
