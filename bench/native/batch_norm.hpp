// Batch norm over all groups of a batch. Lanes without a sample do not count.
namespace FFL_FLAVOUR {

FFL_INLINE V counted(V value, long lane, long samples) {
  static const int places[LANES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const long left = samples - lane;
  return load_as<I>(places) < whole(int(left < 0 ? 0 : left > WIDTH ? WIDTH : left)) ? value : all(0.0f);
}

// Calls visit(place in the shape, place without padding) for every vector of a channel.
template <class Visit>
FFL_INLINE void over_channel(const Tensor& shape, long channel, const Visit& visit) {
  long plain = channel * shape.height * shape.width * GROUP;
  for (long y = 0; y < shape.height; ++y) {
    const long row = shape.first() + channel * shape.plane() + y * shape.row();
    for (long x = 0; x < shape.width * GROUP; x += WIDTH, plain += WIDTH) visit(row + x, plain);
  }
}

// Sums visit(group, place in the shape, place without padding) over a channel, into N numbers.
template <int N, class Visit>
FFL_INLINE void channel_totals(const Tensor& shape, long channel, long groups, long samples, float (&totals)[N],
                               const Visit& visit) {
  float partial[N][LANES];
  for (int half = 0; half < LANES; half += WIDTH) {
    V sums[N] = {};
    for (long group = 0; group < groups; ++group) {
      V part[N] = {};
      for (long y = 0; y < shape.height; ++y)
        for (long x = 0; x < shape.width; ++x) {
          const long place = shape.first() + channel * shape.plane() + y * shape.row() + x * GROUP + half;
          visit(group, place, ((channel * shape.height + y) * shape.width + x) * GROUP + half, part);
        }
      for (int i = 0; i < N; ++i) sums[i] += counted(part[i], group * GROUP + half, samples);
    }
    for (int i = 0; i < N; ++i) store(partial[i] + half, sums[i]);
  }
  for (int i = 0; i < N; ++i) totals[i] = sum16(partial[i]);
}

// mean[channel] and deviation[channel] (one over the standard deviation) of a batch; moves the running statistics.
inline void measure(const Norm& n, const Tensor& shape, const float* input, long groups, long samples, float* mean,
                    float* deviation, float* running_mean, float* running_variance) {
  const float count = float(samples * shape.height * shape.width), share = 1 / count, unbiased = 1 / (count - 1);
  for (long channel = 0; channel < shape.channels; ++channel) {
    float totals[1];
    channel_totals(shape, channel, groups, samples, totals, [&](long group, long place, long, V* part) {
      part[0] += load(input + group * shape.size() + place);
    });
    const float centre = totals[0] * share;
    channel_totals(shape, channel, groups, samples, totals, [&](long group, long place, long, V* part) {
      const V from_centre = load(input + group * shape.size() + place) - all(centre);
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
  const long plain_size = shape.features() * GROUP;
  for (long channel = 0; channel < shape.channels; ++channel) {
    const V centre = all(mean[channel]), inverse = all(deviation[channel]);
    float totals[2];
    channel_totals(shape, channel, groups, samples, totals, [&](long group, long place, long plain, V* part) {
      const V g = load(gradient + group * plain_size + plain);
      part[0] += g;
      part[1] += g * ((load(input + group * shape.size() + place) - centre) * inverse);
    });
    bias_gradient[channel] += totals[0];
    weight_gradient[channel] += totals[1];
    const V common = all(totals[0] * share), along = all(totals[1] * share), factor = all(weight[channel]) * inverse;
    for (long group = 0; group < groups; ++group)
      over_channel(shape, channel, [&](long place, long plain) {
        const V normal = (load(input + group * shape.size() + place) - centre) * inverse;
        const V g = load(gradient + group * plain_size + plain);
        const V back = factor * (g - common - normal * along);
        store(to + group * plain_size + plain, counted(back, group * GROUP + plain % GROUP, samples));
      });
  }
}

}  // namespace FFL_FLAVOUR
