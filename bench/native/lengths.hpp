// What rows are long and how they point, in double precision: in sixteen lanes whatever a register holds, so that all
// processors add in the same order.
namespace FFL_FLAVOUR {

constexpr long POINTWISE = 1 << 12;  // Columns at once: the point's part stays in the nearest cache.
constexpr int HALF = WIDTH / 2;
typedef float Half __attribute__((vector_size(HALF * sizeof(float))));
typedef double Wide __attribute__((vector_size(HALF * sizeof(double))));

struct Squares {  // Without a point.
  template <class T>
  FFL_INLINE static T of(T value, T) {
    return value * value;
  }
};

struct Distances {  // Squared.
  template <class T>
  FFL_INLINE static T of(T value, T point) {
    return (value - point) * (value - point);
  }
};

struct Products {
  template <class T>
  FFL_INLINE static T of(T value, T point) {
    return value * point;
  }
};

FFL_INLINE Wide wide(const float* from) { return __builtin_convertvector(load_as<Half>(from), Wide); }

// Adds to the lanes of one row what `Term` makes of its values and those of a point, from the first of a lane on.
template <class Term>
FFL_INLINE void add_terms(const float* row, const float* point, long width, double* lanes) {
  Wide sums[LANES / HALF];
  FFL_UNROLL
  for (int k = 0; k < LANES / HALF; ++k) sums[k] = load_as<Wide>(lanes + k * HALF);
  long at = 0;
  for (; at + LANES <= width; at += LANES) {
    FFL_UNROLL
    for (int k = 0; k < LANES / HALF; ++k) sums[k] += Term::of(wide(row + at + k * HALF), wide(point + at + k * HALF));
    expect(row + at + POINTWISE);
  }
  FFL_UNROLL
  for (int k = 0; k < LANES / HALF; ++k) store_as(lanes + k * HALF, sums[k]);
  for (int lane = 0; at < width; ++at, ++lane) lanes[lane] += Term::of(double(row[at]), double(point[at]));
}

// One sum for each row. `lanes` has room for LANES numbers of each.
template <class Term>
inline void summed(const Matrix& rows, const float* point, double* lanes, double* to) {
  std::memset(lanes, 0, rows.count * LANES * sizeof(double));
  for (long begin = 0; begin < rows.columns; begin += POINTWISE) {
    const long width = rows.columns - begin < POINTWISE ? rows.columns - begin : POINTWISE;
    for (long row = 0; row < rows.count; ++row) {
      const float* from = rows.values + row * rows.stride + begin;
      add_terms<Term>(from, point ? point + begin : from, width, lanes + row * LANES);
    }
  }
  for (long row = 0; row < rows.count; ++row) {
    double* own = lanes + row * LANES;
    for (int apart = LANES / 2; apart > 0; apart /= 2)
      for (int lane = 0; lane < apart; ++lane) own[lane] += own[lane + apart];
    to[row] = own[0];
  }
}

// In every column how many values are positive, less how many are negative.
inline void votes(const Matrix& rows, float* to) {
  constexpr long STRETCH = 1 << 11;
  int sums[STRETCH];
  for (long begin = 0; begin < rows.columns; begin += STRETCH) {
    const long width = rows.columns - begin < STRETCH ? rows.columns - begin : STRETCH;
    std::memset(sums, 0, sizeof sums);
    for (long row = 0; row < rows.count; ++row) {
      const float* from = rows.values + row * rows.stride + begin;
      long at = 0;
      for (; at + WIDTH <= width; at += WIDTH) {
        const V values = load(from + at);
        const I more = values > all(0.0f), less = values < all(0.0f);
        store_as(sums + at, load_as<I>(sums + at) - more + less);
        expect(from + at + STRETCH);
      }
      for (; at < width; ++at) sums[at] += (from[at] > 0) - (from[at] < 0);
    }
    for (long at = 0; at < width; ++at) to[begin + at] = float(sums[at]);
  }
}

}  // namespace FFL_FLAVOUR
