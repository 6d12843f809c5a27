// For processors that encipher one block at a time.
#include <cmath>
#include <cstring>

#include "kernels.hpp"
#include "target.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define FFL_FLAVOUR aesni
#define FFL_TABLE AESNI
#define FFL_NAME "aes-ni"
#define FFL_WIDTH 4
#define FFL_TARGET "aes,sse4.2,popcnt"
FFL_BEGIN
namespace fflbench {
#include "cipher.hpp"
}
FFL_END
#endif
