/* Memory for the duration of a call, kept for the next one. */
#ifndef AQUILON_WORKSPACE_H
#define AQUILON_WORKSPACE_H

#include <stddef.h>

typedef struct {
    char *memory;
    size_t capacity, used;
} aq_arena;

/* Makes room for `bytes` in all; earlier contents are lost. Returns 0, or -1 where memory is short. */
int aq_arena_reset(aq_arena *arena, size_t bytes);

/* The next `bytes` of the arena, on a cache line's border. */
void *aq_arena_take(aq_arena *arena, size_t bytes);

static inline size_t aq_aligned(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

#endif
