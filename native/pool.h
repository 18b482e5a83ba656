/* A persistent team of threads that goes through the stages of a task.
 *
 * A stage is a number of items, which any thread may compute in any order; it is over when all are computed. A thread that the
 * system suspends delays the others only if it has claimed an item, so the team works on a busy machine too: when the thread
 * runs again, it skips the stages that are over and joins the current one. */
#ifndef AQUILON_POOL_H
#define AQUILON_POOL_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct aq_team aq_team;

/* One thread's place in a task. Every thread opens the same stages with the same numbers of items. */
typedef struct {
    aq_team *team;
    int thread; /* 0 is the caller's */
    unsigned stage;
    int items, finished;
    const char *ahead, *ahead_end; /* memory that the next stages read: a waiting thread prefetches it */
} aq_member;

typedef void (*aq_task)(void *argument, aq_member *member);

/* Exported functions lock the team while they use it: one model may be packed while another computes. */
void aq_team_lock(void);
void aq_team_unlock(void);

/* Runs `task` on the whole team; every item has been computed and every thread has left when it returns. */
void aq_team_run(aq_task task, void *argument);

/* Starts a stage. While aq_stage_is_current holds, a thread may then prepare what it needs for the stage's items. */
void aq_stage_open(aq_member *m, int items);

/* Claims up to `count` items and returns the first; `items` where none is left. */
int aq_stage_claim(aq_member *m, int count);

/* Waits until all items are computed; everything that any thread wrote before is visible afterwards. */
void aq_stage_close(aq_member *m);

int aq_stage_is_current(const aq_member *m);

/* Exported: how many threads the team has. Setting it joins the old team, and returns the size of the new one. */
int aq_threads(void);
int aq_set_threads(int threads);

#endif
