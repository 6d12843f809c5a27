// Batch norm over all groups of a batch. Lanes without a sample do not count.
namespace FFL_FLAVOUR {

FFL_INLINE V counted(V value, long lane, long samples) {
  static const int places[LANES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const long left = samples - lane;
  return load_as<I>(places) < whole(int(left < 0 ? 0 : left > WIDTH ? WIDTH : left)) ? value : all(0.0f);
}

// Calls visit(place in the shapes, place without padding, first sample) for every vector of one channel of all groups, from
// lane `half` of each register group on. The shape is a copy: its numbers stay in registers whatever is written.
template <class Visit>
FFL_INLINE void over_channel(Tensor shape, long channel, long groups, long half, const Visit& visit) {
  const long first = shape.first() + channel * shape.plane(), row = shape.row(), size = shape.size();
  const long width = shape.width * GROUP, plane = shape.height * width, all_planes = shape.channels * plane;
  for (long group = 0; group < groups; ++group) {
    long plain = group * all_planes + channel * plane + half;
    for (long y = 0; y < shape.height; ++y) {
      const long begin = group * size + first + y * row + half;
      for (long x = 0; x < width; x += LANES, plain += LANES) visit(begin + x, plain, group * GROUP + half);
    }
  }
}

// Sums what visit(place in the shapes, place without padding, sums) adds over a channel, into N numbers.
template <int N, class Visit>
FFL_INLINE void channel_totals(Tensor shape, long channel, long groups, long samples, float (&totals)[N],
                               const Visit& visit) {
  float partial[N][LANES];
  for (int half = 0; half < LANES; half += WIDTH) {
    V sums[N] = {};
    for (long group = 0; group < groups; ++group) {
      V part[N] = {};
      const long at = group * shape.size(), plain_at = group * shape.features() * GROUP;
      over_channel(shape, channel, 1, half, [&](long place, long plain, long) { visit(at + place, plain_at + plain, part); });
      for (int i = 0; i < N; ++i) sums[i] += counted(part[i], group * GROUP + half, samples);
    }
    for (int i = 0; i < N; ++i) store(partial[i] + half, sums[i]);
  }
  for (int i = 0; i < N; ++i) totals[i] = sum16(partial[i]);
}

// mean[channel] and deviation[channel] (one over the standard deviation) of a batch; moves the running statistics.
inline void measure(const Norm& norm, const Tensor& shape, const float* input, long groups, long samples, float* mean,
                    float* deviation, float* running_mean, float* running_variance) {
  const Norm n = norm;
  const float count = float(samples * shape.height * shape.width), share = 1 / count, unbiased = 1 / (count - 1);
  for (long channel = 0, channels = shape.channels; channel < channels; ++channel) {
    float totals[1];
    channel_totals(shape, channel, groups, samples, totals,
                   [input](long place, long, V* part) { part[0] += load(input + place); });
    const float centre = totals[0] * share;
    channel_totals(shape, channel, groups, samples, totals, [input, centre](long place, long, V* part) {
      const V from_centre = load(input + place) - all(centre);
      part[0] += from_centre * from_centre;
    });
    mean[channel] = centre;
    deviation[channel] = 1.0f / __builtin_sqrtf(totals[0] * share + n.epsilon);
    running_mean[channel] = (1 - n.momentum) * running_mean[channel] + n.momentum * centre;
    running_variance[channel] = (1 - n.momentum) * running_variance[channel] + n.momentum * (totals[0] * unbiased);
  }
}

inline void normalise(const Tensor& input, const Tensor& output, const float* from, const float* mean,
                      const float* deviation, const float* weight, const float* bias, float* to) {
  everywhere(input, output, [&](long in, long out, long, long c) {
    store(to + out, (load(from + in) - all(mean[c])) * all(deviation[c]) * all(weight[c]) + all(bias[c]));
  });
}

inline void normalise_back(const Tensor& shape, const float* input, long groups, long samples, const float* mean,
                           const float* deviation, const float* weight, const float* gradient, float* to,
                           float* weight_gradient, float* bias_gradient) {
  const float share = 1 / float(samples * shape.height * shape.width);
  for (long channel = 0, channels = shape.channels; channel < channels; ++channel) {
    const V centre = all(mean[channel]), inverse = all(deviation[channel]);
    float totals[2];
    channel_totals(shape, channel, groups, samples, totals, [=](long place, long plain, V* part) {
      const V g = load(gradient + plain);
      part[0] += g;
      part[1] += g * ((load(input + place) - centre) * inverse);
    });
    bias_gradient[channel] += totals[0];
    weight_gradient[channel] += totals[1];
    const V common = all(totals[0] * share), along = all(totals[1] * share), factor = all(weight[channel]) * inverse;
    for (long half = 0; half < LANES; half += WIDTH)
      over_channel(shape, channel, groups, half, [=](long place, long plain, long sample) {
        const V normal = (load(input + place) - centre) * inverse;
        const V back = factor * (load(gradient + plain) - common - normal * along);
        store(to + plain, counted(back, sample, samples));
      });
  }
}

}  // namespace FFL_FLAVOUR
