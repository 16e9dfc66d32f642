"""Hard and soft interrupts: kernel/softirq.c, and the NAPI machinery of net/core/dev.c.

softirq.py napi.py backlog.py.  Called by the driver of time (vtime/, walltime/) with a CPU whose turn it is; polls the drivers' NAPIs."""
