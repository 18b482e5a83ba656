#include "workspace.h"

#include <stdlib.h>

int aq_arena_reset(aq_arena *arena, size_t bytes) {
    arena->used = 0;
    if (bytes <= arena->capacity) return 0;
    free(arena->memory);
    arena->memory = NULL;
    arena->capacity = 0;
    void *memory;
    if (posix_memalign(&memory, 64, aq_aligned(bytes)) != 0) return -1;
    arena->memory = memory;
    arena->capacity = aq_aligned(bytes);
    return 0;
}

void *aq_arena_take(aq_arena *arena, size_t bytes) {
    void *start = arena->memory + arena->used;
    arena->used += aq_aligned(bytes);
    return start;
}
