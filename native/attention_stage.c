/* Distributes the attention of a step over the threads of the team. */
#include "stages.h"

#define SPLIT_BYTES ((size_t)32 << 20) /* limit for the states of contexts that are split into chunks */

static int group_of(const aq_heads *h) { return h->heads / h->kv_heads; }

static int tile_rows(const aq_heads *h) {
    int rows = TILE_QUERIES / group_of(h);
    return rows > 1 ? rows : 1;
}

static size_t state_floats(const aq_heads *h) { return (size_t)h->head_dim + 2; }

static aq_plan measure(const aq_heads *h, const aq_batch *b, int threads) {
    aq_plan p = {0};
    int most = 1, longest = 1;
    for (int s = 0; s < b->sequences; s++) {
        int rows = b->starts[s + 1] - b->starts[s];
        p.count += (rows + tile_rows(h) - 1) / tile_rows(h);
        if (rows > most) most = rows;
        if (rows > 0 && b->contexts[s] > longest) longest = b->contexts[s];
    }
    if (most > tile_rows(h)) most = tile_rows(h);
    p.queries = most * group_of(h);
    p.chunks = (longest + KV_CHUNK - 1) / KV_CHUNK;
    size_t bytes = (size_t)p.count * h->kv_heads * p.chunks * p.queries * state_floats(h) * sizeof(float);
    p.split = p.chunks > 1 && p.count * h->kv_heads < 4 * threads && bytes <= SPLIT_BYTES;
    return p;
}

static size_t states_bytes(const aq_plan *p, const aq_heads *h) {
    return p->split ? (size_t)p->count * h->kv_heads * p->chunks * p->queries * state_floats(h) * sizeof(float) : 0;
}

size_t aq_plan_bytes(const aq_heads *h, const aq_batch *b, int threads) {
    aq_plan p = measure(h, b, threads);
    return aq_aligned(p.count * sizeof(aq_rows)) + aq_aligned(b->rows * sizeof(int32_t)) + aq_aligned(states_bytes(&p, h));
}

aq_plan aq_make_plan(aq_arena *arena, const aq_heads *h, const aq_batch *b, int threads) {
    aq_plan p = measure(h, b, threads);
    p.tiles = aq_arena_take(arena, p.count * sizeof(aq_rows));
    p.row_sequences = aq_arena_take(arena, b->rows * sizeof(int32_t));
    p.states = aq_arena_take(arena, states_bytes(&p, h));
    int tile = 0;
    for (int s = 0; s < b->sequences; s++) {
        for (int row = b->starts[s]; row < b->starts[s + 1]; row++) p.row_sequences[row] = s;
        for (int row = b->starts[s]; row < b->starts[s + 1]; row += tile_rows(h), tile++) {
            int rows = b->starts[s + 1] - row;
            p.tiles[tile] = (aq_rows){s, row, rows < tile_rows(h) ? rows : tile_rows(h)};
        }
    }
    return p;
}

size_t aq_attention_scratch_bytes(const aq_heads *h) {
    size_t queries = (size_t)tile_rows(h) * group_of(h);
    return sizeof(float) * (queries * h->head_dim + 2 * KV_BLOCK * (size_t)h->head_dim + 2 * queries * state_floats(h) + 64);
}

void aq_rotate_stage(aq_worker *w, const aq_plan *p, const aq_heads *h, const aq_batch *b, const aq_cache *c,
                     const float *query_norm, const float *key_norm, float epsilon, float *qkv, int64_t stride) {
    int64_t key = (int64_t)h->heads * h->head_dim, value = key + (int64_t)h->kv_heads * h->head_dim;
    AQ_FOR_EACH(w, row, b->rows, aq_few(b->rows), {
        float *own = qkv + row * stride;
        w->kernels->rotate(h, b, query_norm, key_norm, epsilon, own, row);
        w->kernels->write(h, b, c, own + key, own + value, row, p->row_sequences[row]);
    });
}

void aq_write_stage(aq_worker *w, const aq_plan *p, const aq_heads *h, const aq_batch *b, const aq_cache *c, const float *key,
                    const float *value, int64_t stride) {
    AQ_FOR_EACH(w, row, b->rows, aq_few(b->rows),
                { w->kernels->write(h, b, c, key + row * stride, value + row * stride, row, p->row_sequences[row]); });
}

static aq_tile open_tile(const aq_plan *p, const aq_heads *h, const aq_batch *b, const aq_cache *c, const float *query,
                         int64_t stride, int item) {
    aq_rows rows = p->tiles[item / h->kv_heads];
    return (aq_tile){h, b, c, query, stride, rows.sequence, item % h->kv_heads, rows.row, rows.rows};
}

/* The chunks that rows of the tile attend to. */
static void visible_chunks(const aq_tile *t, int *first, int *last) {
    const aq_batch *b = t->batch;
    int position = b->contexts[t->sequence] - b->starts[t->sequence + 1] + t->row;
    int begin = t->heads->window > 0 && position >= t->heads->window ? position - t->heads->window + 1 : 0;
    *first = begin / KV_CHUNK;
    *last = (position + t->rows - 1) / KV_CHUNK + 1;
}

static void attend_whole(aq_worker *w, const aq_tile *t, float *output) {
    size_t floats = (size_t)t->rows * group_of(t->heads) * state_floats(t->heads);
    float *states = w->scratch, *later = states + floats;
    void *scratch = (char *)w->scratch + aq_aligned(2 * floats * sizeof(float));
    int first, last;
    visible_chunks(t, &first, &last);
    for (int chunk = first; chunk < last; chunk++) {
        w->kernels->attend(t, chunk, chunk == first ? states : later, scratch);
        if (chunk > first) w->kernels->merge(t->heads, states, later, t->rows * group_of(t->heads));
    }
    w->kernels->finish(t, states, output);
}

void aq_attention_stage(aq_worker *w, const aq_plan *p, const aq_heads *h, const aq_batch *b, const aq_cache *c,
                        const float *query, int64_t stride, float *output) {
    int items = p->count * h->kv_heads;
    if (!p->split) {
        /* In reverse: rows with long contexts come first, so that all threads end at about the same time. */
        AQ_FOR_EACH(w, item, items, 1, {
            aq_tile tile = open_tile(p, h, b, c, query, stride, items - 1 - item);
            attend_whole(w, &tile, output);
        });
        return;
    }
    size_t floats = p->queries * state_floats(h);
    AQ_FOR_EACH(w, part, items * p->chunks, 1, {
        aq_tile tile = open_tile(p, h, b, c, query, stride, part / p->chunks);
        int chunk = part % p->chunks;
        int first;
        int last;
        visible_chunks(&tile, &first, &last);
        if (chunk >= first && chunk < last) w->kernels->attend(&tile, chunk, p->states + part * floats, w->scratch);
    });
    AQ_FOR_EACH(w, item, items, 1, {
        aq_tile tile = open_tile(p, h, b, c, query, stride, item);
        int first;
        int last;
        visible_chunks(&tile, &first, &last);
        float *states = p->states + ((int64_t)item * p->chunks + first) * floats;
        for (int chunk = first + 1; chunk < last; chunk++)
            w->kernels->merge(h, states, states + (chunk - first) * floats, tile.rows * group_of(h));
        w->kernels->finish(&tile, states, output);
    });
}
