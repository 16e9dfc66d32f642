/* The readers of an experiment: receive, work, receive again, until SIGUSR1.
 *
 *   read log=FILE cpu=N,N ports=N,N threads=N rcvbuf=N service=NS sleep=0|1 batch=N waitforone=0|1 epoll=0|1 reuse=0|1
 *        stall_every=N stall=NS
 *
 * One socket for each port, of all threads; with reuse each thread has its own (SO_REUSEPORT); with as many ports as threads each thread has
 * one.  service: computes so long on each datagram, or sleeps (sleep=1).  stall_every: after so many datagrams it sleeps so long.
 * The log: records of struct got.  stdout: JSON. */
#include "common.h"

struct got { u32 seq; u16 thread, socket; u64 called, returned; };
struct reader {
    pthread_t thread;
    int id, cpu, nsocket, *sockets;
    struct got *log;
    size_t n;
    u64 ran;
    long sleeps;
};
enum { THREADS = 16, BATCH = 64, SHORT = 2048 };

static volatile sig_atomic_t stop;
static int batch, waitforone, use_epoll, sleeps;
static u64 service, stall_every, stall_ns, most;
static pthread_barrier_t begin;

static void nothing(int number)
{
    (void)number;
}

static void work(struct reader *r, u64 from)
{
    if (sleeps && service)
        sleep_for(service);
    else
        for (u64 end = from + service; service && now() < end;)
            ;
    if (stall_every && r->n % stall_every == 0)
        sleep_for(stall_ns);
}

static void note(struct reader *r, const void *data, int socket, u64 called, u64 returned)
{
    if (r->n < most) {
        struct got *g = &r->log[r->n];
        memcpy(&g->seq, data, 4);
        g->thread = r->id;
        g->socket = socket;
        g->called = called;
        g->returned = returned;
    }
    r->n++;
}

static void one(struct reader *r, char *data)
{
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    u64 called = now();
    int len = recvfrom(r->sockets[0], data, 65536, 0, (void *)&from, &size);
    u64 returned = now();
    if (len < 4)
        return;
    note(r, data, 0, called, returned);
    work(r, returned);
}

static void some(struct reader *r, char (*data)[SHORT])
{
    struct mmsghdr head[BATCH] = { 0 };
    struct iovec part[BATCH];
    struct sockaddr_in from[BATCH];
    for (int i = 0; i < batch; i++) {
        part[i] = (struct iovec){ data[i], SHORT };
        head[i].msg_hdr = (struct msghdr){ .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &part[i], .msg_iovlen = 1 };
    }
    u64 called = now();
    int n = recvmmsg(r->sockets[0], head, batch, waitforone ? MSG_WAITFORONE : 0, 0);
    u64 returned = now(), from_then = returned;
    for (int i = 0; i < n; i++) {
        note(r, data[i], 0, called, returned);
        work(r, from_then);
        from_then = now();
    }
}

static void ready(struct reader *r, int epoll, char *data)
{
    struct epoll_event event[16];
    u64 called = now();
    int n = epoll_wait(epoll, event, 16, -1);
    for (int i = 0; i < n; i++)
        for (;;) {
            struct sockaddr_in from;
            socklen_t size = sizeof from;
            int len = recvfrom(r->sockets[event[i].data.u32], data, 65536, MSG_DONTWAIT, (void *)&from, &size);
            u64 returned = now();
            if (len < 0)
                break;
            note(r, data, event[i].data.u32, called, returned);
            work(r, returned);
            called = now();
        }
}

static void *reads(void *argument)
{
    struct reader *r = argument;
    char *data = calloc(1, 65536), (*parts)[SHORT] = calloc(BATCH, SHORT);
    struct rusage before, after;
    int epoll = -1;
    pin(r->cpu);
    if (use_epoll) {
        epoll = epoll_create1(0);
        for (int i = 0; i < r->nsocket; i++) {
            struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };
            epoll_ctl(epoll, EPOLL_CTL_ADD, r->sockets[i], &event);
        }
    }
    pthread_barrier_wait(&begin);
    getrusage(RUSAGE_THREAD, &before);
    u64 ran = ran_ns();
    while (!stop) {
        if (use_epoll)
            ready(r, epoll, data);
        else if (batch > 1)
            some(r, parts);
        else
            one(r, data);
    }
    r->ran = ran_ns() - ran;
    getrusage(RUSAGE_THREAD, &after);
    r->sleeps = after.ru_nvcsw - before.ru_nvcsw;
    return 0;
}

static int opened(int port, int reuse, int rcvbuf)
{
    struct sockaddr_in me = { .sin_family = AF_INET, .sin_port = htons(port) };
    int s = socket(AF_INET, SOCK_DGRAM, 0), yes = 1;
    if (reuse)
        setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    if (rcvbuf && setsockopt(s, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf))
        fail("SO_RCVBUF");
    if (bind(s, (void *)&me, sizeof me))
        fail("bind");
    return s;
}

static void joined(struct reader *r)
{
    struct timespec t;
    do {                                            /* a call that sleeps returns; one that is about to be made, the next time */
        pthread_kill(r->thread, SIGUSR2);
        clock_gettime(CLOCK_REALTIME, &t);
        t.tv_nsec += 2000000;
        if (t.tv_nsec >= BILLION)
            t.tv_sec++, t.tv_nsec -= BILLION;
    } while (pthread_timedjoin_np(r->thread, 0, &t));
}

int do_read(int argc, char **argv)
{
    int cpus[THREADS], ports[THREADS], sockets[THREADS * THREADS], nsocket = 0, number;
    int ncpu = list_of("cpu", argc, argv, cpus, THREADS), nport = list_of("ports", argc, argv, ports, THREADS);
    int threads = number_of("threads", argc, argv, 1), reuse = number_of("reuse", argc, argv, 0);
    int rcvbuf = number_of("rcvbuf", argc, argv, 0), own = 0;
    static struct reader r[THREADS];
    struct sigaction action = { .sa_handler = nothing };        /* no SA_RESTART: the call that sleeps returns */
    sigset_t end;
    batch = number_of("batch", argc, argv, 1);
    waitforone = number_of("waitforone", argc, argv, 0);
    use_epoll = number_of("epoll", argc, argv, 0);
    sleeps = number_of("sleep", argc, argv, 0);
    service = number_of("service", argc, argv, 0);
    stall_every = number_of("stall_every", argc, argv, 0);
    stall_ns = number_of("stall", argc, argv, 0);
    most = MOST / threads;
    if (threads < 1 || threads > THREADS || !ncpu || !nport || batch > BATCH)
        return 2;
    own = reuse || (threads > 1 && nport == threads && !use_epoll);
    for (int p = 0; p < nport; p++)
        for (int i = 0; i < (reuse ? threads : 1); i++)
            sockets[nsocket++] = opened(ports[p], reuse, rcvbuf);
    pthread_barrier_init(&begin, 0, threads + 1);
    for (int i = 0; i < threads; i++) {
        r[i].id = i;
        r[i].cpu = cpus[i % ncpu];
        r[i].log = calloc(most, sizeof *r[i].log);
        r[i].sockets = own ? &sockets[i] : sockets;
        r[i].nsocket = own ? 1 : nsocket;
    }
    mlockall(MCL_CURRENT);
    sigaction(SIGUSR2, &action, 0);
    sigemptyset(&end);
    sigaddset(&end, SIGUSR1);
    sigprocmask(SIG_BLOCK, &end, 0);
    for (int i = 0; i < threads; i++)
        pthread_create(&r[i].thread, 0, reads, &r[i]);
    pthread_barrier_wait(&begin);
    fprintf(stderr, "ready\n");
    alarm(60);
    sigwait(&end, &number);
    stop = 1;
    FILE *f = fopen(text_of("log", argc, argv, ""), "wb");
    socklen_t size = sizeof rcvbuf;
    getsockopt(sockets[0], SOL_SOCKET, SO_RCVBUF, &rcvbuf, &size);
    printf("{\"rcvbuf\": %d, \"threads\": [", rcvbuf);
    for (int i = 0; i < threads; i++) {
        joined(&r[i]);
        size_t n = r[i].n < most ? r[i].n : most;
        if (!f || fwrite(r[i].log, sizeof *r[i].log, n, f) != n)
            fail("log");
        printf("%s{\"received\": %zu, \"ran_ns\": %lu, \"sleeps\": %ld}", i ? ", " : "", r[i].n, (unsigned long)r[i].ran, r[i].sleeps);
    }
    printf("]}\n");
    return f && fclose(f) ? 1 : 0;
}
