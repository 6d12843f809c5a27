// For processors that encipher one block at a time.
#include <cmath>
#include <cstring>

#include "kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define FFL_FLAVOUR aesni
#define FFL_TABLE AESNI
#define FFL_NAME "aes-ni"
#define FFL_WIDTH 4
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("aes,sse4.2,popcnt"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("aes,sse4.2,popcnt")
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
