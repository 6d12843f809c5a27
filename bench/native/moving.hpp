// Coordinates that change owners. Values are moved and never computed with, so that nothing of them is lost.
namespace FFL_FLAVOUR {

// Exchanges a register of two rows where a word is below the limit; where, that is -1.
FFL_INLINE I swap(U words, U limit, float* first, float* second) {
  const I chosen = words < limit;
  const I one = load_as<I>(first), other = load_as<I>(second);
  store_as(first, chosen ? other : one);
  store_as(second, chosen ? one : other);
  return chosen;
}

FFL_INLINE long sum_of(I lanes) {
  long sum = 0;
  for (int lane = 0; lane < WIDTH; ++lane) sum += lanes[lane];
  return sum;
}

// Exchanges two rows where a word is below the threshold; returns how many.
inline long swap(const unsigned* words, unsigned threshold, long count, float* first, float* second) {
  const U limit = filled<U>(threshold);
  I moved = whole(0);
  long at = 0;
  for (; at + WIDTH <= count; at += WIDTH) moved -= swap(load_as<U>(words + at), limit, first + at, second + at);
  long sum = sum_of(moved);
  for (; at < count; ++at) {
    if (words[at] >= threshold) continue;
    const float kept = first[at];
    first[at] = second[at];
    second[at] = kept;
    ++sum;
  }
  return sum;
}

// What is chosen is a bit for each entry, eight a byte, the first of them the lowest.
FFL_INLINE bool is_chosen(const unsigned char* chosen, long at) { return chosen[at / 8] >> at % 8 & 1; }

inline long chosen_in(const unsigned char* chosen, long count) {
  long sum = 0, at = 0;
  for (; at + 64 <= count; at += 64) sum += __builtin_popcountll(load_as<unsigned long long>(chosen + at / 8));
  for (; at < count; ++at) sum += is_chosen(chosen, at);
  return sum;
}

// Where the last of them ends: up to there the next one chosen exists, so that it can be looked at before it is known to be.
inline long end_of(const unsigned char* chosen, long count) {
  while (count > 0 && !is_chosen(chosen, count - 1)) --count;
  return count;
}

// One register: its chosen entries moved to its low end, and the other way round, values from the low end spread to where the
// row is chosen. `pack` writes a whole register: what comes after the chosen ones is anything.
#if FFL_WIDTH == 16
struct Choice {
  __mmask16 lanes;
  explicit Choice(const unsigned char* chosen) : lanes(load_as<__mmask16>(chosen)) {}
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
  unsigned char lanes;
  explicit Choice(const unsigned char* chosen) : lanes(*chosen) {}
  long count() const { return __builtin_popcount(lanes); }
  static __m256i moved(const unsigned* from, const unsigned char* places) {
    const __m256i values = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    const __m128i from_where = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(places));
    return _mm256_permutevar8x32_epi32(values, _mm256_cvtepu8_epi32(from_where));
  }
  void pack(const unsigned* row, unsigned* to) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), moved(row, PLACES.pack[lanes]));
  }
  void unpack(const unsigned* values, unsigned* row) const {
    const I bits{1, 2, 4, 8, 16, 32, 64, 128};
    const I spread = I(moved(values, PLACES.unpack[lanes]));
    store_as(row, (whole(lanes) & bits) != 0 ? spread : load_as<I>(row));
  }
};
#endif

// Goes along what is chosen of a row, `total` in all: a register at a time while a whole one is left on both sides, then one
// by one.
template <class Several, class One>
FFL_INLINE void along(const unsigned char* chosen, long count, const unsigned* row, long total, Several several, One one) {
  long at = 0, place = 0;
#if FFL_WIDTH > 4
  for (; at + WIDTH <= count && place + WIDTH <= total; at += WIDTH) {
    expect(row + at + TWO_PAGES);
    const Choice choice(chosen + at / 8);
    several(choice, at, place);
    place += choice.count();
  }
#else
  (void)row, (void)total, (void)several;
#endif
  for (const long end = end_of(chosen, count); at < end; ++at) {
    one(at, place);
    place += is_chosen(chosen, at);
  }
}

// The chosen ones side by side.
inline void pack(const unsigned char* chosen, long count, const unsigned* row, long total, unsigned* to) {
  along(
      chosen, count, row, total, [&](const auto& choice, long at, long place) { choice.pack(row + at, to + place); },
      [&](long at, long place) { to[place] = row[at]; });
}

// Other values where the row is chosen.
inline void unpack(const unsigned char* chosen, long count, const unsigned* values, long total, unsigned* row) {
  along(
      chosen, count, row, total, [&](const auto& choice, long at, long place) { choice.unpack(values + place, row + at); },
      [&](long at, long place) {
        const unsigned mask = 0u - is_chosen(chosen, at);
        row[at] = (values[place] & mask) | (row[at] & ~mask);
      });
}

}  // namespace FFL_FLAVOUR
