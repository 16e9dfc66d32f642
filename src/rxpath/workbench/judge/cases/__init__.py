"""The cases, one file for each family: a function cases() gives them, and `rxpath judge --only FAMILY` runs them."""
