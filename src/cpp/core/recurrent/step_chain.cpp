// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/step_chain.h"

#include <algorithm>

namespace pyrnn {

template <class T>
StepChain<T>::StepChain(std::vector<std::shared_ptr<ChainPart<T>>> parts, const EmbeddingTable<T>& table, Index rows)
    : parts_(std::move(parts)),
      table_(table),
      rows_(rows),
      work_of_all_(work(rows)),
      work_(work_of_all_),
      chosen_{rows} {
  for (T*& between : between_) arena_.want(between, rows, widest());
  arena_.want(read_, rows, inputs());
  arena_.want(active_, rows);
  arena_.want(resets_, rows);
  arena_.allocate();
}

template <class T>
double StepChain<T>::work(Index rows) const {
  double sum = 0;
  for (const auto& part : parts_) sum += part->work(rows);
  return sum;
}

template <class T>
Index StepChain<T>::widest() const {
  Index columns = outputs();
  for (const auto& part : parts_) columns = larger(columns, part->outputs());
  return columns;
}

template <class T>
Index StepChain<T>::choose(const StepInput<T>& in) {
  chosen_ = {rows_};
  work_ = work_of_all_;
  if (in.active || in.resets) choose_rows(in);
  const Index columns = inputs();
  if (takes_ids()) {
    for (Index j = 0; j < chosen_.count; ++j) {
      const std::int64_t id = in.ids[chosen_.row(j)];
      if (id < 0 || id >= table_.count) return chosen_.row(j);
      table_.read(id, read_ + j * columns);
    }
    x_ = read_;
    return -1;
  }
  x_ = in.x;
  const bool in_place = in.x_row == columns && !chosen_.of && (parts_.size() > 1 || parts_.front()->reads_first());
  if (in_place) return -1;
  for (Index j = 0; j < chosen_.count; ++j) std::copy_n(in.x + chosen_.row(j) * in.x_row, columns, read_ + j * columns);
  x_ = read_;
  return -1;
}

template <class T>
void StepChain<T>::choose_rows(const StepInput<T>& in) {
  if (in.active) {
    Index count = 0;
    for (Index row = 0; row < rows_; ++row)
      if (in.active[row]) active_[count++] = row;
    if (count < rows_) chosen_ = {count, active_};
    work_ = work(count);
  }
  if (!in.resets) return;
  std::copy_n(in.resets, rows_, resets_);
  if (std::any_of(resets_, resets_ + rows_, [](std::uint8_t flag) { return flag != 0; })) chosen_.resets = resets_;
}

template <class T>
void StepChain<T>::make(T* y) {
  const T* from = x_;
  for (std::size_t i = 0; i < parts_.size() && chosen_.count > 0; ++i) {
    T* to = i + 1 == parts_.size() && !chosen_.of ? y : between_[i % 2];
    parts_[i]->step(chosen_, from, to);
    from = to;
  }
  if (chosen_.of)
    spread(from, y);
  else if (parts_.empty())
    std::copy_n(from, rows_ * outputs(), y);
}

template <class T>
void StepChain<T>::spread(const T* from, T* y) const {
  const Index columns = outputs();
  for (Index row = 0, j = 0; row < rows_; ++row, y += columns)
    if (j < chosen_.count && chosen_.row(j) == row)
      std::copy_n(from + j++ * columns, columns, y);
    else
      std::fill_n(y, columns, T(0));
}

template <class T>
void StepChain<T>::keep() noexcept {
  for (const auto& part : parts_) part->keep(chosen_);
}

template <class T>
void StepChain<T>::run(const ChunkSteps& chunk, const ChunkInput<T>& in, T* y, int threads, Interrupt::Check check) {
  const Index count = chunk.count();
  Arena arena;
  T* between[2];
  for (T*& array : between) arena.want(array, parts_.size() > 1 || takes_ids() ? count : 0, larger(widest(), inputs()));
  arena.allocate();
  const T* from = in.x;
  Strides strides = in.x_strides;
  if (takes_ids()) {
    T* to = parts_.empty() ? y : between[1];
    embedding_forward<T>(table_, {.count = count, .ids = in.ids}, to, threads, check);
    from = to;
    strides = {chunk.rows * inputs(), inputs()};
  }
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    T* to = i + 1 == parts_.size() ? y : between[i % 2];
    parts_[i]->run(chunk, from, strides, to, threads, check);
    from = to;
    strides = {chunk.rows * parts_[i]->outputs(), parts_[i]->outputs()};
  }
}

template <class T>
void StepChain<T>::keep_run() noexcept {
  for (const auto& part : parts_) part->keep_run();
}

template class StepChain<float>;
template class StepChain<double>;

}  // namespace pyrnn
