/* The kernels that exist once for each instruction set, and the values that pass between them. */
#ifndef AQUILON_KERNELS_H
#define AQUILON_KERNELS_H

#include <stdint.h>

#define GROUP 32      /* inputs that share a scale */
#define PANEL 16      /* output rows that are computed together: one lane each */
#define BLOCK_ROWS 8 /* rows of activations that are multiplied together: as many as fit the registers */
#define KV_BLOCK 32   /* positions in a block of the cache */
#define KV_CHUNK 256  /* positions whose softmax is computed separately, then merged; a constant, so that results are the same */
#define TILE_QUERIES 48 /* queries that share a block of widened keys: at most so many, or one row's group if that is larger */
#define AQ_PANELS_AT_ONCE 4 /* panels that are unpacked together: as many as fit the second-level cache */

/* A packed weight of (outputs, inputs): w = scale * (q - zero), or scale * q + offset where zero is negative.
 *
 * Rows come in panels of 16, padded at the end. A panel holds group after group, so that a product of few rows reads one
 * stream: the group's quanta, a scale for each row, then, where zero is negative, an offset for each. Quanta lie as quads of
 * four consecutive inputs of each of the 16 rows, 64 bytes a quad at 8 bits; at 4 bits a byte holds the even quad's value low
 * and the odd quad's value high. */
typedef struct {
    const uint8_t *panels;
    int32_t outputs, inputs;
    int32_t bits;         /* 4 or 8 */
    int32_t zero;         /* 8, 16, 128, ...; -1: offsets instead */
    int32_t wide_scales;  /* scales and offsets are float32 rather than float16 */
    int32_t first_output; /* the column of the product's output where its outputs begin */
} aq_matrix;

/* Rows quantized to 16 bits a group of 32: x = scale * (256 * high + low). Rows lie in blocks of `block` (the last may have
 * fewer), in a block group by group, in a group row by row: 32 high bytes, then 32 low bytes. */
typedef struct {
    int32_t rows, groups, block;
    int8_t *planes;
    float *scales;  /* one a (group, row) */
    float *sums;    /* scale * total */
    int32_t *totals; /* sum of the group's 16-bit values */
} aq_activations;

/* How a product is written to the output. */
typedef enum { AQ_STORE = 0, AQ_ADD = 1 } aq_output_mode;

typedef enum { AQ_FLOAT32 = 0, AQ_BFLOAT16 = 1, AQ_FLOAT16 = 2 } aq_dtype;

/* Which rows belong to which sequence, and where a sequence's keys and values lie. A block of the cache holds KV_BLOCK positions
 * of all key heads of one layer: keys as (kv_heads, head_dim, KV_BLOCK), values as (kv_heads, KV_BLOCK, head_dim). */
typedef struct {
    int32_t rows, sequences;
    const int32_t *starts;   /* (sequences + 1) first row of each sequence */
    const int32_t *contexts; /* (sequences) positions known after this step */
    const int32_t *tables;   /* (sequences, table_stride) block numbers */
    int32_t table_stride;
    const float *cosines, *sines; /* (rows, head_dim / 2) */
    const float *query_scales;    /* (rows), or null */
} aq_batch;

typedef struct {
    void *keys, *values;
    int32_t dtype; /* aq_dtype */
} aq_cache;

typedef struct {
    int32_t heads, kv_heads, head_dim;
    int32_t window; /* positions that a row attends to, its own included; 0: all up to its own */
    float scale;    /* of the products of queries and keys */
} aq_heads;

/* Queries of one key head that are attended together: `rows` consecutive rows of one sequence, all heads of the group. */
typedef struct {
    const aq_heads *heads;
    const aq_batch *batch;
    const aq_cache *cache;
    const float *query; /* (rows, query_stride) of the batch: heads side by side first in each row */
    int64_t query_stride;
    int32_t sequence, kv_head, row, rows;
} aq_tile;

typedef struct {
    const char *name;
    /* Quantizes row `row` of the batch. */
    void (*quantize)(const float *x, const aq_activations *a, int row);
    /* y = x / rms(x) * weight, over `size` values (a multiple of 16). */
    void (*norm)(const float *x, const float *weight, float epsilon, float *y, int size);
    /* y = silu(gate) * up. */
    void (*silu)(const float *gate, const float *up, float *y, int size);
    /* The outputs of panels [first, last) of one matrix for every row. */
    void (*linear)(const aq_matrix *m, const aq_activations *a, const float *bias, float *out, int64_t stride,
                   aq_output_mode mode, int first, int last, void *scratch);
    /* Row `index` of a matrix in float32. */
    void (*embed)(const aq_matrix *m, int64_t index, float *out);
    /* Rotates a row's queries and keys by its position, after an optional norm of each head. A row of qkv holds query heads,
     * key heads, value heads. */
    void (*rotate)(const aq_heads *h, const aq_batch *b, const float *query_norm, const float *key_norm, float epsilon, float *qkv,
                   int row);
    /* Puts a row's keys and values, heads side by side, in the cache. */
    void (*write)(const aq_heads *h, const aq_batch *b, const aq_cache *c, const float *key, const float *value, int row,
                  int sequence);
    /* Attends over one chunk of the context; fills a state for each query of the tile: head_dim + 2 floats. */
    void (*attend)(const aq_tile *t, int chunk, float *states, void *scratch);
    /* Adds a later chunk's states to those of the chunks before it. */
    void (*merge)(const aq_heads *h, float *states, const float *later, int count);
    /* The tile's states as outputs (rows, heads * head_dim). */
    void (*finish)(const aq_tile *t, const float *states, float *output);
} aq_kernels;

extern const aq_kernels aq_kernels_portable;
#if defined(__x86_64__)
extern const aq_kernels aq_kernels_avx2;
extern const aq_kernels aq_kernels_avx512;
#endif

/* The instruction set that aq_select chose, else the best of this processor. */
const aq_kernels *aq_active_kernels(void);

#endif
