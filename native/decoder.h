/* A decoder: computes hidden states from tokens. */
#ifndef AQUILON_DECODER_H
#define AQUILON_DECODER_H

#include "stages.h"

typedef struct {
    const float *attention_norm, *mlp_norm;
    const float *query_norm, *key_norm; /* over a head, or null */
    aq_projection qkv, output, gate_up, down;
    aq_cache cache;
    int32_t window;
} aq_layer;

typedef struct {
    int32_t layer_count, hidden, intermediate;
    int32_t heads, kv_heads, head_dim;
    float epsilon, scale;
    const aq_layer *layers;
    const aq_matrix *embedding;
    const float *norm;
} aq_decoder;

/* Computes the hidden states (rows, hidden) of the batch's tokens after the final norm, and writes their keys and values to the
 * cache. Returns 0, or -1 where memory is short. */
int aq_decode(const aq_decoder *d, const aq_batch *b, const int64_t *tokens, float *hidden);

#endif
