// SPDX-License-Identifier: MIT
#include "quant/rotation.h"

#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <utility>

namespace springg::quant {

namespace {

constexpr std::size_t kBlock = 16;
constexpr float kScale = 0.25F;  // 1 / sqrt(kBlock): a power of two, so that it does not round

// splitmix64 (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", 2014).
std::uint64_t next_random(std::uint64_t& state) {
  state += 0x9E37'79B9'7F4A'7C15U;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xBF58'476D'1CE4'E5B9U;
  z = (z ^ (z >> 27)) * 0x94D0'49BB'1331'11EBU;
  return z ^ (z >> 31);
}

// Element i of a block is values[i * width + c]: sixteen rows, so that each step works on whole
// rows.
void transform(float* values, std::size_t width) noexcept {
  for (std::size_t half = 1; half < kBlock; half *= 2) {
    for (std::size_t row = 0; row < kBlock; row += 2 * half) {
      for (std::size_t i = row; i < row + half; ++i) {
        float* const a = values + i * width;
        float* const b = values + (i + half) * width;
        for (std::size_t c = 0; c < width; ++c) {
          const float sum = a[c] + b[c];
          b[c] = a[c] - b[c];
          a[c] = sum;
        }
      }
    }
  }
}

}  // namespace

Rotation::Rotation(std::uint32_t elements)
    : elements_(elements),
      sources_(std::size_t{elements} * kRounds),
      signs_(std::size_t{elements} * kRounds) {
  std::uint64_t state = elements;
  for (std::size_t round = 0; round < kRounds; ++round) {
    std::uint32_t* const sources = sources_.data() + std::size_t{elements} * round;
    std::iota(sources, sources + elements, 0U);
    for (std::uint32_t i = elements; i > 1; --i) {
      std::swap(sources[i - 1], sources[next_random(state) % i]);
    }
    float* const signs = signs_.data() + std::size_t{elements} * round;
    for (std::uint32_t i = 0; i < elements; ++i) {
      signs[i] = (next_random(state) & 1U) != 0 ? kScale : -kScale;
    }
  }
}

const Rotation& Rotation::of(std::uint32_t elements) {
  // Never destroyed: threads may search while the process ends.
  static std::mutex& mutex = *new std::mutex;
  static auto& made = *new std::map<std::uint32_t, std::unique_ptr<const Rotation>>;
  const std::lock_guard lock(mutex);
  std::unique_ptr<const Rotation>& rotation = made[elements];
  if (rotation == nullptr) rotation.reset(new Rotation(elements));
  return *rotation;
}

void Rotation::apply(float* values, float* work) const noexcept {
  for (std::size_t round = 0; round < kRounds; ++round) {
    const std::uint32_t* const sources = sources_.data() + std::size_t{elements_} * round;
    const float* const signs = signs_.data() + std::size_t{elements_} * round;
    for (std::size_t i = 0; i < elements_; ++i) work[i] = values[sources[i]] * signs[i];
    transform(work, elements_ / kBlock);
    std::swap(values, work);
  }
  // An odd number of rounds: what was the work area holds the result.
  std::copy(values, values + elements_, work);
}

}  // namespace springg::quant
