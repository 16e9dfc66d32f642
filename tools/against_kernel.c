/* Sender and reader of tools/against_kernel.py, which compiles this file.
 *
 *   sender SCHEDULE LOG CPU FIFO START_NS SPIN_NS   sends each datagram of SCHEDULE (records of struct send) at START_NS + t: it sleeps until
 *                                                   SPIN_NS before, then looks at its clock.  LOG: when each call began and returned.
 *   reader LOG CPU PORT RCVBUF SERVICE_NS           receives, works SERVICE_NS on each, until SIGUSR1.  LOG: records of struct got.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct send { uint64_t t; uint32_t seq; uint16_t port, len; };
struct got { uint64_t called, returned; uint32_t seq, pad; };
enum { MOST = 400000 };

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set))
        fail("sched_setaffinity");
}

static void save(const char *path, const void *data, size_t size, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, size, n, f) != n || fclose(f))
        fail(path);
}

static int sender(char **arg)
{
    uint64_t start = strtoull(arg[4], 0, 10), spin = strtoull(arg[5], 0, 10);
    static struct send plan[MOST];
    static uint64_t log[MOST][2];
    static char data[65536];
    FILE *f = fopen(arg[0], "rb");
    size_t n = f ? fread(plan, sizeof *plan, MOST, f) : 0;
    int s = socket(AF_INET, SOCK_DGRAM, 0), room = 8 << 20;
    struct sockaddr_in to = { .sin_family = AF_INET };
    if (!n || s < 0)
        fail(arg[0]);
    setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    inet_pton(AF_INET, "10.77.0.2", &to.sin_addr);
    pin(atoi(arg[2]));
    mlockall(MCL_CURRENT | MCL_FUTURE);
    prctl(PR_SET_TIMERSLACK, 1);
    if (atoi(arg[3])) {
        struct sched_param high = { .sched_priority = 1 };
        if (sched_setscheduler(0, SCHED_FIFO, &high))
            fail("sched_setscheduler");
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t due = start + plan[i].t;
        if (due > now() + spin + 20000) {
            struct timespec t = { (due - spin) / 1000000000, (due - spin) % 1000000000 };
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, 0);
        }
        while (now() < due)
            ;
        memcpy(data, &plan[i].seq, 4);
        to.sin_port = htons(plan[i].port);
        log[i][0] = now();
        if (sendto(s, data, plan[i].len, 0, (void *)&to, sizeof to) < 0)
            fail("sendto");
        log[i][1] = now();
    }
    save(arg[1], log, sizeof *log, n);
    return 0;
}

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static int reader(char **arg)
{
    int s = socket(AF_INET, SOCK_DGRAM, 0), rcvbuf = atoi(arg[3]);
    uint64_t service = strtoull(arg[4], 0, 10);
    struct sockaddr_in me = { .sin_family = AF_INET, .sin_port = htons(atoi(arg[2])) };
    struct sigaction action = { .sa_handler = on_signal };          /* no SA_RESTART: the call that sleeps returns */
    static struct got log[MOST];
    static char data[65536];
    size_t n = 0;
    pin(atoi(arg[1]));
    if (rcvbuf && setsockopt(s, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf))
        fail("SO_RCVBUF");
    if (bind(s, (void *)&me, sizeof me))
        fail("bind");
    mlockall(MCL_CURRENT);
    sigaction(SIGUSR1, &action, 0);
    alarm(60);
    fprintf(stderr, "ready\n");
    while (!stop && n < MOST) {
        struct got *g = &log[n];
        g->called = now();
        if (recv(s, data, sizeof data, 0) < 4)
            continue;
        g->returned = now();
        memcpy(&g->seq, data, 4);
        n++;
        for (uint64_t end = g->returned + service; now() < end;)
            ;
    }
    save(arg[0], log, sizeof *log, n);
    return 0;
}

int main(int count, char **arg)
{
    if (count == 8 && !strcmp(arg[1], "sender"))
        return sender(arg + 2);
    if (count == 7 && !strcmp(arg[1], "reader"))
        return reader(arg + 2);
    fprintf(stderr, "usage: see the head of against_kernel.c\n");
    return 2;
}
