// SPDX-License-Identifier: MIT
#include "springg/status.h"

#include <memory>
#include <set>
#include <string>

#include "catch.h"
#include "status_of.h"

namespace springg {

namespace {

Status fail_below(int value, int limit) {
  if (value >= limit) return {};
  return invalid_argument("value: expected " + std::to_string(limit) + ", got " +
                          std::to_string(value));
}

Result<std::unique_ptr<int>> checked(int value) {
  SPRINGG_RETURN_IF_ERROR(fail_below(value, 3));
  return std::make_unique<int>(value);
}

Result<int> doubled(int value) {
  SPRINGG_ASSIGN_OR_RETURN(auto number, checked(value));
  return *number * 2;
}

}  // namespace

TEST_CASE("every error code has a spelling of its own") {
  std::set<std::string_view> spellings;
  for (int code = 0; code <= 14; ++code) {
    CHECK(spellings.insert(to_string(static_cast<ErrorCode>(code))).second);
  }
  CHECK(to_string(ErrorCode::kOk) == "ok");
  CHECK(to_string(ErrorCode::kDimensionMismatch) == "dimension_mismatch");
}

TEST_CASE("a status carries code, message and details") {
  CHECK(Status().ok());
  const Status status = corruption("bad").with("file", "x.segment").with("offset", 4'096);
  CHECK_FALSE(status.ok());
  CHECK(status.code() == ErrorCode::kCorruption);
  CHECK(status.message() == "bad");
  CHECK(testing::text_detail(status, "file") == "x.segment");
  CHECK(testing::integer_detail(status, "offset") == 4'096);
}

TEST_CASE("errors pass through the macros, values too") {
  auto good = doubled(4);
  REQUIRE(good.ok());
  CHECK(*good == 8);
  CHECK(good.status().ok());
  const auto bad = doubled(2);
  REQUIRE_FALSE(bad.ok());
  CHECK(bad.status().message() == "value: expected 3, got 2");
}

}  // namespace springg
