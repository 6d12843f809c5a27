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

// The chosen ones side by side.
inline void pack(const unsigned char* chosen, long count, const unsigned* row, unsigned* to) {
  const long end = end_of(chosen, count);
  for (long at = 0, place = 0; at < end; ++at) {
    to[place] = row[at];
    place += chosen[at];
  }
}

// Other values where the row is chosen.
inline void unpack(const unsigned char* chosen, long count, const unsigned* values, unsigned* row) {
  const long end = end_of(chosen, count);
  for (long at = 0, place = 0; at < end; ++at) {
    const unsigned mask = 0u - chosen[at];
    row[at] = (values[place] & mask) | (row[at] & ~mask);
    place += chosen[at];
  }
}

}  // namespace FFL_FLAVOUR
