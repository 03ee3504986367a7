// SPDX-License-Identifier: MIT
// Rows, queries and results that end where the process's memory ends: one byte too far is a crash.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "catch.h"
#include "kernels/kernel_cases.h"

namespace springg::kernels::testing {
namespace {

// Memory whose last byte is followed by a page that nobody may touch.
class GuardedMemory {
 public:
  explicit GuardedMemory(std::size_t bytes) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    usable_ = (bytes + page - 1) / page * page;
    mapped_ = usable_ + page;
    void* data =
        ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(data != MAP_FAILED);
    data_ = static_cast<std::byte*>(data);
    REQUIRE(::mprotect(data_ + usable_, page, PROT_NONE) == 0);
    std::fill(data_, data_ + usable_, std::byte{0x3C});  // as float and half: finite
  }
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;
  ~GuardedMemory() { (void)::munmap(data_, mapped_); }

  // The last `bytes` bytes.
  std::byte* tail(std::size_t bytes) { return data_ + usable_ - bytes; }

 private:
  std::byte* data_ = nullptr;
  std::size_t usable_ = 0;
  std::size_t mapped_ = 0;
};

constexpr std::size_t kBytes = 64 << 10;

void run_all(const DistanceFunctions& functions, std::size_t query_bytes, std::size_t row_bytes,
             std::size_t dims, std::size_t count) {
  GuardedMemory query(kBytes);
  GuardedMemory rows(kBytes);
  GuardedMemory out(kBytes);
  auto* const results = reinterpret_cast<float*>(out.tail(count * sizeof(float)));
  const std::byte* const base = rows.tail(count * row_bytes);
  std::vector<const std::byte*> pointers;
  for (std::size_t r = 0; r < count; ++r) pointers.push_back(base + r * row_bytes);
  const std::byte* const at = query.tail(query_bytes);
  functions.gather(at, pointers.data(), count, dims, results);
  const std::vector<float> gathered(results, results + count);
  functions.scan(at, base, row_bytes, count, dims, results);
  CHECK(std::equal(gathered.begin(), gathered.end(), results));
  functions.tile(at, dims, 1, base, row_bytes, count, dims, results, count);
  CHECK(std::equal(gathered.begin(), gathered.end(), results));
}

// Queries of float32 on bytes: gathered only.
void run_wide(decltype(DistanceFunctions::gather) gather, std::size_t dims, std::size_t count) {
  GuardedMemory query(kBytes);
  GuardedMemory rows(kBytes);
  GuardedMemory out(kBytes);
  auto* const results = reinterpret_cast<float*>(out.tail(count * sizeof(float)));
  std::vector<const std::byte*> pointers;
  for (std::size_t r = 0; r < count; ++r) pointers.push_back(rows.tail((count - r) * dims));
  gather(query.tail(dims * sizeof(float)), pointers.data(), count, dims, results);
  CHECK(std::isfinite(results[count - 1]));
}

}  // namespace

TEST_CASE("distances read no byte behind a row or query and write none behind the results") {
  for (const DistanceTable* table : available_tables()) {
    for (std::size_t dims = 1; dims <= 300; dims += dims < 70 ? 1 : 37) {
      for (const std::size_t count : {1U, 3U, 4U, 5U, 9U}) {
        for (const Measure measure : kFloatMeasures) {
          INFO(describe_case(*table, ScalarType::kFloat32, measure, dims));
          run_all(functions_of(*table, ScalarType::kFloat32, measure), dims * 4, dims * 4, dims,
                  count);
          run_all(functions_of(*table, ScalarType::kFloat16, measure), dims * 4, dims * 2, dims,
                  count);
        }
        for (const Measure measure : kFloatMeasures) {
          const auto index = static_cast<std::size_t>(measure);
          run_all(table->int8.of_bytes[index], dims, dims, dims, count);
          run_all(table->uint8.of_bytes[index], dims, dims, dims, count);
          run_wide(table->int8.of_floats[index], dims, count);
        }
        run_all(table->bits, dims, dims, dims, count);
      }
    }
  }
}

TEST_CASE("conversions, norms and checks read and write no byte too far") {
  GuardedMemory floats(kBytes);
  GuardedMemory halves(kBytes);
  for (const DistanceTable* table : available_tables()) {
    for (std::size_t count = 1; count <= 200; ++count) {
      auto* const x = reinterpret_cast<float*>(floats.tail(count * sizeof(float)));
      auto* const h = reinterpret_cast<std::uint16_t*>(halves.tail(count * sizeof(std::uint16_t)));
      std::fill(x, x + count, 0.25F);
      table->float_to_half(x, count, h);
      std::fill(x, x + count, 0.0F);
      table->half_to_float(h, count, x);
      CHECK(std::count(x, x + count, 0.25F) == static_cast<std::ptrdiff_t>(count));
      auto* const scaled = reinterpret_cast<float*>(halves.tail(count * sizeof(float)));
      table->scale(x, count, 2.0, scaled);
      CHECK(std::count(scaled, scaled + count, 0.5F) == static_cast<std::ptrdiff_t>(count));
      CHECK(table->squared_norm(x, count) == 0.0625 * static_cast<double>(count));
      CHECK(table->find_not_finite(x, count) == count);
    }
  }
}

}  // namespace springg::kernels::testing
