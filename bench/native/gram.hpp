// Inner products of all pairs of rows. Rows come into a buffer a stretch at a time, as they are seen from an origin; products
// are summed in sixteen lanes over a stretch, and over stretches in double precision.
namespace FFL_FLAVOUR {

constexpr int PER_GROUP = LANES / WIDTH;
constexpr int TILE = FFL_WIDTH == 16 ? 4 : 2;

// The mean of the rows, column by column.
inline void mean_row(const Matrix& rows, long begin, long width, float* mean) {
  const V count = all(float(rows.count));
  for (long at = 0; at < width; at += WIDTH) {
    float part[WIDTH] = {};
    V sum = all(0.0f);
    for (long row = 0; row < rows.count; ++row) {
      const float* from = rows.values + row * rows.stride + begin + at;
      if (at + WIDTH <= width) {
        sum += load(from);
      } else {
        std::memcpy(part, from, (width - at) * sizeof(float));
        sum += load(part);
      }
    }
    store(mean + at, sum / count);
  }
}

inline void take_from(const Matrix& rows, long begin, long width, long apart, const float* origin, float* buffer) {
  for (long row = 0; row < rows.count; ++row) {
    const float* from = rows.values + row * rows.stride + begin;
    float* to = buffer + row * apart;
    long at = 0;
    for (; at + WIDTH <= width; at += WIDTH) store(to + at, load(from + at) - load(origin + at));
    for (; at < width; ++at) to[at] = from[at] - origin[at];
    for (; at % LANES != 0; ++at) to[at] = 0.0f;
  }
}

inline void tile_products(const float* first, const float* second, long apart, long width, double* to, long count,
                          long rows, long columns) {
  V sums[TILE][TILE][PER_GROUP];
  FFL_UNROLL
  for (int i = 0; i < TILE; ++i) {
    FFL_UNROLL
    for (int j = 0; j < TILE; ++j) {
      FFL_UNROLL
      for (int k = 0; k < PER_GROUP; ++k) sums[i][j][k] = all(0.0f);
    }
  }
  for (long at = 0; at < width; at += LANES) {
    FFL_UNROLL
    for (int k = 0; k < PER_GROUP; ++k) {
      V other[TILE];
      FFL_UNROLL
      for (int j = 0; j < TILE; ++j) other[j] = load(second + j * apart + at + k * WIDTH);
      FFL_UNROLL
      for (int i = 0; i < TILE; ++i) {
        const V own = load(first + i * apart + at + k * WIDTH);
        FFL_UNROLL
        for (int j = 0; j < TILE; ++j) sums[i][j][k] += own * other[j];
      }
    }
  }
  for (long i = 0; i < TILE && i < rows; ++i) {
    for (long j = 0; j < TILE && j < columns; ++j) {
      float lanes[LANES];
      for (int k = 0; k < PER_GROUP; ++k) store(lanes + k * WIDTH, sums[i][j][k]);
      to[i * count + j] += double(sum16(lanes));
    }
  }
}

// Adds to the lower triangle of `to` [count, count], whose diagonal tiles are whole. `origin` is one vector of as many columns,
// or none: then it is the mean of the rows. The buffer holds, besides the origin of a stretch, as many rows as make whole
// tiles, those beyond `count` zero, each of a stretch and LANES more.
inline void gram(const Matrix& rows, const float* origin, long stretch, float* buffer, double* to) {
  const long apart = stretch + LANES;
  float* centre = buffer;
  float* values = buffer + apart;
  for (long begin = 0; begin < rows.columns; begin += stretch) {
    const long width = rows.columns - begin < stretch ? rows.columns - begin : stretch;
    if (origin)
      std::memcpy(centre, origin + begin, width * sizeof(float));
    else
      mean_row(rows, begin, width, centre);
    take_from(rows, begin, width, apart, centre, values);
    for (long i = 0; i < rows.count; i += TILE) {
      expect(rows, i, TILE, begin + stretch, stretch);
      for (long j = 0; j <= i; j += TILE)
        tile_products(values + i * apart, values + j * apart, apart, width, to + i * rows.count + j, rows.count,
                      rows.count - i, rows.count - j);
    }
  }
}

}  // namespace FFL_FLAVOUR
