"""Dice of virtual time: the same as the cable's (cable/dice.py)."""
from ..cable.dice import exponential_next as exponential_next
from ..cable.dice import exponential_of as exponential_of
from ..cable.dice import next_random as next_random
from ..cable.dice import seeded as seeded
