"""The socket's queues and the system calls that read them.

queue.py (admission, memory, wake-ups: the softirq's side), recvmsg.py (the reader's side).  Softirqs arrive from transport/, programs from
the driver of time."""
