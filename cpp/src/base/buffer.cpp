// SPDX-License-Identifier: MIT
#include "base/buffer.h"

#include <sys/mman.h>

#include <string>
#include <utility>

namespace springg::base {

namespace {
// Below this huge pages waste more than they save.
constexpr std::size_t kHugePageBytesMin = std::size_t{4} << 20;
}  // namespace

Result<Buffer> Buffer::allocate(std::size_t bytes) {
  Buffer buffer;
  if (bytes == 0) return buffer;
  void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    return resource_exhausted("the system has no " + std::to_string(bytes) + " bytes of memory");
  }
#ifdef MADV_HUGEPAGE
  if (bytes >= kHugePageBytesMin) (void)::madvise(data, bytes, MADV_HUGEPAGE);
#endif
  buffer.data_ = static_cast<std::byte*>(data);
  buffer.size_ = bytes;
  return buffer;
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Buffer::~Buffer() {
  if (data_ != nullptr) (void)::munmap(data_, size_);
}

}  // namespace springg::base
