// SPDX-License-Identifier: MIT
#include "base/random_source.h"

#include <random>

#if defined(__linux__)
#include <sys/random.h>

#include <cerrno>
#endif

namespace springg::base {

std::uint64_t system_random() {
#if defined(__linux__)
  // Not the processor's instruction, which std::random_device may take: some have returned zeros.
  std::uint64_t value = 0;
  ssize_t count = 0;
  do {
    count = ::getrandom(&value, sizeof value, 0);
  } while (count < 0 && errno == EINTR);
  if (count == static_cast<ssize_t>(sizeof value)) return value;
#endif
  std::random_device source;
  return std::uint64_t{source()} << 32 | source();
}

}  // namespace springg::base
