// The stream of AES-256 in counter mode, a few registers at a time: it is used where it is drawn, and never lies in memory.
namespace FFL_FLAVOUR {

#if FFL_WIDTH == 16
typedef __m512i Blocks;
FFL_INLINE Blocks shuffled(Blocks bytes, Blocks places) { return _mm512_shuffle_epi8(bytes, places); }
FFL_INLINE Blocks enciphered(Blocks state, Blocks key) { return _mm512_aesenc_epi128(state, key); }
FFL_INLINE Blocks enciphered_last(Blocks state, Blocks key) { return _mm512_aesenclast_epi128(state, key); }
#elif FFL_WIDTH == 8
typedef __m256i Blocks;
FFL_INLINE Blocks shuffled(Blocks bytes, Blocks places) { return _mm256_shuffle_epi8(bytes, places); }
FFL_INLINE Blocks enciphered(Blocks state, Blocks key) { return _mm256_aesenc_epi128(state, key); }
FFL_INLINE Blocks enciphered_last(Blocks state, Blocks key) { return _mm256_aesenclast_epi128(state, key); }
#else
typedef __m128i Blocks;
FFL_INLINE Blocks shuffled(Blocks bytes, Blocks places) { return _mm_shuffle_epi8(bytes, places); }
FFL_INLINE Blocks enciphered(Blocks state, Blocks key) { return _mm_aesenc_si128(state, key); }
FFL_INLINE Blocks enciphered_last(Blocks state, Blocks key) { return _mm_aesenclast_si128(state, key); }
#endif

typedef long long Counts __attribute__((vector_size(FFL_WIDTH * sizeof(unsigned))));

constexpr int ROUNDS = 14;
constexpr int ABREAST = 8;  // Registers: what a round takes for one of them passes with the rounds of the others.
constexpr long DRAWN = ABREAST * WIDTH;

FFL_INLINE Blocks every(__m128i block) {
  __m128i copies[WIDTH / 4];
  for (__m128i& copy : copies) copy = block;
  return load_as<Blocks>(copies);
}

// FIPS 197's key expansion: what all further keys have in common, and two of them.
FFL_INLINE __m128i next_key(__m128i key, __m128i turned) {
  for (int times = 0; times < 3; ++times) key ^= _mm_slli_si128(key, 4);
  return key ^ turned;
}

template <int AT, int CONSTANT>
FFL_INLINE void expand_from(__m128i* keys) {
  keys[AT] = next_key(keys[AT - 2], _mm_shuffle_epi32(_mm_aeskeygenassist_si128(keys[AT - 1], CONSTANT), 0xff));
  if constexpr (AT < ROUNDS) {
    keys[AT + 1] = next_key(keys[AT - 1], _mm_shuffle_epi32(_mm_aeskeygenassist_si128(keys[AT], 0), 0xaa));
    expand_from<AT + 2, 2 * CONSTANT>(keys);
  }
}

class Keystream {
 public:
  explicit Keystream(const unsigned char* seed) {
    __m128i keys[ROUNDS + 1];
    std::memcpy(keys, seed, 32);
    expand_from<2, 1>(keys);
    for (int round = 0; round <= ROUNDS; ++round) keys_[round] = every(keys[round]);
    for (int block = 0; block < WIDTH / 4; ++block) counts_[2 * block + 1] = block;
  }

  // The next DRAWN words, in ABREAST registers. The cipher counts its blocks in big-endian numbers.
  FFL_INLINE void draw(U* words) {
    Blocks state[ABREAST];
    FFL_UNROLL
    for (int i = 0; i < ABREAST; ++i) {
      state[i] = shuffled(Blocks(counts_), big_endian_) ^ keys_[0];
      counts_ += step_;
    }
    FFL_UNROLL
    for (int round = 1; round < ROUNDS; ++round) {
      FFL_UNROLL
      for (int i = 0; i < ABREAST; ++i) state[i] = enciphered(state[i], keys_[round]);
    }
    FFL_UNROLL
    for (int i = 0; i < ABREAST; ++i) words[i] = U(enciphered_last(state[i], keys_[ROUNDS]));
  }

 private:
  const Blocks big_endian_ = every(_mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 15, 14, 13, 12, 11, 10, 9, 8));
  const Counts step_ = Counts(every(_mm_set_epi64x(WIDTH / 4, 0)));
  Counts counts_{};
  Blocks keys_[ROUNDS + 1];
};

// Exchanges two rows where the stream's word is below the threshold; returns how many.
inline long exchange(const unsigned char* seed, unsigned threshold, long count, float* first, float* second) {
  Keystream stream(seed);
  const U limit = filled<U>(threshold);
  U words[ABREAST];
  I moved = whole(0);
  long at = 0;
  for (; at + DRAWN <= count; at += DRAWN) {
    stream.draw(words);
    FFL_UNROLL
    for (int i = 0; i < ABREAST; ++i) moved -= swap(words[i], limit, first + at + i * WIDTH, second + at + i * WIDTH);
  }
  stream.draw(words);
  return sum_of(moved) + swap(reinterpret_cast<const unsigned*>(words), threshold, count - at, first + at, second + at);
}

// Adds the stream's words to others, or takes them off them, modulo 2^32.
inline void add(const unsigned char* seed, bool subtract, long count, unsigned* to) {
  Keystream stream(seed);
  const U turned = filled<U>(subtract ? ~0u : 0u);
  U words[ABREAST];
  long at = 0;
  for (; at + DRAWN <= count; at += DRAWN) {
    stream.draw(words);
    FFL_UNROLL
    for (int i = 0; i < ABREAST; ++i) {
      unsigned* place = to + at + i * WIDTH;
      store_as(place, load_as<U>(place) + (words[i] ^ turned) - turned);
    }
  }
  stream.draw(words);
  unsigned rest[DRAWN];
  std::memcpy(rest, words, sizeof rest);
  for (long i = 0; at < count; ++i, ++at) to[at] += subtract ? 0u - rest[i] : rest[i];
}

// A bit for each lane.
FFL_INLINE unsigned bits_of(I lanes) {
#if FFL_WIDTH == 16
  return _mm512_movepi32_mask(__m512i(lanes));
#elif FFL_WIDTH == 8
  return unsigned(_mm256_movemask_ps(__m256(lanes)));
#else
  return unsigned(_mm_movemask_ps(__m128(lanes)));
#endif
}

FFL_INLINE void keep_first(long count, unsigned* bits) {
  for (long i = 0; i < DRAWN / 32; ++i) {
    const long kept = count - 32 * i;
    bits[i] &= kept <= 0 ? 0u : kept < 32 ? (1u << kept) - 1 : ~0u;
  }
}

// Which of the stream's words are below the threshold: a bit for each, eight a byte, the first of them the lowest. Returns
// how many.
inline long draw(const unsigned char* seed, unsigned threshold, long count, unsigned char* chosen) {
  Keystream stream(seed);
  const U limit = filled<U>(threshold);
  U words[ABREAST];
  long sum = 0;
  for (long at = 0; at < count; at += DRAWN) {
    stream.draw(words);
    unsigned bits[DRAWN / 32] = {};
    FFL_UNROLL
    for (int i = 0; i < ABREAST; ++i) bits[i * WIDTH / 32] |= bits_of(words[i] < limit) << i * WIDTH % 32;
    const long here = count - at < DRAWN ? count - at : DRAWN;
    if (here < DRAWN) keep_first(here, bits);
    FFL_UNROLL
    for (int i = 0; i < DRAWN / 32; ++i) sum += __builtin_popcount(bits[i]);
    std::memcpy(chosen + at / 8, bits, (here + 7) / 8);
  }
  return sum;
}

}  // namespace FFL_FLAVOUR
