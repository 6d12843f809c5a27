// Included once for each instruction set, with FFL_FLAVOUR (a namespace, and the table's name) and FFL_WIDTH (floats in a
// register). Nothing of the standard library may be instantiated in here: the linker might keep a copy that other
// processors cannot run.
#include "vector.hpp"
#include "transpose.hpp"
#include "gather.hpp"
#include "convolution.hpp"
#include "weight_gradient.hpp"
#include "pooling.hpp"
#include "linear.hpp"
#include "activation.hpp"
#include "batch_norm.hpp"
#include "lstm.hpp"
#include "over_time.hpp"
#include "loss.hpp"
#include "matrix.hpp"
#include "bend.hpp"
#include "optimiser.hpp"
#include "ahead.hpp"
#include "selection.hpp"
#include "counting.hpp"
#include "median.hpp"
#include "parts.hpp"
#include "near_median.hpp"
#include "gram.hpp"
#include "lengths.hpp"
#include "mean.hpp"
#include "moving.hpp"

const Kernels FFL_TABLE{
    FFL_NAME,
    FFL_FLAVOUR::collect,
    FFL_FLAVOUR::convolve,
    FFL_FLAVOUR::expand,
    FFL_FLAVOUR::weight_gradient,
    FFL_FLAVOUR::convolve_back,
    FFL_FLAVOUR::channel_sums,
    FFL_FLAVOUR::pool,
    FFL_FLAVOUR::pool_back,
    FFL_FLAVOUR::linear,
    FFL_FLAVOUR::linear_back,
    FFL_FLAVOUR::linear_weight_gradient,
    {FFL_FLAVOUR::activate<FFL_FLAVOUR::Curve::relu>, FFL_FLAVOUR::activate<FFL_FLAVOUR::Curve::sigmoid>,
     FFL_FLAVOUR::activate<FFL_FLAVOUR::Curve::tanh>},
    {FFL_FLAVOUR::activate_back<FFL_FLAVOUR::Curve::relu>, FFL_FLAVOUR::activate_back<FFL_FLAVOUR::Curve::sigmoid>,
     FFL_FLAVOUR::activate_back<FFL_FLAVOUR::Curve::tanh>},
    FFL_FLAVOUR::draw,
    FFL_FLAVOUR::scale,
    FFL_FLAVOUR::measure,
    FFL_FLAVOUR::normalise,
    FFL_FLAVOUR::normalise_back,
    FFL_FLAVOUR::lstm,
    FFL_FLAVOUR::lstm_back,
    FFL_FLAVOUR::over_time,
    FFL_FLAVOUR::over_time_back,
    FFL_FLAVOUR::softmax_gradient,
    FFL_FLAVOUR::sigmoid_gradient,
    FFL_FLAVOUR::multiply,
    FFL_FLAVOUR::correlate,
    FFL_FLAVOUR::unfold,
    FFL_FLAVOUR::fold,
    {FFL_FLAVOUR::curve<FFL_FLAVOUR::Curve::relu>, FFL_FLAVOUR::curve<FFL_FLAVOUR::Curve::sigmoid>,
     FFL_FLAVOUR::curve<FFL_FLAVOUR::Curve::tanh>},
    {FFL_FLAVOUR::curve_back<FFL_FLAVOUR::Curve::relu>, FFL_FLAVOUR::curve_back<FFL_FLAVOUR::Curve::sigmoid>,
     FFL_FLAVOUR::curve_back<FFL_FLAVOUR::Curve::tanh>},
    {FFL_FLAVOUR::curve_turned<FFL_FLAVOUR::Curve::relu>, FFL_FLAVOUR::curve_turned<FFL_FLAVOUR::Curve::sigmoid>,
     FFL_FLAVOUR::curve_turned<FFL_FLAVOUR::Curve::tanh>},
    FFL_FLAVOUR::sgd,
    FFL_FLAVOUR::adam,
    FFL_FLAVOUR::ranked,
    FFL_FLAVOUR::counted,
    FFL_FLAVOUR::median,
    FFL_FLAVOUR::median_of_parts,
    FFL_FLAVOUR::near_median,
    FFL_FLAVOUR::gram,
    FFL_FLAVOUR::summed<FFL_FLAVOUR::Squares>,
    FFL_FLAVOUR::summed<FFL_FLAVOUR::Distances>,
    FFL_FLAVOUR::summed<FFL_FLAVOUR::Products>,
    FFL_FLAVOUR::votes,
    FFL_FLAVOUR::mean,
    FFL_FLAVOUR::swap,
    FFL_FLAVOUR::chosen_in,
    FFL_FLAVOUR::pack,
    FFL_FLAVOUR::unpack,
};
