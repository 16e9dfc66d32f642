"""What would have saved them: the rules as data (rules.toml, rules.py), what a run measured (facts.py), the knobs worth trying as
settings of this host (candidates.py), the re-runs and their ranking (search.py), the commands for a real host (shell.py)."""
