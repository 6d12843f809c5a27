// Convolutions of one group of samples: forward, gradient of the weights, gradient of the inputs.
namespace FFL_FLAVOUR {

template <int O, int P>
FFL_INLINE void start_at(V (&sums)[O][P], const float* bias) {
  FFL_UNROLL
  for (int o = 0; o < O; ++o) {
    const V value = all(bias ? bias[o] : 0.0f);
    FFL_UNROLL
    for (int p = 0; p < P; ++p) sums[o][p] = value;
  }
}

FFL_INLINE V relu(V x) { return x <= all(0.0f) ? all(0.0f) : x; }  // NaN stays NaN.

// One tile: O output channels at P positions, with inputs[p] and outputs[p] for the first half of a group.
template <int O>
struct Tile {
  template <int P>
  static void sums(const Sum& sum, const float* weights, const float* bias, const float* const* inputs, float* output,
                   long step, long plane, bool positive) {
    for (int half = 0; half < LANES; half += WIDTH) {
      const float* in[P];
      for (int p = 0; p < P; ++p) in[p] = inputs[p] + half;
      V tile[O][P];
      start_at(tile, bias);
      gather(tile, sum, in, weights);
      FFL_UNROLL
      for (int o = 0; o < O; ++o) {
        FFL_UNROLL
        for (int p = 0; p < P; ++p) store(output + o * plane + p * step + half, positive ? relu(tile[o][p]) : tile[o][p]);
      }
    }
  }

  static void run(const Sum* sum, const float* weights, const float* bias, const float* const* inputs, int positions,
                  float* output, long step, long plane, bool positive) {
    if (positions == 4) return sums<4>(*sum, weights, bias, inputs, output, step, plane, positive);
    if (positions == 3) return sums<3>(*sum, weights, bias, inputs, output, step, plane, positive);
    if (positions == 2) return sums<2>(*sum, weights, bias, inputs, output, step, plane, positive);
    sums<1>(*sum, weights, bias, inputs, output, step, plane, positive);
  }
};

// The same for four positions of which the largest is kept: the first in a tie, and a NaN above all, as in torch.
template <int O>
struct PooledTile {
  static void run(const Sum* sum, const float* weights, const float* bias, const float* const* inputs, float* output,
                  long plane, const Epilogue* after, long place, long which_plane) {
    for (int half = 0; half < LANES; half += WIDTH) {
      const float* in[4] = {inputs[0] + half, inputs[1] + half, inputs[2] + half, inputs[3] + half};
      V tile[O][4];
      start_at(tile, bias);
      gather(tile, *sum, in, weights);
      FFL_UNROLL
      for (int o = 0; o < O; ++o) {
        if (after->factors) {
          const V factor = load(after->factors + o * LANES + half);
          FFL_UNROLL
          for (int p = 0; p < 4; ++p) tile[o][p] *= factor;
        }
        V best = tile[o][0];
        I where = {};
        FFL_UNROLL
        for (int p = 1; p < 4; ++p) {
          const V x = tile[o][p];
          const I better = (x > best) | (x != x);
          best = better ? x : best;
          where = better ? whole(p) : where;
        }
        store(output + o * plane + half, after->relu ? relu(best) : best);
        if (after->which) store_as(after->which + o * which_plane + place + half, __builtin_convertvector(where, B));
      }
    }
  }
};

inline void convolve_pooled(const Convolution& c, const Sum& sum, const float* input, const float* weights,
                            const float* bias, const Epilogue& after, float* output) {
  const long row = c.window.stride * c.input.row(), column = c.window.stride * GROUP;
  for (long y = 0; y < c.output.height; ++y) {
    for (long o = 0, count; o < c.output.channels; o += count) {
      count = next_tile(c.output.channels - o, MOST_OUTPUTS);
      Epilogue part = after;
      const long plane = c.output.height * c.output.width * GROUP;
      if (part.factors) part.factors += o * GROUP;
      if (part.which) part.which += o * plane;
      for (long x = 0; x < c.output.width; ++x) {
        const float* corner = input + 2 * y * row + 2 * x * column;
        const float* in[4] = {corner, corner + column, corner + row, corner + row + column};
        float* out = output + c.output.first() + o * c.output.plane() + y * c.output.row() + x * GROUP;
        with_outputs<PooledTile, MOST_OUTPUTS>(int(count), &sum, weights + o * sum.output, bias ? bias + o : bias, in, out,
                                               c.output.plane(), &part, (y * c.output.width + x) * GROUP, plane);
      }
    }
  }
}

// Rows of positions in tiles of four; the last tile moves back so that it is full, and repeats what it overlaps.
template <class Visit>
FFL_INLINE void row_of_tiles(long width, const Visit& visit) {
  const int positions = width < POSITIONS ? 1 : POSITIONS;
  for (long x = 0; x < width; x += positions) visit(x + positions > width ? width - positions : x, positions);
}

// The taps that do not fall into the padding above or below, for a row of outputs.
inline Sum in_rows(const Convolution& c, Sum sum, long y) {
  const long top = y * c.window.stride - c.window.pad, left = c.input.height - top;
  const long first = top < 0 ? -top : 0, last = left < c.window.kernel_y ? left : c.window.kernel_y;
  sum.taps = c.taps + first * c.window.kernel_x;
  sum.count = last > first ? (last - first) * c.window.kernel_x : 0;
  return sum;
}

inline void convolve(const Convolution& c, const float* input, const float* weights, const float* bias,
                     const Epilogue& after, float* output) {
  const long taps = c.window.taps();
  const Sum whole_sum{c.taps, taps, c.input.channels, c.input.plane(), weights, c.input.channels * taps, taps};
  if (after.pool) return convolve_pooled(c, whole_sum, input, weights, bias, after, output);
  const long row = c.window.stride * c.input.row(), column = c.window.stride * GROUP;
  for (long y = 0; y < c.output.height; ++y) {
    const Sum sum = in_rows(c, whole_sum, y);
    for (long o = 0, count; o < c.output.channels; o += count) {
      count = next_tile(c.output.channels - o, MOST_OUTPUTS);
      row_of_tiles(c.output.width, [&](long x, int positions) {
        const float* in[POSITIONS];
        for (int p = 0; p < positions; ++p) in[p] = input + y * row + (x + p) * column;
        float* out = output + c.output.first() + o * c.output.plane() + y * c.output.row() + x * GROUP;
        with_outputs<Tile, MOST_OUTPUTS>(int(count), &sum, weights + o * sum.output, bias ? bias + o : bias, in, positions,
                                         out, GROUP, c.output.plane(), after.relu);
      });
    }
  }
}

// The taps that lead from a tile of input positions to outputs which exist. Input x = phase + stride * j, j from `first`.
inline long taps_back(const Convolution& c, long y, long phase, long first, int positions, Tap* taps) {
  const Window& w = c.window;
  long count = 0;
  for (long ky = 0; ky < w.kernel_y; ++ky) {
    const long down = y + w.pad - ky;
    if (down < 0 || down % w.stride || down / w.stride >= c.sums.height) continue;
    for (long kx = 0; kx < w.kernel_x; ++kx) {
      const long right = phase + w.pad - kx;
      if (right % w.stride) continue;
      const long x = first + right / w.stride;
      if (x + positions <= 0 || x >= c.sums.width) continue;
      taps[count++] = {down / w.stride * c.sums.row() + x * GROUP, ky * w.kernel_x + kx};
    }
  }
  return count;
}

// `sums` is the gradient of the convolution's outputs, with a padding that a tile may reach into.
inline void convolve_back(const Convolution& c, const float* sums, const float* weights, float* gradient) {
  const long taps = c.window.taps(), stride = c.window.stride;
  const Tensor& to = c.input;
  Tap found[256];
  for (long y = 0; y < to.height; ++y) {
    for (long phase = 0; phase < stride && phase < to.width; ++phase) {
      row_of_tiles((to.width - phase + stride - 1) / stride, [&](long j, int positions) {
        const long count = taps_back(c, y, phase, j, positions, found);
        const Sum sum{found, count, c.sums.channels, c.sums.plane(), weights, taps, to.channels * taps};
        const float* in[POSITIONS];
        for (int p = 0; p < positions; ++p) in[p] = sums + c.sums.first() + p * GROUP;
        for (long i = 0, tile; i < to.channels; i += tile) {
          tile = next_tile(to.channels - i, MOST_OUTPUTS);
          float* out = gradient + (i * to.height + y) * to.width * GROUP + (phase + stride * j) * GROUP;
          with_outputs<Tile, MOST_OUTPUTS>(int(tile), &sum, weights + i * taps, static_cast<const float*>(nullptr), in,
                                           positions, out, stride * GROUP, to.height * to.width * GROUP, false);
        }
      });
    }
  }
}

}  // namespace FFL_FLAVOUR
