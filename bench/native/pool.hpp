// Memory of one size that is used again when nobody refers to it any more: pages fresh from the kernel take longer than
// enciphering what goes into them.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace fflbench {

class Pool {
  using Memory = std::unique_ptr<unsigned char[]>;

 public:
  explicit Pool(long capacity) : capacity_(capacity) {}

  // A loan goes back to its pool, which lives on for as long.
  class Loan {
   public:
    explicit Loan(std::shared_ptr<Pool> pool) : pool_(std::move(pool)) {
      std::vector<Memory>& idle = pool_->idle_;
      if (idle.empty()) {
        memory_.reset(new unsigned char[std::size_t(pool_->capacity_)]);
      } else {
        memory_ = std::move(idle.back());
        idle.pop_back();
      }
    }
    ~Loan() { pool_->idle_.push_back(std::move(memory_)); }
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    unsigned char* get() { return memory_.get(); }

   private:
    std::shared_ptr<Pool> pool_;
    Memory memory_;
  };

  long capacity() const { return capacity_; }

 private:
  long capacity_;
  std::vector<Memory> idle_;
};

}  // namespace fflbench
