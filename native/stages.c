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
    const int chunk = 4;
    for (int row; (row = aq_team_claim(w->team, chunk)) < a->rows;)
        for (int r = row; r < row + chunk && r < a->rows; r++) w->kernels->quantize(x + r * stride, a, r);
}

void aq_linear_stage(aq_worker *w, const aq_projection *p, const aq_activations *a, float *out, int64_t stride,
                     aq_output_mode mode) {
    int units = 0;
    for (int i = 0; i < p->count; i++) {
        int panels = (p->matrices[i].outputs + PANEL - 1) / PANEL;
        units += (panels + AQ_PANELS_AT_ONCE - 1) / AQ_PANELS_AT_ONCE;
    }
    /* Few rows: memory sets the pace, so a thread reads long runs. */
    int chunk = a->rows > BLOCK_ROWS ? 1 : 1 + units / (8 * w->team->threads);
    for (int first; (first = aq_team_claim(w->team, chunk)) < units;) {
        int last = first + chunk < units ? first + chunk : units, start = 0;
        for (int i = 0; i < p->count && start < last; i++) {
            const aq_matrix *m = &p->matrices[i];
            int panels = (m->outputs + PANEL - 1) / PANEL;
            int own = (panels + AQ_PANELS_AT_ONCE - 1) / AQ_PANELS_AT_ONCE;
            for (int unit = first > start ? first : start; unit < last && unit < start + own; unit++) {
                int panel = (unit - start) * AQ_PANELS_AT_ONCE;
                int end = panel + AQ_PANELS_AT_ONCE < panels ? panel + AQ_PANELS_AT_ONCE : panels;
                w->kernels->linear(m, a, p->bias, out, stride, mode, panel, end, w->scratch);
            }
            start += own;
        }
    }
}
