// How a median of many rows is divided: into parts, and how those become two sorted lists.
#pragma once

#include <utility>
#include <vector>

#include "shapes.hpp"

namespace fflbench {

// Two parts are two lists; of four, two and two are merged: by Batcher's odd-even merge of two lists filled up with what is
// larger than everything, in which nothing needs to be done where that takes part.
class Division {
 public:
  explicit Division(int count) {
    lists_.parts = count <= 2 * MOST_PART ? 2 : 4;
    for (int part = 0; part < lists_.parts; ++part)
      lists_.sizes[part] = count * (part + 1) / lists_.parts - count * part / lists_.parts;
    if (lists_.parts == 2) {
      for (int row = 0; row < count; ++row) order_.push_back(row);
      lists_.first = lists_.sizes[0];
    } else {
      lists_.first = lists_.sizes[0] + lists_.sizes[1];
      merge(0, lists_.sizes[0], lists_.sizes[1]);
      merge(lists_.first, lists_.sizes[2], lists_.sizes[3]);
    }
    lists_.second = count - lists_.first;
  }

  Lists lists() const {
    Lists found = lists_;
    found.order = order_.data();
    found.merges = merges_.data();
    found.merging = long(merges_.size());
    return found;
  }

 private:
  static constexpr int SIDES = 32;  // A part filled up.
  static_assert(MOST_PART <= SIDES);

  void merge(int from, int first, int second) {
    std::vector<int> rows(2 * SIDES, -1);
    for (int i = 0; i < first; ++i) rows[i] = from + i;
    for (int i = 0; i < second; ++i) rows[SIDES + i] = from + first + i;
    for (int apart = SIDES; apart > 0; apart /= 2)
      for (int i = apart % SIDES; i + apart < 2 * SIDES; ++i)
        if (apart == SIDES || (i / apart) % 2 == 1) compare(rows[i], rows[i + apart]);
    order_.insert(order_.end(), rows.begin(), rows.begin() + first + second);
  }

  void compare(int& low, int& high) {
    if (high < 0) return;
    if (low < 0)
      std::swap(low, high);
    else
      merges_.push_back({low, high, 3});
  }

  Lists lists_{};
  std::vector<int> order_;
  std::vector<Comparator> merges_;
};

}  // namespace fflbench
