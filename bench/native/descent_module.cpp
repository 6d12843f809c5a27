// What Python sees of a victim's local steps.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <stdexcept>

#include "descent.hpp"
#include "module.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace fflbench {
namespace {

using Floats = py::array_t<float, py::array::c_style>;

Floats forward(Descent& descent, Descent::Tape& tape, const Floats& parameters, const Floats& inputs, const Floats& targets,
               long steps, float rate) {
  need(parameters.ndim() == 1 && parameters.size() == descent.size(), "parameters: need one vector of the network's size");
  need(inputs.ndim() == 3 && inputs.shape(0) >= 1 && inputs.shape(1) >= 1 && inputs.shape(2) == descent.inputs(),
       "inputs: need [starts, images, inputs] of the network's width");
  need(targets.ndim() == 2 && targets.shape(0) == inputs.shape(1) && targets.shape(1) == descent.outputs(),
       "targets: need [images, outputs]");
  need(steps >= 1, "steps: need at least one");
  tape.starts = long(inputs.shape(0));
  tape.images = long(inputs.shape(1));
  tape.steps = steps;
  tape.rate = rate;
  Floats directions({tape.starts, descent.trainable()});
  float* to = directions.mutable_data();
  const py::gil_scoped_release released;
  descent.forward(tape, parameters.data(), inputs.data(), targets.data(), to);
  return directions;
}

std::pair<Floats, Floats> backward(Descent& descent, const Descent::Tape& tape, const Floats& slopes) {
  need(tape.steps >= 1, "tape: need one that `forward` has written");
  need(slopes.ndim() == 2 && slopes.shape(0) == tape.starts && slopes.shape(1) == descent.trainable(),
       "slopes: need [starts, trainable]");
  Floats inputs({tape.starts, tape.images, descent.inputs()}), targets({tape.starts, tape.images, descent.outputs()});
  float *to_inputs = inputs.mutable_data(), *to_targets = targets.mutable_data();
  {
    const py::gil_scoped_release released;
    descent.backward(tape, slopes.data(), to_inputs, to_targets);
  }
  return {inputs, targets};
}

}  // namespace

void add_descent(py::module_& module) {
  py::class_<Descent> type(module, "Descent");
  type.def(py::init([](const std::vector<Description>& layers, const std::vector<long>& shape, long size, long trainable,
                       const std::string& flavour) {
             need(shape.size() == 1 || shape.size() == 3, "shape: needs [features] or [channels, height, width]");
             const bool flat = shape.size() == 1;
             const Tensor input{shape[0], flat ? 1 : shape[1], flat ? 1 : shape[2]};
             return std::make_unique<Descent>(layers, input, flat, size, trainable, kernels_of(flavour));
           }),
           "layers"_a, "shape"_a, "size"_a, "trainable"_a, "flavour"_a)
      .def("forward", &forward, "tape"_a, py::arg("parameters").noconvert(), py::arg("inputs").noconvert(),
           py::arg("targets").noconvert(), "steps"_a, "rate"_a)
      .def("backward", &backward, "tape"_a, py::arg("slopes").noconvert());
  py::class_<Descent::Tape>(module, "Tape").def(py::init<>());
}

}  // namespace fflbench
