// Included once for each way in which processors encipher, with what flavour.hpp needs and for the same reasons.
#include "vector.hpp"
#include "ahead.hpp"
#include "moving.hpp"
#include "keystream.hpp"

const Cipher FFL_TABLE{FFL_NAME, FFL_FLAVOUR::exchange, FFL_FLAVOUR::draw, FFL_FLAVOUR::add};
