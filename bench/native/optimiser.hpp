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

inline void adam(const Optimiser& o, long step, long size, const float* gradient, float* parameters, float* first,
                 float* second) {
  const double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  const float rate = float(o.rate / (1 - __builtin_pow(beta1, double(step)))), decay = float(o.decay);
  const float root = float(__builtin_sqrt(1 - __builtin_pow(beta2, double(step)))), small = float(epsilon);
  const float share1 = float(1 - beta1), share2 = float(1 - beta2), kept2 = float(beta2);
  for (long i = 0; i < size; ++i) {
    const float g = decay != 0 ? gradient[i] + decay * parameters[i] : gradient[i];
    first[i] += share1 * (g - first[i]);
    second[i] = kept2 * second[i] + share2 * g * g;
    parameters[i] -= rate * first[i] / (__builtin_sqrtf(second[i]) / root + small);
  }
}

}  // namespace FFL_FLAVOUR
