/* Sixteen floats at a time, with the same values on every processor: each operation here is one IEEE operation a lane
 * (a fused multiply-add rounds once everywhere), and lanes are added up in one fixed order. Files that use it are
 * compiled once for each instruction set, with contraction off. */
#ifndef AQUILON_VECTOR_H
#define AQUILON_VECTOR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define LANES 16

/* UNROLL stands before a loop with few, known iterations, so that the arrays it indexes stay in registers. WIDE: whether there
 * are enough registers for that, and copies of a function for each shape are faster. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define WIDE 1
#define UNROLL _Pragma("GCC unroll 16")
#else
#define WIDE 0
#define UNROLL
#endif

typedef float v16 __attribute__((vector_size(64)));
typedef int32_t i16x __attribute__((vector_size(64)));

INLINE v16 v_set(float x) { return (v16){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }
INLINE v16 v_zero(void) { return (v16){0}; }

INLINE v16 v_load(const float *p) {
    v16 r;
    memcpy(&r, p, sizeof r);
    return r;
}

INLINE void v_store(float *p, v16 x) { memcpy(p, &x, sizeof x); }

INLINE v16 v_fma(v16 a, v16 b, v16 c) {
#if defined(__AVX512F__)
    return (v16)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
    union { v16 v; __m256 h[2]; } x = {a}, y = {b}, z = {c};
    z.h[0] = _mm256_fmadd_ps(x.h[0], y.h[0], z.h[0]);
    z.h[1] = _mm256_fmadd_ps(x.h[1], y.h[1], z.h[1]);
    return z.v;
#elif defined(__aarch64__)
    union { v16 v; float32x4_t q[4]; } x = {a}, y = {b}, z = {c};
    for (int i = 0; i < 4; i++) z.q[i] = vfmaq_f32(z.q[i], x.q[i], y.q[i]);
    return z.v;
#else
    for (int i = 0; i < LANES; i++) c[i] = fmaf(a[i], b[i], c[i]);
    return c;
#endif
}

INLINE v16 v_max(v16 a, v16 b) {
#if defined(__AVX512F__)
    return (v16)_mm512_max_ps((__m512)a, (__m512)b);
#else
    for (int i = 0; i < LANES; i++) a[i] = a[i] > b[i] ? a[i] : b[i];
    return a;
#endif
}

INLINE v16 v_abs(v16 a) {
    i16x bits = (i16x)a & 0x7fffffff;
    return (v16)bits;
}

INLINE v16 v_select(i16x mask, v16 yes, v16 no) { return (v16)((mask & (i16x)yes) | (~mask & (i16x)no)); }

INLINE v16 v_from_int(i16x x) {
#if defined(__AVX512F__)
    return (v16)_mm512_cvtepi32_ps((__m512i)x);
#else
    return __builtin_convertvector(x, v16);
#endif
}

/* To the nearest integer, ties to even. */
INLINE i16x v_round(v16 x) {
#if defined(__AVX512F__)
    return (i16x)_mm512_cvtps_epi32((__m512)x);
#elif defined(__AVX2__)
    union { v16 v; __m256 h[2]; } a = {x};
    union { i16x v; __m256i h[2]; } r;
    r.h[0] = _mm256_cvtps_epi32(a.h[0]);
    r.h[1] = _mm256_cvtps_epi32(a.h[1]);
    return r.v;
#else
    i16x r;
    for (int i = 0; i < LANES; i++) r[i] = (int32_t)lrintf(x[i]);
    return r;
#endif
}

/* The sum of the lanes: halves onto halves. */
INLINE float v_sum(v16 x) {
#if defined(__AVX512F__)
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256((__m512)x), _mm512_extractf32x8_ps((__m512)x, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
#else
    float a[LANES];
    v_store(a, x);
    for (int width = 8; width > 0; width /= 2)
        for (int i = 0; i < width; i++) a[i] = a[i] + a[i + width];
    return a[0];
#endif
}

INLINE float v_largest(v16 x) {
#if defined(__AVX512F__)
    return _mm512_reduce_max_ps((__m512)x);
#else
    float a[LANES];
    v_store(a, x);
    for (int width = 8; width > 0; width /= 2)
        for (int i = 0; i < width; i++) a[i] = a[i] > a[i + width] ? a[i] : a[i + width];
    return a[0];
#endif
}

/* e^x within 2 units in the last place; 0 below -87, e^88 above 88. Cephes' range reduction with a degree-6 polynomial. */
INLINE v16 v_exp(v16 x) {
    i16x underflow = x < v_set(-87.0f);
    x = v_max(x, v_set(-87.0f));
    x = v_select(x > v_set(88.0f), v_set(88.0f), x);
    i16x n = v_round(x * v_set(1.44269504088896341f));
    v16 f = v_from_int(n);
    v16 r = v_fma(f, v_set(-0.693359375f), x);
    r = v_fma(f, v_set(2.12194440e-4f), r);
    v16 p = v_set(1.9875691500e-4f);
    p = v_fma(p, r, v_set(1.3981999507e-3f));
    p = v_fma(p, r, v_set(8.3334519073e-3f));
    p = v_fma(p, r, v_set(4.1665795894e-2f));
    p = v_fma(p, r, v_set(1.6666665459e-1f));
    p = v_fma(p, r, v_set(5.0000001201e-1f));
    p = v_fma(p, r * r, r);
    p = p + v_set(1.0f);
    v16 power = (v16)((n + 127) << 23);
    return v_select(underflow, v_zero(), p * power);
}

INLINE float half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 0x1f, fraction = h & 0x3ff, bits;
    if (exponent == 0) {
        float value = (float)fraction * 0x1p-24f;
        memcpy(&bits, &value, 4);
        bits |= sign;
    } else if (exponent == 31) {
        bits = sign | 0x7f800000 | fraction << 13;
    } else {
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    }
    float result;
    memcpy(&result, &bits, 4);
    return result;
}

INLINE uint16_t float_to_half(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    uint32_t sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00);
    if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00);
    if (magnitude < 0x38800000) {
        float value;
        memcpy(&value, &magnitude, 4);
        return (uint16_t)(sign | (uint32_t)lrintf(value * 0x1p24f));
    }
    magnitude += 0xfff + ((magnitude >> 13) & 1);
    return (uint16_t)(sign | ((magnitude - 0x38000000) >> 13));
}

INLINE v16 v_load_half(const uint16_t *p) {
#if defined(__AVX512F__)
    return (v16)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
#elif defined(__F16C__)
    union { v16 v; __m256 h[2]; } r;
    r.h[0] = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
    r.h[1] = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 8)));
    return r.v;
#else
    v16 r;
    for (int i = 0; i < LANES; i++) r[i] = half_to_float(p[i]);
    return r;
#endif
}

INLINE uint16_t float_to_bfloat16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)((bits >> 16) | 0x40);
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

INLINE v16 v_load_bfloat16(const uint16_t *p) {
#if defined(__AVX512F__)
    return (v16)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16);
#else
    i16x r;
    for (int i = 0; i < LANES; i++) r[i] = (int32_t)((uint32_t)p[i] << 16);
    return (v16)r;
#endif
}

#endif
