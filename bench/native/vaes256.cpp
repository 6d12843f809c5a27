// For processors that encipher two blocks at a time, beside AVX2.
#include <cmath>
#include <cstring>

#include "kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define FFL_FLAVOUR vaes256
#define FFL_TABLE VAES256
#define FFL_NAME "vaes-256"
#define FFL_WIDTH 8
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("vaes,avx2,fma,aes,popcnt"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("vaes,avx2,fma,aes,popcnt")
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
