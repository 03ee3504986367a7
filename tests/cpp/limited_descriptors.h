// SPDX-License-Identifier: MIT
// For tests: fewer file descriptors than the process may have otherwise.
#pragma once

#include <sys/resource.h>

#include "catch.h"

namespace springg::testing {

class LimitedDescriptors {
 public:
  explicit LimitedDescriptors(rlim_t count) {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    struct rlimit fewer = before_;
    fewer.rlim_cur = count;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &fewer) == 0);
  }
  ~LimitedDescriptors() { (void)::setrlimit(RLIMIT_NOFILE, &before_); }
  LimitedDescriptors(const LimitedDescriptors&) = delete;
  LimitedDescriptors& operator=(const LimitedDescriptors&) = delete;

 private:
  struct rlimit before_ {};
};

}  // namespace springg::testing
