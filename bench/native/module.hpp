// What the parts of the Python module share.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "kernels.hpp"

namespace fflbench {

// Throws std::invalid_argument, which Python sees as a ValueError.
void need(bool condition, const char* what);
std::vector<std::string> flavours();
const Kernels& kernels_of(const std::string& flavour);

void add_descent(pybind11::module_&);
void add_moving(pybind11::module_&);

}  // namespace fflbench
