// The mean of the values nearest the median, in every column: they are neighbours in order, so what is looked for is where
// they begin.
namespace FFL_FLAVOUR {

// Of WIDTH columns that are sorted, rows `apart` from each other.
FFL_INLINE V mean_near_middle(const float* ordered, long apart, long rows, long count) {
  const V low = load(ordered + (rows - 1) / 2 * apart), high = load(ordered + rows / 2 * apart);
  const V centre = rows % 2 != 0 ? low : (low + high) / all(2.0f);
  I start = whole(0);
  for (long row = 0; row + count < rows; ++row)
    start -= centre - load(ordered + row * apart) > load(ordered + (row + count) * apart) - centre;
  const I end = start + whole(int(count));
  V sum = all(0.0f);
  for (long row = 0; row < rows; ++row) {
    const I rank = whole(int(row)), used = (rank >= start) & (rank < end);
    sum += used ? load(ordered + row * apart) : all(0.0f);
  }
  return sum / all(float(count));
}

// The network sorts; stretch and buffer are those of a selection.
inline bool near_median(const Matrix& rows, const Network& network, long count, long stretch, float* buffer, float* to) {
  return selected<WIDEST>(rows, network, stretch, buffer, [&](long begin, long width, long apart) {
    for (long at = 0; at < width; at += WIDTH) {
      const V mean = mean_near_middle(buffer + at, apart, rows.count, count);
      const long left = width - at < WIDTH ? width - at : WIDTH;
      std::memcpy(to + begin + at, &mean, left * sizeof(float));
    }
  });
}

}  // namespace FFL_FLAVOUR
