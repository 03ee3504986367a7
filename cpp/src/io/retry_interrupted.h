// SPDX-License-Identifier: MIT
// Calls of the system that a signal may break off.
#pragma once

#include <cerrno>

namespace springg::io {

// What `call` returns, which is -1 with errno for an error; again when a signal broke it off.
template <class Call>
auto retry_interrupted(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

}  // namespace springg::io
