/* The kernels of one instruction set, as a table. */
#include "variant.h"

void VARIANT_NAME(aq_quantize)(const float *, const aq_activations *, int);
void VARIANT_NAME(aq_norm)(const float *, const float *, float, float *, int);
void VARIANT_NAME(aq_silu)(const float *, const float *, float *, int);
void VARIANT_NAME(aq_linear)(const aq_matrix *, const aq_activations *, const float *, float *, int64_t, aq_output_mode, int,
                             int, void *);
void VARIANT_NAME(aq_embed)(const aq_matrix *, int64_t, float *);
void VARIANT_NAME(aq_rotate)(const aq_heads *, const aq_batch *, const float *, const float *, float, float *, int);
void VARIANT_NAME(aq_write)(const aq_heads *, const aq_batch *, const aq_cache *, const float *, const float *, int, int);
void VARIANT_NAME(aq_attend)(const aq_tile *, int, float *, void *);
void VARIANT_NAME(aq_merge)(const aq_heads *, float *, const float *, int);
void VARIANT_NAME(aq_finish)(const aq_tile *, const float *, float *);

#define STRING(x) #x
#define STRING_OF(x) STRING(x)

const aq_kernels VARIANT_NAME(aq_kernels) = {
    .name = STRING_OF(VARIANT),
    .quantize = VARIANT_NAME(aq_quantize),
    .norm = VARIANT_NAME(aq_norm),
    .silu = VARIANT_NAME(aq_silu),
    .linear = VARIANT_NAME(aq_linear),
    .embed = VARIANT_NAME(aq_embed),
    .rotate = VARIANT_NAME(aq_rotate),
    .write = VARIANT_NAME(aq_write),
    .attend = VARIANT_NAME(aq_attend),
    .merge = VARIANT_NAME(aq_merge),
    .finish = VARIANT_NAME(aq_finish),
};
