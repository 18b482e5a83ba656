/* Parts of a layer as every thread of the team runs them: each claims items until none is left. A barrier between two stages
 * that depend on each other is the caller's. */
#ifndef AQUILON_STAGES_H
#define AQUILON_STAGES_H

#include "kernels.h"
#include "pool.h"
#include "workspace.h"

typedef struct {
    aq_team *team;
    const aq_kernels *kernels;
    int thread;
    void *scratch; /* this thread's own */
} aq_worker;

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

/* What a thread needs to unpack panels of this many inputs. */
size_t aq_linear_scratch_bytes(int inputs);

void aq_quantize_stage(aq_worker *w, const float *x, int64_t stride, const aq_activations *a);
void aq_linear_stage(aq_worker *w, const aq_projection *p, const aq_activations *a, float *out, int64_t stride,
                     aq_output_mode mode);

#endif
