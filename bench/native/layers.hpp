// The layers of a program: what each needs beside its parameters, and which kernels it calls.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels.hpp"

namespace fflbench {

// Where one direction of an LSTM has its parameters.
struct Recurrent {
  long weight, recurrent_weight, bias, recurrent_bias;
};

// The rows of an embedding among the parameters.
struct Rows {
  long offset = 0, count = 0, width = 0;
};

// A layer as Python describes it. Parameters are offsets into the flat vector, -1 where there is none.
struct Description {
  std::string kind;
  long weight = -1, bias = -1, mean = -1, variance = -1, outputs = 0;
  Window window;
  double drop = 0;
  bool by_channel = false, pool = false, relu = false;
  double epsilon = 0, momentum = 0;
  long vocabulary = 0;
  std::vector<Recurrent> directions;
};

// A part of a batch on its way through the layers: `samples` of them, in groups of sixteen.
struct Pass {
  const Kernels& kernels;
  long groups, samples;
  bool training;
  float* parameters;
  float* gradient;
};

class Layer {
 public:
  virtual ~Layer() = default;

  // The shape of what comes out, without padding. Throws std::invalid_argument when the input does not fit.
  virtual Tensor connect(const Tensor& input) = 0;
  virtual long input_padding() const { return 0; }
  void lay_out(const Tensor& input, const Tensor& output) {
    input_ = input;
    output_ = output;
    prepare();
  }

  virtual void reserve(long /* groups */) {}
  virtual void draw(const Kernels&, unsigned* /* state */, long /* groups */) {}
  // The factors that were drawn for one sample after the other, [groups][factor_count][16]; nullptr without dropout.
  virtual const float* factors() const { return nullptr; }
  virtual long factor_count() const { return 0; }

  virtual void forward(const Pass&, const float* from, float* to) = 0;
  // `gradient` belongs to the output `value`; adds to the parameters' gradient and writes `back`, unless it is nullptr.
  virtual void backward(const Pass&, const float* from, const float* value, const float* gradient, float* back) = 0;
  virtual bool whole_batch() const { return false; }
  virtual Rows rows() const { return {}; }

 protected:
  virtual void prepare() {}

  Tensor input_, output_;
};

std::unique_ptr<Layer> make_layer(const Description&);

// Throws std::invalid_argument unless the layer can be, and its parameters lie inside [0, size).
void check(const Description&, const Tensor& input, long size);

}  // namespace fflbench
