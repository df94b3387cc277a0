// SPDX-License-Identifier: Apache-2.0
// Greedy decoding and prefix beam search (Hannun et al. 2014). Probabilities are doubles. Each step divides them by the
// largest and keeps its logarithm, so only a prefix with 1e-308 of the best one's probability or less is lost.
#include "core/operations/ctc_decode.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <mutex>
#include <unordered_map>

#include "core/runtime/pieces.h"

namespace pyrnn {
namespace {

// Calls decode(row, interrupt, rank) for all rows, spread over threads; throws what a row threw.
template <class T, class F>
bool over_rows(const CtcLogits<T>& logits, double work, int threads, Interrupt::Check check, F&& decode) {
  Interrupt interrupt(check);
  Queue queue;
  std::mutex mutex;
  std::exception_ptr thrown;
  parallel(threads_worth(work, threads), &interrupt, [&](int rank, Team&) noexcept {
    queue.share(logits.of.rows, [&](Index row) noexcept {
      if (interrupt.requested()) return;
      try {
        decode(row, interrupt, rank);
      } catch (...) {
        const std::lock_guard lock(mutex);
        thrown = std::current_exception();
      }
    });
  });
  if (thrown) std::rethrow_exception(thrown);
  return !interrupt.requested();
}

// One step's logits.
template <class T>
const T* logits_at(const CtcLogits<T>& logits, Index row, Index t) {
  return logits.logits + row * logits.of.row_stride() + t * logits.of.time_stride();
}

// Their softmax, in double: float would lose classes that are e^87 less probable.
template <class T>
void probabilities(const T* x, Index classes, std::vector<double>& p) {
  p.assign(x, x + classes);
  kernels::of_type<double>(active_kernels())
      .structured.scaled_softmax({.columns = classes, .scale = 1.0, .x = p.data(), .y = p.data()});
}

// A prefix in the tree of all prefixes that were ever in the beam.
struct Node {
  Index parent;
  Index label;
};

struct Prefix {
  Index node;
  double blank;  // the probability of its alignments that end in a blank
  double label;  // ... and in its last label
  double total() const { return blank + label; }
};

class Beam {
 public:
  Beam(Index width, Index classes, Index blank) : width_(width), classes_(classes), blank_(blank) {
    nodes_.push_back({-1, -1});
    slots_.push_back(0);
    prefixes_.push_back({0, 1.0, 0.0});
  }

  void step(const std::vector<double>& p) {
    next_.clear();
    for (const Prefix& prefix : prefixes_)
      next_.push_back({prefix.node, prefix.total() * at(p, blank_), prefix.label * at(p, label_of(prefix))});
    inside_.assign(prefixes_.size() * static_cast<std::size_t>(classes_), 0);
    for (std::size_t k = 0; k < prefixes_.size(); ++k) join_parent(k, p);
    added_.clear();
    for (std::size_t k = 0; k < prefixes_.size(); ++k) extend(k, p);
    select();
  }

  std::vector<CtcDecoded> decoded() const {
    std::vector<CtcDecoded> result;
    for (const Prefix& prefix : prefixes_) {
      std::vector<std::int64_t> labels;
      for (Index node = prefix.node; node > 0; node = nodes_[index(node)].parent)
        labels.push_back(nodes_[index(node)].label);
      std::reverse(labels.begin(), labels.end());
      result.push_back({std::move(labels), std::log(prefix.total()) + log_scale_});
    }
    return result;
  }

 private:
  // A prefix that is not in the beam: one that is, and a label.
  struct Added {
    Index parent, label;
    double probability;
  };

  static std::size_t index(Index i) { return static_cast<std::size_t>(i); }
  Index label_of(const Prefix& prefix) const { return nodes_[index(prefix.node)].label; }
  static double at(const std::vector<double>& p, Index label) { return label < 0 ? 0.0 : p[index(label)]; }
  // Of all alignments of a prefix, those that one more `label` makes longer: after the same label only with a blank.
  double extendable(const Prefix& prefix, Index label) const {
    return label == label_of(prefix) ? prefix.blank : prefix.total();
  }

  // What the k-th prefix gains from its parent, where that is in the beam, too.
  void join_parent(std::size_t k, const std::vector<double>& p) {
    const Node& node = nodes_[index(prefixes_[k].node)];
    const Index parent = node.parent < 0 ? -1 : slots_[index(node.parent)];
    if (parent < 0) return;
    next_[k].label += extendable(prefixes_[index(parent)], node.label) * at(p, node.label);
    inside_[index(parent * classes_ + node.label)] = 1;
  }

  void extend(std::size_t k, const std::vector<double>& p) {
    for (Index label = 0; label < classes_; ++label) {
      if (label == blank_ || inside_[k * index(classes_) + index(label)]) continue;
      const double probability = extendable(prefixes_[k], label) * at(p, label);
      if (probability > 0) added_.push_back({prefixes_[k].node, label, probability});
    }
  }

  // The most probable of all; of equals those that were in the beam, then those of the better parent.
  void select() {
    struct Candidate {
      double probability;
      std::size_t number;
    };
    std::vector<Candidate> candidates;
    for (const Prefix& prefix : next_) candidates.push_back({prefix.total(), candidates.size()});
    for (const Added& added : added_) candidates.push_back({added.probability, candidates.size()});
    const auto better = [](const Candidate& a, const Candidate& b) {
      return a.probability > b.probability || (a.probability == b.probability && a.number < b.number);
    };
    const auto kept = candidates.begin() + smaller(width_, static_cast<Index>(candidates.size()));
    std::partial_sort(candidates.begin(), kept, candidates.end(), better);
    const double most = candidates[0].probability;
    for (const Prefix& prefix : prefixes_) slots_[index(prefix.node)] = -1;
    prefixes_.clear();
    for (auto c = candidates.begin(); c != kept && (c->probability > 0 || c == candidates.begin()); ++c) {
      Prefix prefix = c->number < next_.size() ? next_[c->number] : grown(added_[c->number - next_.size()]);
      slots_[index(prefix.node)] = static_cast<Index>(prefixes_.size());
      prefixes_.push_back({prefix.node, prefix.blank / most, prefix.label / most});
    }
    log_scale_ += std::log(most);
  }

  // A prefix that left the beam and comes back is the same node: those that it leads to may still be there.
  Prefix grown(const Added& added) {
    const Index next = static_cast<Index>(nodes_.size());
    const auto [found, is_new] = children_.try_emplace(added.parent * classes_ + added.label, next);
    if (is_new) {
      nodes_.push_back({added.parent, added.label});
      slots_.push_back(-1);
    }
    return {found->second, 0.0, added.probability};
  }

  Index width_, classes_, blank_;
  double log_scale_ = 0;
  std::vector<Node> nodes_;
  std::vector<Index> slots_;  // of each node in the beam, -1 if it has left it
  std::unordered_map<Index, Index> children_;  // parent * classes + label -> node
  std::vector<Prefix> prefixes_, next_;
  std::vector<Added> added_;
  std::vector<char> inside_;  // [prefix][label]: the longer prefix is in the beam
};

}  // namespace

template <class T>
bool ctc_greedy(const CtcLogits<T>& logits, CtcDecodings& decodings, int threads, Interrupt::Check check) {
  const PooledRows& of = logits.of;
  decodings.resize(static_cast<std::size_t>(of.rows));
  const double work = kWorkOfElement * static_cast<double>(of.rows * of.steps * of.columns);
  return over_rows(logits, work, threads, check, [&](Index row, Interrupt& interrupt, int rank) {
    std::vector<double> p;
    CtcDecoded decoded{{}, 0.0};
    Index last = logits.blank;
    for (Index t = 0; t < of.lengths[row] && !interrupt.requested(); ++t) {
      const T* x = logits_at(logits, row, t);
      const Index label = std::max_element(x, x + of.columns) - x;
      probabilities(x, of.columns, p);
      decoded.log_probability += std::log(p[static_cast<std::size_t>(label)]);
      if (label != logits.blank && label != last) decoded.labels.push_back(label);
      last = label;
      interrupt.poll(rank, kWorkOfElement * static_cast<double>(of.columns));
    }
    decodings[static_cast<std::size_t>(row)].push_back(std::move(decoded));
  });
}

template <class T>
bool ctc_beam(const CtcLogits<T>& logits, Index width, CtcDecodings& decodings, int threads, Interrupt::Check check) {
  const PooledRows& of = logits.of;
  decodings.resize(static_cast<std::size_t>(of.rows));
  const double step = kWorkOfElement * static_cast<double>(of.columns) * static_cast<double>(width);
  const double work = step * static_cast<double>(of.rows * of.steps);
  return over_rows(logits, work, threads, check, [&](Index row, Interrupt& interrupt, int rank) {
    std::vector<double> p;
    Beam beam(width, of.columns, logits.blank);
    for (Index t = 0; t < of.lengths[row] && !interrupt.requested(); ++t) {
      probabilities(logits_at(logits, row, t), of.columns, p);
      beam.step(p);
      interrupt.poll(rank, step);
    }
    decodings[static_cast<std::size_t>(row)] = beam.decoded();
  });
}

#define PYRNN_INSTANTIATE(T)                                                              \
  template bool ctc_greedy<T>(const CtcLogits<T>&, CtcDecodings&, int, Interrupt::Check); \
  template bool ctc_beam<T>(const CtcLogits<T>&, Index, CtcDecodings&, int, Interrupt::Check)

PYRNN_INSTANTIATE(float);
PYRNN_INSTANTIATE(double);
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
