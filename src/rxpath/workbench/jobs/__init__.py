"""A unit of work - traffic, host, seed in; a small result out (unit.py) - and the pool that does many on all cores (pool.py)."""
