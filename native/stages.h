/* Parts of a layer as every thread of the team runs them. Each is one or more stages, opened and closed here. */
#ifndef AQUILON_STAGES_H
#define AQUILON_STAGES_H

#include "kernels.h"
#include "pool.h"
#include "workspace.h"

typedef struct {
    aq_member *member;
    const aq_kernels *kernels;
    void *scratch; /* this thread's own */
} aq_worker;

/* Runs `body` for each of `count` items of a stage, claimed `chunk` at a time. */
#define AQ_FOR_EACH(w, item, count, chunk, body)                                                                       \
    do {                                                                                                               \
        aq_stage_open((w)->member, count);                                                                             \
        for (int first_; (first_ = aq_stage_claim((w)->member, chunk)) < (count);)                                     \
            for (int item = first_; item < first_ + (chunk) && item < (count); item++) body                            \
        aq_stage_close((w)->member);                                                                                   \
    } while (0)

/* The number of rows that a thread claims together in stages with little work for each. */
static inline int aq_few(int rows) { return rows > 32 ? 4 : 1; }

/* Several matrices that share an input, and lie side by side in the output. */
typedef struct {
    const aq_matrix *matrices;
    int32_t count;
    const float *bias; /* over all outputs, or null */
} aq_projection;

/* Balanced blocks of at most BLOCK_ROWS rows. */
int aq_block_rows(int rows);

size_t aq_activations_bytes(int rows, int inputs);
aq_activations aq_take_activations(aq_arena *arena, int rows, int inputs);

/* Scratch memory that a thread needs to unpack panels of so many inputs. */
size_t aq_linear_scratch_bytes(int inputs);

/* Work that each thread does before its first item of a stage, unless the stage is over; or null. */
typedef void (*aq_preparation)(aq_worker *w, void *context);

void aq_quantize_stage(aq_worker *w, const float *x, int64_t stride, const aq_activations *a);
void aq_linear_stage(aq_worker *w, const aq_projection *p, const aq_activations *a, float *out, int64_t stride,
                     aq_output_mode mode, aq_preparation prepare, void *context);

/* How attention is distributed: a tile is some rows of one sequence; an item is a tile and a key head, and also a chunk of the
 * context where there would be too few items for the team. */
typedef struct {
    int32_t sequence, row, rows;
} aq_rows;

typedef struct {
    aq_rows *tiles;
    int32_t *row_sequences; /* (rows) */
    int32_t count, queries; /* tiles; queries in the largest */
    int32_t chunks;         /* of the longest context */
    int32_t split;
    float *states; /* (tile, kv_head, chunk, queries, head_dim + 2) where split */
} aq_plan;

size_t aq_plan_bytes(const aq_heads *h, const aq_batch *b, int threads);
aq_plan aq_make_plan(aq_arena *arena, const aq_heads *h, const aq_batch *b, int threads);
size_t aq_attention_scratch_bytes(const aq_heads *h);

/* Rotates the queries and keys of qkv rows, and writes keys and values to the cache. */
void aq_rotate_stage(aq_worker *w, const aq_plan *p, const aq_heads *h, const aq_batch *b, const aq_cache *c,
                     const float *query_norm, const float *key_norm, float epsilon, float *qkv, int64_t stride);

/* Writes keys and values, rows of `stride` floats, to the cache. */
void aq_write_stage(aq_worker *w, const aq_plan *p, const aq_heads *h, const aq_batch *b, const aq_cache *c, const float *key,
                    const float *value, int64_t stride);

void aq_attention_stage(aq_worker *w, const aq_plan *p, const aq_heads *h, const aq_batch *b, const aq_cache *c,
                        const float *query, int64_t stride, float *output);

#endif
