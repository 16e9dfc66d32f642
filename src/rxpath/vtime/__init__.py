"""Virtual time: the path on N simulated CPUs, deterministic.  A CPU runs its private work ahead of the others; it touches what another
CPU can see only when nobody is earlier; an interrupt preempts at its own time.

slots.py who is next; sched.py the scheduler; apps.py what runs in threads; cpu.py contexts and hard IRQs; engine.py the loop and set-up;
dice.py random numbers; feed.py generators; costs.py profiles.  Measured and argued in ARCHITECTURE.md, "Virtual time"."""
