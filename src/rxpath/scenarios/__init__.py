"""The scenario library: one short TOML file for each lesson.  workbench/scenarios/scenario.py reads and runs them;
docs/scenarios.md is made of them."""
