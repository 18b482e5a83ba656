/* A persistent team of threads that goes through the stages of a task.
 *
 * A stage is some items that may be computed in any order by anyone; it is over when each has been. A thread that the system
 * has put aside holds no one up unless it has claimed an item, so that the team gets along on a busy machine too: it finds the
 * stages it missed over, and joins where the others are. */
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
    const char *ahead, *ahead_end; /* what the next stages read: fetched by a thread that waits */
} aq_member;

typedef void (*aq_task)(void *argument, aq_member *member);

/* What is exported takes the team for itself first: one model may be loaded while another answers. */
void aq_team_take(void);
void aq_team_give(void);

/* Runs `task` on the whole team; every item has been computed and every thread has left when it returns. */
void aq_team_run(aq_task task, void *argument);

/* Starts a stage. What its items need of a thread itself may be prepared after it, where aq_stage_is_current still holds. */
void aq_stage_open(aq_member *m, int items);

/* Claims up to `count` items and returns the first; `items` where none is left. */
int aq_stage_claim(aq_member *m, int count);

/* Waits until all items are computed; what was written by anyone before is visible after. */
void aq_stage_close(aq_member *m);

int aq_stage_is_current(const aq_member *m);

/* Exported: how many threads the team has. Setting it joins the old team, and returns the size of the new one. */
int aq_threads(void);
int aq_set_threads(int threads);

#endif
