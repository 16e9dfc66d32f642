"""The real kernel beside us: the same frames into Linux and into the path, every difference explained.

case.py says what a case is, cases/ has them by family, kernel/ runs one in a network namespace, ours/ through the path, compare.py finds
what differs, deviations.toml says which differences are known and why, run.py does many."""
