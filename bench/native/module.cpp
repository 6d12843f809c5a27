// What Python sees. Everything is checked here, at the door: the kernels trust what they get.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <stdexcept>

#include "buffer.hpp"
#include "lists.hpp"
#include "module.hpp"
#include "program.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace fflbench {
namespace {

using Floats = py::array_t<float, py::array::c_style>;
using Doubles = py::array_t<double, py::array::c_style>;
using Comparators = py::array_t<int, py::array::c_style>;
using Ranks = py::array_t<int, py::array::c_style>;
using Integers = py::array_t<std::int64_t, py::array::c_style>;

constexpr long STRETCH = 1 << 9;  // Columns of an inner product that are summed in single precision.
constexpr long MOST_BUFFERED = 1 << 16, LONGEST = 1 << 10;  // Numbers in a selection's buffer, and columns.

}  // namespace

// The instruction sets that this processor has, the fastest first.
std::vector<std::string> flavours() {
  std::vector<std::string> found;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    found.push_back("avx512");
  if (avx2) found.push_back("avx2");
#endif
  found.push_back("baseline");
  return found;
}

const Kernels& kernels_of(const std::string& flavour) {
  for (const std::string& name : flavours()) {
    if (name != flavour) continue;
#if defined(__x86_64__)
    if (name == "avx512") return AVX512;
    if (name == "avx2") return AVX2;
#endif
    return BASELINE;
  }
  throw std::invalid_argument("flavour: found '" + flavour + "', which this processor lacks");
}

void need(bool condition, const char* what) {
  if (!condition) throw std::invalid_argument(what);
}

namespace {

void check_data(const Program& program, const Floats& parameters, const Floats& inputs) {
  need(parameters.ndim() == 1 && parameters.size() == program.size(), "parameters: need one vector of the program's size");
  need(inputs.ndim() == 2 && inputs.shape(1) == program.inputs(), "inputs: need [samples, inputs] of the program's width");
  const float last = float(program.vocabulary() - 1);
  for (long i = 0; last >= 0 && i < inputs.size(); ++i)
    need(inputs.data()[i] >= 0 && inputs.data()[i] <= last, "inputs: found a token outside of the vocabulary");
}

void train(Program& program, Floats& parameters, const Floats& inputs, const Integers& targets, const Integers& orders,
           long batch, const Optimiser& optimiser, std::uint64_t seed) {
  check_data(program, parameters, inputs);
  const long count = long(inputs.shape(0)), classes = std::max(program.outputs(), 2L);
  need(parameters.writeable(), "parameters: need to be writeable");
  need(targets.ndim() == 1 && targets.shape(0) == count, "targets: need one for each sample");
  need(orders.ndim() == 2 && batch >= 1, "orders: need [epochs, used], and a batch of at least one");
  for (long i = 0; i < targets.size(); ++i)
    need(targets.data()[i] >= 0 && targets.data()[i] < classes, "targets: found a class that does not exist");
  for (long i = 0; i < orders.size(); ++i)
    need(orders.data()[i] >= 0 && orders.data()[i] < count, "orders: found a place outside of the data");
  const Schedule schedule{orders.data(), long(orders.shape(0)), long(orders.shape(1)), batch};
  float* vector = parameters.mutable_data();
  const py::gil_scoped_release released;
  program.train(vector, inputs.data(), targets.data(), schedule, optimiser, seed);
}

Floats evaluate(Program& program, Floats& parameters, const Floats& inputs) {
  check_data(program, parameters, inputs);
  const long samples = long(inputs.shape(0));
  Floats outputs({samples, program.outputs()});
  float* to = outputs.mutable_data();
  float* vector = const_cast<float*>(parameters.data());  // Evaluation only reads it.
  const py::gil_scoped_release released;
  program.evaluate(vector, inputs.data(), samples, to);
  return outputs;
}

std::vector<std::vector<Floats>> masks(Program& program, const std::vector<long>& sizes, std::uint64_t seed) {
  for (long size : sizes) need(size >= 1, "sizes: need at least one sample in each batch");
  std::vector<std::vector<Floats>> batches;
  for (const auto& batch : program.masks(sizes, seed)) {
    batches.emplace_back();
    for (const Masks& one : batch) {
      Floats array({one.samples, one.count});
      std::copy(one.values.begin(), one.values.end(), array.mutable_data());
      batches.back().push_back(array);
    }
  }
  return batches;
}

Matrix matrix_of(const py::array_t<float>& rows) {
  need(rows.ndim() == 2 && rows.shape(0) >= 1 && (rows.shape(1) < 2 || rows.strides(1) == sizeof(float)),
       "rows: need [n, d] with neighbours in a row side by side");
  need(rows.strides(0) % long(sizeof(float)) == 0, "rows: need a stride of whole numbers");
  return {rows.data(), long(rows.shape(0)), long(rows.shape(1)), long(rows.strides(0)) / long(sizeof(float))};
}

// How many columns of these rows a selection takes into its buffer.
long stretch_of(const Matrix& rows) {
  return std::max(WIDEST, std::min(MOST_BUFFERED / rows.count, LONGEST) / WIDEST * WIDEST);
}

void check_network(const Comparators& network, long count) {
  need(network.ndim() == 2 && network.shape(1) == 3, "network: need [comparators, 3]");
  for (long i = 0; i < network.shape(0); ++i)
    for (long end = 0; end < 2; ++end)
      need(network.at(i, end) >= 0 && network.at(i, end) < count, "network: found a row that does not exist");
}

Network network_of(const Comparators& network) {
  static_assert(sizeof(Comparator) == 3 * sizeof(int));
  return {reinterpret_cast<const Comparator*>(network.data()), long(network.shape(0)), nullptr, 0};
}

// The rows at some ranks of every column, or their mean; false if there is a NaN, and nothing is right then.
bool ranked(const py::array_t<float>& rows, const Comparators& network, const Ranks& ranks, Floats& to, bool mean,
            const std::string& flavour) {
  const Matrix matrix = matrix_of(rows);
  const long count = matrix.count, columns = matrix.columns;
  check_network(network, count);
  need(ranks.ndim() == 1 && ranks.size() >= 1, "ranks: need at least one");
  for (long i = 0; i < ranks.size(); ++i)
    need(ranks.at(i) >= 0 && ranks.at(i) < count, "ranks: found one that does not exist");
  need(to.writeable() && to.size() == columns * (mean ? 1 : long(ranks.size())), "to: need a place for every result");
  Network given = network_of(network);
  given.ranks = ranks.data();
  given.wanted = long(ranks.size());
  const Kernels& kernels = kernels_of(flavour);
  const long stretch = stretch_of(matrix);
  Buffer buffer;
  buffer.reserve(count * (stretch + GROUP));
  float* results = to.mutable_data();
  const py::gil_scoped_release released;
  return kernels.ranked(matrix, given, mean, stretch, buffer.get(), results);
}

// The values at one rank of every column, with `pair` and at the next, or the mean of the two; false as above.
bool counted(const py::array_t<float>& rows, long rank, bool pair, Floats& to, bool mean, const std::string& flavour) {
  const Matrix matrix = matrix_of(rows);
  need(rank >= 0 && rank + pair < matrix.count, "rank: found one that does not exist");
  need(to.writeable() && to.size() == matrix.columns * (pair && !mean ? 2 : 1), "to: need a place for every result");
  const Kernels& kernels = kernels_of(flavour);
  const long stretch = stretch_of(matrix);
  Buffer buffer;
  buffer.reserve(matrix.count * stretch);
  float* results = to.mutable_data();
  const py::gil_scoped_release released;
  return kernels.counted(matrix, rank, pair, mean, stretch, buffer.get(), results);
}

// The median of every column of up to 4 * MOST_PART rows; false if there may be values that are not finite, or more rows.
bool median(const py::array_t<float>& rows, Floats& to, const std::string& flavour) {
  const Matrix matrix = matrix_of(rows);
  need(to.writeable() && to.size() == matrix.columns, "to: need a place for every result");
  const Kernels& kernels = kernels_of(flavour);
  float* results = to.mutable_data();
  const py::gil_scoped_release released;
  if (matrix.count <= MOST_SORTED) return kernels.median(matrix, results);
  if (matrix.count > 4 * MOST_PART) return false;
  const Division division(int(matrix.count));
  Buffer buffer;
  buffer.reserve(matrix.count * (SIDE + GROUP));
  return kernels.median_of_parts(matrix, division.lists(), buffer.get(), results);
}

// In every column the mean of the `count` values nearest the median, by a network that sorts; false if there is a NaN.
bool near_median(const py::array_t<float>& rows, const Comparators& network, long count, Floats& to,
                 const std::string& flavour) {
  const Matrix matrix = matrix_of(rows);
  check_network(network, matrix.count);
  need(count >= 1 && count <= matrix.count, "count: need from 1 to as many as there are rows");
  need(to.writeable() && to.size() == matrix.columns, "to: need a place for every result");
  const Kernels& kernels = kernels_of(flavour);
  const long stretch = stretch_of(matrix);
  Buffer buffer;
  buffer.reserve(matrix.count * (stretch + GROUP));
  float* results = to.mutable_data();
  const py::gil_scoped_release released;
  return kernels.near_median(matrix, network_of(network), count, stretch, buffer.get(), results);
}

// For every row its squared distance to a point, without one its squared length; or its product with the point.
Doubles summed(const py::array_t<float>& rows, const std::optional<Floats>& point, bool products,
               const std::string& flavour) {
  const Matrix matrix = matrix_of(rows);
  need(!point || (point->ndim() == 1 && point->size() == matrix.columns), "point: needs as many entries as a row has");
  need(point || !products, "point: a product needs one");
  const Kernels& kernels = kernels_of(flavour);
  Doubles sums(matrix.count);
  std::vector<double> lanes(matrix.count * GROUP);
  double* to = sums.mutable_data();
  const float* from = point ? point->data() : nullptr;
  const py::gil_scoped_release released;
  (products ? kernels.products : from ? kernels.distances : kernels.squares)(matrix, from, lanes.data(), to);
  return sums;
}

// In every column how many values are positive, less how many are negative.
void votes(const py::array_t<float>& rows, Floats& to, const std::string& flavour) {
  const Matrix matrix = matrix_of(rows);
  need(to.writeable() && to.size() == matrix.columns, "to: need a place for every result");
  const Kernels& kernels = kernels_of(flavour);
  float* results = to.mutable_data();
  const py::gil_scoped_release released;
  kernels.votes(matrix, results);
}

// The means of some sets of rows, of as many columns as make whole registers of every processor.
void means(const py::array_t<float>& rows, const Integers& chosen, py::array_t<float>& to, const std::string& flavour) {
  const Matrix matrix = matrix_of(rows);
  need(matrix.columns % GROUP == 0, "rows: need a multiple of 16 columns");
  need(chosen.ndim() == 2 && chosen.size() >= 1, "chosen: need [sets, rows], and at least one");
  for (long i = 0; i < chosen.size(); ++i)
    need(chosen.data()[i] >= 0 && chosen.data()[i] < matrix.count, "chosen: found a row that does not exist");
  const long sets = long(chosen.shape(0)), count = long(chosen.shape(1));
  const Matrix results = matrix_of(to);
  need(to.writeable() && results.count == sets && results.columns == matrix.columns, "to: need a place for every result");
  const Kernels& kernels = kernels_of(flavour);
  const std::vector<long> which(chosen.data(), chosen.data() + chosen.size());
  float* first = to.mutable_data();
  const py::gil_scoped_release released;
  for (long set = 0; set < sets; ++set) kernels.mean(matrix, which.data() + set * count, count, first + set * results.stride);
}

// Inner products of rows as seen from an origin, or from their mean where there is none.
Doubles gram(const py::array_t<float>& rows, const std::optional<Floats>& origin, const std::string& flavour) {
  const Matrix matrix = matrix_of(rows);
  need(!origin || origin->size() == matrix.columns, "origin: need as many entries as a row has");
  const Kernels& kernels = kernels_of(flavour);
  Doubles products({matrix.count, matrix.count});
  double* to = products.mutable_data();
  const float* from = origin ? origin->data() : nullptr;
  const py::gil_scoped_release released;
  std::fill(to, to + matrix.count * matrix.count, 0.0);
  Buffer buffer;
  buffer.reserve((matrix.count + 4) * (STRETCH + GROUP));  // A row for the origin, and zeros up to a whole tile.
  kernels.gram(matrix, from, STRETCH, buffer.get(), to);
  for (long i = 0; i < matrix.count; ++i)
    for (long j = 0; j < i; ++j) to[j * matrix.count + i] = to[i * matrix.count + j];
  return products;
}

Description describe(const std::string& kind, long weight, long bias, long mean, long variance, long outputs,
                     std::pair<long, long> kernel, long stride, long padding, double drop, bool by_channel, bool pool,
                     bool relu, double epsilon, double momentum, long vocabulary,
                     const std::vector<std::array<long, 4>>& directions) {
  std::vector<Recurrent> recurrent;
  for (const auto& places : directions) recurrent.push_back({places[0], places[1], places[2], places[3]});
  return {kind, weight, bias, mean, variance, outputs, {kernel.first, kernel.second, stride, padding},
          drop, by_channel, pool, relu, epsilon, momentum, vocabulary, recurrent};
}

}  // namespace
}  // namespace fflbench

PYBIND11_MODULE(_native, module) {
  using namespace fflbench;
  module.doc() = "Training and evaluation of straight-line networks, ranks, inner products and exchanges, on the CPU.";
  module.def("flavours", &flavours);
  module.def("ranked", &ranked, py::arg("rows").noconvert(), "network"_a, "ranks"_a, py::arg("to").noconvert(), "mean"_a,
             "flavour"_a);
  module.def("counted", &counted, py::arg("rows").noconvert(), "rank"_a, "pair"_a, py::arg("to").noconvert(), "mean"_a,
             "flavour"_a);
  module.def("median", &median, py::arg("rows").noconvert(), py::arg("to").noconvert(), "flavour"_a);
  module.def("near_median", &near_median, py::arg("rows").noconvert(), "network"_a, "count"_a, py::arg("to").noconvert(),
             "flavour"_a);
  module.def("summed", &summed, py::arg("rows").noconvert(), py::arg("point").none(true), py::kw_only(), "products"_a, "flavour"_a);
  module.def("votes", &votes, py::arg("rows").noconvert(), py::arg("to").noconvert(), "flavour"_a);
  module.def("means", &means, py::arg("rows").noconvert(), py::arg("chosen").noconvert(), py::arg("to").noconvert(),
             "flavour"_a);
  module.def("gram", &gram, py::arg("rows").noconvert(), py::arg("origin").none(true), "flavour"_a);
  py::class_<Description>(module, "Layer")
      .def(py::init(&describe), "kind"_a, py::kw_only(), "weight"_a = -1, "bias"_a = -1, "mean"_a = -1,
           "variance"_a = -1, "outputs"_a = 0, "kernel"_a = std::pair<long, long>(1, 1), "stride"_a = 1, "padding"_a = 0,
           "drop"_a = 0.0, "by_channel"_a = false, "pool"_a = false, "relu"_a = false, "epsilon"_a = 0.0,
           "momentum"_a = 0.0, "vocabulary"_a = 0, "directions"_a = std::vector<std::array<long, 4>>{});
  py::class_<Optimiser>(module, "Optimiser")
      .def(py::init([](bool adam, double rate, double momentum, double decay) {
             return Optimiser{adam, rate, momentum, decay};
           }),
           py::kw_only(), "adam"_a, "rate"_a, "momentum"_a = 0.0, "decay"_a = 0.0);
  py::class_<Program>(module, "Program")
      .def(py::init([](const std::vector<Description>& layers, std::array<long, 3> shape, long size, long trainable,
                       const std::string& flavour) {
             return std::make_unique<Program>(layers, Tensor{shape[0], shape[1], shape[2]}, size, trainable,
                                              kernels_of(flavour));
           }),
           "layers"_a, "shape"_a, "size"_a, "trainable"_a, "flavour"_a)
      .def_property_readonly("flavour", &Program::flavour)
      .def_property_readonly("outputs", &Program::outputs)
      .def_property_readonly("vocabulary", &Program::vocabulary)
      .def("train", &train, py::arg("parameters").noconvert(), py::arg("inputs").noconvert(),
           py::arg("targets").noconvert(), py::arg("orders").noconvert(), "batch"_a, "optimiser"_a, "seed"_a)
      .def("evaluate", &evaluate, py::arg("parameters").noconvert(), py::arg("inputs").noconvert())
      .def("masks", &masks, "sizes"_a, "seed"_a);
  add_descent(module);
  add_moving(module);
}
