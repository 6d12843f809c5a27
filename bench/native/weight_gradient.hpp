// The gradient of a convolution's weights: sums over positions and samples, sixteen samples side by side until the end.
namespace FFL_FLAVOUR {

constexpr int MOST_ROWS = FFL_WIDTH == 16 ? 5 : 2;
constexpr int MOST_COLUMNS = 5;

// Rows of outputs, from first up to last.
struct Rows {
  long first, last;
};

// The rows in which any of some columns meets an input that is not padding.
inline Rows rows_of(const Convolution& c, long column, long count) {
  const Window& w = c.window;
  Rows found{c.sums.height, 0};
  for (long k = column; k < column + count; ++k) {
    const long shift = w.pad - k % w.taps() / w.kernel_x;  // Input row = stride * output row - shift.
    const long first = shift > 0 ? (shift + w.stride - 1) / w.stride : 0;
    const long last = c.input.height + shift > 0 ? (c.input.height + shift - 1) / w.stride + 1 : 0;
    found.first = first < found.first ? first : found.first;
    found.last = last > found.last ? last : found.last;
  }
  found.last = found.last < c.sums.height ? found.last : c.sums.height;
  return found;
}

template <int O, int K>
inline void weight_tile(const Convolution& c, const float* input, const float* sums, const long* columns, Rows rows,
                        float* gradient, long outputs) {
  float partial[O][K][LANES];
  const long row = c.window.stride * c.input.row(), column = c.window.stride * GROUP;
  for (int half = 0; half < LANES; half += WIDTH) {
    V tile[O][K] = {};
    for (long y = rows.first; y < rows.last; ++y) {
      const float* in = input + y * row + half;
      const float* out = sums + y * c.sums.row() + half;
      for (long x = 0; x < c.sums.width; ++x, in += column, out += GROUP) {
        V factor[O];
        FFL_UNROLL
        for (int o = 0; o < O; ++o) factor[o] = load(out + o * c.sums.plane());
        FFL_UNROLL
        for (int k = 0; k < K; ++k) {
          const V value = load(in + columns[k]);
          FFL_UNROLL
          for (int o = 0; o < O; ++o) tile[o][k] += factor[o] * value;
        }
      }
    }
    FFL_UNROLL
    for (int o = 0; o < O; ++o) {
      FFL_UNROLL
      for (int k = 0; k < K; ++k) store(&partial[o][k][half], tile[o][k]);
    }
  }
  for (int o = 0; o < O; ++o)
    for (int k = 0; k < K; ++k) gradient[o * outputs + k] += sum16(partial[o][k]);
}

template <int O>
struct WeightTile {
  static void run(const Convolution* c, const float* input, const float* sums, const long* columns, int count,
                  Rows rows, float* gradient, long outputs) {
    if (count == 5) return weight_tile<O, 5>(*c, input, sums, columns, rows, gradient, outputs);
    if (count == 4) return weight_tile<O, 4>(*c, input, sums, columns, rows, gradient, outputs);
    if (count == 3) return weight_tile<O, 3>(*c, input, sums, columns, rows, gradient, outputs);
    if (count == 2) return weight_tile<O, 2>(*c, input, sums, columns, rows, gradient, outputs);
    weight_tile<O, 1>(*c, input, sums, columns, rows, gradient, outputs);
  }
};

inline void weight_gradient(const Convolution& c, const float* input, const float* sums, float* gradient) {
  const long all_columns = c.input.channels * c.window.taps();
  for (long o = 0, tile; o < c.sums.channels; o += tile) {
    tile = next_tile(c.sums.channels - o, MOST_ROWS);
    for (long k = 0, count; k < all_columns; k += count) {
      count = next_tile(all_columns - k, MOST_COLUMNS);
      with_outputs<WeightTile, MOST_ROWS>(int(tile), &c, input, sums + c.sums.first() + o * c.sums.plane(), c.columns + k,
                                          int(count), rows_of(c, k, count), gradient + o * all_columns + k, all_columns);
    }
  }
}

// gradient[channel] += the sum of a plane over all positions and samples.
inline void channel_sums(const Tensor& shape, const float* values, float* gradient) {
  for (long channel = 0; channel < shape.channels; ++channel) {
    float partial[LANES];
    for (int half = 0; half < LANES; half += WIDTH) {
      V sum = {};
      for (long y = 0; y < shape.height; ++y) {
        const float* from = values + shape.first() + channel * shape.plane() + y * shape.row() + half;
        for (long x = 0; x < shape.width; ++x) sum += load(from + x * GROUP);
      }
      store(partial + half, sum);
    }
    gradient[channel] += sum16(partial);
  }
}

}  // namespace FFL_FLAVOUR
