"""The version, where both the package and a sweep's journal can read it."""
__version__ = "0.1.0"
