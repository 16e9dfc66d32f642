"""Cost profiles (placeholder until profiles are read from files)."""
from ..path import Stage

BM36 = {Stage.igb_clean_rx_irq: 60, Stage.napi_gro_receive: 6, Stage.__netif_receive_skb_core: 12, Stage.ip_rcv_core: 60,
        Stage.ip_route_input_noref: 53, Stage.ip_local_deliver: 50, Stage.__udp4_lib_rcv: 60, Stage.__udp4_lib_lookup: 60,
        Stage.__udp_enqueue_schedule_skb: 120, Stage.udp_recvmsg: 300, Stage.napi_build_skb: 24, Stage.enqueue_to_backlog: 60,
        Stage.process_backlog: 20, Stage.HARDIRQ: 1000, Stage.SOFTIRQ: 250, Stage.POLL: 150, Stage.WAKE: 700,
        Stage.SWITCH: 1500, Stage.TICK: 1000, Stage.IPI: 500, Stage.TIMER: 800, Stage.SYSCALL_ENTRY: 37, Stage.SYSCALL_EXIT: 38,
        Stage.NIC_LATENCY: 1300, Stage.IPI_LATENCY: 1000, Stage.IDLE_EXIT: 2000}
