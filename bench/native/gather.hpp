// The inner loop of everything that is linear: a tile of outputs x positions is summed in registers.
namespace FFL_FLAVOUR {

constexpr int MOST_OUTPUTS = FFL_WIDTH == 16 ? 6 : 3;
constexpr int POSITIONS = 4;

template <int O, int P>
FFL_INLINE void gather(V (&sums)[O][P], const Sum& sum, const float* const* inputs, const float* weights) {
  const float* in[P];
  const float* w[O];
  FFL_UNROLL
  for (int p = 0; p < P; ++p) in[p] = inputs[p];
  FFL_UNROLL
  for (int o = 0; o < O; ++o) w[o] = weights + o * sum.output;
  for (long c = 0; c < sum.channels; ++c) {
    const long channel = c * sum.channel, block = c * sum.weight;
    for (const Tap* tap = sum.taps; tap != sum.taps + sum.count; ++tap) {
      const long at = channel + tap->input, weight = block + tap->weight;
      V factor[O];
      FFL_UNROLL
      for (int o = 0; o < O; ++o) factor[o] = all(w[o][weight]);
      FFL_UNROLL
      for (int p = 0; p < P; ++p) {
        const V x = load(in[p] + at);
        FFL_UNROLL
        for (int o = 0; o < O; ++o) sums[o][p] += x * factor[o];
      }
    }
  }
}

// How many of `left` outputs go into the next tile, so that tiles are about equal.
inline int next_tile(long left, int most) {
  const long tiles = (left + most - 1) / most;
  return int((left + tiles - 1) / tiles);
}

// Calls Body<O>::run(arguments...) with O = count.
template <template <int> class Body, int O, class... Arguments>
inline void with_outputs(int count, Arguments... arguments) {
  if constexpr (O > 1) {
    if (count < O) return with_outputs<Body, O - 1>(count, arguments...);
  }
  Body<O>::run(arguments...);
}

}  // namespace FFL_FLAVOUR
