// For processors that encipher four blocks at a time, beside AVX-512.
#include <cmath>
#include <cstring>

#include "kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define FFL_FLAVOUR vaes512
#define FFL_TABLE VAES512
#define FFL_NAME "vaes-512"
#define FFL_WIDTH 16
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("vaes,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,aes,popcnt"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("vaes,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,aes,popcnt")
#endif
namespace fflbench {
#include "cipher.hpp"
}
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
