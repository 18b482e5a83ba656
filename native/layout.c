/* The memory layout of the structures that callers outside fill in: they compare it with their own declarations. */
#include "decoder.h"

typedef struct {
    const char *structure;
    const char *field; /* null: the structure as a whole */
    int32_t offset, size;
} aq_layout_entry;

#define WHOLE(type) {#type, 0, 0, sizeof(type)}
#define FIELD(type, name) {#type, #name, offsetof(type, name), sizeof(((type *)0)->name)}

static const aq_layout_entry layout[] = {
    WHOLE(aq_matrix),
    FIELD(aq_matrix, panels),
    FIELD(aq_matrix, outputs),
    FIELD(aq_matrix, inputs),
    FIELD(aq_matrix, bits),
    FIELD(aq_matrix, zero),
    FIELD(aq_matrix, wide_scales),
    FIELD(aq_matrix, first_output),
    WHOLE(aq_projection),
    FIELD(aq_projection, matrices),
    FIELD(aq_projection, count),
    FIELD(aq_projection, bias),
    WHOLE(aq_batch),
    FIELD(aq_batch, rows),
    FIELD(aq_batch, sequences),
    FIELD(aq_batch, starts),
    FIELD(aq_batch, contexts),
    FIELD(aq_batch, tables),
    FIELD(aq_batch, table_stride),
    FIELD(aq_batch, cosines),
    FIELD(aq_batch, sines),
    FIELD(aq_batch, query_scales),
    WHOLE(aq_cache),
    FIELD(aq_cache, keys),
    FIELD(aq_cache, values),
    FIELD(aq_cache, dtype),
    WHOLE(aq_heads),
    FIELD(aq_heads, heads),
    FIELD(aq_heads, kv_heads),
    FIELD(aq_heads, head_dim),
    FIELD(aq_heads, window),
    FIELD(aq_heads, scale),
    WHOLE(aq_layer),
    FIELD(aq_layer, attention_norm),
    FIELD(aq_layer, mlp_norm),
    FIELD(aq_layer, query_norm),
    FIELD(aq_layer, key_norm),
    FIELD(aq_layer, qkv),
    FIELD(aq_layer, output),
    FIELD(aq_layer, gate_up),
    FIELD(aq_layer, down),
    FIELD(aq_layer, cache),
    FIELD(aq_layer, window),
    WHOLE(aq_decoder),
    FIELD(aq_decoder, layer_count),
    FIELD(aq_decoder, hidden),
    FIELD(aq_decoder, intermediate),
    FIELD(aq_decoder, heads),
    FIELD(aq_decoder, kv_heads),
    FIELD(aq_decoder, head_dim),
    FIELD(aq_decoder, epsilon),
    FIELD(aq_decoder, scale),
    FIELD(aq_decoder, layers),
    FIELD(aq_decoder, embedding),
    FIELD(aq_decoder, norm),
};

/* Exported: the entry at `index`, or null behind the last. */
const aq_layout_entry *aq_layout(int index) {
    return index >= 0 && index < (int)(sizeof layout / sizeof layout[0]) ? &layout[index] : 0;
}
