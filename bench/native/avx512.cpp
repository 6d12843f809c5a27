// Kernels for processors with AVX-512.
#include <cmath>
#include <cstring>
#include <utility>

#include "kernels.hpp"
#include "target.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define FFL_FLAVOUR avx512
#define FFL_TABLE AVX512
#define FFL_NAME "avx512"
#define FFL_WIDTH 16
#define FFL_TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"
FFL_BEGIN
namespace fflbench {
#include "flavour.hpp"
}
FFL_END
#endif
