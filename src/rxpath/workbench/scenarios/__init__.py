"""The scenario library: scenario.py reads and runs the TOML files of src/rxpath/scenarios, each one lesson."""
