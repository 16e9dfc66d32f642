/* The sender of an experiment.
 *
 *   send plan=FILE log=FILE cpu=N fifo=0|1 start=NS spin=NS
 *
 * Each record of the plan is sent at start + t: it sleeps until spin before, then looks at its clock.  Records of one moment and flow with
 * batch > 1 go by sendmmsg().  The log: when each call began and returned; of a batch, in equal parts.  On stdout: the calls that failed. */
#include "common.h"

struct datagram { u64 t; u32 seq; u16 flow, port, len, batch; u32 pad; };
enum { FLOWS = 512, BATCH = 64, SHORT = 1472 };

static struct datagram plan[MOST];
static u64 called[MOST][2];
static char data[65536], many[BATCH][SHORT];

static int batch_at(size_t i, size_t n)
{
    int k = 1;
    while (k < BATCH && k < plan[i].batch && i + k < n && plan[i + k].t == plan[i].t && plan[i + k].flow == plan[i].flow)
        k++;
    return k;
}

static int send_many(int s, size_t i, int n)
{
    struct mmsghdr head[BATCH] = { 0 };
    struct iovec part[BATCH];
    struct sockaddr_in to[BATCH];
    for (int k = 0; k < n; k++) {
        memcpy(many[k], &plan[i + k].seq, 4);
        to[k] = address(RECEIVER, plan[i + k].port);
        part[k] = (struct iovec){ many[k], plan[i + k].len < SHORT ? plan[i + k].len : SHORT };
        head[k].msg_hdr = (struct msghdr){ .msg_name = &to[k], .msg_namelen = sizeof to[k], .msg_iov = &part[k], .msg_iovlen = 1 };
    }
    u64 begin = now();
    int sent = sendmmsg(s, head, n, 0);
    u64 end = now();
    sent = sent < 0 ? 0 : sent;
    for (int k = 0; k < n; k++) {
        called[i + k][0] = begin + (end - begin) * k / n;
        called[i + k][1] = begin + (end - begin) * (k + 1) / n;
    }
    return n - sent;
}

int do_send(int argc, char **argv)
{
    u64 start = number_of("start", argc, argv, 0), spin = number_of("spin", argc, argv, 0);
    const char *path = text_of("plan", argc, argv, "");
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(plan, sizeof *plan, MOST, f) : 0;
    int s[FLOWS], room = 8 << 20, failed = 0;
    struct sockaddr_in to = address(RECEIVER, 0);
    if (!n)
        fail(path);
    memset(s, -1, sizeof s);
    for (size_t i = 0; i < n; i++) {
        int *flow = &s[plan[i].flow % FLOWS];
        struct sockaddr_in me = { .sin_family = AF_INET, .sin_port = htons(4000 + plan[i].flow % FLOWS) };
        if (*flow >= 0)
            continue;
        *flow = socket(AF_INET, SOCK_DGRAM, 0);
        if (setsockopt(*flow, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room))
            setsockopt(*flow, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        if (bind(*flow, (void *)&me, sizeof me))
            fail("bind");
    }
    pin(number_of("cpu", argc, argv, 0));
    mlockall(MCL_CURRENT | MCL_FUTURE);             /* where it is allowed */
    prctl(PR_SET_TIMERSLACK, 1);
    if (number_of("fifo", argc, argv, 0)) {
        struct sched_param high = { .sched_priority = 1 };
        if (sched_setscheduler(0, SCHED_FIFO, &high))
            fprintf(stderr, "no SCHED_FIFO\n");
    }
    for (size_t i = 0; i < n;) {
        u64 due = start + plan[i].t;
        int s_now = s[plan[i].flow % FLOWS];
        if (due > now() + spin + 20000)
            sleep_until(due - spin);
        while (now() < due)
            ;
        if (plan[i].batch > 1) {
            int k = batch_at(i, n);
            failed += send_many(s_now, i, k);
            i += k;
            continue;
        }
        memcpy(data, &plan[i].seq, 4);
        to.sin_port = htons(plan[i].port);
        called[i][0] = now();
        failed += sendto(s_now, data, plan[i].len, 0, (void *)&to, sizeof to) < 0;
        called[i++][1] = now();
    }
    save(text_of("log", argc, argv, ""), called, sizeof *called, n);
    printf("{\"failed\": %d}\n", failed);
    return 0;
}
