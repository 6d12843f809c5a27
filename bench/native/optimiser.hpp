// One step of the optimisers, as torch defines them. `first` and `second` are their memories, zero before the first step.
namespace FFL_FLAVOUR {

inline void sgd(const Optimiser& o, long size, const float* gradient, float* parameters, float* first) {
  const float rate = float(o.rate), momentum = float(o.momentum), decay = float(o.decay);
  for (long i = 0; i < size; ++i) {
    const float g = decay != 0 ? gradient[i] + decay * parameters[i] : gradient[i];
    first[i] = momentum != 0 ? momentum * first[i] + g : g;
    parameters[i] -= rate * first[i];
  }
}

inline void adam(const Optimiser& o, const Bias& bias, long size, const float* gradient, float* parameters, float* first,
                 float* second) {
  const float rate = float(o.rate / bias.first), root = float(__builtin_sqrt(bias.second));
  const float decay = float(o.decay), small = float(1e-8);
  const float share1 = float(1 - BETA1), share2 = float(1 - BETA2), kept2 = float(BETA2);
  for (long i = 0; i < size; ++i) {
    const float g = decay != 0 ? gradient[i] + decay * parameters[i] : gradient[i];
    first[i] += share1 * (g - first[i]);
    second[i] = kept2 * second[i] + share2 * g * g;
    parameters[i] -= rate * first[i] / (__builtin_sqrtf(second[i]) / root + small);
  }
}

}  // namespace FFL_FLAVOUR
