// SPDX-License-Identifier: MIT
// What tests ask of a Status.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "springg/status.h"

namespace springg::testing {

inline std::optional<std::int64_t> integer_detail(const Status& status, std::string_view key) {
  for (const ErrorDetail& detail : status.details()) {
    if (detail.key != key) continue;
    if (const auto* value = std::get_if<std::int64_t>(&detail.value)) return *value;
  }
  return std::nullopt;
}

inline std::string text_detail(const Status& status, std::string_view key) {
  for (const ErrorDetail& detail : status.details()) {
    if (detail.key != key) continue;
    if (const auto* value = std::get_if<std::string>(&detail.value)) return *value;
  }
  return "";
}

inline bool says(const Status& status, std::string_view text) {
  return status.message().find(text) != std::string::npos;
}

}  // namespace springg::testing
