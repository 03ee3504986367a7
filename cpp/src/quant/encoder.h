// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quant/codes.h"

namespace springg::quant {

// Writes codes_bytes() bytes, zeroed before: begins with what holds for all rows, from a sample of
// them; then rows, by any threads in disjoint ranges. The result does not depend on the threads.
class Encoder {
 public:
  // `bytes` outlives this. Cost: two passes over 512 rows, one over 4,096 (or all, if fewer).
  Encoder(const CodeSource& source, CodeKind kind, std::span<std::byte> bytes);
  // False when a row cannot have codes: elements beyond 1e15, or all of one below 1e-15 and not
  // zero. Then the codes are of no use.
  bool encode(std::uint32_t first, std::uint32_t last) const;
  bool rotated() const noexcept { return rotation_ != nullptr; }

 private:
  // What a row becomes on its way to codes.
  struct Work {
    explicit Work(std::uint32_t padded) : y(padded), room(padded), best(padded), tried(padded) {}
    std::vector<float> y, room;
    std::vector<std::uint8_t> best, tried;  // codes, one a byte
    double squares = 0;                     // |y|^2
    double of_center = 0;                   // <c, y>
    double missed = 0;                      // the squared error of y that is left, 0 to squares
    float factor = 0;
  };

  void load(std::uint32_t row, float* out) const noexcept;
  void find_center();
  void choose_rotation();
  double missed_of_sample(const Rotation* rotation, double& squares) const;
  bool quantize(std::uint32_t row, const Rotation* rotation, Work& work) const;
  void try_levels(float greatest, Work& work, double& best_angle) const;
  void write(std::uint32_t row, const Work& work) const;

  const CodeSource source_;
  const CodeKind kind_;
  const CodeLayout layout_;
  std::byte* const bytes_;
  const Rotation* rotation_ = nullptr;
};

}  // namespace springg::quant
