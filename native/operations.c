/* Single operations for callers outside: each runs on the whole team and returns 0, or -1 where memory is short. */
#include "stages.h"

static aq_arena arena;

typedef struct {
    const aq_kernels *kernels;
    const aq_projection *projection;
    aq_activations activations;
    const float *x;
    int64_t x_stride;
    float *out;
    int64_t out_stride;
    char *scratch;
    size_t scratch_bytes;
} linear_call;

static void linear_task(void *argument, aq_member *member) {
    linear_call *c = argument;
    aq_worker w = {member, c->kernels, c->scratch + member->thread * c->scratch_bytes};
    aq_quantize_stage(&w, c->x, c->x_stride, &c->activations);
    aq_linear_stage(&w, c->projection, &c->activations, c->out, c->out_stride, AQ_STORE, 0, 0);
}

static int project(const aq_projection *p, const float *x, int64_t x_stride, int rows, float *out, int64_t out_stride) {
    int inputs = p->matrices[0].inputs;
    size_t scratch = aq_linear_scratch_bytes(inputs);
    if (rows == 0) return 0;
    if (aq_arena_reset(&arena, aq_activations_bytes(rows, inputs) + scratch * aq_threads()) != 0) return -1;
    linear_call call = {.kernels = aq_active_kernels(), .projection = p, .x = x, .x_stride = x_stride, .out = out,
                        .out_stride = out_stride, .scratch_bytes = scratch};
    call.activations = aq_take_activations(&arena, rows, inputs);
    call.scratch = aq_arena_take(&arena, scratch * aq_threads());
    aq_team_run(linear_task, &call);
    return 0;
}

int aq_project(const aq_projection *p, const float *x, int64_t x_stride, int rows, float *out, int64_t out_stride) {
    aq_team_lock();
    int failed = project(p, x, x_stride, rows, out, out_stride);
    aq_team_unlock();
    return failed;
}

void aq_embed_rows(const aq_matrix *m, const int64_t *indices, int rows, float *out) {
    for (int r = 0; r < rows; r++) aq_active_kernels()->embed(m, indices[r], out + (int64_t)r * m->inputs);
}

typedef struct {
    const aq_kernels *kernels;
    const aq_heads *heads;
    const aq_batch *batch;
    const aq_cache *cache;
    const float *query, *key, *value;
    float *output;
    aq_plan plan;
    char *scratch;
    size_t scratch_bytes;
} attention_call;

static void attention_task(void *argument, aq_member *member) {
    attention_call *c = argument;
    aq_worker w = {member, c->kernels, c->scratch + member->thread * c->scratch_bytes};
    int64_t queries = (int64_t)c->heads->heads * c->heads->head_dim, keys = (int64_t)c->heads->kv_heads * c->heads->head_dim;
    aq_write_stage(&w, &c->plan, c->heads, c->batch, c->cache, c->key, c->value, keys);
    aq_attention_stage(&w, &c->plan, c->heads, c->batch, c->cache, c->query, queries, c->output);
}

static int attend_paged(const aq_heads *h, const aq_batch *b, const aq_cache *c, const float *query, const float *key,
                    const float *value, float *output) {
    int threads = aq_threads();
    size_t scratch = aq_aligned(aq_attention_scratch_bytes(h));
    if (b->rows == 0) return 0;
    if (aq_arena_reset(&arena, aq_plan_bytes(h, b, threads) + scratch * threads) != 0) return -1;
    attention_call call = {aq_active_kernels(), h, b, c, query, key, value, output, {0}, 0, scratch};
    call.plan = aq_make_plan(&arena, h, b, threads);
    call.scratch = aq_arena_take(&arena, scratch * threads);
    aq_team_run(attention_task, &call);
    return 0;
}

/* Stores key and value (rows, kv_heads, head_dim), then attends: query and output are (rows, heads, head_dim). */
int aq_attend_paged(const aq_heads *h, const aq_batch *b, const aq_cache *c, const float *query, const float *key,
                    const float *value, float *output) {
    aq_team_lock();
    int failed = attend_paged(h, b, c, query, key, value, output);
    aq_team_unlock();
    return failed;
}
