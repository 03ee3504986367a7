// SPDX-License-Identifier: MIT
#include "kernels/dispatch.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "catch.h"
#include "springg/cpu.h"

namespace springg::kernels {

TEST_CASE("every table is complete and has a name of its own") {
  std::vector<std::string> names;
  for (const DistanceTable* table : available_tables()) {
    INFO(table->isa);
    names.emplace_back(table->isa);
    for (std::size_t m = 0; m < static_cast<std::size_t>(Measure::kHamming); ++m) {
      for (const DistanceFunctions& functions : {table->float32[m], table->float16[m]}) {
        CHECK(functions.gather != nullptr);
        CHECK(functions.scan != nullptr);
        CHECK(functions.tile != nullptr);
      }
    }
    CHECK(table->bits.gather != nullptr);
    CHECK(table->bits.scan != nullptr);
    CHECK(table->bits.tile != nullptr);
    CHECK(table->half_to_float != nullptr);
    CHECK(table->float_to_half != nullptr);
    CHECK(table->squared_norm != nullptr);
    CHECK(table->scale != nullptr);
    CHECK(table->find_not_finite != nullptr);
  }
  REQUIRE(!names.empty());
  CHECK((names.front() == "sse2" || names.front() == "neon"));
  std::sort(names.begin(), names.end());
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
}

TEST_CASE("the best table is taken when none is forced") {
  const auto available = available_tables();
  const auto chosen = select_table(available, "");
  REQUIRE(chosen.ok());
  CHECK(chosen.value() == available.back());
}

TEST_CASE("a forced table is taken when it is there") {
  const auto available = available_tables();
  for (const DistanceTable* table : available) {
    const auto chosen = select_table(available, table->isa);
    REQUIRE(chosen.ok());
    CHECK(chosen.value() == table);
  }
}

TEST_CASE("a forced table that is not there is an error that says what is") {
  const auto available = available_tables();
  const auto chosen = select_table(available, "sve9");
  REQUIRE(!chosen.ok());
  CHECK(chosen.status().code() == ErrorCode::kUnsupported);
  CHECK(chosen.status().message().find("'sve9'") != std::string::npos);
  CHECK(chosen.status().message().find(available.front()->isa) != std::string::npos);
  CHECK(chosen.status().details().size() == 2);
}

TEST_CASE("SPRINGG_FORCE_ISA is obeyed and reported") {
  const char* const variable = std::getenv("SPRINGG_FORCE_ISA");
  const std::string forced = variable == nullptr ? "" : variable;
  CHECK(forced_isa() == forced);
  const auto expected = select_table(available_tables(), forced);
  const auto features = cpu_features();
  REQUIRE(features.ok() == expected.ok());
  CHECK(check_forced_isa().ok() == expected.ok());
  if (!expected.ok()) return;
  CHECK(&active_table() == expected.value());
  CHECK(features.value().isa == active_table().isa);
  CHECK(features.value().forced == forced);
  CHECK(features.value().available.size() == available_tables().size());
}

}  // namespace springg::kernels
