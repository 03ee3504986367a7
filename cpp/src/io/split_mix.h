// SPDX-License-Identifier: MIT
// Random numbers from a seed, the same on every machine: SplitMix64.
#pragma once

#include <cstdint>

namespace springg::io {

class SplitMix {
 public:
  explicit SplitMix(std::uint64_t seed) noexcept : state_(seed) {}
  std::uint64_t next() noexcept {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
  }
  // In [0, count); count > 0. Its bias does not matter for choosing tests.
  std::uint64_t below(std::uint64_t count) noexcept { return next() % count; }
  bool chance(std::uint64_t of, std::uint64_t in) noexcept { return below(in) < of; }

 private:
  std::uint64_t state_;
};

}  // namespace springg::io
