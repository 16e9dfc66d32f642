"""TOML that a person wrote, in: what its tables are made of (tables.py), each mistake as one line."""
