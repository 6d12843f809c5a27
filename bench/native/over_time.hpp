// The mean and the largest over time, of everything that a step has: values[steps][width], width a multiple of sixteen.
namespace FFL_FLAVOUR {

// `which` notes when it was largest: first, in a tie, and a NaN above all, as in torch.
inline void over_time(long steps, long width, const float* values, float* mean, float* largest, int* which) {
  const V share = all(1.0f / float(steps));
  for (long at = 0; at < width; at += WIDTH) {
    store(mean + at, load(values + at));
    store(largest + at, load(values + at));
    store_as(which + at, whole(0));
  }
  for (long step = 1; step < steps; ++step) {
    values += width;
    for (long at = 0; at < width; at += WIDTH) {
      const V x = load(values + at), best = load(largest + at);
      const I better = (x > best) | ((x != x) & (best == best));
      store(mean + at, load(mean + at) + x);
      store(largest + at, better ? x : best);
      store_as(which + at, better ? whole(int(step)) : load_as<I>(which + at));
    }
  }
  for (long at = 0; at < width; at += WIDTH) store(mean + at, load(mean + at) * share);
}

inline void over_time_back(long steps, long width, const float* mean, const float* largest, const int* which, float* to) {
  const V share = all(1.0f / float(steps));
  for (long step = 0; step < steps; ++step, to += width)
    for (long at = 0; at < width; at += WIDTH) {
      const V here = load_as<I>(which + at) == whole(int(step)) ? load(largest + at) : all(0.0f);
      store(to + at, load(mean + at) * share + here);
    }
}

}  // namespace FFL_FLAVOUR
