/* Chooses the instruction set. */
#include "kernels.h"

#include <string.h>

static const aq_kernels *active;

#if defined(__x86_64__)
static int has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
}
static int has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif

/* Exported: uses the named instruction set, or the best one for "auto". Returns 0, or -1 where this processor lacks it. */
int aq_select(const char *name) {
    int best = strcmp(name, "auto") == 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if ((best || strcmp(name, "avx512") == 0) && has_avx512()) return active = &aq_kernels_avx512, 0;
    if ((best || strcmp(name, "avx2") == 0) && has_avx2()) return active = &aq_kernels_avx2, 0;
#endif
    if (best || strcmp(name, "portable") == 0) return active = &aq_kernels_portable, 0;
    return -1;
}

const aq_kernels *aq_active_kernels(void) {
    if (!active) aq_select("auto");
    return active;
}

/* Exported: the instruction set in use. */
const char *aq_variant(void) { return aq_active_kernels()->name; }
