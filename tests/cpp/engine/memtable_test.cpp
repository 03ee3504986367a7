// SPDX-License-Identifier: MIT
#include "engine/memtable.h"

#include <string>

#include "engine/support.h"

namespace springg::test {

TEST_CASE("rows that were staged and never committed give their memory back") {
  IndexOptions options;
  options.dimensions = 2;
  const auto budget = std::make_shared<engine::MemoryBudget>(std::nullopt);
  const auto memtable = require_value(engine::Memtable::create(options, budget));
  const std::string text(limits::kMetadataBytesMax, ' ');
  const std::string_view metadata = text;
  const std::string name(limits::kIdBytesMax, 'n');
  const float values[4] = {1, 2, 1, 2};
  const MatrixView vectors{values, 2, 2, 2};
  const auto stage = [&](const std::string& first, const std::string& second) {
    const IdColumn ids = strings({first, second});
    for (std::uint32_t row = 0; row < 2; ++row) {
      require_ok(memtable->stage_vector(row, vectors, row));
      require_ok(memtable->stage_record(row, ids[row], row + 1, &metadata));
    }
  };
  for (int call = 0; call < 200; ++call) stage(name, "refused");  // 25 MiB
  stage("a", "b");
  memtable->prepare(2);
  memtable->commit(2);
  CHECK(memtable->bytes().metadata < 1'000'000);
  CHECK(memtable->bytes().ids < 100'000);
  CHECK(memtable->metadata(0) == metadata);
  for (int call = 0; call < 200; ++call) stage(name, "refused");
  CHECK(memtable->id(1).bytes == "b");  // what is committed stays
  CHECK(memtable->metadata(1) == metadata);
}

}  // namespace springg::test
