// Activations and dropout, element by element. Values may be padded, gradients and factors are not.
namespace FFL_FLAVOUR {

enum class Curve { relu, sigmoid, tanh };

FFL_INLINE V curve(Curve kind, V x) {
  if (kind == Curve::relu) return relu(x);
  if (kind == Curve::sigmoid) return sigmoid(x);
  return all(2.0f) * sigmoid(x + x) - all(1.0f);
}

// The derivative from the value that came out.
FFL_INLINE V slope(Curve kind, V y, V gradient) {
  if (kind == Curve::relu) return y <= all(0.0f) ? all(0.0f) : gradient;
  if (kind == Curve::sigmoid) return gradient * (y * (all(1.0f) - y));
  return gradient * (all(1.0f) - y * y);
}

// Calls visit(place in a, place in b, place without padding, channel) for every vector of a group. The shapes are copies: their
// numbers stay in registers whatever is written.
template <class Visit>
FFL_INLINE void everywhere(Tensor a, Tensor b, const Visit& visit) {
  const long width = a.width * GROUP, row_a = a.row(), row_b = b.row(), plane_a = a.plane(), plane_b = b.plane();
  long plain = 0, first_a = a.first(), first_b = b.first();
  for (long channel = 0; channel < a.channels; ++channel, first_a += plane_a, first_b += plane_b)
    for (long y = 0; y < a.height; ++y)
      for (long x = 0; x < width; x += WIDTH, plain += WIDTH)
        visit(first_a + y * row_a + x, first_b + y * row_b + x, plain, channel);
}

template <Curve kind>
inline void activate(const Tensor& input, const Tensor& output, const float* from, float* to) {
  everywhere(input, output, [&](long in, long out, long, long) { store(to + out, curve(kind, load(from + in))); });
}

template <Curve kind>
inline void activate_back(const Tensor& output, const float* value, const float* gradient, float* to) {
  everywhere(output, output, [&](long out, long, long plain, long) {
    store(to + plain, slope(kind, load(value + out), load(gradient + plain)));
  });
}

// Factors lie as the features do, or sixteen a channel; nullptr stands for ones.
inline void scale(const Tensor& input, const Tensor& output, const float* from, const float* factors, bool by_channel,
                  float* to) {
  everywhere(input, output, [&](long in, long out, long plain, long channel) {
    const long place = by_channel ? channel * GROUP + plain % GROUP : plain;
    store(to + out, factors ? load(from + in) * load(factors + place) : load(from + in));
  });
}

// One of four numbers a lane: Marsaglia's xorshift, each lane a generator of its own.
inline void draw(unsigned* state, float* factors, long count, float drop) {
  const unsigned threshold = static_cast<unsigned>(double(drop) * 16777216.0);
  const float kept = drop < 1.0f ? 1.0f / (1.0f - drop) : 0.0f;
  for (int half = 0; half < LANES; half += WIDTH) {
    U words[4];
    for (int word = 0; word < 4; ++word) words[word] = load_as<U>(state + word * LANES + half);
    for (long i = 0; i < count; ++i) {
      const U mixed = words[0] ^ (words[0] << 11), next = words[3] ^ (words[3] >> 19) ^ mixed ^ (mixed >> 8);
      words[0] = words[1];
      words[1] = words[2];
      words[2] = words[3];
      words[3] = next;
      const I number = __builtin_convertvector(next >> 8, I);
      store(factors + i * LANES + half, number < whole(int(threshold)) ? all(0.0f) : all(kept));
    }
    for (int word = 0; word < 4; ++word) store_as(state + word * LANES + half, words[word]);
  }
}

}  // namespace FFL_FLAVOUR
