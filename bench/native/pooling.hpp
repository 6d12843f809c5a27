// What follows a convolution, backwards; and max-pooling on its own, of any window.
namespace FFL_FLAVOUR {

// From the gradient of what followed a convolution to that of its sums. `output` is what followed, for ReLU.
inline void expand(const Convolution& c, const Epilogue& after, const float* output, const float* gradient, float* sums) {
  const Tensor& o = c.output;
  const long plane = o.height * o.width * GROUP;
  for (long channel = 0; channel < o.channels; ++channel) {
    for (long y = 0; y < o.height; ++y) {
      const float* value = output + o.first() + channel * o.plane() + y * o.row();
      const long from = channel * plane + y * o.width * GROUP;
      float* to = sums + c.sums.first() + channel * c.sums.plane() + (after.pool ? 2 : 1) * y * c.sums.row();
      for (long x = 0; x < o.width; ++x) {
        for (int half = 0; half < LANES; half += WIDTH) {
          const long at = x * GROUP + half;
          V g = load(gradient + from + at);
          if (after.relu) g = load(value + at) <= all(0.0f) ? all(0.0f) : g;
          if (after.factors) g *= load(after.factors + channel * GROUP + half);
          if (!after.pool) {
            store(to + at, g);
            continue;
          }
          const I where = __builtin_convertvector(load_as<B>(after.which + from + at), I);
          FFL_UNROLL
          for (int p = 0; p < 4; ++p)
            store(to + (p / 2) * c.sums.row() + (2 * x + p % 2) * GROUP + half, where == p ? g : all(0.0f));
        }
      }
    }
  }
}

// Visits the inputs that exist of the window at (y, x).
template <class Visit>
FFL_INLINE void in_window(const Tensor& input, const Window& w, long y, long x, const Visit& visit) {
  for (long ky = 0; ky < w.kernel_y; ++ky) {
    const long row = y * w.stride - w.pad + ky;
    if (row < 0 || row >= input.height) continue;
    for (long kx = 0; kx < w.kernel_x; ++kx) {
      const long column = x * w.stride - w.pad + kx;
      if (column >= 0 && column < input.width) visit(row, column, int(ky * w.kernel_x + kx));
    }
  }
}

inline void pool(const Tensor& input, const Tensor& output, const Window& w, const float* from, float* to,
                 unsigned char* which) {
  for (long channel = 0; channel < output.channels; ++channel)
    for (long y = 0; y < output.height; ++y)
      for (long x = 0; x < output.width; ++x) {
        const float* plane = from + input.first() + channel * input.plane();
        float best[LANES] = {};
        int where[LANES] = {};
        bool begun = false;
        in_window(input, w, y, x, [&](long row, long column, int tap) {
          const float* value = plane + row * input.row() + column * GROUP;
          for (int i = 0; i < LANES; ++i) {
            const bool better = !begun || value[i] > best[i] || value[i] != value[i];
            best[i] = better ? value[i] : best[i];
            where[i] = better ? tap : where[i];
          }
          begun = true;
        });
        float* out = to + output.first() + channel * output.plane() + y * output.row() + x * GROUP;
        unsigned char* place = which + ((channel * output.height + y) * output.width + x) * GROUP;
        for (int i = 0; i < LANES; ++i) {
          out[i] = best[i];
          place[i] = static_cast<unsigned char>(where[i]);
        }
      }
}

inline void pool_back(const Tensor& input, const Tensor& output, const Window& w, const float* gradient,
                      const unsigned char* which, float* to) {
  std::memset(to, 0, sizeof(float) * input.features() * GROUP);
  for (long channel = 0; channel < output.channels; ++channel)
    for (long y = 0; y < output.height; ++y)
      for (long x = 0; x < output.width; ++x) {
        const long at = ((channel * output.height + y) * output.width + x) * GROUP;
        in_window(input, w, y, x, [&](long row, long column, int tap) {
          float* out = to + ((channel * input.height + row) * input.width + column) * GROUP;
          for (int i = 0; i < LANES; ++i) out[i] += which[at + i] == tap ? gradient[at + i] : 0.0f;
        });
      }
}

}  // namespace FFL_FLAVOUR
