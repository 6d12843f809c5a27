// Kernels for processors with AVX2 and fused multiplication.
#include <cmath>
#include <cstring>
#include <utility>

#include "kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define FFL_FLAVOUR avx2
#define FFL_TABLE AVX2
#define FFL_NAME "avx2"
#define FFL_WIDTH 8
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
namespace fflbench {
#include "flavour.hpp"
}
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
