// Products of small matrices, and the patches that make a convolution one.
namespace FFL_FLAVOUR {

constexpr int MOST_LEFT = 6, ABREAST = 2;  // Twelve sums: as many as sixteen registers hold beside what they are made of.

template <int R>
struct ProductTile {
  template <int P>
  static void sums(const Product& p, long row, long column) {
    float* to = p.to + row * p.to_row + column;
    const float *left = p.left + row * p.left_row, *right = p.right + column;
    V tile[R][P];
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < P; ++v) tile[r][v] = p.anew ? V{} : load(to + r * p.to_row + v * WIDTH);
    for (long k = 0; k < p.steps; ++k, left += p.left_step, right += p.right_row) {
      V values[P];
      FFL_UNROLL
      for (int v = 0; v < P; ++v) values[v] = load(right + v * WIDTH);
      FFL_UNROLL
      for (int r = 0; r < R; ++r) {
        const V factor = all(left[r * p.left_row]);
        FFL_UNROLL
        for (int v = 0; v < P; ++v) tile[r][v] += factor * values[v];
      }
    }
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < P; ++v) store(to + r * p.to_row + v * WIDTH, tile[r][v]);
  }

  static void run(const Product* p, long row, long column, int vectors) {
    if (vectors == ABREAST) return sums<ABREAST>(*p, row, column);
    sums<1>(*p, row, column);
  }
};

// to[r][c] += (or, anew, =) sum over k of left[r][k] * right[k][c]; columns of `right` and `to` lie side by side.
inline void multiply(const Product& p) {
  const long whole = p.columns / WIDTH * WIDTH;
  for (long column = 0, vectors; column < whole; column += vectors * WIDTH) {
    vectors = whole - column >= ABREAST * WIDTH ? ABREAST : 1;
    for (long row = 0, tile; row < p.rows; row += tile) {
      tile = next_tile(p.rows - row, MOST_LEFT);
      with_outputs<ProductTile, MOST_LEFT>(int(tile), &p, row, column, int(vectors));
    }
  }
  for (long row = 0; row < p.rows; ++row)
    for (long column = whole; column < p.columns; ++column) {
      float sum = p.anew ? 0 : p.to[row * p.to_row + column];
      for (long k = 0; k < p.steps; ++k) sum += p.left[row * p.left_row + k * p.left_step] * p.right[k * p.right_row + column];
      p.to[row * p.to_row + column] = sum;
    }
}

// Sums of sixteen lanes, whatever a register holds: so all processors add in the same order.
constexpr int REGISTERS = LANES / WIDTH, MOST_DOTS = REGISTERS == 4 ? 2 : 3, DOTS_ABREAST = 4 / REGISTERS;

template <int R>
struct DotTile {
  template <int P>
  static void sums(const Product& p, long row, long column) {
    const float *left = p.left + row * p.left_row, *right = p.right + column * p.right_row;
    V tile[R][P][REGISTERS] = {};
    const long whole = p.steps / LANES * LANES;
    for (long k = 0; k < whole; k += LANES) {
      FFL_UNROLL
      for (int part = 0; part < REGISTERS; ++part) {
        V values[P];
        FFL_UNROLL
        for (int v = 0; v < P; ++v) values[v] = load(right + v * p.right_row + k + part * WIDTH);
        FFL_UNROLL
        for (int r = 0; r < R; ++r) {
          const V factor = load(left + r * p.left_row + k + part * WIDTH);
          FFL_UNROLL
          for (int v = 0; v < P; ++v) tile[r][v][part] += factor * values[v];
        }
      }
    }
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < P; ++v) {
        float lanes[LANES];
        for (int part = 0; part < REGISTERS; ++part) store(lanes + part * WIDTH, tile[r][v][part]);
        float sum = sum16(lanes);
        for (long k = whole; k < p.steps; ++k) sum += left[r * p.left_row + k] * right[v * p.right_row + k];
        p.to[(row + r) * p.to_row + column + v] += sum;
      }
  }

  static void run(const Product* p, long row, long column, int abreast) {
    if constexpr (DOTS_ABREAST > 2) {
      if (abreast == 4) return sums<4>(*p, row, column);
      if (abreast == 3) return sums<3>(*p, row, column);
    }
    if constexpr (DOTS_ABREAST > 1) {
      if (abreast == 2) return sums<2>(*p, row, column);
    }
    sums<1>(*p, row, column);
  }
};

// to[r][c] += sum over k of left[r][k] * right[c][k]; the k lie side by side.
inline void correlate(const Product& p) {
  for (long column = 0, abreast; column < p.columns; column += abreast) {
    abreast = p.columns - column < DOTS_ABREAST ? p.columns - column : DOTS_ABREAST;
    for (long row = 0, tile; row < p.rows; row += tile) {
      tile = next_tile(p.rows - row, MOST_DOTS);
      with_outputs<DotTile, MOST_DOTS>(int(tile), &p, row, column, int(abreast));
    }
  }
}

// The inputs of one channel of one image by phase: every stride-th row and column, from each of the first on, with the
// padding around them. In these the places that one weight meets lie side by side.
struct Phases {
  long stride, pad, height, width;

  explicit Phases(const Patches& p)
      : stride(p.window.stride),
        pad(p.window.pad),
        height(p.output.height + (p.window.kernel_y - 1) / stride),
        width(p.output.width + (p.window.kernel_x - 1) / stride) {}

  // Where the weight at (y, x) of a window first meets them.
  long first(long y, long x) const {
    return ((y % stride * stride + x % stride) * height + y / stride) * width + x / stride;
  }

  // Calls visit(place in the phases, place in the image, how many) for all rows' parts that lie inside of the image.
  template <class Visit>
  FFL_INLINE void inside(const Tensor& image, const Visit& visit) const {
    for (long py = 0; py < stride; ++py)
      for (long px = 0; px < stride; ++px) {
        const long before = px < pad ? (pad - px + stride - 1) / stride : 0;
        const long last = image.width - 1 + pad - px, end = last < 0 ? 0 : last / stride + 1 < width ? last / stride + 1 : width;
        for (long row = 0; row < height; ++row) {
          const long y = row * stride + py - pad;
          if (y >= 0 && y < image.height && before < end)
            visit(((py * stride + px) * height + row) * width + before, y * image.width + before * stride + px - pad,
                  end - before);
        }
      }
  }
};

// Every window of the inputs as a column. `room` is as for `fold`.
inline void unfold(const Patches& p, const float* from, float* to, float* room) {
  const Phases phases(p);
  const long stride = phases.stride, places = p.output.height * p.output.width;
  std::memset(room, 0, std::size_t(stride * stride * phases.height * phases.width) * sizeof(float));
  for (long c = 0; c < p.input.channels; ++c)
    for (long image = 0; image < p.count; ++image) {
      const float* plane = from + c * p.plane + image * p.input.height * p.input.width;
      phases.inside(p.input, [&](long at, long in, long count) {
        for (long i = 0; i < count; ++i) room[at + i] = plane[in + i * stride];
      });
      for (long ky = 0; ky < p.window.kernel_y; ++ky)
        for (long kx = 0; kx < p.window.kernel_x; ++kx) {
          float* row = to + ((c * p.window.kernel_y + ky) * p.window.kernel_x + kx) * p.row + image * places;
          const float* first = room + phases.first(ky, kx);
          for (long y = 0; y < p.output.height; ++y)
            for (long x = 0; x < p.output.width; ++x) row[y * p.output.width + x] = first[y * phases.width + x];
        }
    }
  const long used = p.count * places, rows = p.input.channels * p.window.taps();
  for (long row = 0; row < rows && used < p.row; ++row)
    std::memset(to + row * p.row + used, 0, std::size_t(p.row - used) * sizeof(float));
}

// Adds every column to where its window lies; what was there is lost. `room` has place for a padded image, rounded up to
// whole strides.
inline void fold(const Patches& p, const float* from, float* to, float* room) {
  const Phases phases(p);
  const long stride = phases.stride, places = p.output.height * p.output.width;
  for (long c = 0; c < p.input.channels; ++c) {
    float* channel = to + c * p.plane;
    std::memset(channel, 0, std::size_t(p.plane) * sizeof(float));
    for (long image = 0; image < p.count; ++image) {
      std::memset(room, 0, std::size_t(stride * stride * phases.height * phases.width) * sizeof(float));
      for (long ky = 0; ky < p.window.kernel_y; ++ky)
        for (long kx = 0; kx < p.window.kernel_x; ++kx) {
          const float* row = from + ((c * p.window.kernel_y + ky) * p.window.kernel_x + kx) * p.row + image * places;
          float* first = room + phases.first(ky, kx);
          for (long y = 0; y < p.output.height; ++y)
            for (long x = 0; x < p.output.width; ++x) first[y * phases.width + x] += row[y * p.output.width + x];
        }
      float* plane = channel + image * p.input.height * p.input.width;
      phases.inside(p.input, [&](long at, long in, long count) {
        for (long i = 0; i < count; ++i) plane[in + i * stride] = room[at + i];
      });
    }
  }
}

}  // namespace FFL_FLAVOUR
