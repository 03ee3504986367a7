// SPDX-License-Identifier: MIT
// Halves, norms and the search for what is not finite.
#include "catch.h"
#include "kernels/kernel_cases.h"

namespace springg::kernels::testing {
namespace {

std::vector<std::uint16_t> all_halves() {
  std::vector<std::uint16_t> halves(65536);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
  return halves;
}

bool is_nan_half(std::uint16_t half) { return (half & 0x7FFF) > 0x7C00; }

// Nearest half, ties to even, by comparing distances in float64 (which holds every sum exactly).
std::uint16_t nearest_half(float value) {
  const double magnitude = std::fabs(static_cast<double>(value));
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  if (magnitude >= 65520.0) return static_cast<std::uint16_t>(sign | 0x7C00);
  std::uint16_t low = 0;
  std::uint16_t high = 0x7C00;  // as if it were 65536
  while (high - low > 1) {
    const auto middle = static_cast<std::uint16_t>((low + high) / 2);
    (value_of_half(middle) <= magnitude ? low : high) = middle;
  }
  const double above = high == 0x7C00 ? 65536.0 : value_of_half(high);
  const double to_low = magnitude - value_of_half(low);
  const double to_high = above - magnitude;
  const bool takes_low = to_low < to_high || (to_low == to_high && low % 2 == 0);
  return static_cast<std::uint16_t>(sign | (takes_low ? low : high));
}

void check_to_half(const std::vector<float>& values) {
  for (const DistanceTable* table : available_tables()) {
    INFO(table->isa);
    std::vector<std::uint16_t> found(values.size());
    table->float_to_half(values.data(), values.size(), found.data());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (found[i] != nearest_half(values[i])) {
        UNSCOPED_INFO("value " << values[i] << " gave " << found[i]);
        ++wrong;
      }
    }
    CHECK(wrong == 0);
  }
}

}  // namespace

TEST_CASE("every half becomes the float of its definition and comes back") {
  const std::vector<std::uint16_t> halves = all_halves();
  for (const DistanceTable* table : available_tables()) {
    INFO(table->isa);
    std::vector<float> floats(halves.size());
    table->half_to_float(halves.data(), halves.size(), floats.data());
    std::vector<std::uint16_t> back(halves.size());
    table->float_to_half(floats.data(), floats.size(), back.data());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < halves.size(); ++i) {
      if (is_nan_half(halves[i])) {
        wrong += std::isnan(floats[i]) && is_nan_half(back[i]) ? 0U : 1U;
      } else {
        const bool equal = static_cast<double>(floats[i]) == value_of_half(halves[i]) &&
                           std::signbit(floats[i]) == ((halves[i] & 0x8000) != 0);
        wrong += equal && back[i] == halves[i] ? 0U : 1U;
      }
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("floats become the nearest half, ties to even") {
  std::mt19937 generator(10);
  std::vector<float> values;
  std::uniform_int_distribution<std::uint32_t> any_bits;
  for (int i = 0; i < 50'000; ++i) {
    const float value = float_of(any_bits(generator));
    if (!std::isnan(value)) values.push_back(value);
  }
  // Where halves lie: exponents -27 to 17.
  std::uniform_int_distribution<std::uint32_t> near_halves(100U << 23, (145U << 23) - 1U);
  for (int i = 0; i < 100'000; ++i) values.push_back(float_of(near_halves(generator)));
  check_to_half(values);
}

TEST_CASE("middles between halves and their neighbors are rounded right") {
  std::vector<float> values{0.0F, -0.0F, 65519.996F, 65520.0F, -65520.0F, 1e38F};
  for (std::uint32_t half = 0; half < 0x7BFF; half += 7) {
    const double middle = (value_of_half(static_cast<std::uint16_t>(half)) +
                           value_of_half(static_cast<std::uint16_t>(half + 1))) /
                          2.0;
    const float exact = static_cast<float>(middle);
    values.push_back(exact);
    values.push_back(-exact);
    values.push_back(std::nextafterf(exact, 0.0F));
    values.push_back(std::nextafterf(exact, 1e9F));
  }
  check_to_half(values);
}

TEST_CASE("conversions of any count write that count") {
  const std::vector<float> values(70, 1.5F);
  for (const DistanceTable* table : available_tables()) {
    for (std::size_t count = 0; count < 70; ++count) {
      std::vector<std::uint16_t> halves(count + 1, 0xABCD);
      table->float_to_half(values.data(), count, halves.data());
      CHECK(halves[count] == 0xABCD);
      std::vector<float> floats(count + 1, -7.0F);
      table->half_to_float(halves.data(), count, floats.data());
      CHECK(floats[count] == -7.0F);
      for (std::size_t i = 0; i < count; ++i) CHECK(floats[i] == 1.5F);
    }
  }
}

TEST_CASE("squared norms are those of float64, tiny and huge ones too") {
  std::mt19937 generator(11);
  for (const DistanceTable* table : available_tables()) {
    for (const float scale : {1e-30F, 1.0F, 1e38F}) {
      for (std::size_t dims = 1; dims <= 2048; dims += dims < 80 ? 1 : 163) {
        INFO(table->isa << " scale " << scale << " dims " << dims);
        const std::vector<float> x = random_floats(generator, dims, -scale, scale);
        double expected = 0.0;
        for (const float value : x) {
          expected += static_cast<double>(value) * static_cast<double>(value);
        }
        const double found = table->squared_norm(x.data(), dims);
        CHECK(std::fabs(found - expected) <= 1e-13 * expected);
      }
    }
  }
}

TEST_CASE("the first element that is not finite is found") {
  const float infinity = std::numeric_limits<float>::infinity();
  const float bad[] = {infinity, -infinity, std::numeric_limits<float>::quiet_NaN(),
                       float_of(0x7F800001U), float_of(0xFFFFFFFFU)};
  for (const DistanceTable* table : available_tables()) {
    for (const std::size_t count : {1U, 2U, 15U, 16U, 17U, 127U, 128U, 129U, 400U}) {
      std::vector<float> x(count, std::numeric_limits<float>::max());
      for (std::size_t i = 0; i < count; i += 2) x[i] = -1e-45F;
      INFO(table->isa << " count " << count);
      CHECK(table->find_not_finite(x.data(), count) == count);
      CHECK(table->find_not_finite(x.data(), 0) == 0);
      std::size_t wrong = 0;
      for (std::size_t at = 0; at < count; ++at) {
        const float kept = x[at];
        x[at] = bad[at % 5];
        wrong += table->find_not_finite(x.data(), count) == at ? 0U : 1U;
        x.back() = infinity;  // a later one does not matter
        wrong += table->find_not_finite(x.data(), count) == at ? 0U : 1U;
        x.back() = 1.0F;
        x[at] = kept;
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("numbers are scaled in float64 and rounded once") {
  const std::vector<float> values{1.0F, -3.0F, 1e-45F, 3e38F, 0.1F, -7e-39F, 16777215.0F, 0.0F};
  for (const DistanceTable* table : available_tables()) {
    INFO(table->isa);
    for (std::size_t count = 1; count <= 70; ++count) {
      std::vector<float> x(count);
      for (std::size_t i = 0; i < count; ++i) x[i] = values[(i + count) % values.size()];
      for (const double factor : {1.0 / 3.0, 1e40, 1e-41}) {
        std::vector<float> scaled(count + 1, 42.0F);
        table->scale(x.data(), count, factor, scaled.data());
        for (std::size_t i = 0; i < count; ++i) {
          CHECK(scaled[i] == static_cast<float>(static_cast<double>(x[i]) * factor));
        }
        CHECK(scaled[count] == 42.0F);
      }
    }
  }
}

}  // namespace springg::kernels::testing
