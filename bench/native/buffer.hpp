// Zeroed, aligned memory for vectors of floats.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>

namespace fflbench {

class Buffer {
 public:
  // At least `size` floats; what was in there is lost when it grows.
  void reserve(long size) {
    if (size <= size_) return;
    data_.reset(static_cast<float*>(::operator new[](sizeof(float) * std::size_t(size), std::align_val_t(64))));
    size_ = size;
    clear();
  }

  void clear() { std::fill(data_.get(), data_.get() + size_, 0.0f); }
  float* get() { return data_.get(); }
  const float* get() const { return data_.get(); }

 private:
  struct Free {
    void operator()(float* data) const { ::operator delete[](data, std::align_val_t(64)); }
  };
  std::unique_ptr<float[], Free> data_;
  long size_ = 0;
};

}  // namespace fflbench
