// SPDX-License-Identifier: Apache-2.0
// Conditional random fields and CTC: check every array again, release the GIL, call the core once.
#include "bindings/operations/sequences.h"
#include "bindings/runtime/interrupt.h"
#include "core/operations/ctc_decode.h"
#include "core/operations/viterbi.h"

namespace pyrnn::bindings {
namespace {

// (rows) or (steps, rows) or (rows, steps): the shape of what has no feature axis.
Shape steps_shape(const PooledRows& of) { return of.batch_first ? Shape{of.rows, of.steps} : Shape{of.steps, of.rows}; }

// A copy, so that nothing written to the array afterwards can point outside; what comes after a row's end is 0.
std::vector<std::int64_t> checked_paths(py::handle paths_in, const PooledRows& of) {
  if (paths_in.is_none()) return {};
  const Pinned array = require_array<std::int64_t>(paths_in, "tags", steps_shape(of), "one for each step");
  const std::int64_t* values = data<std::int64_t>(array);
  std::vector<std::int64_t> paths(values, values + array.size());
  for (py::ssize_t i = 0; i < array.size(); ++i) {
    const py::ssize_t t = of.batch_first ? i % of.steps : i / of.rows,
                      row = of.batch_first ? i / of.steps : i % of.rows;
    std::int64_t& tag = paths[static_cast<std::size_t>(i)];
    if (t >= of.lengths[row]) tag = 0;
    require(tag >= 0 && tag < of.columns, "tags: ", tag, " at step ", t, " of row ", row, ", expected 0 to ",
            of.columns - 1);
  }
  return paths;
}

// A batch of emissions or logits, with the memory of its lengths.
template <class T>
struct Sequences {
  Sequences(py::handle array_in, const char* name, py::handle lengths_in, bool batch_first)
      : array(require_array<T>(array_in, name, 3)), of(pooled_rows_of(shape_of(array), batch_first)) {
    require(of.columns > 0, name, ": shape ", array, ", expected at least 1 on the last axis");
    lengths = lengths_of(lengths_in, of);
    of.lengths = lengths.data();
  }
  Pinned array;
  PooledRows of;
  std::vector<std::int64_t> lengths;
};

template <class T>
struct Crf : Sequences<T> {
  Crf(py::handle emissions_in, py::handle lengths_in, py::handle transitions_in, py::handle start_in, py::handle end_in,
      bool batch_first)
      : Sequences<T>(emissions_in, "emissions", lengths_in, batch_first),
        transitions(require_array<T>(transitions_in, "transitions", {this->of.columns, this->of.columns}, "(K, K)")),
        start(require_array<T>(start_in, "start", {this->of.columns}, "(K,)")),
        end(require_array<T>(end_in, "end", {this->of.columns}, "(K,)")) {}
  CrfScores<T> scores() const {
    return {this->of, data<T>(this->array), data<T>(transitions), data<T>(start), data<T>(end)};
  }
  Pinned transitions, start, end;
};

// values (B,): the negative log-likelihood of the paths, or without paths the log of the normaliser.
py::array run_crf_likelihood(py::handle emissions_in, py::handle lengths_in, py::handle transitions_in,
                             py::handle start_in, py::handle end_in, py::handle tags_in, bool batch_first,
                             int threads) {
  checked_threads(threads);
  return with_type_of(emissions_in, "emissions", [&](auto type) -> py::array {
    using T = decltype(type);
    const Crf<T> crf(emissions_in, lengths_in, transitions_in, start_in, end_in, batch_first);
    const auto paths = checked_paths(tags_in, crf.of);
    NewArray<double> values({crf.of.rows});
    without_gil([&, scores = crf.scores(), tags = tags_in.is_none() ? nullptr : paths.data(), to = values.data()] {
      crf_likelihood<T>(scores, tags, {}, to, threads, interrupted);
    });
    return values.array;
  });
}

// (values, d_emissions, d_transitions, d_start, d_end), each row's gradients times its `scale`.
py::tuple run_crf_gradients(py::handle emissions_in, py::handle lengths_in, py::handle transitions_in,
                            py::handle start_in, py::handle end_in, py::handle tags_in, py::handle scale_in,
                            bool batch_first, int threads) {
  checked_threads(threads);
  return with_type_of(emissions_in, "emissions", [&](auto type) {
    using T = decltype(type);
    const Crf<T> crf(emissions_in, lengths_in, transitions_in, start_in, end_in, batch_first);
    const auto paths = checked_paths(tags_in, crf.of);
    const py::ssize_t K = crf.of.columns;
    const Pinned scale = require_array<T>(scale_in, "scale", {crf.of.rows}, "(B,)");
    NewArray<double> values({crf.of.rows});
    NewArray<T> d_emissions(shape_of(crf.array)), d_transitions({K, K}), d_start({K}), d_end({K});
    const CrfGradients<T> gradients{.scale = data<T>(scale),
                                    .d_emissions = d_emissions.data(),
                                    .d_transitions = d_transitions.data(),
                                    .d_start = d_start.data(),
                                    .d_end = d_end.data()};
    without_gil([&, scores = crf.scores(), tags = tags_in.is_none() ? nullptr : paths.data(), to = values.data()] {
      crf_likelihood<T>(scores, tags, gradients, to, threads, interrupted);
    });
    return py::make_tuple(values.array, d_emissions.array, d_transitions.array, d_start.array, d_end.array);
  });
}

// (paths (B, T), scores (B,))
py::tuple run_crf_viterbi(py::handle emissions_in, py::handle lengths_in, py::handle transitions_in,
                          py::handle start_in, py::handle end_in, bool batch_first, int threads) {
  checked_threads(threads);
  return with_type_of(emissions_in, "emissions", [&](auto type) {
    using T = decltype(type);
    const Crf<T> crf(emissions_in, lengths_in, transitions_in, start_in, end_in, batch_first);
    require(crf.of.columns <= std::numeric_limits<kernels::StepNumber<T>>::max(), "emissions: too many tags");
    NewArray<std::int64_t> paths({crf.of.rows, crf.of.steps});
    NewArray<double> values({crf.of.rows});
    without_gil([&, scores = crf.scores(), tags = paths.data(), to = values.data()] {
      crf_viterbi<T>(scores, tags, to, threads, interrupted);
    });
    return py::make_tuple(paths.array, values.array);
  });
}

std::int64_t checked_blank(std::int64_t blank, const PooledRows& of) {
  require(blank >= 0 && blank < of.columns, "blank: ", blank, ", expected 0 to ", of.columns - 1);
  return blank;
}

// Copies, checked like the lengths.
std::vector<std::int64_t> checked_labels(const Pinned& array, const std::vector<std::int64_t>& lengths,
                                         std::int64_t blank, const PooledRows& of) {
  const std::int64_t* values = data<std::int64_t>(array);
  const std::int64_t most = array.shape(1);
  std::vector<std::int64_t> labels(values, values + array.size());
  for (py::ssize_t row = 0; row < of.rows; ++row) {
    for (std::int64_t s = 0; s < lengths[static_cast<std::size_t>(row)]; ++s) {
      const std::int64_t label = labels[static_cast<std::size_t>(row * most + s)];
      require(label >= 0 && label < of.columns && label != blank, "labels: ", label, " in row ", row,
              ", expected 0 to ", of.columns - 1, ", not the blank");
    }
  }
  return labels;
}

// (losses (B,), d_logits or None)
py::tuple run_ctc_loss(py::handle logits_in, py::handle lengths_in, py::handle labels_in, py::handle label_lengths_in,
                       py::handle scale_in, std::int64_t blank, bool zero_infinity, bool need_gradient,
                       bool batch_first, int threads) {
  checked_threads(threads);
  return with_type_of(logits_in, "logits", [&](auto type) {
    using T = decltype(type);
    const Sequences<T> s(logits_in, "logits", lengths_in, batch_first);
    const Pinned labels = require_array<std::int64_t>(labels_in, "labels", 2);
    require_shape(labels, "labels", {s.of.rows, labels.shape(1)}, "(B, S)");
    const auto label_lengths = checked_lengths(
        require_array<std::int64_t>(label_lengths_in, "label_lengths", {s.of.rows}, "(B,)"), labels.shape(1));
    const auto checked = checked_labels(labels, label_lengths, checked_blank(blank, s.of), s.of);
    const Pinned scale = require_array<T>(scale_in, "scale", {s.of.rows}, "(B,)");
    NewArray<double> losses({s.of.rows});
    std::optional<NewArray<T>> d_logits;
    if (need_gradient) d_logits.emplace(shape_of(s.array));
    const CtcLogits<T> logits{s.of, data<T>(s.array), blank};
    const CtcTargets targets{checked.data(), label_lengths.data(), labels.shape(1)};
    without_gil([&, to = losses.data(), d = d_logits ? d_logits->data() : nullptr] {
      ctc_loss<T>(logits, targets, {data<T>(scale), zero_infinity, to, d}, threads, interrupted);
    });
    return py::make_tuple(losses.array, or_none(d_logits));
  });
}

py::list list_of(const CtcDecodings& decodings) {
  py::list rows;
  for (const auto& row : decodings) {
    py::list found;
    for (const CtcDecoded& decoded : row) {
      NewArray<std::int64_t> labels({static_cast<py::ssize_t>(decoded.labels.size())});
      std::copy(decoded.labels.begin(), decoded.labels.end(), labels.data());
      found.append(py::make_tuple(labels.array, decoded.log_probability));
    }
    rows.append(found);
  }
  return rows;
}

// A list of (labels, log-probability) for each row; beam_width 0 is greedy decoding.
py::list run_ctc_decode(py::handle logits_in, py::handle lengths_in, std::int64_t blank, std::int64_t beam_width,
                        bool batch_first, int threads) {
  checked_threads(threads);
  return with_type_of(logits_in, "logits", [&](auto type) {
    using T = decltype(type);
    const Sequences<T> s(logits_in, "logits", lengths_in, batch_first);
    require(beam_width >= 0, "beam_width: ", beam_width, ", expected at least 0");
    const CtcLogits<T> logits{s.of, data<T>(s.array), checked_blank(blank, s.of)};
    CtcDecodings decodings;
    without_gil([&] {
      if (beam_width == 0)
        ctc_greedy(logits, decodings, threads, interrupted);
      else
        ctc_beam(logits, beam_width, decodings, threads, interrupted);
    });
    return list_of(decodings);
  });
}

}  // namespace

void register_structured(py::module_& m) {
  m.def("crf_likelihood", &run_crf_likelihood, py::arg("emissions"), py::arg("lengths"), py::arg("transitions"),
        py::arg("start"), py::arg("end"), py::arg("tags"), py::arg("batch_first"), py::arg("threads"));
  m.def("crf_gradients", &run_crf_gradients, py::arg("emissions"), py::arg("lengths"), py::arg("transitions"),
        py::arg("start"), py::arg("end"), py::arg("tags"), py::arg("scale"), py::arg("batch_first"),
        py::arg("threads"));
  m.def("crf_viterbi", &run_crf_viterbi, py::arg("emissions"), py::arg("lengths"), py::arg("transitions"),
        py::arg("start"), py::arg("end"), py::arg("batch_first"), py::arg("threads"));
  m.def("ctc_loss", &run_ctc_loss, py::arg("logits"), py::arg("lengths"), py::arg("labels"), py::arg("label_lengths"),
        py::arg("scale"), py::arg("blank"), py::arg("zero_infinity"), py::arg("need_gradient"), py::arg("batch_first"),
        py::arg("threads"));
  m.def("ctc_decode", &run_ctc_decode, py::arg("logits"), py::arg("lengths"), py::arg("blank"), py::arg("beam_width"),
        py::arg("batch_first"), py::arg("threads"));
}

}  // namespace pyrnn::bindings
