// The values at one rank of every column and at the next, of many rows: counts what lies at or below a guess and moves the
// guess. WIDTH columns at once, each with a guess of its own. Comparisons alone, so the values are exact.
namespace FFL_FLAVOUR {

constexpr int SAMPLE = 9;    // Rows that make the first guess, far apart from each other.
constexpr int NARROW = 8;    // So few values between two guesses, and those next to a guess are looked for as well,
constexpr int PATIENCE = 6;  // after so many steps in any case.

// What is known of a column: `low` values lie below `after`, fewer than wanted, and `high` at or below `last`, more.
struct Bracket {
  V after, last;
  I low, high;
};

// Whole numbers in the order of the floats.
FFL_INLINE I order_of(I bits) { return bits ^ ((bits >> 31) & 0x7fffffff); }

FFL_INLINE V halfway(V low, V high) {
  const I a = order_of(load_as<I>(&low)), b = order_of(load_as<I>(&high));
  const I middle = order_of((a & b) + ((a ^ b) >> 1));
  return load_as<V>(&middle);
}

struct Count {
  I below;         // Values at or below the guess.
  V last, after;   // The largest of them, and the smallest of the others; the guess itself where nobody looks.
};

template <bool NEIGHBOURS>
FFL_INLINE Count count(const float* column, long rows, V guess) {
  Count found{whole(0), all(-INFINITY), all(INFINITY)};
  for (long row = 0; row < rows; ++row) {
    const V value = load(column + row * WIDTH);
    const I under = value <= guess;
    found.below -= under;
    if (NEIGHBOURS) {
      found.last = most(under ? value : all(-INFINITY), found.last);
      found.after = least(under ? all(INFINITY) : value, found.after);
    }
  }
  if (!NEIGHBOURS) found.last = found.after = guess;
  return found;
}

// The middle of a sample, and how far apart two ranks of it lie for each value between them in all rows.
FFL_INLINE V first_guess(const float* column, long rows, V* spread) {
  V sample[SAMPLE];
  FFL_UNROLL
  for (int i = 0; i < SAMPLE; ++i) sample[i] = load(column + (rows - 1) * i / (SAMPLE - 1) * WIDTH);
  FFL_UNROLL
  for (int end = SAMPLE - 1; end > 0; --end) {
    FFL_UNROLL
    for (int i = 0; i < end; ++i) {
      const V smaller = least(sample[i], sample[i + 1]);
      sample[i + 1] = most(sample[i], sample[i + 1]);
      sample[i] = smaller;
    }
  }
  *spread = (sample[6] - sample[2]) * all(2.0f / float(rows));
  return sample[4];
}

FFL_INLINE bool any(I flags) {
  long words[sizeof(I) / sizeof(long)], found = 0;
  std::memcpy(words, &flags, sizeof words);
  FFL_UNROLL
  for (int i = 0; i < int(sizeof(I) / sizeof(long)); ++i) found |= words[i];
  return found != 0;
}

// The value at `rank` of each column and the next in order.
FFL_INLINE void at_rank(const float* column, long rows, long rank, V* value, V* next) {
  const I wanted = whole(int(rank) + 1);
  Bracket bracket{all(INFINITY), all(-INFINITY), whole(0), whole(int(rows))};
  for (long row = 0; row < rows; ++row) {
    const V one = load(column + row * WIDTH);
    bracket.after = least(one, bracket.after);
    bracket.last = most(one, bracket.last);
  }
  V spread, guess = first_guess(column, rows, &spread);
  I hit = whole(0), done = bracket.after == bracket.last;
  *value = *next = bracket.last;
  for (int step = 0; any(~done); ++step) {
    guess = hit | ((guess >= bracket.after) & (guess < bracket.last)) ? guess : bracket.after;
    const bool close = step >= PATIENCE || !any(~done & ~hit & (bracket.high - bracket.low > NARROW));
    const Count found = close ? count<true>(column, rows, guess) : count<false>(column, rows, guess);
    hit = found.below == wanted;
    const I few = found.below < wanted, many = found.below > wanted;
    bracket.low = few ? found.below : bracket.low;
    bracket.after = few ? found.after : bracket.after;
    bracket.high = many ? found.below : bracket.high;
    bracket.last = many ? found.last : bracket.last;
    if (close) {
      // Only one value is left between the two: it is at the rank, and at the next.
      const I alike = ~done & (bracket.after == bracket.last), here = ~done & hit;
      *value = here ? found.last : alike ? bracket.last : *value;
      *next = here ? found.after : alike ? bracket.last : *next;
      done |= here | alike;
    }
    V better;
    if (step == 0) {
      better = guess + __builtin_convertvector(wanted - found.below, V) * spread;
    } else if (step % 4 == 3) {
      better = halfway(bracket.after, bracket.last);
    } else {
      const V share = (__builtin_convertvector(wanted - bracket.low, V) - all(0.5f)) /
                      __builtin_convertvector(bracket.high - bracket.low, V);
      better = bracket.after + (bracket.last - bracket.after) * share;
    }
    guess = hit ? guess : better;
  }
}

// A stretch of columns of all rows, WIDTH columns after the other, the last filled up with zeros. Notes NaN.
inline I take_panels(const Matrix& rows, long begin, long width, float* buffer, I lost) {
  for (long row = 0; row < rows.count; ++row) {
    const float* from = rows.values + row * rows.stride + begin;
    float* to = buffer + row * WIDTH;
    for (long at = 0; at < width; at += WIDTH, to += rows.count * WIDTH) {
      V values = all(0.0f);
      if (at + WIDTH <= width)
        values = load(from + at);
      else
        std::memcpy(&values, from + at, (width - at) * sizeof(float));
      lost |= values != values;
      store(to, values);
    }
  }
  return lost;
}

// Fills `to` [1 or 2, columns] with the values at `rank`, and at the next with `pair`; or with the mean of the two. Returns
// whether there was no NaN. `stretch` is a multiple of WIDTH; the buffer holds as many columns of all rows.
inline bool counted(const Matrix& rows, long rank, bool pair, bool mean, long stretch, float* buffer, float* to) {
  for (long begin = 0; begin < rows.columns; begin += stretch) {
    const long width = rows.columns - begin < stretch ? rows.columns - begin : stretch;
    if (any(take_panels(rows, begin, width, buffer, whole(0)))) return false;
    for (long at = 0; at < width; at += WIDTH) {
      V value, next;
      at_rank(buffer + at * rows.count, rows.count, rank, &value, &next);
      if (pair && mean) value = (value + next) / all(2.0f);
      const long left = (width - at < WIDTH ? width - at : WIDTH) * long(sizeof(float));
      std::memcpy(to + begin + at, &value, left);
      if (pair && !mean) std::memcpy(to + rows.columns + begin + at, &next, left);
    }
  }
  return true;
}

}  // namespace FFL_FLAVOUR
