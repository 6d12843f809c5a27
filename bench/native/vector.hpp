// Vectors of the instruction set that a kernel file is compiled for. Sixteen samples lie side by side everywhere: a LANES
// group is one AVX-512 register, two of AVX2, four of SSE2 or NEON. Every sum has the same order in each of them.
#if defined(__clang__)
#define FFL_UNROLL _Pragma("clang loop unroll(full)")
#define FFL_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define FFL_UNROLL _Pragma("GCC unroll 32")
#define FFL_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, FourPlaces{__VA_ARGS__})
#endif
#define FFL_INLINE inline __attribute__((always_inline))

namespace FFL_FLAVOUR {

constexpr int LANES = 16;

typedef float V __attribute__((vector_size(FFL_WIDTH * sizeof(float))));
typedef int I __attribute__((vector_size(FFL_WIDTH * sizeof(int))));
typedef unsigned U __attribute__((vector_size(FFL_WIDTH * sizeof(unsigned))));
typedef float Four __attribute__((vector_size(16)));
typedef signed char B __attribute__((vector_size(FFL_WIDTH)));

constexpr int WIDTH = FFL_WIDTH;

template <class T, class S>
FFL_INLINE T load_as(const S* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class T, class S>
FFL_INLINE void store_as(S* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

FFL_INLINE V load(const float* from) { return load_as<V>(from); }
FFL_INLINE void store(float* to, V value) { store_as(to, value); }

// Spelled out: from a loop, GCC sets one lane after the other.
template <class T, class S>
FFL_INLINE T filled(S v) {
#if FFL_WIDTH == 16
  return T{v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v};
#elif FFL_WIDTH == 8
  return T{v, v, v, v, v, v, v, v};
#else
  return T{v, v, v, v};
#endif
}

FFL_INLINE V all(float value) { return filled<V>(value); }
FFL_INLINE I whole(int value) { return filled<I>(value); }

// The sum of sixteen numbers: halves onto each other until one is left.
FFL_INLINE float sum16(const float* values) {
  const Four even = load_as<Four>(values) + load_as<Four>(values + 8);
  const Four odd = load_as<Four>(values + 4) + load_as<Four>(values + 12);
  const Four four = even + odd;
  return (four[0] + four[2]) + (four[1] + four[3]);
}

// e^x to one unit in the last place or two: 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2]. NaN stays NaN.
FFL_INLINE V exp(V x) {
  const V low = all(-87.0f), high = all(88.0f);
  const I too_low = x < low, too_high = x > high;
  const V inside = too_low ? low : too_high ? high : x;
  const V shift = all(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number.
  const V rounded = inside * all(1.44269504f) + shift - shift;
  V rest = inside - rounded * all(0.693359375f);
  rest = rest + rounded * all(2.12194440e-4f);
  V sum = all(1.0f / 5040);
  sum = sum * rest + all(1.0f / 720);
  sum = sum * rest + all(1.0f / 120);
  sum = sum * rest + all(1.0f / 24);
  sum = sum * rest + all(1.0f / 6);
  sum = sum * rest + all(0.5f);
  sum = sum * rest + all(1.0f);
  sum = sum * rest + all(1.0f);
  const I power = (__builtin_convertvector(rounded, I) + 127) << 23;
  const V result = sum * load_as<V>(&power);
  return too_low ? all(0.0f) : too_high ? result * all(INFINITY) : result;
}

FFL_INLINE V sigmoid(V x) { return all(1.0f) / (all(1.0f) + exp(-x)); }

}  // namespace FFL_FLAVOUR
