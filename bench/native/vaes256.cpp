// For processors that encipher two blocks at a time, beside AVX2.
#include <cmath>
#include <cstring>

#include "kernels.hpp"
#include "target.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define FFL_FLAVOUR vaes256
#define FFL_TABLE VAES256
#define FFL_NAME "vaes-256"
#define FFL_WIDTH 8
#define FFL_TARGET "vaes,avx2,fma,aes,popcnt"
FFL_BEGIN
namespace fflbench {
#include "cipher.hpp"
}
FFL_END
#endif
