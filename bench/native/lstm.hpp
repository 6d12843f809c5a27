// One step in time of one direction of an LSTM. Gates are in torch's order: input, forget, cell, output.
namespace FFL_FLAVOUR {

FFL_INLINE V tanh(V x) { return curve(Curve::tanh, x); }

// Outputs and cells, and the gates themselves, of what inputs bring to the gates. Without a step before, `before` and
// `cells_before` are nullptr. `room` has place for the gates of every group.
inline void lstm(const Recurrence& r, const float* before, const float* cells_before, float* gates, float* cells,
                 float* outputs, float* room) {
  const long units = r.hidden * GROUP, gate = 4 * units;
  const Tap tap{0, 0};
  if (before)
    product({&tap, 1, r.hidden, GROUP, r.weights, r.hidden, 1}, 4 * r.hidden, nullptr, before, r.outputs, room, gate, r.groups);
  else
    std::memset(room, 0, sizeof(float) * std::size_t(r.groups * gate));
  for (long group = 0; group < r.groups; ++group) {
    float *sums = gates + group * r.gates, *cell = cells + group * r.cells, *output = outputs + group * r.outputs;
    const float *more = room + group * gate, *last = before ? cells_before + group * r.cells : nullptr;
    for (long at = 0; at < units; at += WIDTH) {
      const V in = sigmoid(load(sums + at) + load(more + at));
      const V forget = sigmoid(load(sums + units + at) + load(more + units + at));
      const V fresh = tanh(load(sums + 2 * units + at) + load(more + 2 * units + at));
      const V out = sigmoid(load(sums + 3 * units + at) + load(more + 3 * units + at));
      const V kept = last ? forget * load(last + at) : all(0.0f);
      const V now = kept + in * fresh;
      store(sums + at, in);
      store(sums + units + at, forget);
      store(sums + 2 * units + at, fresh);
      store(sums + 3 * units + at, out);
      store(cell + at, now);
      store(output + at, out * tanh(now));
    }
  }
}

// From the gates to the gradient of what they were made of, in place; it is added to `totals` [4 * hidden][16], too. `carried`
// and `kept`, [groups][hidden][16], are the gradients of outputs and cells that come from the step after, and then those
// that go to the step before.
inline void lstm_back(const Recurrence& r, const float* gradient, const float* cells_before, const float* cells, float* gates,
                      float* carried, float* kept, float* totals) {
  const long units = r.hidden * GROUP;
  for (long group = 0; group < r.groups; ++group) {
    float *sums = gates + group * r.gates, *later = carried + group * units, *hold = kept + group * units;
    const float *cell = cells + group * r.cells, *own = gradient + group * r.outputs;
    const float* last = cells_before ? cells_before + group * r.cells : nullptr;
    for (long at = 0; at < units; at += WIDTH) {
      const V in = load(sums + at), forget = load(sums + units + at), fresh = load(sums + 2 * units + at);
      const V out = load(sums + 3 * units + at), now = tanh(load(cell + at)), one = all(1.0f);
      const V output = load(own + at) + load(later + at);
      const V state = load(hold + at) + output * out * (one - now * now);
      const V gradients[4] = {
          state * fresh * in * (one - in),
          last ? state * load(last + at) * forget * (one - forget) : all(0.0f),
          state * in * (one - fresh * fresh),
          output * now * out * (one - out),
      };
      store(hold + at, state * forget);
      FFL_UNROLL
      for (int g = 0; g < 4; ++g) {
        store(sums + g * units + at, gradients[g]);
        store(totals + g * units + at, load(totals + g * units + at) + gradients[g]);
      }
    }
  }
  const Tap tap{0, 0};
  const Sum sum{&tap, 1, 4 * r.hidden, GROUP, r.weights, 1, r.hidden};
  if (cells_before) product(sum, r.hidden, nullptr, gates, r.gates, carried, units, r.groups);
}

}  // namespace FFL_FLAVOUR
