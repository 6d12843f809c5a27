// The gradient of the mean loss of a batch with respect to the logits[classes][16] of a group.
namespace FFL_FLAVOUR {

// Cross-entropy. `targets` are those of the group's samples; lanes without a sample get nothing.
inline void softmax_gradient(const float* logits, long classes, const long* targets, long samples, float share, float* to) {
  for (int half = 0; half < LANES; half += WIDTH) {
    V largest = load(logits + half), sum = {};
    for (long c = 1; c < classes; ++c) {
      const V x = load(logits + c * GROUP + half);
      largest = x > largest ? x : largest;
    }
    for (long c = 0; c < classes; ++c) {
      const V power = exp(load(logits + c * GROUP + half) - largest);
      sum += power;
      store(to + c * GROUP + half, power);
    }
    const V factor = all(share) / sum;
    for (long c = 0; c < classes; ++c) {
      float* place = to + c * GROUP + half;
      store(place, counted(load(place) * factor, half, samples));
    }
  }
  for (long lane = 0; lane < samples; ++lane) to[targets[lane] * GROUP + lane] -= share;
}

// Binary cross-entropy of one logit.
inline void sigmoid_gradient(const float* logits, const long* targets, long samples, float share, float* to) {
  for (int half = 0; half < LANES; half += WIDTH) store(to + half, sigmoid(load(logits + half)));
  for (long lane = 0; lane < GROUP; ++lane) to[lane] = lane < samples ? (to[lane] - float(targets[lane])) * share : 0.0f;
}

}  // namespace FFL_FLAVOUR
