/* The yardstick beside every figure of benches/run.py: verify the IP and the UDP checksum of each frame, and nothing else. */
#include <stdint.h>
#include <string.h>

static uint64_t sum(const unsigned char *p, long n, uint64_t s) {
    while (n >= 4) { uint32_t w; memcpy(&w, p, 4); s += w; p += 4; n -= 4; }
    if (n >= 2) { uint16_t w; memcpy(&w, p, 2); s += w; p += 2; n -= 2; }
    if (n) s += *p;
    return s;
}

static unsigned fold(uint64_t s) {
    s = (s & 0xFFFFFFFF) + (s >> 32);
    s = (s & 0xFFFF) + (s >> 16);
    s = (s & 0xFFFF) + (s >> 16);
    return (unsigned)((s & 0xFFFF) + (s >> 16));
}

/* n frames, `stride` bytes apart, cycled until `count`; returns how many were right */
long verify(const unsigned char *frames, long stride, long n, long count) {
    long good = 0, i = 0;
    for (long k = 0; k < count; k++) {
        const unsigned char *ip = frames + i * stride + 14, *udp = ip + 20;
        long ulen = udp[4] << 8 | udp[5];
        uint64_t pseudo = (uint64_t)(17 << 8) + (uint64_t)(udp[5] << 8 | udp[4]);
        pseudo = sum(ip + 12, 8, pseudo);
        good += fold(sum(ip, 20, 0)) == 0xFFFF && fold(sum(udp, ulen, pseudo)) == 0xFFFF;
        if (++i == n) i = 0;
    }
    return good;
}
