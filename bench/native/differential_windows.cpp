#include "differential.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace fflbench {
namespace {

// The shape after a window has passed over images.
Shape slid(const Description& d, const Shape& input, long channels) {
  const Window& w = d.window;
  const long height = input.of.height + 2 * w.pad - w.kernel_y, width = input.of.width + 2 * w.pad - w.kernel_x;
  if (height < 0 || width < 0) throw std::invalid_argument(d.kind + ": its window does not fit");
  if (input.flat) throw std::invalid_argument(d.kind + ": needs images");
  return {{channels, height / w.stride + 1, width / w.stride + 1}};
}

class Convolving : public Differential {
 public:
  explicit Convolving(const Description& d) : d_(d) {}

  Shape connect(const Shape& input) override {
    input_ = input;
    output_ = slid(d_, input, d_.outputs);
    window_ = input.of.channels * d_.window.taps();
    return output_;
  }

  long notes(long images) const override { return window_ * output_.channel(images); }

  void reserve(long images) override {
    const Window& w = d_.window;
    moves_.reserve(notes(images));
    folding_.reserve(notes(images));
    padded_.reserve((input_.of.height + 2 * w.pad + w.stride) * (input_.of.width + 2 * w.pad + w.stride));
  }

  void forward(const Moment& m, const float* in, float* out, float* own) override {
    m.kernels.unfold(patches(m), in, own, padded_.get());
    bias(m, m.parameters, out);
    apply(m, m.parameters, own, out);
  }

  void backward(const Moment& m, const Trace& t, float* gradient, float* back) override {
    collect(m, t.slope, t.own, gradient);
    channel_sums(m, t.slope, gradient);
    if (!back) return;
    unapply(m, m.parameters, t.slope, true);
    fold(m, back);
  }

  bool moved(const Moment& m, const Trace& t, const float* along, const float* moves, float* to) override {
    bias(m, along, to);
    apply(m, along, t.own, to);
    if (moves) {
      m.kernels.unfold(patches(m), moves, moves_.get(), padded_.get());
      apply(m, m.parameters, moves_.get(), to);
    }
    return true;
  }

  void turned(const Moment& m, const Trace& t, const float* along, const float* moves, const float* /* shifts */,
              const float* turns, float* gradient, float* to) override {
    if (gradient) {
      collect(m, turns, t.own, gradient);
      channel_sums(m, turns, gradient);
      if (moves) collect(m, t.slope, moves_.get(), gradient);
    }
    unapply(m, along, t.slope, true);
    unapply(m, m.parameters, turns, false);
    fold(m, to);
  }

 private:
  Patches patches(const Moment& m) const {
    return {input_.of, output_.of, d_.window, m.images, input_.channel(m.images), output_.channel(m.images)};
  }

  void bias(const Moment& m, const float* parameters, float* to) const {
    const float* values = at(parameters, d_.bias);
    const long row = output_.channel(m.images);
    for (long o = 0; o < d_.outputs; ++o) std::fill(to + o * row, to + (o + 1) * row, values ? values[o] : 0.0f);
  }

  void apply(const Moment& m, const float* parameters, const float* columns, float* to) const {
    const long row = output_.channel(m.images);
    m.kernels.multiply({d_.outputs, row, window_, parameters + d_.weight, window_, 1, columns, row, to, row});
  }

  void unapply(const Moment& m, const float* parameters, const float* slope, bool anew) {
    const long row = output_.channel(m.images);
    m.kernels.multiply({window_, row, d_.outputs, parameters + d_.weight, 1, window_, slope, row, folding_.get(), row, anew});
  }

  void fold(const Moment& m, float* to) {
    m.kernels.fold(patches(m), folding_.get(), to, padded_.get());
  }

  void collect(const Moment& m, const float* slope, const float* columns, float* gradient) const {
    const long row = output_.channel(m.images);
    m.kernels.correlate({d_.outputs, window_, row, slope, row, 1, columns, row, gradient + d_.weight, window_});
  }

  void channel_sums(const Moment& m, const float* slope, float* gradient) const {
    if (d_.bias < 0) return;
    const long row = output_.channel(m.images), count = m.images * output_.of.height * output_.of.width;
    for (long o = 0; o < d_.outputs; ++o) {
      double sum = 0;
      for (long i = 0; i < count; ++i) sum += slope[o * row + i];
      gradient[d_.bias + o] += float(sum);
    }
  }

  Description d_;
  Shape input_, output_;
  long window_ = 0;
  Buffer moves_, folding_, padded_;
};

class Pooling : public Differential {
 public:
  explicit Pooling(const Description& d) : d_(d) {}

  Shape connect(const Shape& input) override {
    input_ = input;
    output_ = slid(d_, input, input.of.channels);
    return output_;
  }

  // Where the largest was, as a whole number: exact up to sixteen million.
  long notes(long images) const override { return output_.size(images); }

  void forward(const Moment& m, const float* in, float* out, float* own) override {
    const Window& w = d_.window;
    const Tensor &from = input_.of, &to = output_.of;
    std::fill(out, out + output_.size(m.images), 0.0f);  // What fills groups up has to be finite.
    for (long c = 0; c < to.channels; ++c)
      for (long image = 0; image < m.images; ++image) {
        const float* plane = in + c * input_.channel(m.images) + image * from.height * from.width;
        const long place = c * output_.channel(m.images) + image * to.height * to.width;
        for (long y = 0; y < to.height; ++y)
          for (long x = 0; x < to.width; ++x) {
            const long top = std::max(0L, y * w.stride - w.pad), left = std::max(0L, x * w.stride - w.pad);
            const long bottom = std::min(from.height, y * w.stride - w.pad + w.kernel_y);
            const long right = std::min(from.width, x * w.stride - w.pad + w.kernel_x);
            long best = top * from.width + left;
            for (long i = top; i < bottom; ++i)
              for (long j = left; j < right; ++j) {
                const float value = plane[i * from.width + j];
                if (value > plane[best] || std::isnan(value)) best = i * from.width + j;
              }
            out[place + y * to.width + x] = plane[best];
            own[place + y * to.width + x] = float(best);
          }
      }
  }

  void backward(const Moment& m, const Trace& t, float*, float* back) override {
    if (back) spread(m, t, t.slope, back);
  }

  bool moved(const Moment& m, const Trace& t, const float*, const float* moves, float* to) override {
    if (!moves) return false;
    std::fill(to, to + output_.size(m.images), 0.0f);
    everywhere(m, t, [&](long in, long out) { to[out] = moves[in]; });
    return true;
  }

  void turned(const Moment& m, const Trace& t, const float*, const float*, const float*, const float* turns, float*,
              float* to) override {
    spread(m, t, turns, to);
  }

 private:
  void spread(const Moment& m, const Trace& t, const float* slope, float* to) const {
    std::fill(to, to + input_.size(m.images), 0.0f);
    everywhere(m, t, [&](long in, long out) { to[in] += slope[out]; });
  }

  // Calls visit(place of the largest, place of the output) for every output.
  template <class Visit>
  void everywhere(const Moment& m, const Trace& t, const Visit& visit) const {
    const long into = output_.of.height * output_.of.width, from = input_.of.height * input_.of.width;
    for (long c = 0; c < output_.of.channels; ++c)
      for (long image = 0; image < m.images; ++image)
        for (long i = 0; i < into; ++i) {
          const long out = c * output_.channel(m.images) + image * into + i;
          visit(c * input_.channel(m.images) + image * from + long(t.own[out]), out);
        }
  }

  Description d_;
  Shape input_, output_;
};

}  // namespace

std::unique_ptr<Differential> make_convolving(const Description& d) { return std::make_unique<Convolving>(d); }
std::unique_ptr<Differential> make_pooling(const Description& d) { return std::make_unique<Pooling>(d); }

}  // namespace fflbench
