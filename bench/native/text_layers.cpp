#include "text_layers.hpp"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "buffer.hpp"

namespace fflbench {
namespace {

constexpr long STRIDE = 8;  // Steps in time whose products are made together: they are in the cache then.

class EmbeddingLayer : public Layer {
 public:
  explicit EmbeddingLayer(const Description& d) : d_(d) {}

  Tensor connect(const Tensor& input) override {
    if (input.height != 1 || input.width != 1) throw std::invalid_argument("embedding: needs one token a step");
    return {input.channels, d_.outputs, 1};
  }

  Rows rows() const override { return {d_.weight, d_.vocabulary, d_.outputs}; }

  void forward(const Pass& pass, const float* from, float* to) override {
    const Tensor vector{1, 1, d_.outputs};
    const float* rows[GROUP];
    for (long step = 0; step < pass.groups * steps(); ++step) {
      for (long lane = 0; lane < GROUP; ++lane)
        rows[lane] = pass.parameters + d_.weight + long(from[step * GROUP + lane]) * d_.outputs;
      pass.kernels.collect(rows, vector, to + step * d_.outputs * GROUP);
    }
  }

  void backward(const Pass& pass, const float* from, const float*, const float* gradient, float*) override {
    for (long step = 0; step < pass.groups * steps(); ++step, gradient += d_.outputs * GROUP) {
      const long samples = std::min(GROUP, pass.samples - step / steps() * GROUP);
      for (long lane = 0; lane < samples; ++lane) {
        float* row = pass.gradient + d_.weight + long(from[step * GROUP + lane]) * d_.outputs;
        for (long i = 0; i < d_.outputs; ++i) row[i] += gradient[i * GROUP + lane];
      }
    }
  }

 private:
  long steps() const { return input_.channels; }

  Description d_;
};

// One direction. Gates lie by group, then by step: [groups][steps][4 * hidden][16], and what else belongs to a step likewise.
class Direction {
 public:
  Direction(const Recurrent& places, bool backwards, long hidden) : p_(places), backwards_(backwards), hidden_(hidden) {}

  void prepare(long steps, long inputs, long outputs) {
    steps_ = steps;
    inputs_ = inputs;
    outputs_ = outputs * GROUP;
  }

  void reserve(long groups) {
    gates_.reserve(groups * steps_ * gate());
    cells_.reserve(groups * steps_ * unit());
    room_.reserve(std::max(groups * gate(), STRIDE * GROUP * (std::max(inputs_, hidden_) + GROUP)));
    carried_.reserve(groups * unit());
    kept_.reserve(groups * unit());
    totals_.reserve(gate());
    brought_.reserve(STRIDE * inputs_ * GROUP);
  }

  void forward(const Pass& pass, const float* from, float* to) {
    std::vector<float> bias(std::size_t(4 * hidden_));
    for (long i = 0; i < 4 * hidden_; ++i) bias[i] = pass.parameters[p_.bias + i] + pass.parameters[p_.recurrent_bias + i];
    for (long first = 0; first < steps_; first += STRIDE) {
      const Stretch stretch = this->stretch(first);
      for (long group = 0; group < pass.groups; ++group)
        pass.kernels.linear(from + (group * steps_ + stretch.begin) * inputs_ * GROUP, inputs_,
                            pass.parameters + p_.weight, bias.data(), gates(stretch.begin, group), 4 * hidden_, stretch.count);
      for (long place = first; place < first + stretch.count; ++place) {
        const long step = this->step(place), before = this->step(place - 1);
        pass.kernels.lstm(recurrence(pass), place ? to + before * outputs_ : nullptr, place ? cells(before) : nullptr,
                          gates(step), cells(step), to + step * outputs_, room_.get());
      }
    }
  }

  // `value` and `gradient` are the outputs and theirs; writes `back`, or adds to it.
  void backward(const Pass& pass, const float* from, const float* value, const float* gradient, float* back, bool anew) {
    carried_.clear();
    kept_.clear();
    totals_.clear();
    for (long first = (steps_ - 1) / STRIDE * STRIDE; first >= 0; first -= STRIDE) {
      const Stretch stretch = this->stretch(first);
      for (long place = first + stretch.count - 1; place >= first; --place) {
        const long step = this->step(place);
        pass.kernels.lstm_back(recurrence(pass), gradient + step * outputs_, place ? cells(this->step(place - 1)) : nullptr,
                               cells(step), gates(step), carried_.get(), kept_.get(), totals_.get());
      }
      for (long group = 0; group < pass.groups; ++group) {
        const long at = group * steps_ + stretch.begin;
        weight_gradients(pass, from + at * inputs_ * GROUP, value, group, stretch);
        if (back) bring(pass, group, stretch, back + at * inputs_ * GROUP, anew);
      }
    }
    for (long offset : {p_.bias, p_.recurrent_bias})
      pass.kernels.channel_sums({4 * hidden_}, totals_.get(), pass.gradient + offset);
  }

 private:
  struct Stretch {
    long begin, count;
  };

  long unit() const { return hidden_ * GROUP; }
  long gate() const { return 4 * unit(); }
  float* gates(long step, long group = 0) { return gates_.get() + (group * steps_ + step) * gate(); }
  float* cells(long step) { return cells_.get() + step * unit(); }
  long step(long place) const { return backwards_ ? steps_ - 1 - place : place; }
  Recurrence recurrence(const Pass& pass) const {
    return {hidden_, pass.groups, pass.parameters + p_.recurrent_weight, steps_ * gate(), steps_ * unit(), steps_ * outputs_};
  }

  // The steps that lie side by side from the place `first` of the way on.
  Stretch stretch(long first) const {
    const long count = std::min(STRIDE, steps_ - first);
    return {backwards_ ? steps_ - first - count : first, count};
  }

  void weight_gradients(const Pass& pass, const float* from, const float* value, long group, Stretch s) {
    pass.kernels.linear_weight_gradient(from, inputs_, inputs_ * GROUP, gates(s.begin, group), 4 * hidden_,
                                        pass.gradient + p_.weight, s.count, room_.get());
    if (!backwards_ && s.begin == 0) s = {1, s.count - 1};  // Before the first there is nothing.
    if (backwards_ && s.begin + s.count == steps_) --s.count;
    const long before = s.begin + (backwards_ ? 1 : -1);
    pass.kernels.linear_weight_gradient(value + (group * steps_ + before) * outputs_, hidden_, outputs_,
                                        gates(s.begin, group), 4 * hidden_, pass.gradient + p_.recurrent_weight, s.count,
                                        room_.get());
  }

  void bring(const Pass& pass, long group, Stretch s, float* back, bool anew) {
    const long size = s.count * inputs_ * GROUP;
    pass.kernels.linear_back(gates(s.begin, group), 4 * hidden_, pass.parameters + p_.weight, anew ? back : brought_.get(),
                             inputs_, s.count);
    for (long i = 0; i < size && !anew; ++i) back[i] += brought_.get()[i];
  }

  Recurrent p_;
  bool backwards_;
  long hidden_, steps_ = 0, inputs_ = 0, outputs_ = 0;
  Buffer gates_, cells_, room_, carried_, kept_, totals_, brought_;
};

class LstmLayer : public Layer {
 public:
  explicit LstmLayer(const Description& d) : hidden_(d.outputs) {
    for (const Recurrent& places : d.directions) directions_.emplace_back(places, !directions_.empty(), hidden_);
  }

  Tensor connect(const Tensor& input) override {
    if (input.width != 1) throw std::invalid_argument("lstm: needs one vector a step");
    const Tensor output{input.channels, long(directions_.size()) * hidden_, 1};
    for (Direction& direction : directions_) direction.prepare(input.channels, input.height, output.height);
    return output;
  }

  void reserve(long groups) override {
    for (Direction& direction : directions_) direction.reserve(groups);
  }

  void forward(const Pass& pass, const float* from, float* to) override {
    for (std::size_t i = 0; i < directions_.size(); ++i) directions_[i].forward(pass, from, to + long(i) * hidden_ * GROUP);
  }

  void backward(const Pass& pass, const float* from, const float* value, const float* gradient, float* back) override {
    for (std::size_t i = 0; i < directions_.size(); ++i) {
      const long part = long(i) * hidden_ * GROUP;
      directions_[i].backward(pass, from, value + part, gradient + part, back, i == 0);
    }
  }

 private:
  long hidden_;
  std::vector<Direction> directions_;
};

// The mean over time and the largest, one after the other.
class OverTimeLayer : public Layer {
 public:
  Tensor connect(const Tensor& input) override {
    if (input.width != 1) throw std::invalid_argument("over time: needs one vector a step");
    return {2 * input.height, 1, 1};
  }

  void reserve(long groups) override { which_.resize(std::max(which_.size(), std::size_t(groups * width()))); }

  void forward(const Pass& pass, const float* from, float* to) override {
    for (long g = 0; g < pass.groups; ++g)
      pass.kernels.over_time(input_.channels, width(), from + g * input_.size(), to + 2 * g * width(),
                             to + (2 * g + 1) * width(), which_.data() + g * width());
  }

  void backward(const Pass& pass, const float*, const float*, const float* gradient, float* back) override {
    for (long g = 0; back && g < pass.groups; ++g)
      pass.kernels.over_time_back(input_.channels, width(), gradient + 2 * g * width(), gradient + (2 * g + 1) * width(),
                                  which_.data() + g * width(), back + g * input_.size());
  }

 private:
  long width() const { return input_.height * GROUP; }

  std::vector<int> which_;
};

}  // namespace

void check_text(const Description& d, const Tensor& input, long size) {
  auto outside = [size](long offset, long count) { return offset < 0 || offset + count > size; };
  bool wrong = d.kind == "embedding" && (d.outputs < 1 || d.vocabulary < 1 || outside(d.weight, d.vocabulary * d.outputs));
  if (d.kind == "lstm") {
    const long gates = 4 * d.outputs;
    wrong = d.outputs < 1 || d.directions.empty() || d.directions.size() > 2;
    for (const Recurrent& places : d.directions)
      wrong = wrong || outside(places.weight, gates * input.height) || outside(places.recurrent_weight, gates * d.outputs) ||
              outside(places.bias, gates) || outside(places.recurrent_bias, gates);
  }
  if (wrong) throw std::invalid_argument(d.kind + ": its parameters lie outside of the vector");
}

std::unique_ptr<Layer> make_text_layer(const Description& d) {
  if (d.kind == "embedding") return std::make_unique<EmbeddingLayer>(d);
  if (d.kind == "lstm") return std::make_unique<LstmLayer>(d);
  if (d.kind == "over_time") return std::make_unique<OverTimeLayer>();
  return nullptr;
}

}  // namespace fflbench
