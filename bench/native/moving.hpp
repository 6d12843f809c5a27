// Coordinates that change owners. Values are moved and never computed with, so that nothing of them is lost.
namespace FFL_FLAVOUR {

// Exchanges two rows where a word is below the threshold; returns how many.
inline long swap(const unsigned* words, unsigned threshold, long count, float* first, float* second) {
  const U limit = filled<U>(threshold);
  I moved = whole(0);
  long at = 0;
  for (; at + WIDTH <= count; at += WIDTH) {
    const I chosen = load_as<U>(words + at) < limit;
    const I one = load_as<I>(first + at), other = load_as<I>(second + at);
    store_as(first + at, chosen ? other : one);
    store_as(second + at, chosen ? one : other);
    moved -= chosen;
  }
  long sum = 0;
  for (int lane = 0; lane < WIDTH; ++lane) sum += moved[lane];
  for (; at < count; ++at) {
    if (words[at] >= threshold) continue;
    const float kept = first[at];
    first[at] = second[at];
    second[at] = kept;
    ++sum;
  }
  return sum;
}

// Where the last of them ends: up to there the next one chosen exists, so that it can be looked at before it is known to be.
inline long end_of(const unsigned char* chosen, long count) {
  while (count > 0 && !chosen[count - 1]) --count;
  return count;
}

// One register: its chosen entries moved to its low end, and the other way round, values from the low end spread to where the
// row is chosen. `pack` writes a whole register: what comes after the chosen ones is anything.
#if FFL_WIDTH == 16
struct Choice {
  __mmask16 lanes;
  explicit Choice(const unsigned char* chosen) {
    const __m128i flags = _mm_loadu_si128(reinterpret_cast<const __m128i*>(chosen));
    lanes = _mm_test_epi8_mask(flags, flags);
  }
  long count() const { return __builtin_popcount(lanes); }
  void pack(const unsigned* row, unsigned* to) const {
    _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(lanes, _mm512_loadu_si512(row)));
  }
  void unpack(const unsigned* values, unsigned* row) const {
    _mm512_storeu_si512(row, _mm512_mask_expand_epi32(_mm512_loadu_si512(row), lanes, _mm512_loadu_si512(values)));
  }
};
#elif FFL_WIDTH == 8
struct Places {
  unsigned char pack[256][8], unpack[256][8];
};
constexpr Places every_choice() {
  Places places{};
  for (int lanes = 0; lanes < 256; ++lanes)
    for (int lane = 0, before = 0; lane < 8; ++lane) {
      places.unpack[lanes][lane] = static_cast<unsigned char>(before);
      if (lanes >> lane & 1) places.pack[lanes][before++] = static_cast<unsigned char>(lane);
    }
  return places;
}
constexpr Places PLACES = every_choice();

struct Choice {
  __m128i flags;
  int lanes;
  explicit Choice(const unsigned char* chosen) {
    flags = _mm_sub_epi8(_mm_setzero_si128(), _mm_loadl_epi64(reinterpret_cast<const __m128i*>(chosen)));
    lanes = _mm_movemask_epi8(flags) & 255;
  }
  long count() const { return __builtin_popcount(static_cast<unsigned>(lanes)); }
  static __m256i moved(const unsigned* from, const unsigned char* places) {
    const __m256i values = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    const __m128i from_where = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(places));
    return _mm256_permutevar8x32_epi32(values, _mm256_cvtepu8_epi32(from_where));
  }
  void pack(const unsigned* row, unsigned* to) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), moved(row, PLACES.pack[lanes]));
  }
  void unpack(const unsigned* values, unsigned* row) const {
    __m256i* to = reinterpret_cast<__m256i*>(row);
    const __m256i spread = moved(values, PLACES.unpack[lanes]), chosen = _mm256_cvtepi8_epi32(flags);
    _mm256_storeu_si256(to, _mm256_blendv_epi8(_mm256_loadu_si256(to), spread, chosen));
  }
};
#endif

// Goes along what is chosen, `total` in all: a register at a time while a whole one is left on both sides, then one by one.
template <class Several, class One>
FFL_INLINE void along(const unsigned char* chosen, long count, long total, Several several, One one) {
  long at = 0, place = 0;
#if FFL_WIDTH > 4
  for (; at + WIDTH <= count && place + WIDTH <= total; at += WIDTH) {
    const Choice choice(chosen + at);
    several(choice, at, place);
    place += choice.count();
  }
#else
  (void)total, (void)several;
#endif
  for (const long end = end_of(chosen, count); at < end; ++at) {
    one(at, place);
    place += chosen[at];
  }
}

// The chosen ones side by side.
inline void pack(const unsigned char* chosen, long count, const unsigned* row, long total, unsigned* to) {
  along(
      chosen, count, total, [&](const auto& choice, long at, long place) { choice.pack(row + at, to + place); },
      [&](long at, long place) { to[place] = row[at]; });
}

// Other values where the row is chosen.
inline void unpack(const unsigned char* chosen, long count, const unsigned* values, long total, unsigned* row) {
  along(
      chosen, count, total, [&](const auto& choice, long at, long place) { choice.unpack(values + place, row + at); },
      [&](long at, long place) {
        const unsigned mask = 0u - chosen[at];
        row[at] = (values[place] & mask) | (row[at] & ~mask);
      });
}

}  // namespace FFL_FLAVOUR
