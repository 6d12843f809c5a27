// Kernels for processors with AVX-512.
#include <cmath>
#include <cstring>
#include <utility>

#include "kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define FFL_FLAVOUR avx512
#define FFL_TABLE AVX512
#define FFL_NAME "avx512"
#define FFL_WIDTH 16
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
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
