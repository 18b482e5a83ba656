/* Paged causal attention with grouped queries.
 *
 * A query's output is always computed in the same order: for each block of 32 positions, scores are summed over dimensions, a
 * running maximum is kept, e^(score - maximum) is summed lane by lane and values are added position by position; each chunk of
 * 256 positions has a separate state, and states are merged in order. So the result is the same, bit for bit, however a prompt
 * is cut into steps and whatever else is in the batch. */
#include "variant.h"

#define QUERIES 6 /* attended together: what fits the registers */
#define SLAB 4    /* vectors of the value that are added up together */

typedef struct {
    float *queries; /* (queries, head_dim), scaled */
    float *keys;    /* (head_dim, KV_BLOCK) */
    float *values;  /* (KV_BLOCK, head_dim) */
} tile_memory;

/* Sixteen numbers of the cache from `index` on. */
INLINE v16 load_cached(const void *source, int64_t index, int dtype) {
    if (dtype == AQ_FLOAT32) return v_load((const float *)source + index);
    if (dtype == AQ_BFLOAT16) return v_load_bfloat16((const uint16_t *)source + index);
    return v_load_half((const uint16_t *)source + index);
}

INLINE void widen(const void *source, int dtype, float *out, int count) {
    if (dtype == AQ_BFLOAT16)
        for (int i = 0; i < count; i += LANES) v_store(out + i, load_cached(source, i, AQ_BFLOAT16));
    else
        for (int i = 0; i < count; i += LANES) v_store(out + i, load_cached(source, i, AQ_FLOAT16));
}

/* Prefetches the next block, which may lie anywhere in memory, while this one is computed. */
INLINE void prefetch_block(const aq_tile *t, int64_t number) {
    int64_t width = t->cache->dtype == AQ_FLOAT32 ? 4 : 2, bytes = KV_BLOCK * (int64_t)t->heads->head_dim * width;
    int64_t first = (number * t->heads->kv_heads + t->kv_head) * bytes;
    for (int64_t byte = first; byte < first + bytes; byte += 64) {
        __builtin_prefetch((const char *)t->cache->keys + byte);
        __builtin_prefetch((const char *)t->cache->values + byte);
    }
}

/* The positions of a block that one query attends to: [from, to). */
typedef struct {
    int from, to;
} position_range;

INLINE void attend_block(int count, int dtype, const float *queries, int head_dim, const void *keys, const void *values,
                         const position_range *visible, float *states) {
    static const i16x lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    v16 scores[QUERIES][2];
    float weights[QUERIES][KV_BLOCK];
    int stride = head_dim + 2, positions = 0;
    UNROLL
    for (int q = 0; q < count; q++) scores[q][0] = scores[q][1] = v_zero();
    for (int d = 0; d < head_dim; d++) {
        v16 k0 = load_cached(keys, d * KV_BLOCK, dtype), k1 = load_cached(keys, d * KV_BLOCK + LANES, dtype);
        UNROLL
        for (int q = 0; q < count; q++) {
            v16 x = v_set(queries[q * head_dim + d]);
            scores[q][0] = v_fma(x, k0, scores[q][0]);
            scores[q][1] = v_fma(x, k1, scores[q][1]);
        }
    }
    UNROLL
    for (int q = 0; q < count; q++) {
        float *state = states + (int64_t)q * stride;
        if (visible[q].from >= visible[q].to) {
            v_store(weights[q], v_zero());
            v_store(weights[q] + LANES, v_zero());
            continue;
        }
        if (visible[q].to > positions) positions = visible[q].to;
        v16 s0 = scores[q][0], s1 = scores[q][1];
        if (visible[q].from > 0 || visible[q].to < KV_BLOCK) {
            s0 = v_select((lanes >= visible[q].from) & (lanes < visible[q].to), s0, v_set(-INFINITY));
            s1 = v_select((lanes + LANES >= visible[q].from) & (lanes + LANES < visible[q].to), s1, v_set(-INFINITY));
        }
        float before = state[head_dim], largest = v_largest(v_max(s0, s1));
        if (before > largest) largest = before;
        v16 w0 = v_exp(s0 - v_set(largest)), w1 = v_exp(s1 - v_set(largest));
        v_store(weights[q], w0);
        v_store(weights[q] + LANES, w1);
        float sum = v_sum(w0 + w1);
        if (largest > before) {
            v16 shrink = v_exp(v_set(before - largest));
            for (int d = 0; d < head_dim; d += LANES) v_store(state + d, v_load(state + d) * shrink);
            state[head_dim + 1] *= shrink[0];
            state[head_dim] = largest;
        }
        state[head_dim + 1] += sum;
    }
    int d = 0;
    for (; d + SLAB * LANES <= head_dim; d += SLAB * LANES) {
        v16 acc[QUERIES][SLAB];
        UNROLL
        for (int q = 0; q < count; q++)
            UNROLL
            for (int i = 0; i < SLAB; i++) acc[q][i] = v_load(states + (int64_t)q * stride + d + i * LANES);
        for (int p = 0; p < positions; p++) {
            v16 value[SLAB];
            UNROLL
            for (int i = 0; i < SLAB; i++) value[i] = load_cached(values, p * head_dim + d + i * LANES, dtype);
            UNROLL
            for (int q = 0; q < count; q++) {
                v16 weight = v_set(weights[q][p]);
                UNROLL
                for (int i = 0; i < SLAB; i++) acc[q][i] = v_fma(weight, value[i], acc[q][i]);
            }
        }
        UNROLL
        for (int q = 0; q < count; q++)
            UNROLL
            for (int i = 0; i < SLAB; i++) v_store(states + (int64_t)q * stride + d + i * LANES, acc[q][i]);
    }
    for (; d < head_dim; d += LANES)
        UNROLL
        for (int q = 0; q < count; q++) {
            v16 acc = v_load(states + (int64_t)q * stride + d);
            for (int p = 0; p < positions; p++)
                acc = v_fma(v_set(weights[q][p]), load_cached(values, p * head_dim + d, dtype), acc);
            v_store(states + (int64_t)q * stride + d, acc);
        }
}

/* Copies of attend_block for each number of queries and, where that is faster, for each dtype. */
#define FOR_EACH_COUNT(X) X(1) X(2) X(3) X(4) X(5) X(6)
#if WIDE
#define ATTEND(N)                                                                                                     \
    if (dtype == AQ_FLOAT32) attend_block(N, AQ_FLOAT32, queries, head_dim, keys, values, visible, states);           \
    else if (dtype == AQ_BFLOAT16) attend_block(N, AQ_BFLOAT16, queries, head_dim, keys, values, visible, states);    \
    else attend_block(N, AQ_FLOAT16, queries, head_dim, keys, values, visible, states);
#else
#define ATTEND(N) attend_block(N, dtype, queries, head_dim, keys, values, visible, states);
#endif
#define DEFINE_BLOCK(N)                                                                                               \
    static void block_##N(int dtype, const float *queries, int head_dim, const void *keys, const void *values,        \
                          const position_range *visible, float *states) {                                             \
        ATTEND(N)                                                                                                     \
    }
FOR_EACH_COUNT(DEFINE_BLOCK)
typedef void (*block_function)(int, const float *, int, const void *, const void *, const position_range *, float *);
#define BLOCK_ENTRY(N) block_##N,
static const block_function block_functions[QUERIES] = {FOR_EACH_COUNT(BLOCK_ENTRY)};

void VARIANT_NAME(aq_attend)(const aq_tile *t, int chunk, float *states, void *scratch) {
    const aq_heads *h = t->heads;
    const aq_batch *b = t->batch;
    int head_dim = h->head_dim, group = h->heads / h->kv_heads, count = t->rows * group;
    tile_memory m = {scratch, 0, 0};
    m.keys = m.queries + (int64_t)count * head_dim;
    m.values = m.keys + KV_BLOCK * head_dim;
    int start = b->starts[t->sequence], rows = b->starts[t->sequence + 1] - start;
    int first_position = b->contexts[t->sequence] - rows + (t->row - start), last_position = first_position + t->rows - 1;
    for (int q = 0; q < count; q++) {
        const float *query = t->query + (t->row + q / group) * t->query_stride + (t->kv_head * group + q % group) * head_dim;
        for (int d = 0; d < head_dim; d += LANES) v_store(m.queries + q * head_dim + d, v_load(query + d) * v_set(h->scale));
        float *state = states + (int64_t)q * (head_dim + 2);
        memset(state, 0, (head_dim + 2) * sizeof(float));
        state[head_dim] = -INFINITY;
    }
    int begin = chunk * KV_CHUNK, end = begin + KV_CHUNK;
    if (end > last_position + 1) end = last_position + 1;
    if (h->window > 0 && begin <= first_position - h->window)
        begin = (first_position - h->window + 1) / KV_BLOCK * KV_BLOCK;
    const int32_t *table = b->tables + (int64_t)t->sequence * b->table_stride;
    for (int position = begin; position < end; position += KV_BLOCK) {
        int64_t block = ((int64_t)table[position / KV_BLOCK] * h->kv_heads + t->kv_head) * KV_BLOCK * head_dim;
        int64_t width = t->cache->dtype == AQ_FLOAT32 ? 4 : 2;
        const void *keys = (const char *)t->cache->keys + block * width;
        const void *values = (const char *)t->cache->values + block * width;
        int dtype = t->cache->dtype;
        if (position + KV_BLOCK < end) prefetch_block(t, table[position / KV_BLOCK + 1]);
        if ((count > QUERIES || !WIDE) && dtype != AQ_FLOAT32) {
            /* Keys and values that are read more than once are converted to float32 first. */
            int known = last_position + 1 - position < KV_BLOCK ? last_position + 1 - position : KV_BLOCK;
            widen(keys, dtype, m.keys, KV_BLOCK * head_dim);
            widen(values, dtype, m.values, known * head_dim);
            keys = m.keys;
            values = m.values;
            dtype = AQ_FLOAT32;
        }
        for (int q = 0; q < count; q += QUERIES) {
            int now = count - q < QUERIES ? count - q : QUERIES, any = 0;
            position_range visible[QUERIES];
            for (int i = 0; i < now; i++) {
                int at = first_position + (q + i) / group;
                int to = at + 1 - position, from = h->window > 0 ? at - h->window + 1 - position : 0;
                visible[i].to = to < KV_BLOCK ? to : KV_BLOCK;
                visible[i].from = from > 0 ? from : 0;
                any |= visible[i].from < visible[i].to;
            }
            if (any)
                block_functions[now - 1](dtype, m.queries + q * head_dim, head_dim, keys, values, visible,
                                         states + (int64_t)q * (head_dim + 2));
        }
    }
}

void VARIANT_NAME(aq_merge)(const aq_heads *h, float *states, const float *later, int count) {
    int head_dim = h->head_dim, stride = head_dim + 2;
    for (int q = 0; q < count; q++, states += stride, later += stride) {
        float before = states[head_dim], after = later[head_dim];
        if (after == -INFINITY) continue;
        if (before == -INFINITY) {
            memcpy(states, later, stride * sizeof(float));
            continue;
        }
        float largest = before > after ? before : after;
        v16 old = v_exp(v_set(before - largest)), new = v_exp(v_set(after - largest));
        for (int d = 0; d < head_dim; d += LANES)
            v_store(states + d, v_fma(v_load(later + d), new, v_load(states + d) * old));
        states[head_dim] = largest;
        states[head_dim + 1] = fmaf(later[head_dim + 1], new[0], states[head_dim + 1] * old[0]);
    }
}

void VARIANT_NAME(aq_finish)(const aq_tile *t, const float *states, float *output) {
    const aq_heads *h = t->heads;
    int head_dim = h->head_dim, group = h->heads / h->kv_heads, stride = head_dim + 2;
    for (int q = 0; q < t->rows * group; q++, states += stride) {
        int64_t head = (int64_t)(t->row + q / group) * h->heads + t->kv_head * group + q % group;
        v16 inverse = v_set(1.0f / states[head_dim + 1]);
        for (int d = 0; d < head_dim; d += LANES) v_store(output + head * head_dim + d, v_load(states + d) * inverse);
    }
}

INLINE void rotate_head(float *head, const float *cosines, const float *sines, int half) {
    for (int i = 0; i < half; i++) {
        float first = head[i], second = head[i + half];
        head[i] = first * cosines[i] - second * sines[i];
        head[i + half] = second * cosines[i] + first * sines[i];
    }
}

INLINE void put_value(void *cache, int64_t at, float x, int dtype) {
    if (dtype == AQ_FLOAT32) ((float *)cache)[at] = x;
    else ((uint16_t *)cache)[at] = dtype == AQ_BFLOAT16 ? float_to_bfloat16(x) : float_to_half(x);
}

void VARIANT_NAME(aq_norm)(const float *, const float *, float, float *, int);

void VARIANT_NAME(aq_write)(const aq_heads *h, const aq_batch *b, const aq_cache *c, const float *key, const float *value, int row,
                            int sequence) {
    int head_dim = h->head_dim, position = b->contexts[sequence] - (b->starts[sequence + 1] - row);
    int64_t block = b->tables[(int64_t)sequence * b->table_stride + position / KV_BLOCK];
    int slot = position % KV_BLOCK;
    for (int head = 0; head < h->kv_heads; head++, key += head_dim, value += head_dim) {
        int64_t at = (block * h->kv_heads + head) * KV_BLOCK * head_dim;
        for (int i = 0; i < head_dim; i++) {
            put_value(c->keys, at + i * KV_BLOCK + slot, key[i], c->dtype);
            put_value(c->values, at + slot * head_dim + i, value[i], c->dtype);
        }
    }
}

void VARIANT_NAME(aq_rotate)(const aq_heads *h, const aq_batch *b, const float *query_norm, const float *key_norm, float epsilon,
                             float *qkv, int row) {
    int head_dim = h->head_dim, half = head_dim / 2;
    const float *cosines = b->cosines + (int64_t)row * half, *sines = b->sines + (int64_t)row * half;
    for (int head = 0; head < h->heads + h->kv_heads; head++, qkv += head_dim) {
        const float *norm = head < h->heads ? query_norm : key_norm;
        if (norm) VARIANT_NAME(aq_norm)(qkv, norm, epsilon, qkv, head_dim);
        rotate_head(qkv, cosines, sines, half);
        if (b->query_scales && head < h->heads)
            for (int i = 0; i < head_dim; i++) qkv[i] *= b->query_scales[row];
    }
}
