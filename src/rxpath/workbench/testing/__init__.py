"""Programs under test: a host for one test, other hosts on its wire, frames in and out, virtual time (docs/testing.md)."""
