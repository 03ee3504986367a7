// SPDX-License-Identifier: MIT
#include "kernels/dispatch.h"

#include <cstdlib>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "kernels/isa_tables.h"

namespace springg::kernels {
namespace {

constexpr const char* kForceVariable = "SPRINGG_FORCE_ISA";

struct Choice {
  std::vector<const DistanceTable*> available;
  const DistanceTable* active;
  std::string forced;
  Status forced_status;
};

#if defined(__x86_64__)
// clang 16's __builtin_cpu_supports does not know it. Works on registers that AVX2 implies.
bool has_half_conversions() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}
#endif

// __builtin_cpu_supports asks the operating system too whether it saves the wide registers.
std::vector<const DistanceTable*> detect() {
  std::vector<const DistanceTable*> tables;
#if defined(__x86_64__)
  __builtin_cpu_init();
  tables.push_back(&sse2_table());
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                        __builtin_cpu_supports("popcnt") && has_half_conversions();
  if (has_avx2) tables.push_back(&avx2_table());
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd");
  if (has_avx512) tables.push_back(&avx512_table());
  if (has_avx512 && __builtin_cpu_supports("avx512vnni") &&
      __builtin_cpu_supports("avx512vpopcntdq")) {
    tables.push_back(&avx512vnni_table());
  }
#elif defined(__aarch64__)
  tables.push_back(&neon_table());
#else
#error "springg has kernels for x86-64 and aarch64"
#endif
  return tables;
}

std::string names(const std::vector<const DistanceTable*>& tables) {
  std::string list;
  for (const DistanceTable* table : tables) {
    if (!list.empty()) list += ", ";
    list += table->isa;
  }
  return list;
}

Choice choose() {
  Choice choice{detect(), nullptr, {}, {}};
  if (const char* const value = std::getenv(kForceVariable)) choice.forced = value;
  auto table = select_table(choice.available, choice.forced);
  choice.active = table.ok() ? table.value() : choice.available.back();
  if (!table.ok()) choice.forced_status = table.take_status();
  return choice;
}

const Choice& choice() {
  static const Choice kChoice = choose();
  return kChoice;
}

}  // namespace

Result<const DistanceTable*> select_table(const std::vector<const DistanceTable*>& available,
                                          std::string_view forced) {
  if (forced.empty()) return available.back();
  for (const DistanceTable* table : available) {
    if (forced == table->isa) return table;
  }
  const std::string actual(forced);
  const std::string expected = names(available);
  return unsupported(std::string(kForceVariable) + " is '" + actual +
                     "', this build on this processor has " + expected)
      .with("actual", actual)
      .with("expected", expected);
}

const DistanceTable& active_table() noexcept { return *choice().active; }

Status check_forced_isa() { return choice().forced_status; }

std::string_view forced_isa() noexcept { return choice().forced; }

std::vector<const DistanceTable*> available_tables() { return choice().available; }

}  // namespace springg::kernels
