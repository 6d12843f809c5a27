// Activations where inputs lie side by side in whole groups of sixteen, and how their gradient turns.
namespace FFL_FLAVOUR {

template <Curve kind>
inline void curve(long count, const float* from, float* to) {
  for (long i = 0; i < count; i += WIDTH) store(to + i, curve(kind, load(from + i)));
}

// From the gradient by the values that came out to that by what went in.
template <Curve kind>
inline void curve_back(long count, const float* value, const float* gradient, float* to) {
  for (long i = 0; i < count; i += WIDTH) store(to + i, slope(kind, load(value + i), load(gradient + i)));
}

// How fast that changes while what came out moves by `moves` and the gradient turns by `turns`.
template <Curve kind>
inline void curve_turned(long count, const float* value, const float* gradient, const float* moves, const float* turns,
                         float* to) {
  for (long i = 0; i < count; i += WIDTH) {
    const V y = load(value + i), straight = slope(kind, y, load(turns + i));
    if constexpr (kind == Curve::relu) {
      store(to + i, straight);
    } else {
      const V bend = kind == Curve::sigmoid ? all(1.0f) - y - y : -(y + y);
      store(to + i, straight + bend * load(gradient + i) * load(moves + i));
    }
  }
}

}  // namespace FFL_FLAVOUR
