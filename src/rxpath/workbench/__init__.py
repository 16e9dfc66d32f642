"""The workbench: what a person holds.  It writes the path's tables and reads its results; nothing in the path imports it.

Rooms from top to bottom, each knows only those below it: cli (commands), views (what a person sees), many | judge | shapes | scenarios,
advice (what would have saved them), work (a unit of it, a pool), run (one run), traffic, host, toml_in, words."""
