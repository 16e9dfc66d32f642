/* What calls take here: one round.  Each line of stdout is {"name": ..., "n", "p10", "p50", "p90", "mean"} in ns, or one number.
 *
 *   costs calls    a=N               needs no namespace: clock, system call, copy, nanosleep
 *   costs network  a=N b=N to=PID    in the sender's namespace; PID's is the receiver's: send(), recv(), wake-ups; b < 0: one CPU only
 *   costs send     a=N to=PID port=N name=NAME ip=A len=N      send() to there, nobody reads
 *   costs rps      a=N b=N to=PID gap=NS   send() while the receiver's RPS hands packets to CPU b; gap: from one to the next, 0: at once
 *
 * a: the CPU of the sender, b: the reader's. */
#include "common.h"

enum { ROUNDS = 60, BATCH = 128, VALUES = 20000, DATA = 7000, FULL = 7003 };

static double values[VALUES];
static int nvalue, A, S, cpu_a, cpu_b;
static char data[65536];

static int ascending(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return a < b ? -1 : a > b;
}

static void add(double value)
{
    if (nvalue < VALUES)
        values[nvalue++] = value;
}

/* The values so far under this name; then none. */
static void say(const char *name)
{
    double sum = 0;
    if (!nvalue)
        return;
    qsort(values, nvalue, sizeof *values, ascending);
    for (int i = 0; i < nvalue; i++)
        sum += values[i];
    printf("{\"name\": \"%s\", \"n\": %d, \"p10\": %.3f, \"p50\": %.3f, \"p90\": %.3f, \"mean\": %.3f}\n", name, nvalue, values[nvalue / 10],
           values[nvalue / 2], values[nvalue * 9 / 10], sum / nvalue);
    fflush(stdout);
    nvalue = 0;
}

static void say_one(const char *name, double value)
{
    add(value);
    say(name);
}

/* ---------------------------------------------------------------- without a network */
static void calls(void)
{
    static char from[1472], to[1472];
    for (int r = 0; r < ROUNDS; r++) {
        u64 t = now();
        for (int i = 0; i < BATCH; i++)
            (void)now();
        add((double)(now() - t) / BATCH);
    }
    say("clock");
    for (int r = 0; r < ROUNDS; r++) {
        u64 t = now();
        for (int i = 0; i < BATCH; i++)
            syscall(SYS_getppid);
        add((double)(now() - t) / BATCH);
    }
    say("system_call");
    for (int r = 0; r < ROUNDS; r++) {
        u64 t = now();
        for (int i = 0; i < BATCH; i++) {
            memcpy(to, from, sizeof to);
            __asm__ volatile("" :: "r"(to) : "memory");
        }
        add((double)(now() - t) / BATCH);
    }
    say("memcpy_1472");
    prctl(PR_SET_TIMERSLACK, 50000);
    u64 ran = ran_ns();
    for (int i = 0; i < 200; i++) {
        u64 t = now();
        sleep_for(50000);
        add(now() - t);
    }
    ran = ran_ns() - ran;
    say("nanosleep_50us");
    say_one("nanosleep_cpu", ran / 200.0);
    prctl(PR_SET_TIMERSLACK, 1);
}

/* ---------------------------------------------------------------- sockets */
static void into(const char *pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/ns/net", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET))
        fail(path);
    close(fd);
}

static int receiver(int port, int rcvbuf)
{
    struct sockaddr_in me = { .sin_family = AF_INET, .sin_port = htons(port) };
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    if (setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof rcvbuf))
        setsockopt(s, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
    if (bind(s, (void *)&me, sizeof me))
        fail("bind");
    return s;
}

static void open_sockets(const char *pid)
{
    int room = 16 << 20;
    int back = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    into(pid);
    S = receiver(DATA, 64 << 20);
    receiver(FULL, 1);                              /* room for one datagram, which nobody reads */
    if (setns(back, CLONE_NEWNET))
        fail("setns");
    close(back);
    A = socket(AF_INET, SOCK_DGRAM, 0);
    if (setsockopt(A, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room))
        setsockopt(A, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
}

static void send_batches(const char *ip, int port, int len, const char *name)
{
    struct sockaddr_in to = address(ip, port);
    for (int r = 0; r < ROUNDS; r++) {
        u64 t = now();
        for (int i = 0; i < BATCH; i++)
            sendto(A, data, len, 0, (void *)&to, sizeof to);
        add((double)(now() - t) / BATCH);
    }
    say(name);
}

/* Sent from one CPU, then read on another (or the same), hot. */
static void drained(const char *name, int len, int cpu)
{
    struct sockaddr_in to = address(RECEIVER, DATA), from;
    char send_name[64], got[2048];
    static double sent[ROUNDS];
    int fill = BATCH, short_of = 0;
    for (int r = 0; r < ROUNDS; r++) {
        int n = 0;
        pin(cpu_a);
        u64 t = now();
        for (int i = 0; i < fill; i++)
            sendto(A, data, len, 0, (void *)&to, sizeof to);
        sent[r] = (double)(now() - t) / fill;
        pin(cpu);
        recvfrom(S, got, sizeof got, MSG_DONTWAIT, 0, 0);       /* the first after the move is cold */
        t = now();
        for (int i = 1; i < fill; i++) {
            socklen_t size = sizeof from;
            n += recvfrom(S, got, sizeof got, MSG_DONTWAIT, (void *)&from, &size) >= 0;
        }
        if (n)
            add((double)(now() - t) / n);
        short_of |= n < fill - 1;
        if (n < fill - 1)                           /* its buffer takes fewer: rmem_max */
            fill = n > 8 ? n : 8;
    }
    pin(cpu_a);
    if (short_of)
        nvalue = 0;
    snprintf(send_name, sizeof send_name, "recv_%s", name);
    say(send_name);
    for (int r = 0; r < ROUNDS && !short_of; r++)
        add(sent[r]);
    snprintf(send_name, sizeof send_name, "send_%s", name);
    say(send_name);
}

static void eagain(void)
{
    char got[64];
    for (int r = 0; r < ROUNDS; r++) {
        u64 t = now();
        for (int i = 0; i < BATCH; i++)
            recvfrom(S, got, sizeof got, MSG_DONTWAIT, 0, 0);
        add((double)(now() - t) / BATCH);
    }
    say("recv_eagain");
}

/* ---------------------------------------------------------------- threads beside the sender */
static volatile int stop, ready;
static volatile u64 taken;
static struct { u64 called, returned; } *log_of;
static volatile int logged;
static int reader_cpu;
static u64 reader_service, reader_ran, reader_sleeps;

static void *reads(void *nothing)
{
    struct timeval limit = { 0, 100000 };
    struct rusage before, after;
    char got[2048];
    (void)nothing;
    pin(reader_cpu);
    setsockopt(S, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    u64 ran = ran_ns();
    getrusage(RUSAGE_THREAD, &before);
    ready = 1;
    while (!stop) {
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        u64 called = now();
        int len = recvfrom(S, got, sizeof got, 0, (void *)&from, &size);
        u64 returned = now();
        if (len < 0)
            continue;
        if (logged < VALUES) {
            log_of[logged].called = called;
            log_of[logged].returned = returned;
            logged = logged + 1;
        }
        for (u64 end = returned + reader_service; reader_service && now() < end;)
            ;
    }
    getrusage(RUSAGE_THREAD, &after);
    reader_ran = ran_ns() - ran;
    reader_sleeps = after.ru_nvcsw - before.ru_nvcsw;
    return 0;
}

/* Keeps its CPU from halting, gives way to everybody, and adds up what was taken from it. */
static void *spins(void *cpu)
{
    struct sched_param lowest = { 0 };
    pin((int)(intptr_t)cpu);
    sched_setscheduler(0, SCHED_IDLE, &lowest);
    for (u64 last = now(); !stop;) {
        u64 t = now();
        if (t - last > 150)
            taken += t - last;
        last = t;
    }
    return 0;
}

static void start(pthread_t *reader, int cpu, u64 service)
{
    stop = ready = logged = 0;
    reader_cpu = cpu;
    reader_service = service;
    pthread_create(reader, 0, reads, 0);
    while (!ready)
        sleep_for(1000000);
    sleep_for(20000000);
}

/* From the beginning of send() to the return of recvfrom(), a datagram every gap_us. */
static void wake_ups(const char *name, int cpu, int spin, int gap_us, int n)
{
    struct sockaddr_in to = address(RECEIVER, DATA);
    static u64 began[VALUES], ended[VALUES];
    pthread_t reader, spinner;
    char full[64];
    start(&reader, cpu, 0);
    if (spin)
        pthread_create(&spinner, 0, spins, (void *)(intptr_t)cpu);
    u64 due = now() + 1000000;
    for (int i = 0; i < n; i++, due += gap_us * 1000) {
        if (cpu == cpu_a)
            sleep_for(gap_us * 1000);
        else {
            if (due > now() + 300000)
                sleep_until(due - 200000);
            while (now() < due)
                ;
        }
        began[i] = now();
        sendto(A, data, 64, 0, (void *)&to, sizeof to);
        ended[i] = now();
    }
    sleep_for(20000000);
    stop = 1;
    pthread_join(reader, 0);
    if (spin)
        pthread_join(spinner, 0);
    if (logged != n)                                /* something else was received, or lost: the times do not belong together */
        return;
    for (int i = 0; i < n; i++)
        add((double)log_of[i].returned - (double)began[i]);
    snprintf(full, sizeof full, "wake_latency_%s", name);
    say(full);
    for (int i = 0; i < n; i++)
        add(ended[i] - began[i]);
    snprintf(full, sizeof full, "wake_send_%s", name);
    say(full);
    if (reader_sleeps) {
        snprintf(full, sizeof full, "wake_cpu_%s", name);
        say_one(full, (double)reader_ran / reader_sleeps);
    }
}

/* send() at the rate of in_place(): what it took, without those that an interrupt made longer. */
static void send_paced(int ms, const char *name)
{
    struct sockaddr_in to = address(RECEIVER, DATA);
    static double sent[VALUES];
    int n = 0;
    for (u64 due = now(), end = due + ms * 1000000ull; due < end; due += 8333) {
        while (now() < due)
            ;
        u64 t = now();
        sendto(A, data, 64, 0, (void *)&to, sizeof to);
        if (n < VALUES)
            sent[n++] = now() - t;
    }
    qsort(sent, n, sizeof *sent, ascending);
    for (int i = 0; i < n && sent[i] < 4 * sent[n / 2]; i++)
        add(sent[i]);
    say(name);
}

static void empty(void)
{
    char got[2048];
    while (recvfrom(S, got, sizeof got, MSG_DONTWAIT, 0, 0) >= 0)
        ;
}

/* The receiving call with data queued, while datagrams come from the other CPU faster than they are read. */
static void in_place(void)
{
    pthread_t reader;
    send_paced(60, "send_paced");
    empty();
    start(&reader, cpu_b, 10000);
    send_paced(200, "send_in_place");
    int n = logged;
    stop = 1;
    pthread_join(reader, 0);
    double *took = calloc(n + 1, sizeof *took);
    int kept = 0;
    for (int i = n / 5; i < n; i++)
        took[kept++] = log_of[i].returned - log_of[i].called;
    if (kept > 100) {
        qsort(took, kept, sizeof *took, ascending);
        for (int i = 0; i < kept && took[i] < 4 * took[kept / 2]; i++)     /* not those that an interrupt made longer */
            add(took[i]);
        say("recv_in_place");
    }
    free(took);
    empty();
}

static void network(void)
{
    eagain();
    drained("64_same", 64, cpu_a);
    drained("1400_same", 1400, cpu_a);
    if (cpu_b >= 0)
        drained("64_other", 64, cpu_b);
    send_batches(RECEIVER, FULL, 64, "send_full");
    send_batches(NOBODY, DATA, 64, "send_otherhost");
    send_batches(RECEIVER, FULL, 4000, "send_full_3_fragments");
    wake_ups("same_cpu", cpu_a, 0, 200, 500);
    if (cpu_b < 0)
        return;
    wake_ups("20us", cpu_b, 0, 20, 2500);
    wake_ups("50us", cpu_b, 0, 50, 1500);
    wake_ups("100us", cpu_b, 0, 100, 1000);
    wake_ups("200us", cpu_b, 0, 200, 600);
    wake_ups("1ms", cpu_b, 0, 1000, 250);
    wake_ups("5ms", cpu_b, 0, 5000, 60);
    wake_ups("20ms", cpu_b, 0, 20000, 20);
    wake_ups("spinning", cpu_b, 1, 200, 800);
    in_place();
}

/* ---------------------------------------------------------------- RPS */
static u64 received_rps(void)
{
    /* The interrupts that RPS sent to CPU b: column 10 of its line, which column 13 names where there is one. */
    char line[512];
    u64 v[16], found = 0;
    int row = 0;
    FILE *f = fopen("/proc/net/softnet_stat", "r");
    while (f && fgets(line, sizeof line, f)) {
        int n = 0;
        for (char *p = strtok(line, " \n"); p && n < 16; p = strtok(0, " \n"))
            v[n++] = strtoull(p, 0, 16);
        int cpu = n >= 13 ? (int)v[12] : row;
        if (n >= 10 && cpu == cpu_b)
            found = v[9];
        row++;
    }
    if (f)
        fclose(f);
    return found;
}

static void rps(const char *name, u64 gap)
{
    struct sockaddr_in to = address(RECEIVER, FULL);
    pthread_t spinner;
    static double took[ROUNDS * 4], lost[ROUNDS * 4];
    char full[64];
    stop = 0;
    pthread_create(&spinner, 0, spins, (void *)(intptr_t)cpu_b);
    sleep_for(5000000);
    for (int i = 0; i < 2000; i++)                  /* its backlog fills, where it does */
        sendto(A, data, 64, 0, (void *)&to, sizeof to);
    u64 interrupts = received_rps();
    int rounds = gap ? ROUNDS : ROUNDS * 4;
    for (int r = 0; r < rounds; r++) {
        u64 before = taken, t = now(), waited = 0;
        for (int i = 0; i < BATCH; i++) {
            if (gap) {
                u64 began = now(), due = began + gap;
                while (now() < due)
                    ;
                waited += now() - began;
            }
            sendto(A, data, 64, 0, (void *)&to, sizeof to);
        }
        took[r] = (double)(now() - t - waited) / BATCH;
        lost[r] = (double)(taken - before) / BATCH;
    }
    interrupts = received_rps() - interrupts;
    stop = 1;
    pthread_join(spinner, 0);
    for (int r = 0; r < rounds; r++)
        add(took[r]);
    snprintf(full, sizeof full, "rps_send_%s", name);
    say(full);
    for (int r = 0; r < rounds; r++)
        add(lost[r]);
    snprintf(full, sizeof full, "rps_taken_%s", name);
    say(full);
    snprintf(full, sizeof full, "rps_interrupts_%s", name);
    say_one(full, (double)interrupts / (rounds * BATCH));
}

int do_costs(int argc, char **argv)
{
    const char *what = argc ? argv[0] : "", *pid = text_of("to", argc, argv, "");
    cpu_a = number_of("a", argc, argv, 0);
    cpu_b = atoi(text_of("b", argc, argv, "-1"));
    log_of = calloc(VALUES, sizeof *log_of);
    prctl(PR_SET_TIMERSLACK, 1);
    alarm(60);
    pin(cpu_a);
    if (!strcmp(what, "calls")) {
        calls();
        return 0;
    }
    open_sockets(pid);
    mlockall(MCL_CURRENT);
    if (!strcmp(what, "network"))
        network();
    else if (!strcmp(what, "send"))
        send_batches(text_of("ip", argc, argv, RECEIVER), number_of("port", argc, argv, FULL), number_of("len", argc, argv, 64),
                     text_of("name", argc, argv, "send"));
    else if (!strcmp(what, "rps"))
        rps(text_of("name", argc, argv, "none"), number_of("gap", argc, argv, 0));
    else
        return 2;
    return 0;
}
