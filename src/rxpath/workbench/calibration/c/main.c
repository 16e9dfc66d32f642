/* The program of `rxpath calibrate` and `rxpath validate`, which compile it: whatever has to be quick, or in another namespace.
 *
 *   hold                     makes a network namespace of its own - and a user namespace first, where it may not otherwise - says "ready" and
 *                            lives until its standard input ends.  Nothing has a name: the namespaces end with their processes.
 *   in PID [sys] COMMAND...  COMMAND in the namespaces of PID; sys: with that namespace's own /sys.  It ends with whoever started it.
 *   send ..., read ...       sender and readers of an experiment (send.c, read.c)
 *   hog cpu=N ms=N           computes
 *   costs ..., noise ...     what calls take, what is taken from a CPU (costs.c, noise.c)
 */
#include "common.h"

void fail(const char *what)
{
    perror(what);
    exit(1);
}

void pin(int cpu)
{
    cpu_set_t set;
    if (cpu < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set))
        fail("sched_setaffinity");
}

void sleep_until(u64 t)
{
    struct timespec until = { t / BILLION, t % BILLION };
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, 0);
}

void sleep_for(u64 ns)
{
    struct timespec t = { ns / BILLION, ns % BILLION };
    nanosleep(&t, 0);
}

void save(const char *path, const void *data, size_t size, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, size, n, f) != n || fclose(f))
        fail(path);
}

u64 ran_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * (u64)BILLION + t.tv_nsec;
}

const char *text_of(const char *name, int argc, char **argv, const char *otherwise)
{
    size_t n = strlen(name);
    for (int i = 0; i < argc; i++)
        if (!strncmp(argv[i], name, n) && argv[i][n] == '=')
            return argv[i] + n + 1;
    return otherwise;
}

u64 number_of(const char *name, int argc, char **argv, u64 otherwise)
{
    const char *text = text_of(name, argc, argv, 0);
    return text ? strtoull(text, 0, 10) : otherwise;
}

int list_of(const char *name, int argc, char **argv, int *to, int most)
{
    const char *text = text_of(name, argc, argv, "");
    int n = 0;
    while (*text && n < most) {
        char *end;
        to[n++] = strtol(text, &end, 10);
        text = *end == ',' ? end + 1 : "";
    }
    return n;
}

struct sockaddr_in address(const char *ip, int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
    inet_pton(AF_INET, ip, &a.sin_addr);
    return a;
}

static void write_to(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        fail(path);
    close(fd);
}

/* ---------------------------------------------------------------- namespaces */
static int hold(void)
{
    char map[64], c;
    unsigned uid = geteuid(), gid = getegid();
    if (unshare(CLONE_NEWNET)) {                    /* not permitted: as the root of a user namespace of our own */
        if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
            fail("unshare");
        write_to("/proc/self/setgroups", "deny");
        snprintf(map, sizeof map, "0 %u 1", uid);
        write_to("/proc/self/uid_map", map);
        snprintf(map, sizeof map, "0 %u 1", gid);
        write_to("/proc/self/gid_map", map);
    }
    puts("ready");
    fflush(stdout);
    while (read(0, &c, 1) > 0)
        ;
    return 0;
}

static int same(const char *one, const char *other)
{
    char a[64] = "", b[64] = "";
    return readlink(one, a, sizeof a - 1) > 0 && readlink(other, b, sizeof b - 1) > 0 && !strcmp(a, b);
}

static void enter(const char *pid, const char *what, int type)
{
    char path[64], own[64];
    int fd;
    snprintf(path, sizeof path, "/proc/%s/ns/%s", pid, what);
    snprintf(own, sizeof own, "/proc/self/ns/%s", what);
    if (same(path, own))
        return;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, type))
        fail(path);
    close(fd);
}

static int inside(int argc, char **argv)
{
    int command = 1;
    if (argc < 2)
        return 2;
    enter(argv[0], "user", CLONE_NEWUSER);
    enter(argv[0], "net", CLONE_NEWNET);
    if (!strcmp(argv[1], "sys")) {
        command = 2;
        if (unshare(CLONE_NEWNS) || mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) || mount("sysfs", "/sys", "sysfs", 0, 0))
            fail("/sys");
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);               /* credentials that change clear it */
    execvp(argv[command], argv + command);
    fail(argv[command]);
    return 1;
}

static int hog(int argc, char **argv)
{
    u64 end = now() + number_of("ms", argc, argv, 0) * 1000000;
    pin(number_of("cpu", argc, argv, 0));
    while (now() < end)
        ;
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    argc -= 2;
    argv += 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);               /* whatever ends who started us ends us */
    if (!strcmp(what, "hold"))
        return hold();
    if (!strcmp(what, "in"))
        return inside(argc, argv);
    if (!strcmp(what, "send"))
        return do_send(argc, argv);
    if (!strcmp(what, "read"))
        return do_read(argc, argv);
    if (!strcmp(what, "costs"))
        return do_costs(argc, argv);
    if (!strcmp(what, "noise"))
        return do_noise(argc, argv);
    if (!strcmp(what, "hog"))
        return hog(argc, argv);
    fprintf(stderr, "usage: see the head of main.c\n");
    return 2;
}
