"""The NIC, and the drivers between its rings and the stack.

nic.py is the hardware (filters, RSS, DMA, write-back, interrupt line); igb_main.py the driver igb.  Called by the cable above and by
irq/ below; hands packets to link/."""
