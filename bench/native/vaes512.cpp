// For processors that encipher four blocks at a time, beside AVX-512.
#include <cmath>
#include <cstring>

#include "kernels.hpp"
#include "target.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define FFL_FLAVOUR vaes512
#define FFL_TABLE VAES512
#define FFL_NAME "vaes-512"
#define FFL_WIDTH 16
#define FFL_TARGET "vaes,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,aes,popcnt"
FFL_BEGIN
namespace fflbench {
#include "cipher.hpp"
}
FFL_END
#endif
