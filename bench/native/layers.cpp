#include "layers.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "buffer.hpp"
#include "text_layers.hpp"

namespace fflbench {
namespace {

constexpr long REACH = 3;  // How far a tile of four positions may reach beyond a row.

const float* at(const Pass& pass, long offset) { return offset < 0 ? nullptr : pass.parameters + offset; }

long plain(const Tensor& shape) { return shape.features() * GROUP; }

// Factors of dropout, one for each sample and channel or feature.
class Factors {
 public:
  Factors(double drop, long count) : drop_(float(drop)), count_(count) {}
  void reserve(long groups) { values_.reserve(groups * count_ * GROUP); }
  void draw(const Kernels& kernels, unsigned* state, long groups) {
    kernels.draw(state, values_.get(), groups * count_, drop_);
  }
  const float* get(long group = 0) const { return values_.get() + group * count_ * GROUP; }
  long count() const { return count_; }

 private:
  float drop_;
  long count_;
  Buffer values_;
};

class ConvolutionLayer : public Layer {
 public:
  explicit ConvolutionLayer(const Description& d) : d_(d), factors_(d.drop, d.drop > 0 ? d.outputs : 0) {}

  Tensor connect(const Tensor& input) override {
    const Window& w = d_.window;
    const long height = input.height + 2 * w.pad - w.kernel_y, width = input.width + 2 * w.pad - w.kernel_x;
    if (w.taps() > 256 || height < 0 || width < 0) throw std::invalid_argument("convolution: its window does not fit");
    c_.sums = {d_.outputs, height / w.stride + 1, width / w.stride + 1, 0, REACH};
    const long by = d_.pool ? 2 : 1;
    return {d_.outputs, c_.sums.height / by, c_.sums.width / by};
  }

  long input_padding() const override { return d_.window.pad; }

  void prepare() override {
    const Window& w = d_.window;
    c_.input = input_;
    c_.output = output_;
    c_.window = w;
    for (long channel = 0; channel < input_.channels; ++channel)
      for (long tap = 0; tap < w.taps(); ++tap) {
        const long place = tap / w.kernel_x * input_.row() + tap % w.kernel_x * GROUP;
        if (channel == 0) taps_.push_back({place, tap});
        columns_.push_back(channel * input_.plane() + place);
      }
    c_.taps = taps_.data();
    c_.columns = columns_.data();
    sums_.reserve(c_.sums.size());
  }

  void reserve(long groups) override {
    factors_.reserve(groups);
    if (d_.pool && long(which_.size()) < groups * plain(output_)) which_.resize(std::size_t(groups * plain(output_)));
  }

  void draw(const Kernels& kernels, unsigned* state, long groups) override {
    if (factors_.count()) factors_.draw(kernels, state, groups);
  }
  const float* factors() const override { return factors_.count() ? factors_.get() : nullptr; }
  long factor_count() const override { return factors_.count(); }

  void forward(const Pass& pass, const float* from, float* to) override {
    for (long group = 0; group < pass.groups; ++group)
      pass.kernels.convolve(c_, from + group * input_.size(), at(pass, d_.weight), at(pass, d_.bias),
                            after(pass, group), to + group * output_.size());
    if (!pass.training || d_.pool || !factors_.count()) return;
    for (long group = 0; group < pass.groups; ++group) {
      float* values = to + group * output_.size();
      pass.kernels.scale(output_, output_, values, factors_.get(group), true, values);
    }
  }

  void backward(const Pass& pass, const float* from, const float* value, const float* gradient, float* back) override {
    for (long group = 0; group < pass.groups; ++group) {
      const float* input = from + group * input_.size();
      pass.kernels.expand(c_, after(pass, group), value + group * output_.size(), gradient + group * plain(output_),
                          sums_.get());
      if (d_.bias >= 0) pass.kernels.channel_sums(c_.sums, sums_.get(), pass.gradient + d_.bias);
      pass.kernels.weight_gradient(c_, input, sums_.get(), pass.gradient + d_.weight);
      if (back) pass.kernels.convolve_back(c_, sums_.get(), at(pass, d_.weight), back + group * plain(input_));
    }
  }

 private:
  Epilogue after(const Pass& pass, long group) {
    const bool dropped = pass.training && factors_.count();
    signed char* which = d_.pool && pass.training ? which_.data() + group * plain(output_) : nullptr;
    return {dropped ? factors_.get(group) : nullptr, d_.pool, d_.relu, which};
  }

  Description d_;
  Convolution c_;
  Factors factors_;
  std::vector<Tap> taps_;
  std::vector<long> columns_;
  std::vector<signed char> which_;
  Buffer sums_;
};

class PoolLayer : public Layer {
 public:
  explicit PoolLayer(const Description& d) : window_(d.window) {}

  Tensor connect(const Tensor& input) override {
    const long height = input.height + 2 * window_.pad - window_.kernel_y;
    const long width = input.width + 2 * window_.pad - window_.kernel_x;
    if (window_.taps() > 256 || height < 0 || width < 0) throw std::invalid_argument("pooling: its window does not fit");
    return {input.channels, height / window_.stride + 1, width / window_.stride + 1};
  }

  void reserve(long groups) override { which_.resize(std::max(which_.size(), std::size_t(groups * plain(output_)))); }

  void forward(const Pass& pass, const float* from, float* to) override {
    for (long g = 0; g < pass.groups; ++g)
      pass.kernels.pool(input_, output_, window_, from + g * input_.size(), to + g * output_.size(),
                        which_.data() + g * plain(output_));
  }

  void backward(const Pass& pass, const float*, const float*, const float* gradient, float* back) override {
    for (long g = 0; back && g < pass.groups; ++g)
      pass.kernels.pool_back(input_, output_, window_, gradient + g * plain(output_), which_.data() + g * plain(output_),
                             back + g * plain(input_));
  }

 private:
  Window window_;
  std::vector<unsigned char> which_;
};

class LinearLayer : public Layer {
 public:
  explicit LinearLayer(const Description& d) : d_(d) {}

  Tensor connect(const Tensor&) override { return {d_.outputs, 1, 1}; }

  void reserve(long groups) override { rows_.reserve(groups * GROUP * (input_.features() + GROUP)); }

  void forward(const Pass& pass, const float* from, float* to) override {
    pass.kernels.linear(from, input_.features(), at(pass, d_.weight), at(pass, d_.bias), to, d_.outputs, pass.groups);
  }

  void backward(const Pass& pass, const float* from, const float*, const float* gradient, float* back) override {
    for (long g = 0; d_.bias >= 0 && g < pass.groups; ++g)
      pass.kernels.channel_sums({d_.outputs}, gradient + g * d_.outputs * GROUP, pass.gradient + d_.bias);
    pass.kernels.linear_weight_gradient(from, input_.features(), plain(input_), gradient, d_.outputs,
                                        pass.gradient + d_.weight, pass.groups, rows_.get());
    if (back) pass.kernels.linear_back(gradient, d_.outputs, at(pass, d_.weight), back, input_.features(), pass.groups);
  }

 private:
  Description d_;
  Buffer rows_;
};

class ActivationLayer : public Layer {
 public:
  explicit ActivationLayer(int curve) : curve_(curve) {}

  Tensor connect(const Tensor& input) override { return {input.channels, input.height, input.width}; }

  void forward(const Pass& pass, const float* from, float* to) override {
    for (long g = 0; g < pass.groups; ++g)
      pass.kernels.activate[curve_](input_, output_, from + g * input_.size(), to + g * output_.size());
  }

  void backward(const Pass& pass, const float*, const float* value, const float* gradient, float* back) override {
    for (long g = 0; back && g < pass.groups; ++g)
      pass.kernels.activate_back[curve_](output_, value + g * output_.size(), gradient + g * plain(output_),
                                         back + g * plain(input_));
  }

 private:
  int curve_;
};

class DropoutLayer : public Layer {
 public:
  explicit DropoutLayer(const Description& d) : d_(d), factors_(0, 0) {}

  Tensor connect(const Tensor& input) override {
    factors_ = Factors(d_.drop, d_.by_channel ? input.channels : input.features());
    return {input.channels, input.height, input.width};
  }

  void reserve(long groups) override { factors_.reserve(groups); }
  void draw(const Kernels& kernels, unsigned* state, long groups) override { factors_.draw(kernels, state, groups); }
  const float* factors() const override { return factors_.get(); }
  long factor_count() const override { return factors_.count(); }

  void forward(const Pass& pass, const float* from, float* to) override {
    for (long g = 0; g < pass.groups; ++g)
      pass.kernels.scale(input_, output_, from + g * input_.size(), pass.training ? factors_.get(g) : nullptr, d_.by_channel,
                         to + g * output_.size());
  }

  void backward(const Pass& pass, const float*, const float*, const float* gradient, float* back) override {
    const Tensor shape{output_.channels, output_.height, output_.width};
    for (long g = 0; back && g < pass.groups; ++g)
      pass.kernels.scale(shape, shape, gradient + g * plain(shape), factors_.get(g), d_.by_channel, back + g * plain(shape));
  }

 private:
  Description d_;
  Factors factors_;
};

class NormLayer : public Layer {
 public:
  explicit NormLayer(const Description& d) : d_(d), norm_{float(d.epsilon), float(d.momentum)} {}

  Tensor connect(const Tensor& input) override {
    mean_.resize(std::size_t(input.channels));
    deviation_.resize(std::size_t(input.channels));
    return {input.channels, input.height, input.width};
  }

  bool whole_batch() const override { return true; }

  void forward(const Pass& pass, const float* from, float* to) override {
    float* running_mean = pass.parameters + d_.mean;
    float* running_variance = pass.parameters + d_.variance;
    if (pass.training) {
      pass.kernels.measure(norm_, input_, from, pass.groups, pass.samples, mean_.data(), deviation_.data(), running_mean,
                           running_variance);
    } else {
      for (std::size_t c = 0; c < mean_.size(); ++c) {
        mean_[c] = running_mean[c];
        deviation_[c] = 1.0f / std::sqrt(running_variance[c] + norm_.epsilon);
      }
    }
    for (long g = 0; g < pass.groups; ++g)
      pass.kernels.normalise(input_, output_, from + g * input_.size(), mean_.data(), deviation_.data(),
                             at(pass, d_.weight), at(pass, d_.bias), to + g * output_.size());
  }

  void backward(const Pass& pass, const float* from, const float*, const float* gradient, float* back) override {
    if (!back) {
      unused_.reserve(pass.groups * plain(input_));
      back = unused_.get();
    }
    pass.kernels.normalise_back(input_, from, pass.groups, pass.samples, mean_.data(), deviation_.data(),
                                at(pass, d_.weight), gradient, back, pass.gradient + d_.weight, pass.gradient + d_.bias);
  }

 private:
  Description d_;
  Norm norm_;
  std::vector<float> mean_, deviation_;
  Buffer unused_;
};

}  // namespace

void check(const Description& d, const Tensor& input, long size) {
  const Window& w = d.window;
  if (w.kernel_y < 1 || w.kernel_x < 1 || w.stride < 1 || w.pad < 0 || !(d.drop >= 0 && d.drop <= 1))
    throw std::invalid_argument(d.kind + ": found a window or a probability that cannot be");
  const bool norm = d.kind == "batch_norm";
  const long weights = d.kind == "linear"        ? d.outputs * input.features()
                       : d.kind == "convolution" ? d.outputs * input.channels * d.window.taps()
                                                 : input.channels;
  const long each = norm ? input.channels : d.outputs;
  auto outside = [size](long offset, long count) { return offset < 0 || offset + count > size; };
  if (d.kind != "linear" && d.kind != "convolution" && !norm) return check_text(d, input, size);
  if (each < 1 || outside(d.weight, weights) || ((norm || d.bias != -1) && outside(d.bias, each)) ||
      (norm && (outside(d.mean, each) || outside(d.variance, each))))
    throw std::invalid_argument(d.kind + ": its parameters lie outside of the vector");
}

std::unique_ptr<Layer> make_layer(const Description& d) {
  if (d.kind == "convolution") return std::make_unique<ConvolutionLayer>(d);
  if (d.kind == "max_pool") return std::make_unique<PoolLayer>(d);
  if (d.kind == "linear") return std::make_unique<LinearLayer>(d);
  if (d.kind == "relu") return std::make_unique<ActivationLayer>(0);
  if (d.kind == "sigmoid") return std::make_unique<ActivationLayer>(1);
  if (d.kind == "tanh") return std::make_unique<ActivationLayer>(2);
  if (d.kind == "dropout") return std::make_unique<DropoutLayer>(d);
  if (d.kind == "batch_norm") return std::make_unique<NormLayer>(d);
  if (auto layer = make_text_layer(d)) return layer;
  throw std::invalid_argument("layer kind: found '" + d.kind + "'");
}

}  // namespace fflbench
