/* The operations between products: quantization of activations, normalization, the gated activation. */
#include "variant.h"

/* The largest 16-bit value whose high byte, rounded, is still a signed byte: 127 * 256 + 127. */
#define LARGEST 32639.0f
/* A group below it counts as zero: its inverse would overflow. */
#define SMALLEST 1e-30f

void VARIANT_NAME(aq_quantize)(const float *x, const aq_activations *a, int row) {
    int first = row - row % a->block, rows = a->rows - first < a->block ? a->rows - first : a->block;
    int64_t slot = (int64_t)first * a->groups + (row - first);
    for (int g = 0; g < a->groups; g++, slot += rows, x += GROUP) {
        v16 x0 = v_load(x), x1 = v_load(x + LANES);
        float largest = v_largest(v_max(v_abs(x0), v_abs(x1)));
        int zero = largest < SMALLEST;
        float inverse = zero ? 0 : LARGEST / largest;
        i16x q0 = v_round(x0 * v_set(inverse)), q1 = v_round(x1 * v_set(inverse));
        i16x high0 = (q0 + 128) >> 8, high1 = (q1 + 128) >> 8;
        i16x low0 = q0 - (high0 << 8), low1 = q1 - (high1 << 8);
        int8_t *planes = a->planes + slot * 64;
#if defined(__AVX512F__)
        _mm_storeu_si128((__m128i *)planes, _mm512_cvtepi32_epi8((__m512i)high0));
        _mm_storeu_si128((__m128i *)(planes + 16), _mm512_cvtepi32_epi8((__m512i)high1));
        _mm_storeu_si128((__m128i *)(planes + 32), _mm512_cvtepi32_epi8((__m512i)low0));
        _mm_storeu_si128((__m128i *)(planes + 48), _mm512_cvtepi32_epi8((__m512i)low1));
        int32_t total = _mm512_reduce_add_epi32((__m512i)(q0 + q1));
#else
        int32_t total = 0;
        for (int i = 0; i < LANES; i++) {
            planes[i] = (int8_t)high0[i];
            planes[16 + i] = (int8_t)high1[i];
            planes[32 + i] = (int8_t)low0[i];
            planes[48 + i] = (int8_t)low1[i];
            total += q0[i] + q1[i];
        }
#endif
        float scale = zero ? 0 : largest / LARGEST;
        a->scales[slot] = scale;
        a->totals[slot] = total;
        a->sums[slot] = scale * (float)total;
    }
}

void VARIANT_NAME(aq_norm)(const float *x, const float *weight, float epsilon, float *y, int size) {
    v16 squares = v_zero();
    for (int i = 0; i < size; i += LANES) squares = v_fma(v_load(x + i), v_load(x + i), squares);
    v16 inverse = v_set(1.0f / sqrtf(v_sum(squares) / (float)size + epsilon));
    for (int i = 0; i < size; i += LANES) v_store(y + i, v_load(x + i) * inverse * v_load(weight + i));
}

void VARIANT_NAME(aq_silu)(const float *gate, const float *up, float *y, int size) {
    for (int i = 0; i < size; i += LANES) {
        v16 g = v_load(gate + i);
        v_store(y + i, g / (v_exp(-g) + v_set(1.0f)) * v_load(up + i));
    }
}
