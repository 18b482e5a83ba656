/* Products of packed weights with quantized activations.
 *
 * A row's output is the sum over groups, in order, of fma(scale, float(S) * s, acc) and then fma(offset, sum, acc), where
 * S = sum(q * x16) - zero * sum(x16) is an exact integer and s the activation's scale. The result doesn't depend on how many
 * rows are computed together, on the thread, or on the instruction set. */
#include "variant.h"

typedef struct {
    const uint8_t *quanta;
    int quanta_stride; /* bytes from group to group */
    const uint8_t *scales, *offsets;
    int scales_stride;
} panel;

INLINE panel open_panel(const aq_matrix *m, int index) {
    int quanta_bytes = GROUP * PANEL * m->bits / 8, scale_bytes = PANEL * (m->wide_scales ? 4 : 2);
    int group_bytes = quanta_bytes + (m->zero < 0 ? 2 : 1) * scale_bytes;
    const uint8_t *start = m->panels + (int64_t)index * (m->inputs / GROUP) * group_bytes;
    return (panel){start, group_bytes, start + quanta_bytes, start + quanta_bytes + scale_bytes, group_bytes};
}

INLINE v16 load_scale(const uint8_t *at, int wide) { return wide ? v_load((const float *)at) : v_load_half((const uint16_t *)at); }

/* Bytes between what is read and what is prefetched. */
#define AHEAD 2048

/* The 8 quads of one group as 512 unsigned bytes. */
INLINE void unpack_group(const uint8_t *packed, uint8_t *quads) {
    for (int pair = 0; pair < 4; pair++)
        for (int i = 0; i < 64; i++) {
            quads[pair * 128 + i] = packed[pair * 64 + i] & 15;
            quads[pair * 128 + 64 + i] = packed[pair * 64 + i] >> 4;
        }
}

/* S of one group for `rows` rows: each lane's 32 products with the high bytes, times 256, plus those with the low ones. */
#if defined(__AVX512VNNI__)
#define PACKED_DOT 1
INLINE void group_dot(int rows, int bits, const uint8_t *quanta, const int8_t *planes, i16x *sums) {
    __m512i acc[BLOCK_ROWS];
    UNROLL
    for (int r = 0; r < rows; r++) acc[r] = _mm512_setzero_si512();
    __m512i w[8];
    if (bits == 4) {
        const __m512i nibble = _mm512_set1_epi8(15);
        UNROLL
        for (int pair = 0; pair < 4; pair++) {
            __m512i packed = _mm512_loadu_si512(quanta + pair * 64);
            w[2 * pair] = _mm512_and_si512(packed, nibble);
            w[2 * pair + 1] = _mm512_and_si512(_mm512_srli_epi16(packed, 4), nibble);
        }
    }
    UNROLL
    for (int plane = 0; plane < 2; plane++) {
        UNROLL
        for (int quad = 0; quad < 8; quad++) {
            __m512i weight = bits == 4 ? w[quad] : _mm512_loadu_si512(quanta + quad * 64);
            UNROLL
            for (int r = 0; r < rows; r++) {
                int32_t four;
                memcpy(&four, planes + r * 64 + plane * 32 + quad * 4, 4);
                acc[r] = _mm512_dpbusd_epi32(acc[r], weight, _mm512_set1_epi32(four));
            }
        }
        if (plane == 0)
            UNROLL
            for (int r = 0; r < rows; r++) acc[r] = _mm512_slli_epi32(acc[r], 8);
    }
    UNROLL
    for (int r = 0; r < rows; r++) sums[r] = (i16x)acc[r];
}
#elif defined(__AVX2__)
#define PACKED_DOT 0
/* With 8-bit weights the sum of two products may exceed 16 bits: the weight's nibbles are multiplied separately. */
INLINE __m256i dot_add(__m256i acc, __m256i low, __m256i high, __m256i four) {
    const __m256i ones = _mm256_set1_epi16(1);
    acc = _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(low, four), ones));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(high, four), _mm256_set1_epi16(16)));
}
INLINE void group_dot(int rows, int bits, const uint8_t *quanta, const int8_t *planes, i16x *sums) {
    const __m256i nibble = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
    for (int half = 0; half < 2; half++) {
        __m256i acc[BLOCK_ROWS];
        for (int r = 0; r < rows; r++) acc[r] = _mm256_setzero_si256();
        for (int plane = 0; plane < 2; plane++) {
            for (int quad = 0; quad < 8; quad++) {
                __m256i weight = _mm256_loadu_si256((const __m256i *)(quanta + quad * 64 + half * 32));
                __m256i low = _mm256_and_si256(weight, nibble);
                __m256i high = _mm256_and_si256(_mm256_srli_epi16(weight, 4), nibble);
                for (int r = 0; r < rows; r++) {
                    int32_t four;
                    memcpy(&four, planes + r * 64 + plane * 32 + quad * 4, 4);
                    __m256i x = _mm256_set1_epi32(four);
                    if (bits == 4)
                        acc[r] = _mm256_add_epi32(acc[r], _mm256_madd_epi16(_mm256_maddubs_epi16(weight, x), ones));
                    else
                        acc[r] = dot_add(acc[r], low, high, x);
                }
            }
            if (plane == 0)
                for (int r = 0; r < rows; r++) acc[r] = _mm256_slli_epi32(acc[r], 8);
        }
        for (int r = 0; r < rows; r++) memcpy((char *)&sums[r] + half * 32, &acc[r], 32);
    }
}
#else
#define PACKED_DOT 0
INLINE void group_dot(int rows, int bits, const uint8_t *quanta, const int8_t *planes, i16x *sums) {
    (void)bits;
    for (int r = 0; r < rows; r++) {
        int32_t acc[PANEL] = {0};
        for (int quad = 0; quad < 8; quad++) {
            int32_t x[4];
            for (int k = 0; k < 4; k++)
                x[k] = 256 * planes[r * 64 + quad * 4 + k] + planes[r * 64 + 32 + quad * 4 + k];
            for (int lane = 0; lane < PANEL; lane++)
                for (int k = 0; k < 4; k++) acc[lane] += x[k] * quanta[quad * 64 + lane * 4 + k];
        }
        memcpy(&sums[r], acc, sizeof acc);
    }
}
#endif

/* Outputs of one panel for one block of rows. `bits` is that of `quanta`, which may be a panel unpacked before. */
INLINE void panel_rows(int rows, int bits, int wide, const aq_matrix *m, panel p, const aq_activations *a, int64_t slot,
                       v16 *acc) {
    int groups = m->inputs / GROUP, zero = m->zero;
    UNROLL
    for (int r = 0; r < rows; r++) acc[r] = v_zero();
    for (int g = 0; g < groups; g++, slot += rows) {
        i16x sums[BLOCK_ROWS];
        const uint8_t *quanta = p.quanta + (int64_t)g * p.quanta_stride;
        group_dot(rows, bits, quanta, a->planes + slot * 64, sums);
        if (rows <= 2) /* memory is the bottleneck: prefetch */
            for (int line = 0; line < 64 * bits; line += 64) __builtin_prefetch(quanta + AHEAD + line);
        v16 scale = load_scale(p.scales + (int64_t)g * p.scales_stride, wide);
        if (zero >= 0) {
            UNROLL
            for (int r = 0; r < rows; r++) {
                i16x sum = sums[r] - zero * a->totals[slot + r];
                acc[r] = v_fma(scale, v_from_int(sum) * v_set(a->scales[slot + r]), acc[r]);
            }
        } else {
            v16 offset = load_scale(p.offsets + (int64_t)g * p.scales_stride, wide);
            UNROLL
            for (int r = 0; r < rows; r++) {
                acc[r] = v_fma(scale, v_from_int(sums[r]) * v_set(a->scales[slot + r]), acc[r]);
                acc[r] = v_fma(offset, v_set(a->sums[slot + r]), acc[r]);
            }
        }
    }
}

#define FOR_EACH_ROW_COUNT(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)

#define DEFINE_ROWS(N)                                                                                               \
    static void rows_##N(int bits, const aq_matrix *m, panel p, const aq_activations *a, int64_t slot, v16 *out) {   \
        v16 acc[N];                                                                                                  \
        if (bits == 4) {                                                                                             \
            if (m->wide_scales) panel_rows(N, 4, 1, m, p, a, slot, acc);                                             \
            else panel_rows(N, 4, 0, m, p, a, slot, acc);                                                            \
        } else {                                                                                                     \
            if (m->wide_scales) panel_rows(N, 8, 1, m, p, a, slot, acc);                                             \
            else panel_rows(N, 8, 0, m, p, a, slot, acc);                                                            \
        }                                                                                                            \
        UNROLL for (int r = 0; r < N; r++) out[r] = acc[r];                                                            \
    }
FOR_EACH_ROW_COUNT(DEFINE_ROWS)

typedef void (*rows_function)(int, const aq_matrix *, panel, const aq_activations *, int64_t, v16 *);
#define ROWS_ENTRY(N) rows_##N,
static const rows_function rows_functions[BLOCK_ROWS] = {FOR_EACH_ROW_COUNT(ROWS_ENTRY)};

INLINE void put(v16 value, const float *bias, float *out, aq_output_mode mode, int count) {
    if (count == PANEL) {
        if (bias) value = value + v_load(bias);
        if (mode == AQ_ADD) value = value + v_load(out);
        v_store(out, value);
        return;
    }
    for (int i = 0; i < count; i++) {
        float x = value[i];
        if (bias) x = x + bias[i];
        out[i] = mode == AQ_ADD ? x + out[i] : x;
    }
}

static void unpack_panel(panel p, int groups, uint8_t *unpacked) {
    for (int g = 0; g < groups; g++) unpack_group(p.quanta + (int64_t)g * p.quanta_stride, unpacked + (int64_t)g * 512);
}

void VARIANT_NAME(aq_linear)(const aq_matrix *m, const aq_activations *a, const float *bias, float *out, int64_t stride,
                             aq_output_mode mode, int first, int last, void *scratch) {
    int groups = m->inputs / GROUP, bits = m->bits;
    int panels = last - first;
    panel opened[AQ_PANELS_AT_ONCE];
    int unpack = bits == 4 && !PACKED_DOT;
    for (int i = 0; i < panels; i++) {
        opened[i] = open_panel(m, first + i);
        if (!unpack) continue;
        uint8_t *unpacked = (uint8_t *)scratch + (int64_t)i * groups * 512;
        unpack_panel(opened[i], groups, unpacked);
        opened[i].quanta = unpacked;
        opened[i].quanta_stride = 512;
    }
    for (int row = 0; row < a->rows; row += a->block) {
        int rows = a->rows - row < a->block ? a->rows - row : a->block;
        for (int i = 0; i < panels; i++) {
            int output = (first + i) * PANEL;
            int count = m->outputs - output < PANEL ? m->outputs - output : PANEL;
            v16 acc[BLOCK_ROWS];
            rows_functions[rows - 1](bits, m, opened[i], a, (int64_t)row * groups, acc);
            for (int r = 0; r < rows; r++) {
                int64_t column = m->first_output + output;
                put(acc[r], bias ? bias + column : 0, out + (row + r) * stride + column, mode, count);
            }
        }
    }
}

void VARIANT_NAME(aq_embed)(const aq_matrix *m, int64_t index, float *out) {
    panel p = open_panel(m, (int)(index / PANEL));
    int lane = (int)(index % PANEL), groups = m->inputs / GROUP;
    for (int g = 0; g < groups; g++) {
        const uint8_t *scales = p.scales + (int64_t)g * p.scales_stride, *offsets = p.offsets + (int64_t)g * p.scales_stride;
        float scale = m->wide_scales ? ((const float *)scales)[lane] : half_to_float(((const uint16_t *)scales)[lane]);
        float offset = 0;
        if (m->zero < 0)
            offset = m->wide_scales ? ((const float *)offsets)[lane] : half_to_float(((const uint16_t *)offsets)[lane]);
        const uint8_t *quanta = p.quanta + (int64_t)g * p.quanta_stride;
        for (int k = 0; k < GROUP; k++) {
            int quad = k / 4, byte = lane * 4 + k % 4, q;
            if (m->bits == 8) q = quanta[quad * 64 + byte];
            else q = quanta[quad / 2 * 64 + byte] >> (quad % 2 * 4) & 15;
            out[g * GROUP + k] = m->zero < 0 ? scale * (float)q + offset : scale * (float)(q - m->zero);
        }
    }
}
