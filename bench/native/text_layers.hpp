// The layers of networks that read: tokens become vectors, which an LSTM goes through; what it says is summed up over time.
#pragma once

#include <memory>

#include "layers.hpp"

namespace fflbench {

// Does nothing for a layer of another kind; throws as `check` does.
void check_text(const Description&, const Tensor& input, long size);

// nullptr for a layer of another kind.
std::unique_ptr<Layer> make_text_layer(const Description&);

}  // namespace fflbench
