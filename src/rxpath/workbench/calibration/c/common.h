/* What all parts of the program share.  See main.c. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define SENDER "10.77.0.1"
#define RECEIVER "10.77.0.2"
#define NOBODY "10.77.0.9"              /* its neighbour entry names a MAC that no device has */

enum { MOST = 400000, BILLION = 1000000000 };

static inline u64 now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * (u64)BILLION + t.tv_nsec;
}

void fail(const char *what);            /* "what: strerror" on stderr, exit 1 */
void pin(int cpu);                      /* this thread; < 0: wherever it likes */
void sleep_until(u64 t);
void sleep_for(u64 ns);
void save(const char *path, const void *data, size_t size, size_t n);
u64 ran_ns(void);                       /* CPU time of this thread, as the scheduler counts it */
u64 number_of(const char *name, int argc, char **argv, u64 otherwise);    /* the number in name=number */
const char *text_of(const char *name, int argc, char **argv, const char *otherwise);
int list_of(const char *name, int argc, char **argv, int *to, int most);
struct sockaddr_in address(const char *ip, int port);

int do_send(int argc, char **argv);
int do_read(int argc, char **argv);
int do_costs(int argc, char **argv);
int do_noise(int argc, char **argv);
