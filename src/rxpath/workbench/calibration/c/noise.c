/* What is taken from a CPU while a loop looks at the clock on it.
 *
 *   noise cpu=N ms=N
 *
 * stdout: how often and how long in all, by the length of the gap; and the timer interrupts of that CPU meanwhile (HZ). */
#include "common.h"

static const u64 limits[] = { 300, 2000, 10000, 50000, 200000, 1000000, ~0ull };
enum { KINDS = sizeof limits / sizeof *limits };

static u64 timer_interrupts(int cpu)
{
    char line[8192];
    u64 found = 0;
    FILE *f = fopen("/proc/interrupts", "r");
    while (f && fgets(line, sizeof line, f)) {
        char *p = strstr(line, "LOC:");
        if (!p)
            p = strstr(line, "arch_timer");         /* arm64 has its name at the end of the line */
        if (!p)
            continue;
        p = strchr(line, ':') + 1;
        for (int i = 0; i <= cpu; i++)
            found = strtoull(p, &p, 10);
        break;
    }
    if (f)
        fclose(f);
    return found;
}

int do_noise(int argc, char **argv)
{
    int cpu = number_of("cpu", argc, argv, 0);
    u64 count[KINDS] = { 0 }, sum[KINDS] = { 0 }, most = 0;
    pin(cpu);
    u64 ticks = timer_interrupts(cpu), begin = now(), last = begin, end = begin + number_of("ms", argc, argv, 1000) * 1000000;
    while (last < end) {
        u64 t = now(), gap = t - last;
        int i = 0;
        last = t;
        if (gap <= limits[0])
            continue;
        while (gap > limits[i])
            i++;
        count[i]++;
        sum[i] += gap;
        if (gap > most)
            most = gap;
    }
    ticks = timer_interrupts(cpu) - ticks;
    printf("{\"cpu\": %d, \"ns\": %lu, \"ticks\": %lu, \"longest\": %lu, \"limits\": [", cpu, (unsigned long)(last - begin),
           (unsigned long)ticks, (unsigned long)most);
    for (int i = 1; i < KINDS; i++)
        printf("%s%ld", i > 1 ? ", " : "", i < KINDS - 1 ? (long)limits[i] : -1l);
    printf("], \"count\": [");
    for (int i = 1; i < KINDS; i++)
        printf("%s%lu", i > 1 ? ", " : "", (unsigned long)count[i]);
    printf("], \"sum\": [");
    for (int i = 1; i < KINDS; i++)
        printf("%s%lu", i > 1 ? ", " : "", (unsigned long)sum[i]);
    printf("]}\n");
    return 0;
}
