/* Names a file's functions for the instruction set it is compiled for: VARIANT is avx512, avx2 or portable. */
#ifndef AQUILON_VARIANT_H
#define AQUILON_VARIANT_H

#include "kernels.h"
#include "vector.h"

#define VARIANT_JOIN(name, variant) name##_##variant
#define VARIANT_EXPAND(name, variant) VARIANT_JOIN(name, variant)
#define VARIANT_NAME(name) VARIANT_EXPAND(name, VARIANT)

#endif
