#include "descent.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

namespace fflbench {

Descent::Descent(const std::vector<Description>& descriptions, Tensor input, bool flat, long size, long trainable,
                 const Kernels& kernels)
    : kernels_(kernels), size_(size), trainable_(trainable) {
  if (descriptions.empty() || input.features() < 1 || trainable < 0 || trainable > size)
    throw std::invalid_argument("descent: needs layers, inputs and parameters");
  shapes_.push_back({input, flat});
  for (const Description& d : descriptions) {
    check(d, shapes_.back().of, size);
    layers_.push_back(make_differential(d));
    shapes_.push_back(layers_.back()->connect(shapes_.back()));
  }
  if (!shapes_.back().flat) throw std::invalid_argument("descent: needs a linear layer at the end");
  moves_.resize(shapes_.size());
  turns_.resize(shapes_.size());
  along_.reserve(size);
  bent_.reserve(size);
}

void Descent::forward(Tape& tape, const float* parameters, const float* inputs, const float* targets, float* directions) {
  const std::lock_guard<std::mutex> alone(busy_);
  reserve(tape);
  const long labels = tape.images * outputs();
  for (long start = 0; start < tape.starts; ++start) {
    float* direction = directions + start * trainable_;
    std::fill(direction, direction + trainable_, 0.0f);
    for (long k = 0; k < tape.steps; ++k) {
      Tape::Local& local = tape.locals[std::size_t(start * tape.steps + k)];
      const Room room = divided(tape, local);
      if (k == 0) {
        std::copy_n(parameters, size_, local.parameters.get());
        enter(inputs + start * tape.images * this->inputs(), tape.images, room.values[0]);
      } else {
        const Tape::Local& before = tape.locals[std::size_t(start * tape.steps + k - 1)];
        std::copy_n(divided(tape, before).values[0], shapes_[0].size(tape.images), room.values[0]);
        std::copy_n(before.parameters.get(), size_, local.parameters.get());
        for (long i = 0; i < trainable_; ++i) local.parameters.get()[i] -= tape.rate * bent_.get()[i];
      }
      std::copy_n(targets, labels, room.targets);
      std::fill(bent_.get(), bent_.get() + trainable_, 0.0f);
      step({kernels_, tape.images, local.parameters.get()}, room, bent_.get());
      for (long i = 0; i < trainable_; ++i) direction[i] += bent_.get()[i];
    }
  }
}

void Descent::backward(const Tape& tape, const float* slopes, float* inputs, float* targets) {
  const std::lock_guard<std::mutex> alone(busy_);
  const long pixels = tape.images * this->inputs(), labels = tape.images * outputs();
  std::fill(inputs, inputs + tape.starts * pixels, 0.0f);
  std::fill(targets, targets + tape.starts * labels, 0.0f);
  for (long start = 0; start < tape.starts; ++start) {
    std::fill(bent_.get(), bent_.get() + trainable_, 0.0f);
    for (long k = tape.steps - 1; k >= 0; --k) {
      for (long i = 0; i < trainable_; ++i)
        along_.get()[i] = slopes[start * trainable_ + i] - tape.rate * bent_.get()[i];
      turn(tape, tape.locals[std::size_t(start * tape.steps + k)], along_.get(), k > 0 ? bent_.get() : nullptr,
           inputs + start * pixels, targets + start * labels);
    }
  }
}

void Descent::reserve(Tape& tape) {
  long room = shapes_[0].size(tape.images) + 2 * tape.images * outputs() + 2 * GROUP;
  for (std::size_t i = 0; i < layers_.size(); ++i)
    room += 2 * shapes_[i + 1].size(tape.images) + (layers_[i]->notes(tape.images) + GROUP) / GROUP * GROUP;
  tape.locals.resize(std::size_t(tape.starts * tape.steps));
  for (Tape::Local& local : tape.locals) {
    local.parameters.reserve(size_);
    local.room.reserve(room);
  }
  for (std::size_t i = 0; i < shapes_.size(); ++i) {
    moves_[i].reserve(shapes_[i].size(tape.images));
    turns_[i].reserve(shapes_[i].size(tape.images));
  }
  for (auto& layer : layers_) layer->reserve(tape.images);
}

// Where everything of one local step lies in its room.
Descent::Room Descent::divided(const Tape& tape, const Tape::Local& local) const {
  const long images = tape.images;
  float* at = const_cast<float*>(local.room.get());
  auto next = [&at](long count) {
    float* here = at;
    at += (count + GROUP - 1) / GROUP * GROUP;
    return here;
  };
  Room room;
  room.values.push_back(next(shapes_[0].size(images)));
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    room.values.push_back(next(shapes_[i + 1].size(images)));
    room.slopes.push_back(next(shapes_[i + 1].size(images)));
    room.notes.push_back(next(layers_[i]->notes(images)));
  }
  room.targets = next(images * outputs());
  room.likely = next(images * outputs());
  return room;
}

// The network's gradient at one local step, and what it leaves.
void Descent::step(const Moment& m, const Room& room, float* gradient) {
  for (std::size_t i = 0; i < layers_.size(); ++i) layers_[i]->forward(m, room.values[i], room.values[i + 1], room.notes[i]);
  loss_gradient(m.images, room);
  for (std::size_t i = layers_.size(); i-- > 0;) {
    const Trace trace{room.values[i], room.values[i + 1], room.notes[i], room.slopes[i]};
    layers_[i]->backward(m, trace, gradient, i > 0 ? room.slopes[i - 1] : nullptr);
  }
}

// How fast that gradient turns while the parameters move `along`: adds to `gradient`, unless it is nullptr, and to the
// derivatives by images and targets.
void Descent::turn(const Tape& tape, const Tape::Local& local, const float* along, float* gradient, float* inputs,
                   float* targets) {
  const Room room = divided(tape, local);
  const Moment m{kernels_, tape.images, local.parameters.get()};
  std::vector<const float*> moves{nullptr};
  auto trace = [&](std::size_t i) {
    return Trace{room.values[i], room.values[i + 1], room.notes[i], room.slopes[i]};
  };
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const bool any = layers_[i]->moved(m, trace(i), along, moves[i], moves_[i + 1].get());
    moves.push_back(any ? moves_[i + 1].get() : nullptr);
  }
  loss_turned(tape.images, room, moves.back(), turns_.back().get(), targets);
  for (std::size_t i = layers_.size(); i-- > 0;)
    layers_[i]->turned(m, trace(i), along, moves[i], moves[i + 1], turns_[i + 1].get(), gradient, turns_[i].get());
  leave(turns_[0].get(), tape.images, inputs);
}

// Of the mean over the images: cross-entropy with probabilities, or binary cross-entropy of one logit.
void Descent::loss_gradient(long images, const Room& room) const {
  const long classes = outputs();
  for (long image = 0; image < images; ++image) {
    const float *logits = room.values.back() + image * classes, *targets = room.targets + image * classes;
    float *likely = room.likely + image * classes, *slope = room.slopes.back() + image * classes;
    double whole = 0, told = 1;
    if (classes == 1) {
      likely[0] = float(1 / (1 + std::exp(-double(logits[0]))));
    } else {
      const float largest = *std::max_element(logits, logits + classes);
      for (long c = 0; c < classes; ++c) whole += std::exp(double(logits[c]) - largest);
      for (long c = 0; c < classes; ++c) likely[c] = float(std::exp(double(logits[c]) - largest) / whole);
      told = std::accumulate(targets, targets + classes, 0.0);
    }
    for (long c = 0; c < classes; ++c) slope[c] = float((likely[c] * told - targets[c]) / double(images));
  }
}

// How fast that turns while the logits move, and the derivatives by the targets of how fast the loss does, which are added.
void Descent::loss_turned(long images, const Room& room, const float* moves, float* turns, float* targets) const {
  const long classes = outputs();
  for (long image = 0; image < images; ++image) {
    const float *likely = room.likely + image * classes, *told = room.targets + image * classes;
    const float* moved = moves + image * classes;
    double mean = 0, whole = 1;
    if (classes > 1) {
      mean = std::inner_product(likely, likely + classes, moved, 0.0);
      whole = std::accumulate(told, told + classes, 0.0);
    }
    for (long c = 0; c < classes; ++c) {
      const double apart = moved[c] - mean, width = classes > 1 ? whole : 1.0 - likely[c];
      turns[image * classes + c] = float(likely[c] * width * apart / double(images));
      targets[image * classes + c] -= float(apart / double(images));
    }
  }
}

void Descent::enter(const float* images, long count, float* to) const {
  const Shape& shape = shapes_[0];
  if (shape.flat) return void(std::copy_n(images, count * inputs(), to));
  to_planes(shape, count, images, to);
}

// Adds to the derivatives by the images.
void Descent::leave(const float* from, long count, float* images) {
  const Shape& shape = shapes_[0];
  float* rows = moves_[0].get();  // Free: images do not move.
  if (!shape.flat) to_rows(shape, count, from, rows);
  for (long i = 0; i < count * inputs(); ++i) images[i] += shape.flat ? from[i] : rows[i];
}

}  // namespace fflbench
