// SPDX-License-Identifier: MIT
// Large zeroed memory straight from the system, page-aligned, given back when freed. Fails with a
// Status, not an exception, so that a size from outside never ends the process.
#pragma once

#include <cstddef>
#include <span>

#include "springg/status.h"

namespace springg::base {

class Buffer {
 public:
  Buffer() noexcept = default;
  // kResourceExhausted when the system has no such memory. Size 0 gives an empty buffer.
  static Result<Buffer> allocate(std::size_t bytes);
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  std::byte* data() noexcept { return data_; }
  const std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  std::span<std::byte> span() noexcept { return {data_, size_}; }
  std::span<const std::byte> span() const noexcept { return {data_, size_}; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace springg::base
