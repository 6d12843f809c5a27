// What the kernels and the program agree on: where numbers lie. Lengths are in floats unless said otherwise.
#pragma once

namespace fflbench {

constexpr long GROUP = 16;  // Samples side by side.

// One tensor of a group of samples: [channels][pad + height + pad][pad + width + pad][GROUP]. A padding is zero for ever.
struct Tensor {
  long channels = 1, height = 1, width = 1, pad_y = 0, pad_x = 0;

  long row() const { return (width + 2 * pad_x) * GROUP; }
  long plane() const { return (height + 2 * pad_y) * row(); }
  long size() const { return channels * plane(); }
  long first() const { return pad_y * row() + pad_x * GROUP; }  // Offset of what is not padding.
  long features() const { return channels * height * width; }
};

// One step of a sum over a kernel window: which input, times which weight, as offsets.
struct Tap {
  long input, weight;
};

// A sum over `channels` and `taps` for several outputs and positions:
// out[o][p] = sum over c, t of in[p][c * channel + taps[t].input] * weights[o * output + c * weight + taps[t].weight].
struct Sum {
  const Tap* taps;
  long count, channels, channel;
  const float* weights;
  long output, weight;
};

struct Window {
  long kernel_y = 1, kernel_x = 1, stride = 1, pad = 0;

  long taps() const { return kernel_y * kernel_x; }
};

// What follows a convolution in the same breath: a factor for each channel and sample, the largest of 2x2, and ReLU.
// `which` notes where the largest was, for the way back.
struct Epilogue {
  const float* factors = nullptr;
  bool pool = false, relu = false;
  signed char* which = nullptr;
};

// A convolution of one group. `taps` and `columns` (an offset for each input channel and tap) lead into `input`; `sums` is
// the convolution's own output shape, `output` that of what follows it.
struct Convolution {
  Tensor input, sums, output;
  Window window;
  const Tap* taps;
  const long* columns;
};

// A product of matrices: `rows` times `columns` sums of `steps` products. What lies how far apart is said in floats.
struct Product {
  long rows, columns, steps;
  const float* left;
  long left_row, left_step;
  const float* right;
  long right_row;
  float* to;
  long to_row;
  bool anew = false;  // Whether what is there is lost.
};

// The windows of `count` images: channels of all images `plane` apart, rows of windows `row` apart, zero where nothing is.
struct Patches {
  Tensor input, output;
  Window window;
  long count, plane, row;
};

// One direction of an LSTM at one step in time: its weights for what came out before, [4 * hidden][hidden], and how far gates,
// cells and outputs of one group are from those of the next.
struct Recurrence {
  long hidden, groups;
  const float* weights;
  long gates, cells, outputs;
};

struct Norm {
  float epsilon, momentum;
};

struct Optimiser {
  bool adam = false;
  double rate = 0, momentum = 0, decay = 0;
};

constexpr double BETA1 = 0.9, BETA2 = 0.999;

// Of Adam's memories at one step, which begin at zero: the share of the gradients in them.
struct Bias {
  double first, second;
};

// Rows of numbers: `stride` from one to the next.
struct Matrix {
  const float* values;
  long count, columns, stride;
};

// Puts the smaller of two rows first, column by column; `keeps` says which of the two is looked at again (1: the smaller).
struct Comparator {
  int low, high, keeps;
};

// A sorting network for as many rows, and the ranks that are wanted of it.
struct Network {
  const Comparator* comparators;
  long count;
  const int* ranks;
  long wanted;
};

// Of a median of many rows: the sizes of the parts that are sorted first, what then merges them into two sorted lists of
// `first` and `second` rows, and where the rows of these lie in their order.
struct Lists {
  int parts, sizes[4], first, second;
  const int* order;
  const Comparator* merges;
  long merging;
};

constexpr int MOST_SORTED = 24;                 // Rows whose median is found in registers.
constexpr int LEAST_PART = 12, MOST_PART = 28;  // Rows of a part of more.
constexpr long SIDE = 128;                      // Columns of them that are worked on at once.

constexpr long WIDEST = 64;  // Columns that a selection works on at once, at most.

}  // namespace fflbench
