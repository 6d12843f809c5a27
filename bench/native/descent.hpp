// A victim's local steps on some images, and how their sum of gradients changes with the images.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "differential.hpp"

namespace fflbench {

class Descent {
 public:
  // Throws std::invalid_argument unless the layers fit together and their parameters lie inside [0, size).
  Descent(const std::vector<Description>&, Tensor input, bool flat, long size, long trainable, const Kernels&);

  // What the steps from some starts left: needed to go back.
  class Tape {
   public:
    long starts = 0, images = 0, steps = 0;
    float rate = 0;

   private:
    friend class Descent;
    struct Local {
      Buffer parameters, room;
    };
    std::vector<Local> locals;  // By start, then by step.
  };

  long size() const { return size_; }
  long trainable() const { return trainable_; }
  long inputs() const { return shapes_.front().of.features(); }
  long outputs() const { return shapes_.back().of.features(); }

  // directions[starts][trainable()]: for images inputs[starts][images][inputs()] and the probabilities of their classes (or
  // of one logit) targets[images][outputs()], the sum of the gradients of plain steps of size `rate` from
  // parameters[size()].
  void forward(Tape&, const float* parameters, const float* inputs, const float* targets, float* directions);
  // From the derivative of a cost by the directions to those by the inputs and, of every start, by the targets
  // [starts][images][outputs()].
  void backward(const Tape&, const float* slopes, float* inputs, float* targets);

 private:
  struct Room {
    std::vector<float*> values, notes, slopes;
    float* targets;
    float* likely;
  };

  Room divided(const Tape&, const Tape::Local&) const;
  void reserve(Tape&);
  void step(const Moment&, const Room&, float* gradient);
  void turn(const Tape&, const Tape::Local&, const float* along, float* gradient, float* inputs, float* targets);
  void loss_gradient(long images, const Room&) const;
  void loss_turned(long images, const Room&, const float* moves, float* turns, float* targets) const;
  void enter(const float* images, long count, float* to) const;
  void leave(const float* from, long count, float* images);

  const Kernels& kernels_;
  long size_, trainable_;
  std::vector<std::unique_ptr<Differential>> layers_;
  std::vector<Shape> shapes_;
  std::vector<Buffer> moves_, turns_;
  Buffer along_, bent_;
  std::mutex busy_;
};

}  // namespace fflbench
