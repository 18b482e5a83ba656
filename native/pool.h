/* A persistent team of threads that runs one task at a time, in lockstep where the task asks for it. */
#ifndef AQUILON_POOL_H
#define AQUILON_POOL_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct aq_team aq_team;

/* Called once on every thread of the team; `thread` is 0 on the caller's. */
typedef void (*aq_task)(void *argument, aq_team *team, int thread);

struct aq_team {
    int threads;
    _Alignas(64) atomic_uint epoch;      /* counts tasks started: what idle workers wait on */
    _Alignas(64) atomic_uint generation; /* counts barriers passed: what a thread in a barrier waits on */
    atomic_int arrived;
    _Alignas(64) atomic_int next; /* the next item of the current stage; zero again after each barrier */
    _Alignas(64) atomic_int sleepers;
    aq_task task;
    void *argument;
};

/* Runs `task` on the whole team and returns when every thread has finished it. One caller at a time. */
void aq_team_run(aq_task task, void *argument);

/* Waits until every thread of the team is here; what they wrote before is visible after. */
void aq_team_barrier(aq_team *team);

/* Claims `count` items of the current stage and returns the first: who computes an item never changes its value. */
static inline int aq_team_claim(aq_team *team, int count) {
    return atomic_fetch_add_explicit(&team->next, count, memory_order_relaxed);
}

/* Exported: how many threads the team has; setting it joins the old team. */
int aq_threads(void);
int aq_set_threads(int threads);

#endif
