#define _GNU_SOURCE
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

/* Long enough to bridge the gap between two products, short enough that an idle engine leaves the core to others. */
#define SPIN_NANOSECONDS 50000

#define MAX_THREADS 256

static aq_team team = {.threads = 1};
static pthread_t workers[MAX_THREADS];
static atomic_int stopping;

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void sleep_while_equal(atomic_uint *word, unsigned value) {
    atomic_fetch_add(&team.sleepers, 1);
#if defined(__linux__)
    while (atomic_load(word) == value) syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
#else
    struct timespec pause = {0, 20000};
    while (atomic_load(word) == value) nanosleep(&pause, NULL);
#endif
    atomic_fetch_sub(&team.sleepers, 1);
}

static void wait_while_equal(atomic_uint *word, unsigned value) {
    int64_t started = 0;
    for (unsigned spins = 1;; spins++) {
        if (atomic_load_explicit(word, memory_order_acquire) != value) return;
        relax();
        if (spins % 256 == 0) {
            if (started == 0) started = nanoseconds();
            if (nanoseconds() - started > SPIN_NANOSECONDS) break;
        }
    }
    sleep_while_equal(word, value);
}

static void advance(atomic_uint *word) {
    atomic_fetch_add(word, 1);
#if defined(__linux__)
    if (atomic_load(&team.sleepers) > 0) syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, MAX_THREADS, NULL, NULL, 0);
#endif
}

void aq_team_barrier(aq_team *t) {
    if (t->threads == 1) {
        atomic_store_explicit(&t->next, 0, memory_order_relaxed);
        return;
    }
    unsigned generation = atomic_load(&t->generation);
    if (atomic_fetch_add(&t->arrived, 1) + 1 == t->threads) {
        atomic_store(&t->arrived, 0);
        atomic_store(&t->next, 0);
        advance(&t->generation);
    } else {
        wait_while_equal(&t->generation, generation);
    }
}

static void *work(void *argument) {
    int thread = (int)(intptr_t)argument;
    unsigned seen = 0;
    for (;;) {
        wait_while_equal(&team.epoch, seen);
        seen++;
        if (atomic_load(&stopping)) return NULL;
        team.task(team.argument, &team, thread);
        aq_team_barrier(&team);
    }
}

void aq_team_run(aq_task task, void *argument) {
    team.task = task;
    team.argument = argument;
    if (team.threads > 1) advance(&team.epoch);
    task(argument, &team, 0);
    aq_team_barrier(&team);
}

int aq_threads(void) { return team.threads; }

int aq_set_threads(int threads) {
    if (threads < 1) threads = 1;
    if (threads > MAX_THREADS) threads = MAX_THREADS;
    if (threads == team.threads) return threads;
    if (team.threads > 1) {
        atomic_store(&stopping, 1);
        advance(&team.epoch);
        for (int i = 1; i < team.threads; i++) pthread_join(workers[i], NULL);
        atomic_store(&stopping, 0);
    }
    atomic_store(&team.epoch, 0);
    team.threads = 1;
    for (int i = 1; i < threads; i++) {
        /* Fewer threads than asked for still give the same results. */
        if (pthread_create(&workers[i], NULL, work, (void *)(intptr_t)i) != 0) break;
        team.threads = i + 1;
    }
    return team.threads;
}
