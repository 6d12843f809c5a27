// What Python sees of coordinates that change owners.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <stdexcept>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "module.hpp"
#include "pool.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace fflbench {
namespace {

using Floats = py::array_t<float, py::array::c_style>;
using Words = py::array_t<std::uint32_t, py::array::c_style>;
using Bytes = py::array_t<std::uint8_t, py::array::c_style>;

constexpr std::size_t SEED = 32;

// In which ways this processor enciphers, the fastest first.
std::vector<const Cipher*> found_ciphers() {
  std::vector<const Cipher*> found;
#if defined(__x86_64__)
  __builtin_cpu_init();
  unsigned a, b, c, d;
  const bool aes = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_AES) && (c & bit_POPCNT);
  constexpr unsigned VAES = 1u << 9;  // Compilers have no name for it until late.
  const bool several = aes && __builtin_cpu_supports("avx2") && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & VAES);
  for (const std::string& flavour : flavours()) {
    if (several && flavour == "avx512") found.push_back(&VAES512);
    if (several && flavour == "avx2") found.push_back(&VAES256);
  }
  if (aes) found.push_back(&AESNI);
#endif
  return found;
}

// Looked for once: a virtual machine takes long over the question.
const std::vector<const Cipher*>& ciphers() {
  static const std::vector<const Cipher*> found = found_ciphers();
  return found;
}

const Cipher& cipher_of(const std::string& name) {
  for (const Cipher* cipher : ciphers())
    if (cipher->name == name) return *cipher;
  throw std::invalid_argument("cipher: found '" + name + "', which this processor lacks");
}

std::vector<std::string> names_of_ciphers() {
  std::vector<std::string> names;
  for (const Cipher* cipher : ciphers()) names.push_back(cipher->name);
  return names;
}

const unsigned char* key_of(const std::string& seed) {
  need(seed.size() == SEED, "seed: need 32 bytes");
  return reinterpret_cast<const unsigned char*>(seed.data());
}

// Exchanges two vectors in place where a word is below the threshold; how many moved.
long swap(Floats& first, Floats& second, const Words& words, std::uint32_t threshold, const std::string& flavour) {
  need(first.writeable() && second.writeable(), "rows: need to be writeable");
  need(first.size() == words.size() && second.size() == words.size(), "rows: need as many entries as there are words");
  float *one = first.mutable_data(), *other = second.mutable_data();
  return kernels_of(flavour).swap(words.data(), threshold, long(words.size()), one, other);
}

// The same where the stream of a seed has such a word.
long exchange(Floats& first, Floats& second, const py::bytes& seed, std::uint32_t threshold, const std::string& name) {
  need(first.writeable() && second.writeable(), "rows: need to be writeable");
  need(first.size() == second.size(), "rows: need two of one size");
  const Cipher& cipher = cipher_of(name);
  const std::string key = seed;
  const unsigned char* from = key_of(key);
  const long count = long(first.size());
  float *one = first.mutable_data(), *other = second.mutable_data();
  const py::gil_scoped_release released;
  return cipher.exchange(from, threshold, count, one, other);
}

// Puts a bit into `chosen` for each word of the stream of a seed: whether it is below the threshold. How many are.
long draw(const py::bytes& seed, std::uint32_t threshold, long count, Bytes& chosen, const std::string& name) {
  need(chosen.writeable() && count >= 0 && chosen.size() == (count + 7) / 8, "chosen: need a bit for each entry");
  const Cipher& cipher = cipher_of(name);
  const std::string key = seed;
  const unsigned char* from = key_of(key);
  unsigned char* to = chosen.mutable_data();
  const py::gil_scoped_release released;
  return cipher.draw(from, threshold, count, to);
}

// Adds the stream of a seed to words in place, or takes it off them.
void add(Words& to, const py::bytes& seed, bool subtract, const std::string& name) {
  need(to.writeable(), "to: needs to be writeable");
  const Cipher& cipher = cipher_of(name);
  const std::string key = seed;
  const unsigned char* from = key_of(key);
  const long count = long(to.size());
  std::uint32_t* words = to.mutable_data();
  const py::gil_scoped_release released;
  cipher.add(from, subtract, count, words);
}

// What both ways have in common: how many are chosen, which must be as many as there are values.
void check_chosen(const Kernels& kernels, const Words& row, const Bytes& chosen, const Words& values) {
  need(row.ndim() == 1 && chosen.size() == (row.size() + 7) / 8, "chosen: need a bit for each entry of the row");
  need(values.size() == kernels.chosen_in(chosen.data(), long(row.size())), "values: need one for each entry that is chosen");
}

// The chosen entries of a row side by side.
void pack(const Words& row, const Bytes& chosen, Words& values, const std::string& flavour) {
  const Kernels& kernels = kernels_of(flavour);
  check_chosen(kernels, row, chosen, values);
  need(values.writeable(), "values: need to be writeable");
  kernels.pack(chosen.data(), long(row.size()), row.data(), long(values.size()), values.mutable_data());
}

// Puts other values where a row is chosen.
void unpack(Words& row, const Bytes& chosen, const Words& values, const std::string& flavour) {
  const Kernels& kernels = kernels_of(flavour);
  check_chosen(kernels, row, chosen, values);
  need(row.writeable(), "row: needs to be writeable");
  kernels.unpack(chosen.data(), long(row.size()), values.data(), long(values.size()), row.mutable_data());
}

// An array of `size` bytes of a pool, to which they go back with the last view of it.
Bytes lent(const std::shared_ptr<Pool>& pool, long size) {
  need(size >= 0 && size <= pool->capacity(), "size: need no more than the pool's capacity");
  auto loan = std::make_unique<Pool::Loan>(pool);
  unsigned char* memory = loan->get();
  const py::capsule owner(loan.release(), [](void* held) { delete static_cast<Pool::Loan*>(held); });
  return Bytes(size, memory, owner);
}

}  // namespace

void add_moving(py::module_& module) {
  module.def("ciphers", &names_of_ciphers);
  module.def("swap", &swap, py::arg("first").noconvert(), py::arg("second").noconvert(), py::arg("words").noconvert(),
             "threshold"_a, "flavour"_a);
  module.def("exchange", &exchange, py::arg("first").noconvert(), py::arg("second").noconvert(), "seed"_a, "threshold"_a,
             "cipher"_a);
  module.def("draw", &draw, "seed"_a, "threshold"_a, "count"_a, py::arg("chosen").noconvert(), "cipher"_a);
  module.def("add", &add, py::arg("to").noconvert(), "seed"_a, "subtract"_a, "cipher"_a);
  module.def("pack", &pack, py::arg("row").noconvert(), py::arg("chosen").noconvert(), py::arg("values").noconvert(),
             "flavour"_a);
  module.def("unpack", &unpack, py::arg("row").noconvert(), py::arg("chosen").noconvert(), py::arg("values").noconvert(),
             "flavour"_a);
  py::class_<Pool, std::shared_ptr<Pool>>(module, "Pool")
      .def(py::init([](long capacity) {
             need(capacity >= 0, "capacity: need at least none");
             return std::make_shared<Pool>(capacity);
           }),
           "capacity"_a)
      .def("lent", &lent, "size"_a);
}

}  // namespace fflbench
