// The median of every column of few rows: a column's values fit into registers and are sorted there, by a network that is
// made when this is compiled. What no middle value depends on the compiler leaves out.
namespace FFL_FLAVOUR {

struct Pair {
  int low, high;
};

template <int N>
struct Pairs {
  Pair items[8 * N];
  int count;
};

// Batcher's merge exchange (Knuth, The Art of Computer Programming 3, 5.2.2 M).
template <int N>
constexpr Pairs<N> merge_exchange() {
  Pairs<N> found{};
  int top = 1;
  while (2 * top < N) top *= 2;
  for (int p = top; p > 0; p /= 2) {
    int q = top, r = 0, d = p;
    while (true) {
      for (int i = 0; i < N - d; ++i)
        if ((i & p) == r) found.items[found.count++] = {i, i + d};
      if (q == p) break;
      d = q - p;
      q /= 2;
      r = p;
    }
  }
  return found;
}

template <int N>
constexpr Pairs<N> PAIRS = merge_exchange<N>();

template <int N, int PLACE>
FFL_INLINE void exchange(V* values) {
  constexpr Pair one = PAIRS<N>.items[PLACE];
  const V smaller = least(values[one.low], values[one.high]);
  values[one.high] = most(values[one.low], values[one.high]);
  values[one.low] = smaller;
}

template <int N, int... PLACE>
FFL_INLINE void sort(V* values, std::integer_sequence<int, PLACE...>) {
  (exchange<N, PLACE>(values), ...);
}

template <int N>
FFL_INLINE V middle_of(V* values) {
  sort<N>(values, std::make_integer_sequence<int, PAIRS<N>.count>());
  return N % 2 != 0 ? values[N / 2] : (values[(N - 1) / 2] + values[N / 2]) / all(2.0f);
}

// A column of N rows from `first` on, filled up with zeros behind the last one. Returns their sum.
template <int N>
FFL_INLINE V column(const Matrix& rows, long first, long at, V* values) {
  const long bytes = (rows.columns - at < WIDTH ? rows.columns - at : WIDTH) * long(sizeof(float));
  V sum = all(0.0f);
  FFL_UNROLL
  for (int row = 0; row < N; ++row) {
    const float* from = rows.values + (first + row) * rows.stride + at;
    values[row] = all(0.0f);
    if (bytes == sizeof(V))
      values[row] = load(from);
    else
      std::memcpy(&values[row], from, bytes);
    sum += values[row];
  }
  return sum;
}

// Returns false if a value may not be finite, of which minima and maxima lose some; nothing is right then.
template <int N>
inline bool median_of(const Matrix& rows, float* to) {
  V lost = all(0.0f);
  for (long at = 0; at < rows.columns; at += WIDTH) {
    V values[N];
    const V sum = column<N>(rows, 0, at, values);
    lost += sum - sum;
    const V middle = middle_of<N>(values);
    const long left = rows.columns - at < WIDTH ? rows.columns - at : WIDTH;
    std::memcpy(to + at, &middle, left * sizeof(float));
  }
  return !any(lost != lost);
}

template <int... N>
FFL_INLINE bool median_of_any(const Matrix& rows, float* to, std::integer_sequence<int, N...>) {
  bool finite = false;
  ((rows.count == N + 1 && (finite = median_of<N + 1>(rows, to))), ...);
  return finite;
}

// Of at most MOST_SORTED rows; false also for more.
inline bool median(const Matrix& rows, float* to) {
  return median_of_any(rows, to, std::make_integer_sequence<int, MOST_SORTED>());
}

}  // namespace FFL_FLAVOUR
