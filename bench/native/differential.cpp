#include "differential.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace fflbench {

void to_planes(const Shape& shape, long images, const float* rows, float* planes) {
  const long places = shape.of.height * shape.of.width, features = shape.of.features(), row = shape.channel(images);
  std::fill(planes, planes + shape.size(images), 0.0f);
  for (long image = 0; image < images; ++image)
    for (long c = 0; c < shape.of.channels; ++c)
      std::copy_n(rows + image * features + c * places, places, planes + c * row + image * places);
}

void to_rows(const Shape& shape, long images, const float* planes, float* rows) {
  const long places = shape.of.height * shape.of.width, features = shape.of.features(), row = shape.channel(images);
  for (long image = 0; image < images; ++image)
    for (long c = 0; c < shape.of.channels; ++c)
      std::copy_n(planes + c * row + image * places, places, rows + image * features + c * places);
}

namespace {

class Linear : public Differential {
 public:
  explicit Linear(const Description& d) : d_(d) {}

  Shape connect(const Shape& input) override {
    input_ = input;
    inputs_ = input.of.features();
    return {{d_.outputs, 1, 1}, true};
  }

  long notes(long images) const override { return input_.flat ? 0 : images * inputs_; }

  void reserve(long images) override {
    moves_.reserve(images * inputs_);
    back_.reserve(images * inputs_);
  }

  void forward(const Moment& m, const float* in, float* out, float* own) override {
    const float* rows = input_.flat ? in : flattened(m, in, own);
    bias(m, m.parameters, out);
    apply(m, m.parameters, rows, out);
  }

  void backward(const Moment& m, const Trace& t, float* gradient, float* back) override {
    collect(m, t.slope, rows_of(t), gradient);
    sums(m, t.slope, gradient);
    if (!back) return;
    begin_back(m, back);
    unapply(m, m.parameters, t.slope, back);
    end_back(m, back);
  }

  bool moved(const Moment& m, const Trace& t, const float* along, const float* moves, float* to) override {
    bias(m, along, to);
    apply(m, along, rows_of(t), to);
    if (moves) apply(m, m.parameters, input_.flat ? moves : flattened(m, moves, moves_.get()), to);
    return true;
  }

  void turned(const Moment& m, const Trace& t, const float* along, const float* moves, const float* /* shifts */,
              const float* turns, float* gradient, float* to) override {
    if (gradient) {
      collect(m, turns, rows_of(t), gradient);
      sums(m, turns, gradient);
      if (moves) collect(m, t.slope, input_.flat ? moves : moves_.get(), gradient);
    }
    begin_back(m, to);
    unapply(m, along, t.slope, to);
    unapply(m, m.parameters, turns, to);
    end_back(m, to);
  }

 private:
  const float* rows_of(const Trace& t) const { return input_.flat ? t.in : t.own; }

  const float* flattened(const Moment& m, const float* planes, float* rows) const {
    to_rows(input_, m.images, planes, rows);
    return rows;
  }

  void begin_back(const Moment& m, float* to) {
    if (input_.flat)
      std::fill(to, to + input_.size(m.images), 0.0f);
    else
      std::fill(back_.get(), back_.get() + m.images * inputs_, 0.0f);
  }

  void end_back(const Moment& m, float* to) const {
    if (!input_.flat) to_planes(input_, m.images, back_.get(), to);
  }

  void bias(const Moment& m, const float* parameters, float* to) const {
    const float* values = at(parameters, d_.bias);
    for (long image = 0; image < m.images; ++image)
      for (long o = 0; o < d_.outputs; ++o) to[image * d_.outputs + o] = values ? values[o] : 0.0f;
  }

  void apply(const Moment& m, const float* parameters, const float* rows, float* to) const {
    m.kernels.correlate({m.images, d_.outputs, inputs_, rows, inputs_, 1, parameters + d_.weight, inputs_, to, d_.outputs});
  }

  void unapply(const Moment& m, const float* parameters, const float* slope, float* to) {
    float* rows = input_.flat ? to : back_.get();
    m.kernels.multiply({m.images, inputs_, d_.outputs, slope, d_.outputs, 1, parameters + d_.weight, inputs_, rows, inputs_});
  }

  void collect(const Moment& m, const float* slope, const float* rows, float* gradient) const {
    m.kernels.multiply({d_.outputs, inputs_, m.images, slope, 1, d_.outputs, rows, inputs_, gradient + d_.weight, inputs_});
  }

  void sums(const Moment& m, const float* slope, float* gradient) const {
    if (d_.bias < 0) return;
    for (long image = 0; image < m.images; ++image)
      for (long o = 0; o < d_.outputs; ++o) gradient[d_.bias + o] += slope[image * d_.outputs + o];
  }

  Description d_;
  Shape input_;
  long inputs_ = 0;
  Buffer moves_, back_;
};

// By the running statistics: a scale and a shift of every channel. Its notes are 1 / deviation.
class Normalising : public Differential {
 public:
  explicit Normalising(const Description& d) : d_(d) {}

  Shape connect(const Shape& input) override { return input_ = input; }
  long notes(long) const override { return input_.of.channels; }

  void forward(const Moment& m, const float* in, float* out, float* own) override {
    const float *weight = m.parameters + d_.weight, *bias = m.parameters + d_.bias, *mean = m.parameters + d_.mean;
    for (long c = 0; c < input_.of.channels; ++c)
      own[c] = float(1 / std::sqrt(double(m.parameters[d_.variance + c]) + d_.epsilon));
    blank(m, out);
    everywhere(m, [&](long c, long i) { out[i] = (in[i] - mean[c]) * own[c] * weight[c] + bias[c]; });
  }

  void backward(const Moment& m, const Trace& t, float* gradient, float* back) override {
    collect(m, t, t.slope, gradient);
    if (!back) return;
    const float* weight = m.parameters + d_.weight;
    blank(m, back);
    everywhere(m, [&](long c, long i) { back[i] = t.slope[i] * t.own[c] * weight[c]; });
  }

  bool moved(const Moment& m, const Trace& t, const float* along, const float* moves, float* to) override {
    const float *weight = m.parameters + d_.weight, *mean = m.parameters + d_.mean;
    blank(m, to);
    everywhere(m, [&](long c, long i) {
      const float straight = moves ? moves[i] * t.own[c] * weight[c] : 0.0f;
      to[i] = (t.in[i] - mean[c]) * t.own[c] * along[d_.weight + c] + along[d_.bias + c] + straight;
    });
    return true;
  }

  void turned(const Moment& m, const Trace& t, const float* along, const float* moves, const float* /* shifts */,
              const float* turns, float* gradient, float* to) override {
    if (gradient) {
      collect(m, t, turns, gradient);
      if (moves) everywhere(m, [&](long c, long i) { gradient[d_.weight + c] += t.slope[i] * moves[i] * t.own[c]; });
    }
    const float* weight = m.parameters + d_.weight;
    blank(m, to);
    everywhere(m, [&](long c, long i) {
      to[i] = (turns[i] * weight[c] + t.slope[i] * along[d_.weight + c]) * t.own[c];
    });
  }

 private:
  // What fills groups up has to be finite.
  void blank(const Moment& m, float* to) const { std::fill(to, to + input_.size(m.images), 0.0f); }

  void collect(const Moment& m, const Trace& t, const float* slope, float* gradient) const {
    const float* mean = m.parameters + d_.mean;
    everywhere(m, [&](long c, long i) {
      gradient[d_.weight + c] += slope[i] * (t.in[i] - mean[c]) * t.own[c];
      gradient[d_.bias + c] += slope[i];
    });
  }

  // Calls visit(channel, place) for every value.
  template <class Visit>
  void everywhere(const Moment& m, const Visit& visit) const {
    const long channels = input_.of.channels;
    if (input_.flat) {
      for (long image = 0; image < m.images; ++image)
        for (long c = 0; c < channels; ++c) visit(c, image * channels + c);
      return;
    }
    const long row = input_.channel(m.images), count = m.images * input_.of.height * input_.of.width;
    for (long c = 0; c < channels; ++c)
      for (long i = 0; i < count; ++i) visit(c, c * row + i);
  }

  Description d_;
  Shape input_;
};

class Bending : public Differential {
 public:
  explicit Bending(int kind) : kind_(kind) {}

  Shape connect(const Shape& input) override { return input_ = input; }

  void forward(const Moment& m, const float* in, float* out, float*) override {
    m.kernels.curve[kind_](input_.size(m.images), in, out);
  }

  void backward(const Moment& m, const Trace& t, float*, float* back) override {
    if (back) m.kernels.curve_back[kind_](input_.size(m.images), t.out, t.slope, back);
  }

  bool moved(const Moment& m, const Trace& t, const float*, const float* moves, float* to) override {
    if (moves) m.kernels.curve_back[kind_](input_.size(m.images), t.out, moves, to);
    return moves != nullptr;
  }

  void turned(const Moment& m, const Trace& t, const float*, const float* moves, const float* shifts, const float* turns,
              float*, float* to) override {
    const long count = input_.size(m.images);
    if (moves)
      m.kernels.curve_turned[kind_](count, t.out, t.slope, shifts, turns, to);
    else
      m.kernels.curve_back[kind_](count, t.out, turns, to);
  }

 private:
  int kind_;
  Shape input_;
};

}  // namespace

std::unique_ptr<Differential> make_differential(const Description& d) {
  if (d.drop > 0 || d.pool || d.relu) throw std::invalid_argument(d.kind + ": needs layers one by one, without dropout");
  if (d.kind == "convolution") return make_convolving(d);
  if (d.kind == "linear") return std::make_unique<Linear>(d);
  if (d.kind == "batch_norm") return std::make_unique<Normalising>(d);
  if (d.kind == "max_pool") return make_pooling(d);
  if (d.kind == "relu") return std::make_unique<Bending>(0);
  if (d.kind == "sigmoid") return std::make_unique<Bending>(1);
  if (d.kind == "tanh") return std::make_unique<Bending>(2);
  throw std::invalid_argument(d.kind + ": no such layer");
}

}  // namespace fflbench
