/* One step through all layers on the whole team.
 *
 * Stages that only look at a row (norms, quantization, the gated activation) are shared out in wide batches. In narrow ones
 * every thread computes them for itself: that costs less than the barrier it saves, and gives the same values. */
#include "decoder.h"

#define NARROW 4

typedef struct {
    const aq_decoder *d;
    const aq_batch *b;
    const int64_t *tokens;
    const aq_kernels *kernels;
    aq_plan plan;
    float *x, *qkv, *attended, *gate_up, *hidden;
    aq_activations *activations; /* (threads, 3) in narrow batches, else (3): of hidden, heads and intermediate size */
    float *rows;                 /* (threads, widest): a normalized row */
    int64_t row_floats;
    char *scratch;
    size_t scratch_bytes;
    int narrow;
} step;

/* Runs `body` for each row that is this thread's to compute. */
#define FOR_OWN_ROWS(row, body)                                                                    \
    if (s->narrow) {                                                                               \
        for (int row = 0; row < s->b->rows; row++) body                                            \
    } else {                                                                                       \
        for (int first_; (first_ = aq_team_claim(w->team, 4)) < s->b->rows;)                       \
            for (int row = first_; row < first_ + 4 && row < s->b->rows; row++) body               \
        aq_team_barrier(w->team);                                                                  \
    }

static void normalize(aq_worker *w, step *s, const float *weight, const aq_activations *a) {
    float *row_memory = s->rows + w->thread * s->row_floats;
    int hidden = s->d->hidden;
    FOR_OWN_ROWS(row, {
        w->kernels->norm(s->x + (int64_t)row * hidden, weight, s->d->epsilon, row_memory, hidden);
        w->kernels->quantize(row_memory, a, row);
    })
}

static void quantize(aq_worker *w, step *s, const float *x, int64_t stride, const aq_activations *a) {
    FOR_OWN_ROWS(row, { w->kernels->quantize(x + row * stride, a, row); })
}

static void activate(aq_worker *w, step *s, const aq_activations *a) {
    float *row_memory = s->rows + w->thread * s->row_floats;
    int size = s->d->intermediate;
    FOR_OWN_ROWS(row, {
        const float *gate = s->gate_up + (int64_t)row * 2 * size;
        w->kernels->silu(gate, gate + size, row_memory, size);
        w->kernels->quantize(row_memory, a, row);
    })
}

static void step_task(void *argument, aq_team *team, int thread) {
    step *s = argument;
    const aq_decoder *d = s->d;
    const aq_batch *b = s->b;
    aq_worker worker = {team, s->kernels, thread, s->scratch + thread * s->scratch_bytes}, *w = &worker;
    const aq_activations *a = s->activations + (s->narrow ? 3 * thread : 0);
    int64_t heads = (int64_t)d->heads * d->head_dim, qkv = heads + 2 * (int64_t)d->kv_heads * d->head_dim;

    for (int row; (row = aq_team_claim(team, 4)) < b->rows;)
        for (int r = row; r < row + 4 && r < b->rows; r++)
            w->kernels->embed(d->embedding, s->tokens[r], s->x + (int64_t)r * d->hidden);
    aq_team_barrier(team);
    for (int i = 0; i < d->layer_count; i++) {
        const aq_layer *layer = &d->layers[i];
        aq_heads h = {d->heads, d->kv_heads, d->head_dim, layer->window, d->scale};
        normalize(w, s, layer->attention_norm, &a[0]);
        aq_linear_stage(w, &layer->qkv, &a[0], s->qkv, qkv, AQ_STORE);
        aq_team_barrier(team);
        aq_rotate_stage(w, &s->plan, &h, b, &layer->cache, layer->query_norm, layer->key_norm, d->epsilon, s->qkv, qkv);
        aq_team_barrier(team);
        aq_attention_stage(w, &s->plan, &h, b, &layer->cache, s->qkv, qkv, s->attended);
        aq_team_barrier(team);
        quantize(w, s, s->attended, heads, &a[1]);
        aq_linear_stage(w, &layer->output, &a[1], s->x, d->hidden, AQ_ADD);
        aq_team_barrier(team);
        normalize(w, s, layer->mlp_norm, &a[0]);
        aq_linear_stage(w, &layer->gate_up, &a[0], s->gate_up, 2 * (int64_t)d->intermediate, AQ_STORE);
        aq_team_barrier(team);
        activate(w, s, &a[2]);
        aq_linear_stage(w, &layer->down, &a[2], s->x, d->hidden, AQ_ADD);
        aq_team_barrier(team);
    }
    for (int row; (row = aq_team_claim(team, 4)) < b->rows;)
        for (int r = row; r < row + 4 && r < b->rows; r++)
            w->kernels->norm(s->x + (int64_t)r * d->hidden, d->norm, d->epsilon, s->hidden + (int64_t)r * d->hidden, d->hidden);
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

int aq_decode(const aq_decoder *d, const aq_batch *b, const int64_t *tokens, float *hidden) {
    static aq_arena arena;
    if (b->rows == 0) return 0;
    int threads = aq_threads(), narrow = b->rows <= NARROW;
    aq_heads h = {d->heads, d->kv_heads, d->head_dim, 0, d->scale};
    int64_t heads = (int64_t)d->heads * d->head_dim, qkv = heads + 2 * (int64_t)d->kv_heads * d->head_dim, rows = b->rows;
    int inputs[3] = {d->hidden, (int)heads, d->intermediate};
    int sets = narrow ? threads : 1;
    int64_t widest = d->hidden > d->intermediate ? d->hidden : d->intermediate;
    if (heads > widest) widest = heads;
    size_t scratch = aq_aligned(larger(aq_attention_scratch_bytes(&h), aq_linear_scratch_bytes((int)widest)));
    size_t row_bytes = aq_aligned(widest * sizeof(float));

    size_t bytes = aq_plan_bytes(&h, b, threads) + threads * (scratch + row_bytes) + aq_aligned(sets * 3 * sizeof(aq_activations));
    for (int i = 0; i < 3; i++) bytes += sets * aq_activations_bytes(b->rows, inputs[i]);
    bytes += aq_aligned(rows * d->hidden * 4) + aq_aligned(rows * qkv * 4) + aq_aligned(rows * heads * 4);
    bytes += aq_aligned(rows * 2 * d->intermediate * 4);
    if (aq_arena_reset(&arena, bytes) != 0) return -1;

    step s = {.d = d, .b = b, .tokens = tokens, .kernels = aq_active_kernels(), .hidden = hidden, .narrow = narrow,
              .scratch_bytes = scratch, .row_floats = row_bytes / sizeof(float)};
    s.plan = aq_make_plan(&arena, &h, b, threads);
    s.scratch = aq_arena_take(&arena, threads * scratch);
    s.rows = aq_arena_take(&arena, threads * row_bytes);
    s.activations = aq_arena_take(&arena, sets * 3 * sizeof(aq_activations));
    for (int i = 0; i < 3 * sets; i++) s.activations[i] = aq_take_activations(&arena, b->rows, inputs[i % 3]);
    s.x = aq_arena_take(&arena, rows * d->hidden * 4);
    s.qkv = aq_arena_take(&arena, rows * qkv * 4);
    s.attended = aq_arena_take(&arena, rows * heads * 4);
    s.gate_up = aq_arena_take(&arena, rows * 2 * d->intermediate * 4);
    aq_team_run(step_task, &s);
    return 0;
}
