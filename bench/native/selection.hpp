// The values at some ranks of every column of a matrix, by a network of comparisons. Rows come into a buffer a stretch at a
// time, which memory likes; in it the network works on COLUMNS neighbouring columns, which fit into the nearest cache.
namespace FFL_FLAVOUR {

FFL_INLINE V least(V a, V b) { return a < b ? a : b; }
FFL_INLINE V most(V a, V b) { return a > b ? a : b; }

// Copies a stretch of columns of all rows, filled up with zeros to whole blocks. Notes NaN.
inline I take(const Matrix& rows, long begin, long width, long padded, long apart, float* buffer, I found) {
  for (long row = 0; row < rows.count; ++row) {
    const float* from = rows.values + row * rows.stride + begin;
    float* to = buffer + row * apart;
    long at = 0;
    for (; at + WIDTH <= width; at += WIDTH) {
      const V values = load(from + at);
      found |= values != values;
      store(to + at, values);
    }
    for (; at < padded; ++at) to[at] = at < width ? from[at] : 0.0f;
    if (width % WIDTH != 0) {
      const V last = load(to + width / WIDTH * WIDTH);
      found |= last != last;
    }
  }
  return found;
}

template <int COLUMNS>
FFL_INLINE void compare(const Network& network, long apart, float* buffer) {
  for (const Comparator* one = network.comparators; one != network.comparators + network.count; ++one) {
    float* low = buffer + one->low * apart;
    float* high = buffer + one->high * apart;
    V smaller[COLUMNS / WIDTH], larger[COLUMNS / WIDTH];
    FFL_UNROLL
    for (int k = 0; k < COLUMNS / WIDTH; ++k) {
      const V a = load(low + k * WIDTH), b = load(high + k * WIDTH);
      smaller[k] = least(a, b);
      larger[k] = most(a, b);
    }
    if (one->keeps & 1) {
      FFL_UNROLL
      for (int k = 0; k < COLUMNS / WIDTH; ++k) store(low + k * WIDTH, smaller[k]);
    }
    if (one->keeps & 2) {
      FFL_UNROLL
      for (int k = 0; k < COLUMNS / WIDTH; ++k) store(high + k * WIDTH, larger[k]);
    }
  }
}

// The chosen rows of a stretch one below the other, or their mean, added up in their order.
inline void give(const Network& network, const float* buffer, long apart, long width, bool mean, float* to, long stride) {
  if (!mean) {
    for (long place = 0; place < network.wanted; ++place)
      std::memcpy(to + place * stride, buffer + network.ranks[place] * apart, width * sizeof(float));
    return;
  }
  const V count = all(float(network.wanted));
  for (long at = 0; at < width; at += WIDTH) {
    V sum = load(buffer + network.ranks[0] * apart + at);
    for (long place = 1; place < network.wanted; ++place) sum += load(buffer + network.ranks[place] * apart + at);
    sum = sum / count;
    const long left = width - at < WIDTH ? width - at : WIDTH;
    std::memcpy(to + at, &sum, left * sizeof(float));
  }
}

// `give(begin, width, apart)` takes what it wants of a stretch once the network is done with it. Returns whether there was no
// NaN, which a network of minima and maxima loses.
template <int COLUMNS, class Give>
FFL_INLINE bool selected(const Matrix& rows, const Network& network, long stretch, float* buffer, const Give& give) {
  const long apart = stretch + LANES;  // Not a power of two: rows would drive each other out of the cache.
  I found = whole(0);
  for (long begin = 0; begin < rows.columns; begin += stretch) {
    const long width = rows.columns - begin < stretch ? rows.columns - begin : stretch;
    const long padded = (width + COLUMNS - 1) / COLUMNS * COLUMNS;
    found = take(rows, begin, width, padded, apart, buffer, found);
    for (long at = 0; at < padded; at += COLUMNS) compare<COLUMNS>(network, apart, buffer + at);
    give(begin, width, apart);
  }
  for (int lane = 0; lane < WIDTH; ++lane)
    if (found[lane]) return false;
  return true;
}

// `stretch` is a multiple of WIDEST; the buffer holds as many columns and LANES more of every row.
inline bool ranked(const Matrix& rows, const Network& network, bool mean, long stretch, float* buffer, float* to) {
  const auto given = [&](long begin, long width, long apart) {
    give(network, buffer, apart, width, mean, to + begin, rows.columns);
  };
  return rows.count <= 100 ? selected<WIDEST>(rows, network, stretch, buffer, given)
                           : selected<LANES>(rows, network, stretch, buffer, given);
}

}  // namespace FFL_FLAVOUR
