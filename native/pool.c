#define _GNU_SOURCE
#include "pool.h"

#include <pthread.h>
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

#define CLOSED (1u << 30)

struct aq_team {
    int threads;
    aq_task task;
    void *argument;
    unsigned first_stage;
    _Alignas(64) atomic_uint epoch;   /* tasks started: what idle workers wait on */
    _Alignas(64) atomic_uint inside;  /* threads in the task, and a flag that it is closed to others */
    _Alignas(64) atomic_ullong ticket; /* the current stage, and in the lower half its next item */
    _Alignas(64) atomic_int done;     /* items of the current stage that are computed */
    _Alignas(64) atomic_uint changes; /* stages completed: threads that have waited long sleep on it */
    _Alignas(64) atomic_int sleepers;
};

static aq_team team = {.threads = 1, .inside = CLOSED};
static pthread_t workers[MAX_THREADS];
static atomic_int stopping;
static pthread_mutex_t taken = PTHREAD_MUTEX_INITIALIZER;

void aq_team_lock(void) { pthread_mutex_lock(&taken); }
void aq_team_unlock(void) { pthread_mutex_unlock(&taken); }

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
    if (atomic_load(word) == value) syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
#else
    struct timespec pause = {0, 20000};
    if (atomic_load(word) == value) nanosleep(&pause, NULL);
#endif
    atomic_fetch_sub(&team.sleepers, 1);
}

static void wake(atomic_uint *word) {
#if defined(__linux__)
    if (atomic_load(&team.sleepers) > 0) syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, MAX_THREADS, NULL, NULL, 0);
#else
    (void)word;
#endif
}

/* How long a thread has waited. */
typedef struct {
    unsigned spins;
    int64_t started;
} patience;

/* Waits a moment; returns whether the thread has waited so long that it should sleep. */
static int spin(patience *p) {
    relax();
    if (++p->spins % 128 != 0) return 0;
    if (p->started == 0) p->started = nanoseconds();
    return nanoseconds() - p->started > SPIN_NANOSECONDS;
}

/* Prefetches a few lines of the next weights into the second-level cache; returns 0 where none are left. */
static int fetch_ahead(aq_member *m) {
    if (m->ahead >= m->ahead_end) return 0;
    for (int line = 0; line < 4; line++) __builtin_prefetch(m->ahead + 64 * line, 0, 2);
    m->ahead += 4 * 64;
    return 1;
}

void aq_stage_open(aq_member *m, int items) {
    m->items = items;
    m->finished = 0;
}

static unsigned current_stage(const aq_team *t) {
    return (unsigned)(atomic_load_explicit(&t->ticket, memory_order_acquire) >> 32);
}

int aq_stage_is_current(const aq_member *m) { return current_stage(m->team) == m->stage; }

int aq_stage_claim(aq_member *m, int count) {
    unsigned long long ticket = atomic_load_explicit(&m->team->ticket, memory_order_acquire);
    int first;
    do {
        first = (int)(uint32_t)ticket;
        if ((unsigned)(ticket >> 32) != m->stage || first >= m->items) return m->items;
    } while (!atomic_compare_exchange_weak(&m->team->ticket, &ticket, ticket + (unsigned)count));
    m->finished += first + count < m->items ? count : m->items - first;
    return first;
}

void aq_stage_close(aq_member *m) {
    aq_team *t = m->team;
    if (m->items == 0) return;
    if (m->finished && atomic_fetch_add(&t->done, m->finished) + m->finished == m->items) {
        atomic_store(&t->done, 0);
        atomic_store(&t->ticket, (unsigned long long)(m->stage + 1) << 32);
        atomic_fetch_add(&t->changes, 1);
        wake(&t->changes);
    } else {
        patience p = {0};
        for (;;) {
            unsigned changes = atomic_load(&t->changes);
            if (!aq_stage_is_current(m)) break;
            if (!fetch_ahead(m) && spin(&p)) sleep_while_equal(&t->changes, changes);
        }
    }
    m->stage++;
}

static void leave(void) {
    atomic_fetch_sub(&team.inside, 1);
    wake(&team.inside);
}

static void *work(void *argument) {
    int thread = (int)(intptr_t)argument;
    unsigned seen = 0;
    for (;;) {
        patience p = {0};
        while (atomic_load(&team.epoch) == seen)
            if (spin(&p)) sleep_while_equal(&team.epoch, seen);
        seen = atomic_load(&team.epoch);
        if (atomic_load(&stopping)) return NULL;
        unsigned inside = atomic_load(&team.inside);
        while (!(inside & CLOSED) && !atomic_compare_exchange_weak(&team.inside, &inside, inside + 1)) continue;
        if (inside & CLOSED) continue; /* the task is already closed */
        aq_member member = {.team = &team, .thread = thread, .stage = team.first_stage};
        team.task(team.argument, &member);
        leave();
    }
}

void aq_team_run(aq_task task, void *argument) {
    team.task = task;
    team.argument = argument;
    team.first_stage = current_stage(&team);
    atomic_store(&team.inside, 1);
    if (team.threads > 1) {
        atomic_fetch_add(&team.epoch, 1);
        wake(&team.epoch);
    }
    aq_member member = {.team = &team, .thread = 0, .stage = team.first_stage};
    task(argument, &member);
    atomic_fetch_or(&team.inside, CLOSED);
    atomic_fetch_sub(&team.inside, 1);
    patience p = {0};
    for (unsigned inside; (inside = atomic_load(&team.inside)) != CLOSED;)
        if (spin(&p)) sleep_while_equal(&team.inside, inside);
}

int aq_threads(void) { return team.threads; }

static int resize(int threads) {
    if (threads < 1) threads = 1;
    if (threads > MAX_THREADS) threads = MAX_THREADS;
    if (threads == team.threads) return threads;
    if (team.threads > 1) {
        atomic_store(&stopping, 1);
        atomic_fetch_add(&team.epoch, 1);
        wake(&team.epoch);
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

int aq_set_threads(int threads) {
    aq_team_lock();
    int size = resize(threads);
    aq_team_unlock();
    return size;
}
