// A model as a list of layers: trains and evaluates a flat vector of parameters.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "buffer.hpp"
#include "layers.hpp"

namespace fflbench {

// Which examples a peer trains on, in what order: epochs x used places in its data.
struct Schedule {
  const std::int64_t* orders;
  long epochs, used, batch;
};

// A part of the parameters.
struct Part {
  long begin, end;
};

// One layer's dropout factors for one batch, [samples][count].
struct Masks {
  long samples, count;
  std::vector<float> values;
};

class Program {
 public:
  // Throws std::invalid_argument unless the layers fit together and their parameters lie inside [0, size).
  Program(const std::vector<Description>&, Tensor input, long size, long trainable, const Kernels&);

  long inputs() const { return shapes_.front().features(); }
  long outputs() const { return shapes_.back().features(); }
  long size() const { return size_; }
  // How many tokens there are, if inputs are tokens: whole numbers from 0 on. Else 0.
  long vocabulary() const { return layers_.front()->rows().count; }
  const char* flavour() const { return kernels_.name; }

  // Trains parameters[size] in place. Targets must be in range: classes, or 0 and 1 for one logit.
  void train(float* parameters, const float* inputs, const std::int64_t* targets, const Schedule&, const Optimiser&,
             std::uint64_t seed);
  // outputs[samples][outputs()] in evaluation mode.
  void evaluate(float* parameters, const float* inputs, long samples, float* outputs);
  // What `train` draws with that seed for batches of these sizes: by batch, by layer with dropout.
  std::vector<std::vector<Masks>> masks(const std::vector<long>& sizes, std::uint64_t seed);

 private:
  using State = std::array<unsigned, 4 * GROUP>;

  void reserve(long groups);
  long chunk(long samples) const;
  void collect(const float* const* rows, long samples);
  void forward(const Pass&);
  void backward(const Pass&);
  void draw(State&, long groups);
  void step_gradient(float* parameters, const std::vector<const float*>& rows, const std::vector<long>& targets, State&);
  void loss_gradient(const Pass&, const long* targets, long batch);
  std::vector<Part> moving(const float* inputs, const Schedule&, const Optimiser&) const;
  void optimise(const Optimiser&, const std::vector<Part>&, long step, float* parameters);

  const Kernels& kernels_;
  long size_, trainable_, reserved_ = 0;
  bool whole_batch_ = false;
  std::vector<std::unique_ptr<Layer>> layers_;
  std::vector<Tensor> shapes_;
  std::vector<Buffer> values_, gradients_;
  Buffer gradient_, first_, second_;
  std::mutex busy_;
};

}  // namespace fflbench
