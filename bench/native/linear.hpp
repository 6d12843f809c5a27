// Fully connected layers, several groups of samples at a time: a group is to them what a position is to a convolution.
namespace FFL_FLAVOUR {

// output[group][o] = bias[o] + sum over i of input[group][i] * weights[o * sum.output + i * sum.weight], where groups of
// inputs are `in_group` apart, those of outputs `out_group`.
inline void product(const Sum& sum, long outputs, const float* bias, const float* input, long in_group, float* output,
                    long out_group, long groups) {
  for (long group = 0; group < groups; group += POSITIONS) {
    const int positions = int(groups - group < POSITIONS ? groups - group : POSITIONS);
    const float* in[POSITIONS];
    for (int p = 0; p < positions; ++p) in[p] = input + (group + p) * in_group;
    for (long o = 0, tile; o < outputs; o += tile) {
      tile = next_tile(outputs - o, MOST_OUTPUTS);
      with_outputs<Tile, MOST_OUTPUTS>(int(tile), &sum, sum.weights + o * sum.output, bias ? bias + o : bias, in, positions,
                                       output + group * out_group + o * GROUP, out_group, GROUP, false);
    }
  }
}

inline void linear(const float* input, long inputs, const float* weights, const float* bias, float* output, long outputs,
                   long groups) {
  const Tap tap{0, 0};
  product({&tap, 1, inputs, GROUP, weights, inputs, 1}, outputs, bias, input, inputs * GROUP, output, outputs * GROUP, groups);
}

inline void linear_back(const float* gradient, long outputs, const float* weights, float* to, long inputs, long groups) {
  const Tap tap{0, 0};
  const Sum sum{&tap, 1, outputs, GROUP, weights, 1, inputs};
  product(sum, inputs, nullptr, gradient, outputs * GROUP, to, inputs * GROUP, groups);
}

// A tile of the weights' gradient, with inputs side by side in place of samples: rows[sample][inputs].
template <int O>
struct LinearWeightTile {
  template <int P>
  static void sums(const Sum& sum, const float* rows, const float* gradient, float* to, long inputs, long left) {
    for (int half = 0; half < LANES; half += WIDTH) {
      const float* in[P];
      for (int p = 0; p < P; ++p) in[p] = rows + p * LANES + half;
      V tile[O][P] = {};
      gather(tile, sum, in, gradient);
      for (int o = 0; o < O; ++o)
        for (int p = 0; p < P; ++p) {
          float* place = to + o * inputs + p * LANES + half;
          const long room = left - p * LANES - half;
          if (room >= WIDTH) {
            store(place, load(place) + tile[o][p]);
          } else {
            for (long i = 0; i < room; ++i) place[i] += tile[o][p][i];
          }
        }
    }
  }

  static void run(const Sum* sum, const float* rows, const float* gradient, float* to, long inputs, long left) {
    if (left > 3 * LANES) return sums<4>(*sum, rows, gradient, to, inputs, left);
    if (left > 2 * LANES) return sums<3>(*sum, rows, gradient, to, inputs, left);
    if (left > LANES) return sums<2>(*sum, rows, gradient, to, inputs, left);
    sums<1>(*sum, rows, gradient, to, inputs, left);
  }
};

// weights[o][i] += sum over samples of gradient[group][o][lane] * input[group][i][lane], groups of inputs `apart`. `rows` is
// room for the inputs with the other side first: groups x 16 x inputs, rounded up to sixteen.
inline void linear_weight_gradient(const float* input, long inputs, long apart, const float* gradient, long outputs,
                                   float* weights, long groups, float* rows) {
  const long width = (inputs + LANES - 1) / LANES * LANES;
  for (long group = 0; group < groups; ++group)
    transpose(input + group * apart, inputs, rows + group * GROUP * width, width);
  Tap taps[LANES];
  for (long lane = 0; lane < LANES; ++lane) taps[lane] = {lane * width, lane};
  const Sum sum{taps, LANES, groups, GROUP * width, gradient, GROUP, outputs * GROUP};
  for (long i = 0; i < inputs; i += POSITIONS * LANES)
    for (long o = 0, tile; o < outputs; o += tile) {
      tile = next_tile(outputs - o, MOST_OUTPUTS);
      with_outputs<LinearWeightTile, MOST_OUTPUTS>(int(tile), &sum, static_cast<const float*>(rows + i),
                                                   gradient + o * GROUP, weights + o * inputs + i, inputs, inputs - i);
    }
}

}  // namespace FFL_FLAVOUR
