// The kernels as the program calls them: one table for each instruction set, chosen when the program is made.
#pragma once

#include "shapes.hpp"

namespace fflbench {

struct Kernels {
  const char* name;
  void (*collect)(const float* const* rows, const Tensor&, float* to);
  void (*convolve)(const Convolution&, const float* input, const float* weights, const float* bias, const Epilogue&,
                   float* output);
  void (*expand)(const Convolution&, const Epilogue&, const float* output, const float* gradient, float* sums);
  void (*weight_gradient)(const Convolution&, const float* input, const float* sums, float* gradient);
  void (*convolve_back)(const Convolution&, const float* sums, const float* weights, float* gradient);
  void (*channel_sums)(const Tensor&, const float* values, float* gradient);
  void (*pool)(const Tensor& input, const Tensor& output, const Window&, const float* from, float* to,
               unsigned char* which);
  void (*pool_back)(const Tensor& input, const Tensor& output, const Window&, const float* gradient,
                    const unsigned char* which, float* to);
  void (*linear)(const float* input, long inputs, const float* weights, const float* bias, float* output, long outputs,
                 long groups);
  void (*linear_back)(const float* gradient, long outputs, const float* weights, float* to, long inputs, long groups);
  void (*linear_weight_gradient)(const float* input, long inputs, long apart, const float* gradient, long outputs,
                                 float* weights, long groups, float* rows);
  void (*activate[3])(const Tensor& input, const Tensor& output, const float* from, float* to);
  void (*activate_back[3])(const Tensor& output, const float* value, const float* gradient, float* to);
  void (*draw)(unsigned* state, float* factors, long count, float drop);
  void (*scale)(const Tensor& input, const Tensor& output, const float* from, const float* factors, bool by_channel,
                float* to);
  void (*measure)(const Norm&, const Tensor&, const float* input, long groups, long samples, float* mean,
                  float* deviation, float* running_mean, float* running_variance);
  void (*normalise)(const Tensor& input, const Tensor& output, const float* from, const float* mean,
                    const float* deviation, const float* weight, const float* bias, float* to);
  void (*normalise_back)(const Tensor&, const float* input, long groups, long samples, const float* mean,
                         const float* deviation, const float* weight, const float* gradient, float* to,
                         float* weight_gradient, float* bias_gradient);
  void (*lstm)(const Recurrence&, const float* before, const float* cells_before, float* gates, float* cells, float* outputs,
               float* room);
  void (*lstm_back)(const Recurrence&, const float* gradient, const float* cells_before, const float* cells, float* gates,
                    float* carried, float* kept, float* totals);
  void (*over_time)(long steps, long width, const float* values, float* mean, float* largest, int* which);
  void (*over_time_back)(long steps, long width, const float* mean, const float* largest, const int* which, float* to);
  void (*softmax_gradient)(const float* logits, long classes, const long* targets, long samples, float share, float* to);
  void (*sigmoid_gradient)(const float* logits, const long* targets, long samples, float share, float* to);
  void (*multiply)(const Product&);
  void (*correlate)(const Product&);
  void (*unfold)(const Patches&, const float* from, float* to, float* room);
  void (*fold)(const Patches&, const float* from, float* to, float* room);
  void (*curve[3])(long count, const float* from, float* to);
  void (*curve_back[3])(long count, const float* value, const float* gradient, float* to);
  void (*curve_turned[3])(long count, const float* value, const float* gradient, const float* moves, const float* turns,
                          float* to);
  void (*sgd)(const Optimiser&, long size, const float* gradient, float* parameters, float* first);
  void (*adam)(const Optimiser&, const Bias&, long size, const float* gradient, float* parameters, float* first,
               float* second);
  bool (*ranked)(const Matrix& rows, const Network&, bool mean, long stretch, float* buffer, float* to);
  bool (*counted)(const Matrix& rows, long rank, bool pair, bool mean, long stretch, float* buffer, float* to);
  bool (*median)(const Matrix& rows, float* to);
  bool (*median_of_parts)(const Matrix& rows, const Lists& lists, float* buffer, float* to);
  bool (*near_median)(const Matrix& rows, const Network&, long count, long stretch, float* buffer, float* to);
  void (*gram)(const Matrix& rows, const float* origin, long stretch, float* buffer, double* to);
  void (*squares)(const Matrix& rows, const float* point, double* lanes, double* to);
  void (*distances)(const Matrix& rows, const float* point, double* lanes, double* to);
  void (*products)(const Matrix& rows, const float* point, double* lanes, double* to);
  void (*votes)(const Matrix& rows, float* to);
  void (*mean)(const Matrix& rows, const long* chosen, long count, float* to);
  long (*swap)(const unsigned* words, unsigned threshold, long count, float* first, float* second);
  long (*chosen_in)(const unsigned char* chosen, long count);
  void (*pack)(const unsigned char* chosen, long count, const unsigned* row, long total, unsigned* to);
  void (*unpack)(const unsigned char* chosen, long count, const unsigned* values, long total, unsigned* row);
};

// What goes by the stream of AES-256 in counter mode, for processors with instructions for it.
struct Cipher {
  const char* name;
  long (*exchange)(const unsigned char* seed, unsigned threshold, long count, float* first, float* second);
  long (*draw)(const unsigned char* seed, unsigned threshold, long count, unsigned char* chosen);
  void (*add)(const unsigned char* seed, bool subtract, long count, unsigned* to);
};

#if defined(__x86_64__)
extern const Kernels AVX512, AVX2;
extern const Cipher VAES512, VAES256, AESNI;
#endif
extern const Kernels BASELINE;

}  // namespace fflbench
