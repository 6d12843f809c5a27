// The mean of some rows, to the last bit as torch adds up a column, but row by row, as they lie in memory: a cascade of sums of
// a step of rows, of a step of such sums, and so on.
namespace FFL_FLAVOUR {

constexpr int MOST_LEVELS = 4;
constexpr long MEANWISE = 1 << 10;  // Columns at once: the sums of all levels stay in the nearest cache.

template <int COUNT>
FFL_INLINE void add_rows(const Matrix& rows, const long* chosen, long begin, long width, float* sums) {
  const float* from[COUNT];
  for (int row = 0; row < COUNT; ++row) from[row] = rows.values + chosen[row] * rows.stride + begin;
  for (long at = 0; at < width; at += WIDTH) {
    V sum = load(sums + at);
    FFL_UNROLL
    for (int row = 0; row < COUNT; ++row) {
      sum += load(from[row] + at);
      expect(from[row] + at + MEANWISE);
    }
    store(sums + at, sum);
  }
}

FFL_INLINE void add_to(float* upper, const float* lower, long width) {
  for (long at = 0; at < width; at += WIDTH) store(upper + at, load(upper + at) + load(lower + at));
}

// Of the rows at `chosen`, `count` of them; as many columns as make whole registers.
inline void mean(const Matrix& rows, const long* chosen, long count, float* to) {
  int power = 0;
  while (1L << power < count) ++power;
  power = power / MOST_LEVELS > 4 ? power / MOST_LEVELS : 4;
  const long step = 1L << power;
  int levels = 1;
  for (long full = step; full <= count && levels < MOST_LEVELS; full *= step) ++levels;
  float sums[MOST_LEVELS][MEANWISE];
  for (long begin = 0; begin < rows.columns; begin += MEANWISE) {
    const long width = rows.columns - begin < MEANWISE ? rows.columns - begin : MEANWISE;
    for (int level = 0; level < levels; ++level) std::memset(sums[level], 0, width * sizeof(float));
    long row = 0;
    while (row + step <= count) {
      for (const long end = row + step; row < end; row += 4) add_rows<4>(rows, chosen + row, begin, width, sums[0]);
      for (int level = 1; level < levels; ++level) {
        add_to(sums[level], sums[level - 1], width);
        std::memset(sums[level - 1], 0, width * sizeof(float));
        if (row & ((step - 1) << (level * power))) break;
      }
    }
    for (; row + 4 <= count; row += 4) add_rows<4>(rows, chosen + row, begin, width, sums[0]);
    for (; row < count; ++row) add_rows<1>(rows, chosen + row, begin, width, sums[0]);
    for (int level = 1; level < levels; ++level) add_to(sums[0], sums[level], width);
    for (long at = 0; at < width; at += WIDTH) store(to + begin + at, load(sums[0] + at) / all(float(count)));
  }
}

}  // namespace FFL_FLAVOUR
