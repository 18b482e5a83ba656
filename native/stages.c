#include "stages.h"

int aq_block_rows(int rows) {
    int blocks = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    return (rows + blocks - 1) / blocks;
}

size_t aq_activations_bytes(int rows, int inputs) {
    size_t slots = (size_t)rows * (inputs / GROUP);
    return aq_aligned(slots * 64) + 3 * aq_aligned(slots * 4);
}

aq_activations aq_take_activations(aq_arena *arena, int rows, int inputs) {
    size_t slots = (size_t)rows * (inputs / GROUP);
    aq_activations a = {.rows = rows, .groups = inputs / GROUP, .block = aq_block_rows(rows)};
    a.planes = aq_arena_take(arena, slots * 64);
    a.scales = aq_arena_take(arena, slots * 4);
    a.sums = aq_arena_take(arena, slots * 4);
    a.totals = aq_arena_take(arena, slots * 4);
    return a;
}

size_t aq_linear_scratch_bytes(int inputs) { return (size_t)AQ_PANELS_AT_ONCE * inputs * PANEL; }

void aq_quantize_stage(aq_worker *w, const float *x, int64_t stride, const aq_activations *a) {
    AQ_FOR_EACH(w, row, a->rows, aq_few(a->rows), { w->kernels->quantize(x + row * stride, a, row); });
}

static int units_of(const aq_matrix *m) {
    return (m->outputs + PANEL * AQ_PANELS_AT_ONCE - 1) / (PANEL * AQ_PANELS_AT_ONCE);
}

void aq_linear_stage(aq_worker *w, const aq_projection *p, const aq_activations *a, float *out, int64_t stride,
                     aq_output_mode mode, aq_preparation prepare, void *context) {
    int units = 0;
    for (int i = 0; i < p->count; i++) units += units_of(&p->matrices[i]);
    /* With few rows memory is the bottleneck, so a thread reads long runs; with more, small shares end at the same time. */
    int shares = a->rows <= 2 ? 2 : a->rows <= BLOCK_ROWS ? 8 : units;
    int chunk = 1 + units / (shares * aq_threads());
    aq_stage_open(w->member, units);
    if (prepare && aq_stage_is_current(w->member)) prepare(w, context);
    for (int first; (first = aq_stage_claim(w->member, chunk)) < units;) {
        int last = first + chunk < units ? first + chunk : units, start = 0;
        for (int i = 0; i < p->count && start < last; i++) {
            const aq_matrix *m = &p->matrices[i];
            int own = units_of(m), panels = (m->outputs + PANEL - 1) / PANEL;
            for (int unit = first > start ? first : start; unit < last && unit < start + own; unit++) {
                int panel = (unit - start) * AQ_PANELS_AT_ONCE;
                int end = panel + AQ_PANELS_AT_ONCE < panels ? panel + AQ_PANELS_AT_ONCE : panels;
                w->kernels->linear(m, a, p->bias, out, stride, mode, panel, end, w->scratch);
            }
            start += own;
        }
    }
    aq_stage_close(w->member);
}
