"""ethtool -N by driver: whose words a rule is in."""
from types import ModuleType

from . import igb_nfc, ixgbe_nfc
from .rows import IGB, IXGBE

RULES: dict[str, ModuleType] = {IGB.name: igb_nfc, IXGBE.name: ixgbe_nfc}
