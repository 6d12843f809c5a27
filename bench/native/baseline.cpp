// Kernels for what every processor of the family has: SSE2 or NEON.
#include <cmath>
#include <cstring>
#include <utility>

#include "kernels.hpp"

#define FFL_FLAVOUR baseline
#define FFL_TABLE BASELINE
#define FFL_NAME "baseline"
#define FFL_WIDTH 4

namespace fflbench {
#include "flavour.hpp"
}
