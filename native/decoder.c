/* One step through all layers on the whole team.
 *
 * Operations on single rows (norms, quantization, the gated activation) are distributed over the threads in wide batches. In
 * narrow batches every thread computes all of them: that costs less than a separate stage, and gives the same values. */
#include "decoder.h"

#define NARROW 2
#define AHEAD_BYTES ((int64_t)256 << 10)

typedef struct {
    const aq_decoder *d;
    const aq_batch *b;
    const int64_t *tokens;
    const aq_kernels *kernels;
    aq_plan plan;
    float *x, *qkv, *attended, *gate_up, *hidden;
    aq_activations *activations; /* (threads, 3) in narrow batches, else (3): one an input_kind */
    float *rows;                 /* (threads, widest): a normalized row */
    int64_t row_floats;
    char *scratch;
    size_t scratch_bytes;
    int narrow;
} step;

/* The three kinds of input that a product has, computed for one row each. */
static void normalized_row(aq_worker *w, step *s, const float *weight, const aq_activations *a, int row) {
    float *memory = s->rows + w->member->thread * s->row_floats;
    w->kernels->norm(s->x + (int64_t)row * s->d->hidden, weight, s->d->epsilon, memory, s->d->hidden);
    w->kernels->quantize(memory, a, row);
}

static void activated_row(aq_worker *w, step *s, const aq_activations *a, int row) {
    float *memory = s->rows + w->member->thread * s->row_floats;
    int size = s->d->intermediate;
    const float *gate = s->gate_up + (int64_t)row * 2 * size;
    w->kernels->silu(gate, gate + size, memory, size);
    w->kernels->quantize(memory, a, row);
}

typedef enum { NORMALIZED, ATTENDED, ACTIVATED } input_kind;

typedef struct {
    step *s;
    input_kind kind;
    const float *norm;
    const aq_activations *a;
} input;

static void make_row(aq_worker *w, const input *in, int row) {
    step *s = in->s;
    int64_t heads = (int64_t)s->d->heads * s->d->head_dim;
    if (in->kind == NORMALIZED) normalized_row(w, s, in->norm, in->a, row);
    else if (in->kind == ATTENDED) w->kernels->quantize(s->attended + row * heads, in->a, row);
    else activated_row(w, s, in->a, row);
}

static void make_rows(aq_worker *w, void *context) {
    const input *in = context;
    for (int row = 0; row < in->s->b->rows; row++) make_row(w, in, row);
}

/* Lets waiting threads prefetch the weights of the next product: with few rows a product ends before memory is at full speed. */
static void fetch_while_waiting(aq_worker *w, const step *s, const aq_projection *next) {
    if (!s->narrow || !next) return;
    const aq_matrix *m = &next->matrices[0];
    int64_t bytes = (int64_t)m->outputs * m->inputs * m->bits / 8;
    w->member->ahead = (const char *)m->panels;
    w->member->ahead_end = w->member->ahead + (bytes < AHEAD_BYTES ? bytes : AHEAD_BYTES);
}

/* Quantizes the input, then multiplies it. */
static void product(aq_worker *w, step *s, input_kind kind, const float *norm, const aq_projection *p, float *out, int64_t stride,
                    aq_output_mode mode, const aq_projection *next) {
    fetch_while_waiting(w, s, next);
    input in = {s, kind, norm, s->activations + (s->narrow ? 3 * w->member->thread : 0) + kind};
    if (!s->narrow) AQ_FOR_EACH(w, row, s->b->rows, aq_few(s->b->rows), { make_row(w, &in, row); });
    aq_linear_stage(w, p, in.a, out, stride, mode, s->narrow ? make_rows : 0, &in);
}

static void step_task(void *argument, aq_member *member) {
    step *s = argument;
    const aq_decoder *d = s->d;
    const aq_batch *b = s->b;
    aq_worker worker = {member, s->kernels, s->scratch + member->thread * s->scratch_bytes}, *w = &worker;
    int64_t hidden = d->hidden, heads = (int64_t)d->heads * d->head_dim, qkv = heads + 2 * (int64_t)d->kv_heads * d->head_dim;

    AQ_FOR_EACH(w, row, b->rows, aq_few(b->rows), { w->kernels->embed(d->embedding, s->tokens[row], s->x + row * hidden); });
    for (int i = 0; i < d->layer_count; i++) {
        const aq_layer *layer = &d->layers[i];
        aq_heads h = {d->heads, d->kv_heads, d->head_dim, layer->window, d->scale};
        product(w, s, NORMALIZED, layer->attention_norm, &layer->qkv, s->qkv, qkv, AQ_STORE, &layer->output);
        aq_rotate_stage(w, &s->plan, &h, b, &layer->cache, layer->query_norm, layer->key_norm, d->epsilon, s->qkv, qkv);
        aq_attention_stage(w, &s->plan, &h, b, &layer->cache, s->qkv, qkv, s->attended);
        product(w, s, ATTENDED, 0, &layer->output, s->x, hidden, AQ_ADD, &layer->gate_up);
        product(w, s, NORMALIZED, layer->mlp_norm, &layer->gate_up, s->gate_up, 2 * (int64_t)d->intermediate, AQ_STORE,
                &layer->down);
        product(w, s, ACTIVATED, 0, &layer->down, s->x, hidden, AQ_ADD, i + 1 < d->layer_count ? &layer[1].qkv : 0);
    }
    AQ_FOR_EACH(w, row, b->rows, aq_few(b->rows),
                { w->kernels->norm(s->x + row * hidden, d->norm, d->epsilon, s->hidden + row * hidden, d->hidden); });
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static int decode(const aq_decoder *d, const aq_batch *b, const int64_t *tokens, float *hidden) {
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

int aq_decode(const aq_decoder *d, const aq_batch *b, const int64_t *tokens, float *hidden) {
    aq_team_lock();
    int failed = decode(d, b, tokens, hidden);
    aq_team_unlock();
    return failed;
}
