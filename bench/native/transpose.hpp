// From rows of samples to samples side by side, and back.
namespace FFL_FLAVOUR {

typedef int FourPlaces __attribute__((vector_size(16)));

FFL_INLINE void transpose4(const float* const* from, float* const* to) {
  const Four a = load_as<Four>(from[0]), b = load_as<Four>(from[1]), c = load_as<Four>(from[2]), d = load_as<Four>(from[3]);
  const Four ab = FFL_SHUFFLE(a, b, 0, 4, 1, 5), ab2 = FFL_SHUFFLE(a, b, 2, 6, 3, 7);
  const Four cd = FFL_SHUFFLE(c, d, 0, 4, 1, 5), cd2 = FFL_SHUFFLE(c, d, 2, 6, 3, 7);
  store_as(to[0], FFL_SHUFFLE(ab, cd, 0, 1, 4, 5));
  store_as(to[1], FFL_SHUFFLE(ab, cd, 2, 3, 6, 7));
  store_as(to[2], FFL_SHUFFLE(ab2, cd2, 0, 1, 4, 5));
  store_as(to[3], FFL_SHUFFLE(ab2, cd2, 2, 3, 6, 7));
}

// values[count][16] to rows[16][width]; what is beyond `count` in a row is left as it is.
inline void transpose(const float* values, long count, float* rows, long width) {
  long i = 0;
  for (; i + 4 <= count; i += 4)
    for (long lane = 0; lane < GROUP; lane += 4) {
      const float* from[4];
      float* to[4];
      for (int k = 0; k < 4; ++k) {
        from[k] = values + (i + k) * GROUP + lane;
        to[k] = rows + (lane + k) * width + i;
      }
      transpose4(from, to);
    }
  for (; i < count; ++i)
    for (long lane = 0; lane < GROUP; ++lane) rows[lane * width + i] = values[i * GROUP + lane];
}

// Sixteen samples, each a row of features, into a tensor.
inline void collect(const float* const* rows, const Tensor& shape, float* to) {
  for (long channel = 0; channel < shape.channels; ++channel)
    for (long y = 0; y < shape.height; ++y) {
      const long from = (channel * shape.height + y) * shape.width;
      float* line = to + shape.first() + channel * shape.plane() + y * shape.row();
      long x = 0;
      for (; x + 4 <= shape.width; x += 4)
        for (long lane = 0; lane < GROUP; lane += 4) {
          const float* in[4];
          float* out[4];
          for (int k = 0; k < 4; ++k) {
            in[k] = rows[lane + k] + from + x;
            out[k] = line + (x + k) * GROUP + lane;
          }
          transpose4(in, out);
        }
      for (; x < shape.width; ++x)
        for (long lane = 0; lane < GROUP; ++lane) line[x * GROUP + lane] = rows[lane][from + x];
    }
}

}  // namespace FFL_FLAVOUR
