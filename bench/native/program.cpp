#include "program.hpp"

#include <cmath>
#include <stdexcept>

namespace fflbench {
namespace {

constexpr long CHUNK = 64;  // Samples that go through the layers together: their activations stay in the cache.

long groups_of(long samples) { return (samples + GROUP - 1) / GROUP; }

// Numbers that differ in every bit for seeds that differ in one (splitmix64).
std::uint64_t mix(std::uint64_t& state) {
  std::uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

template <class State>
State seeded(std::uint64_t seed) {
  State state;
  for (unsigned& word : state) word = unsigned(mix(seed) >> 32) | 1u;  // Never all zero.
  return state;
}

void clear(Buffer& buffer, const std::vector<Part>& parts) {
  for (const Part& part : parts) std::fill(buffer.get() + part.begin, buffer.get() + part.end, 0.0f);
}

}  // namespace

Program::Program(const std::vector<Description>& descriptions, Tensor input, long size, long trainable,
                 const Kernels& kernels)
    : kernels_(kernels), size_(size), trainable_(trainable) {
  if (descriptions.empty() || input.features() < 1 || trainable < 0 || trainable > size)
    throw std::invalid_argument("program: needs layers, inputs and parameters");
  shapes_.push_back(input);
  for (const Description& d : descriptions) {
    check(d, shapes_.back(), size);
    layers_.push_back(make_layer(d));
    if (layers_.size() > 1 && layers_.back()->rows().count)
      throw std::invalid_argument("embedding: needs to be the first layer");
    shapes_.push_back(layers_.back()->connect(shapes_.back()));
    whole_batch_ = whole_batch_ || layers_.back()->whole_batch();
  }
  for (std::size_t i = 0; i < layers_.size(); ++i) shapes_[i].pad_y = shapes_[i].pad_x = layers_[i]->input_padding();
  for (std::size_t i = 0; i < layers_.size(); ++i) layers_[i]->lay_out(shapes_[i], shapes_[i + 1]);
  values_.resize(shapes_.size());
  gradients_.resize(shapes_.size());
  gradient_.reserve(size);
  first_.reserve(trainable + 1);
  second_.reserve(trainable + 1);
}

void Program::reserve(long groups) {
  if (groups <= reserved_) return;
  for (std::size_t i = 0; i < shapes_.size(); ++i) {
    values_[i].reserve(groups * shapes_[i].size());
    gradients_[i].reserve(groups * shapes_[i].features() * GROUP);
  }
  for (auto& layer : layers_) layer->reserve(groups);
  reserved_ = groups;
}

long Program::chunk(long samples) const { return whole_batch_ ? samples : std::min(samples, CHUNK); }

// Lanes without a sample repeat the last one, so that they hold nothing that the others do not.
void Program::collect(const float* const* rows, long samples) {
  for (long group = 0; group < groups_of(samples); ++group) {
    const float* sixteen[GROUP];
    for (long lane = 0; lane < GROUP; ++lane) sixteen[lane] = rows[std::min(group * GROUP + lane, samples - 1)];
    kernels_.collect(sixteen, shapes_[0], values_[0].get() + group * shapes_[0].size());
  }
}

void Program::forward(const Pass& pass) {
  for (std::size_t i = 0; i < layers_.size(); ++i) layers_[i]->forward(pass, values_[i].get(), values_[i + 1].get());
}

void Program::backward(const Pass& pass) {
  for (std::size_t i = layers_.size(); i-- > 0;)
    layers_[i]->backward(pass, values_[i].get(), values_[i + 1].get(), gradients_[i + 1].get(),
                         i ? gradients_[i].get() : nullptr);
}

void Program::draw(State& state, long groups) {
  for (auto& layer : layers_) layer->draw(kernels_, state.data(), groups);
}

void Program::loss_gradient(const Pass& pass, const long* targets, long batch) {
  const float share = 1.0f / float(batch);
  for (long group = 0; group < pass.groups; ++group) {
    const long samples = std::min(GROUP, pass.samples - group * GROUP);
    const float* logits = values_.back().get() + group * shapes_.back().size();
    float* gradient = gradients_.back().get() + group * shapes_.back().size();
    if (outputs() == 1)
      kernels_.sigmoid_gradient(logits, targets + group * GROUP, samples, share, gradient);
    else
      kernels_.softmax_gradient(logits, outputs(), targets + group * GROUP, samples, share, gradient);
  }
}

void Program::step_gradient(float* parameters, const std::vector<const float*>& rows, const std::vector<long>& targets,
                            State& state) {
  const long batch = long(rows.size());
  for (long begin = 0, samples; begin < batch; begin += samples) {
    samples = std::min(chunk(batch), batch - begin);
    const Pass pass{kernels_, groups_of(samples), samples, true, parameters, gradient_.get()};
    collect(rows.data() + begin, samples);
    draw(state, pass.groups);
    forward(pass);
    loss_gradient(pass, targets.data() + begin, batch);
    backward(pass);
  }
}

// Without decay, a row of an embedding that no example names stays as it is, whichever the optimiser.
std::vector<Part> Program::moving(const float* inputs, const Schedule& schedule, const Optimiser& optimiser) const {
  const Rows rows = layers_.front()->rows();
  if (!rows.count || optimiser.decay != 0) return {{0, trainable_}};
  std::vector<bool> named(std::size_t(rows.count));
  for (long i = 0; i < schedule.epochs * schedule.used; ++i)
    for (long t = 0; t < this->inputs(); ++t) named[std::size_t(inputs[schedule.orders[i] * this->inputs() + t])] = true;
  std::vector<Part> parts{{0, rows.offset}};
  auto add = [&parts](long begin, long end) {
    if (parts.back().end == begin)
      parts.back().end = end;
    else
      parts.push_back({begin, end});
  };
  for (long row = 0; row < rows.count; ++row)
    if (named[std::size_t(row)]) add(rows.offset + row * rows.width, rows.offset + (row + 1) * rows.width);
  add(rows.offset + rows.count * rows.width, trainable_);
  return parts;
}

void Program::optimise(const Optimiser& o, const std::vector<Part>& parts, long step, float* parameters) {
  const Bias bias{1 - std::pow(BETA1, double(step)), 1 - std::pow(BETA2, double(step))};
  for (const Part& part : parts) {
    const long size = part.end - part.begin;
    float *gradient = gradient_.get() + part.begin, *first = first_.get() + part.begin;
    if (o.adam)
      kernels_.adam(o, bias, size, gradient, parameters + part.begin, first, second_.get() + part.begin);
    else
      kernels_.sgd(o, size, gradient, parameters + part.begin, first);
  }
}

void Program::train(float* parameters, const float* inputs, const std::int64_t* targets, const Schedule& schedule,
                    const Optimiser& optimiser, std::uint64_t seed) {
  const std::lock_guard<std::mutex> alone(busy_);
  reserve(groups_of(chunk(std::min(schedule.batch, schedule.used))));
  State state = seeded<State>(seed);
  const std::vector<Part> parts = moving(inputs, schedule, optimiser);
  clear(first_, parts);
  clear(second_, parts);
  std::vector<const float*> rows;
  std::vector<long> wanted;
  long step = 0;
  for (long epoch = 0; epoch < schedule.epochs; ++epoch)
    for (long begin = 0; begin < schedule.used; begin += schedule.batch) {
      rows.clear();
      wanted.clear();
      for (long i = begin; i < std::min(begin + schedule.batch, schedule.used); ++i) {
        const long place = long(schedule.orders[epoch * schedule.used + i]);
        rows.push_back(inputs + place * this->inputs());
        wanted.push_back(long(targets[place]));
      }
      clear(gradient_, parts);
      step_gradient(parameters, rows, wanted, state);
      optimise(optimiser, parts, ++step, parameters);
    }
}

void Program::evaluate(float* parameters, const float* inputs, long samples, float* outputs) {
  const std::lock_guard<std::mutex> alone(busy_);
  reserve(groups_of(std::min(samples, CHUNK)));
  for (long begin = 0; begin < samples; begin += CHUNK) {
    const long count = std::min(CHUNK, samples - begin);
    const float* rows[CHUNK];
    for (long i = 0; i < count; ++i) rows[i] = inputs + (begin + i) * this->inputs();
    collect(rows, count);
    forward({kernels_, groups_of(count), count, false, parameters, nullptr});
    const float* logits = values_.back().get();
    for (long i = 0; i < count; ++i)
      for (long o = 0; o < this->outputs(); ++o)
        outputs[(begin + i) * this->outputs() + o] = logits[(i / GROUP * this->outputs() + o) * GROUP + i % GROUP];
  }
}

std::vector<std::vector<Masks>> Program::masks(const std::vector<long>& sizes, std::uint64_t seed) {
  const std::lock_guard<std::mutex> alone(busy_);
  State state = seeded<State>(seed);
  std::vector<std::vector<Masks>> batches;
  for (long batch : sizes) {
    std::vector<Masks> found;
    for (auto& layer : layers_)
      if (layer->factor_count()) found.push_back({batch, layer->factor_count(), {}});
    reserve(groups_of(chunk(batch)));
    for (long begin = 0, samples; begin < batch; begin += samples) {
      samples = std::min(chunk(batch), batch - begin);
      draw(state, groups_of(samples));
      auto masks = found.begin();
      for (auto& layer : layers_) {
        const long count = layer->factor_count();
        for (long i = 0; i < samples && count; ++i)
          for (long f = 0; f < count; ++f)
            masks->values.push_back(layer->factors()[(i / GROUP * count + f) * GROUP + i % GROUP]);
        if (count) ++masks;
      }
    }
    batches.push_back(std::move(found));
  }
  return batches;
}

}  // namespace fflbench
