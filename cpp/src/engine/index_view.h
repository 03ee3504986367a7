// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/function_ref.h"
#include "engine/runtime.h"
#include "engine/search.h"
#include "engine/view.h"
#include "springg/index.h"

namespace springg::engine {

class IndexViewImpl final : public IndexView {
 public:
  IndexViewImpl(std::shared_ptr<const View> view, const IndexOptions& options,
                const DefaultEf& choice, std::shared_ptr<Runtime> runtime);

  std::size_t rows() const override { return view_->live_rows; }
  IdColumn ids(std::size_t begin, std::size_t end) const override;
  RecordBatch records(std::size_t begin, std::size_t end, Include include) const override;
  std::optional<VectorBlock> vector_block() const override;
  void copy_vectors(void* out) const override;
  Result<SearchResult> search(const MatrixView& queries, const SearchOptions& options,
                              Progress* progress) const override;
  Status check() const override { return check_readable(view_->parts); }
  Status check_open() const override;

 private:
  // Live rows at positions [begin, end), in order.
  void visit(std::size_t begin, std::size_t end,
             base::FunctionRef<void(const PartView&, std::uint32_t row)> body) const;
  // At most `count` live rows of one part, after its first `skip`. Returns how many there were.
  std::size_t visit_part(std::size_t number, std::size_t skip, std::size_t count,
                         base::FunctionRef<void(const PartView&, std::uint32_t row)> body) const;

  std::shared_ptr<const View> view_;
  IndexOptions options_;
  DefaultEf choice_;
  std::shared_ptr<Runtime> runtime_;
  std::vector<std::size_t> ends_;  // live rows up to the end of each part
  // For each part, live rows before each 4096 of its rows, so that a scan in batches does not count
  // from the part's first row every time. Empty when no row is deleted.
  std::vector<std::vector<std::uint32_t>> live_before_;
};

}  // namespace springg::engine
