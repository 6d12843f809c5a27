// The median of every column of more rows than fit into registers: in parts that do, each sorted there and put down, then
// made into two sorted lists, of which the middle values are found without sorting on.
namespace FFL_FLAVOUR {

constexpr long AHEAD = 2 * SIDE;  // How far behind what is sorted memory is read.

// Sorts the columns of N rows from `first` on and puts them down one below the other. Returns what is NaN where a value may
// not be finite.
template <int N>
inline V sort_part(const Matrix& rows, long first, long begin, long width, long apart, float* to) {
  V lost = all(0.0f);
  for (long at = 0; at < width; at += WIDTH) {
    V values[N];
    expect(rows, first, N, begin + AHEAD + at, WIDTH);
    const V sum = column<N>(rows, first, begin + at, values);
    lost += sum - sum;
    sort<N>(values, std::make_integer_sequence<int, PAIRS<N>.count>());
    FFL_UNROLL
    for (int row = 0; row < N; ++row) store(to + row * apart + at, values[row]);
  }
  return lost;
}

template <int... N>
FFL_INLINE V sort_any(int size, const Matrix& rows, long first, long begin, long width, long apart, float* to,
                      std::integer_sequence<int, N...>) {
  V lost = all(0.0f);
  const auto at_once = [&](V found) { lost = found; };
  ((size == LEAST_PART + N ? at_once(sort_part<LEAST_PART + N>(rows, first, begin, width, apart, to)) : void()), ...);
  return lost;
}

// The i-th smallest, from 1, of a sorted list of rows in a buffer; before the first lies what is smaller than everything, and
// what is not there is larger.
FFL_INLINE V ith(int i, const int* order, int count, const float* buffer, long apart) {
  if (i == 0) return all(-__builtin_inff());
  return i < 0 || i > count ? all(__builtin_inff()) : load(buffer + order[i - 1] * apart);
}

// The mean of the two middle values of two sorted lists, or the one. However many of the first list are taken for the k
// smallest of all, the last of those taken is no smaller than the k-th; for the right number it is that.
FFL_INLINE V middle_of_two(const Lists& lists, const float* buffer, long apart) {
  const int *order = lists.order + lists.first, count = lists.first + lists.second, k = (count + 1) / 2;
  const int from = k > lists.second ? k - lists.second : 0, to = k < lists.first ? k + 1 : lists.first;
  V low = all(__builtin_inff()), high = low, before = ith(k + 1 - from, order, lists.second, buffer, apart);
  for (int taken = from; taken <= to; ++taken) {
    const V one = ith(taken, lists.order, lists.first, buffer, apart);
    const V other = ith(k - taken, order, lists.second, buffer, apart);
    low = least(low, most(one, other));
    high = least(high, most(one, before));
    before = other;
  }
  return count % 2 != 0 ? low : (low + high) / all(2.0f);
}

// Returns false if a value may not be finite. The buffer holds SIDE columns and LANES more of every row.
inline bool median_of_parts(const Matrix& rows, const Lists& lists, float* buffer, float* to) {
  const long apart = SIDE + LANES;
  const Network merging{lists.merges, lists.merging, nullptr, 0};
  V lost = all(0.0f);
  for (long begin = 0; begin < rows.columns; begin += SIDE) {
    const long width = rows.columns - begin < SIDE ? rows.columns - begin : SIDE;
    long first = 0;
    for (int part = 0; part < lists.parts; first += lists.sizes[part++])
      lost += sort_any(lists.sizes[part], rows, first, begin, width, apart, buffer + first * apart,
                       std::make_integer_sequence<int, MOST_PART - LEAST_PART + 1>());
    for (long at = 0; at < width && merging.count > 0; at += WIDEST) compare<WIDEST>(merging, apart, buffer + at);
    for (long at = 0; at < width; at += WIDTH) {
      const V middle = middle_of_two(lists, buffer + at, apart);
      const long left = width - at < WIDTH ? width - at : WIDTH;
      std::memcpy(to + begin + at, &middle, left * sizeof(float));
    }
  }
  return !any(lost != lost);
}

}  // namespace FFL_FLAVOUR
