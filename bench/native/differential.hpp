// Layers that know their gradient and how fast it turns while their parameters move: the R-operator of Pearlmutter 1994.
// Several images of one victim pass through together: values lie as [channels][images][height * width], channels in whole
// groups of sixteen, or after a linear layer as [images][features].
#pragma once

#include <memory>

#include "buffer.hpp"
#include "layers.hpp"

namespace fflbench {

struct Shape {
  Tensor of;
  bool flat = false;

  // From one channel to the next, and all of it, in whole groups.
  long channel(long images) const { return (images * of.height * of.width + GROUP - 1) / GROUP * GROUP; }
  long size(long images) const {
    return flat ? (images * of.channels + GROUP - 1) / GROUP * GROUP : of.channels * channel(images);
  }
};

// From [images][features], as Python has them and linear layers take them, to how images pass through, and back.
void to_planes(const Shape&, long images, const float* rows, float* planes);
void to_rows(const Shape&, long images, const float* planes, float* rows);

struct Moment {
  const Kernels& kernels;
  long images;
  const float* parameters;
};

// What a layer left of one pass: `own` is room for its notes, `slope` the gradient by its outputs.
struct Trace {
  const float* in;
  const float* out;
  float* own;
  const float* slope;
};

class Differential {
 public:
  virtual ~Differential() = default;

  // The shape of what comes out. Throws std::invalid_argument when the input does not fit.
  virtual Shape connect(const Shape& input) = 0;
  virtual long notes(long /* images */) const { return 0; }
  virtual void reserve(long /* images */) {}

  virtual void forward(const Moment&, const float* in, float* out, float* own) = 0;
  // Adds to the parameters' gradient and writes that by the inputs to `back`, unless it is nullptr.
  virtual void backward(const Moment&, const Trace&, float* gradient, float* back) = 0;
  // How fast the outputs move while the parameters move `along` and the inputs by `moves` (nullptr: not at all). False:
  // they do not.
  virtual bool moved(const Moment&, const Trace&, const float* along, const float* moves, float* to) = 0;
  // How fast what `backward` gave then turns, while the slope turns by `turns`; `moves` and `shifts` are what `moved` was
  // given and wrote. Adds to `gradient`, unless it is nullptr.
  virtual void turned(const Moment&, const Trace&, const float* along, const float* moves, const float* shifts,
                      const float* turns, float* gradient, float* to) = 0;
};

inline const float* at(const float* parameters, long offset) { return offset < 0 ? nullptr : parameters + offset; }

std::unique_ptr<Differential> make_convolving(const Description&);
std::unique_ptr<Differential> make_pooling(const Description&);
std::unique_ptr<Differential> make_differential(const Description&);

}  // namespace fflbench
