// Kernels for processors with AVX2 and fused multiplication.
#include <cmath>
#include <cstring>
#include <utility>

#include "kernels.hpp"
#include "target.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define FFL_FLAVOUR avx2
#define FFL_TABLE AVX2
#define FFL_NAME "avx2"
#define FFL_WIDTH 8
#define FFL_TARGET "avx2,fma"
FFL_BEGIN
namespace fflbench {
#include "flavour.hpp"
}
FFL_END
#endif
