/* The kernels that exist once for each instruction set, and the values that pass between them. */
#ifndef AQUILON_KERNELS_H
#define AQUILON_KERNELS_H

#include <stdint.h>

#define GROUP 32      /* inputs that share a scale */
#define PANEL 16      /* output rows that are computed together: one lane each */
#define BLOCK_ROWS 12 /* rows of activations that are multiplied together: what fits the registers */
#define AQ_PANELS_AT_ONCE 4 /* panels that are unpacked together: what fits the second-level cache */

/* A packed weight of (outputs, inputs): w = scale * (q - zero), or scale * q + offset where zero is negative.
 *
 * Rows come in panels of 16, padded at the end. A panel is its quanta, then a scale for each (group, row), then, where zero
 * is negative, an offset for each. Quanta of a group lie as quads of four consecutive inputs of each of the 16 rows, 64 bytes
 * a quad at 8 bits; at 4 bits a byte holds the even quad's value low and the odd quad's value high. */
typedef struct {
    const uint8_t *panels;
    int32_t outputs, inputs;
    int32_t bits;         /* 4 or 8 */
    int32_t zero;         /* 8, 16, 128, ...; -1: offsets instead */
    int32_t wide_scales;  /* scales and offsets are float32 rather than float16 */
    int32_t first_output; /* where its rows go in the product's output */
    int64_t panel_bytes;
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

/* What happens to a product on its way out. */
typedef enum { AQ_STORE = 0, AQ_ADD = 1 } aq_output_mode;

typedef enum { AQ_FLOAT32 = 0, AQ_BFLOAT16 = 1, AQ_FLOAT16 = 2 } aq_dtype;

/* One layer's cache and the batch that reads it; see attention.c. */
typedef struct {
    const float *query; /* (rows, query_stride): heads * head_dim used */
    int64_t query_stride;
    float *output; /* (rows, heads * head_dim) */
    const void *keys, *values;
    aq_dtype dtype;
    int32_t heads, kv_heads, head_dim;
    int32_t window; /* positions a row sees, its own included; 0: all before it */
    float scale;
    int32_t sequences;
    const int32_t *starts;   /* (sequences + 1) rows of each sequence */
    const int32_t *contexts; /* (sequences) tokens known after this step */
    const int32_t *tables;   /* (sequences, table_stride) block numbers */
    int32_t table_stride;
} aq_attention;

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
    void (*attend)(const aq_attention *a, int first_row, int row_count, int sequence, int kv_head, void *scratch);
} aq_kernels;

extern const aq_kernels aq_kernels_portable;
#if defined(__x86_64__)
extern const aq_kernels aq_kernels_avx2;
extern const aq_kernels aq_kernels_avx512;
#endif

/* The best this processor runs, or the one named by aq_select. */
const aq_kernels *aq_active_kernels(void);

#endif
