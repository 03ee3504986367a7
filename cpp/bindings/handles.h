// SPDX-License-Identifier: MIT
// What the Python objects of a database hold.
#pragma once

#include <unistd.h>

#include <memory>
#include <new>
#include <utility>

#include "numpy_views.h"
#include "springg/database.h"

namespace springg::bindings {

// A reference that is let go without the GIL, and never in a forked child: the threads and locks
// behind it belong to the parent, so the child leaks it.
template <class T>
class Held {
 public:
  explicit Held(std::shared_ptr<T> pointer) : pointer_(std::move(pointer)), process_(getpid()) {}
  Held(Held&&) noexcept = default;
  Held& operator=(Held&&) = delete;
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    if (pointer_ == nullptr) return;
    if (getpid() == process_) {
      drop(pointer_);
    } else {
      static_cast<void>(new (std::nothrow) std::shared_ptr<T>(std::move(pointer_)));
    }
  }

  T* operator->() const noexcept { return pointer_.get(); }
  T& operator*() const noexcept { return *pointer_; }
  bool of_this_process() const noexcept { return getpid() == process_; }
  std::shared_ptr<T> take() { return std::move(pointer_); }

 private:
  std::shared_ptr<T> pointer_;
  pid_t process_;
};

struct IndexHandle {
  Held<Index> index;
};

struct ViewHandle {
  Held<const IndexView> view;
  VectorForm form;
};

}  // namespace springg::bindings
