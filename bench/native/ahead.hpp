// Memory is asked for what comes next while the processor works on what is here: of many rows far apart it does not do so by
// itself.
namespace FFL_FLAVOUR {

FFL_INLINE void expect(const void* place) { __builtin_prefetch(place, 0, 2); }

// So many numbers ahead in a row gone through once: at the end of a page the processor stops looking ahead by itself.
constexpr long TWO_PAGES = 1 << 11;

// Some columns of `count` rows, as far as there are any.
inline void expect(const Matrix& rows, long first, long count, long begin, long width) {
  const long end = begin + width < rows.columns ? begin + width : rows.columns;
  for (long row = first; row < first + count && row < rows.count; ++row)
    for (long at = begin; at < end; at += LANES) expect(rows.values + row * rows.stride + at);
}

}  // namespace FFL_FLAVOUR
