"""Many runs: the unit of work (unit.py), the pool that does many on all cores (pool.py), and what stands on them: sweep and headroom."""
