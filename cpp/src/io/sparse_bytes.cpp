// SPDX-License-Identifier: MIT
#include "io/sparse_bytes.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <string>
#include <utility>

namespace springg::io {

namespace {

constexpr std::uint64_t kPage = SparseBytes::kPageBytes;

bool all_zero(std::span<const std::byte> bytes) {
  // Each byte equals the one before it, and the first is 0: what the library's memcmp is fast at.
  return bytes.empty() || (bytes[0] == std::byte{} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

class SparseMappedFile final : public MappedFile {
 public:
  SparseMappedFile(std::shared_ptr<MappingMemory> memory, MappingMemory::Block block,
                   const SparseBytes& bytes)
      : memory_(std::move(memory)), block_(block), size_(bytes.size()) {
    dirty_ = bytes.copy_to(block_.data);
  }
  SparseMappedFile(const SparseMappedFile&) = delete;
  SparseMappedFile& operator=(const SparseMappedFile&) = delete;
  ~SparseMappedFile() override { memory_->give_back(block_, dirty_); }
  std::span<const std::byte> bytes() const noexcept override { return {block_.data, size_}; }

 private:
  std::shared_ptr<MappingMemory> memory_;
  MappingMemory::Block block_;
  std::size_t size_;
  std::vector<std::uint32_t> dirty_;
};

}  // namespace

const SparseBytes::Page* SparseBytes::page(std::uint64_t number) const noexcept {
  const std::uint64_t chunk = number / kChunkPages;
  if (chunk >= chunks_.size() || chunks_[chunk] == nullptr) return nullptr;
  return chunks_[chunk]->pages[number % kChunkPages].get();
}

void SparseBytes::read(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const std::uint64_t within = offset % kPage;
    const std::size_t count = std::min<std::size_t>(kPage - within, out.size());
    const Page* source = page(offset / kPage);
    if (source != nullptr) {
      std::memcpy(out.data(), source->data() + within, count);
    } else {
      std::memset(out.data(), 0, count);
    }
    out = out.subspan(count);
    offset += count;
  }
}

std::vector<std::uint32_t> SparseBytes::copy_to(std::byte* out) const {
  std::vector<std::uint32_t> written;
  for (std::size_t c = 0; c < chunks_.size(); ++c) {
    if (chunks_[c] == nullptr) continue;
    for (std::size_t p = 0; p < kChunkPages; ++p) {
      const Page* source = chunks_[c]->pages[p].get();
      const std::uint64_t offset = c * kChunkBytes + p * kPage;
      if (source == nullptr || offset >= size_) continue;
      std::memcpy(out + offset, source->data(), std::min<std::uint64_t>(kPage, size_ - offset));
      written.push_back(static_cast<std::uint32_t>(offset / kPage));
    }
  }
  return written;
}

SparseBytesEditor::SparseBytesEditor(const SparseBytes& start)
    : bytes_(start), own_(start.chunks_.size()) {}

SparseBytesEditor::Chunk& SparseBytesEditor::own_chunk(std::size_t number) {
  if (number >= own_.size()) {
    own_.resize(number + 1);
    bytes_.chunks_.resize(number + 1);
  }
  Own& own = own_[number];
  if (own.chunk == nullptr) {
    const auto& shared = bytes_.chunks_[number];
    auto copy = shared == nullptr ? std::make_shared<Chunk>() : std::make_shared<Chunk>(*shared);
    own.chunk = copy.get();
    bytes_.chunks_[number] = std::move(copy);
  }
  return *own.chunk;
}

SparseBytesEditor::Page& SparseBytesEditor::own_page(std::uint64_t number) {
  const std::size_t within = number % SparseBytes::kChunkPages;
  Chunk& chunk = own_chunk(number / SparseBytes::kChunkPages);
  std::uint64_t& owned = own_[number / SparseBytes::kChunkPages].pages;
  auto& slot = chunk.pages[within];
  if ((owned >> within & 1U) == 0) {
    slot = slot == nullptr ? std::make_shared<Page>() : std::make_shared<Page>(*slot);
    owned |= std::uint64_t{1} << within;
  }
  return const_cast<Page&>(*slot);  // made here, and nobody else has seen it
}

void SparseBytesEditor::drop_page(std::uint64_t number) {
  if (bytes_.page(number) == nullptr) return;
  const std::size_t within = number % SparseBytes::kChunkPages;
  own_chunk(number / SparseBytes::kChunkPages).pages[within].reset();
  own_[number / SparseBytes::kChunkPages].pages &= ~(std::uint64_t{1} << within);
}

void SparseBytesEditor::resize(std::uint64_t size) {
  if (size < bytes_.size_) {
    const std::uint64_t whole = (size + kPage - 1) / kPage;
    if (size % kPage != 0 && bytes_.page(size / kPage) != nullptr) {
      Page& last = own_page(size / kPage);
      std::fill(last.begin() + static_cast<std::ptrdiff_t>(size % kPage), last.end(), std::byte{});
    }
    const std::uint64_t chunks = (whole + SparseBytes::kChunkPages - 1) / SparseBytes::kChunkPages;
    if (chunks < bytes_.chunks_.size()) {
      bytes_.chunks_.resize(chunks);
      own_.resize(chunks);
    }
    for (std::uint64_t page = whole; page < chunks * SparseBytes::kChunkPages; ++page) {
      drop_page(page);
    }
  }
  bytes_.size_ = size;
}

void SparseBytesEditor::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  bytes_.size_ = std::max(bytes_.size_, offset + bytes.size());
  while (!bytes.empty()) {
    const std::uint64_t within = offset % kPage;
    const std::span<const std::byte> part =
        bytes.first(std::min<std::size_t>(kPage - within, bytes.size()));
    if (bytes_.page(offset / kPage) != nullptr || !all_zero(part)) {
      std::memcpy(own_page(offset / kPage).data() + within, part.data(), part.size());
    }
    bytes = bytes.subspan(part.size());
    offset += part.size();
  }
}

void SparseBytesEditor::copy(const SparseBytes& other, std::uint64_t begin, std::uint64_t end) {
  end = std::min(end, bytes_.size_);
  while (begin < end) {
    const std::uint64_t next = std::min(end, (begin / kPage + 1) * kPage);
    const std::size_t chunk = begin / SparseBytes::kChunkBytes;
    const auto* theirs = chunk < other.chunks_.size() ? other.chunks_[chunk].get() : nullptr;
    const auto* ours = chunk < bytes_.chunks_.size() ? bytes_.chunks_[chunk].get() : nullptr;
    if (theirs == ours) {
      begin = std::min(end, (chunk + 1) * SparseBytes::kChunkBytes);
      continue;
    }
    if (other.page(begin / kPage) != bytes_.page(begin / kPage)) copy_in_page(other, begin, next);
    begin = next;
  }
}

// [begin, end) lies in one page, whose content differs or may differ.
void SparseBytesEditor::copy_in_page(const SparseBytes& other, std::uint64_t begin,
                                     std::uint64_t end) {
  const std::uint64_t number = begin / kPage;
  const Page* theirs = other.page(number);
  if (end - begin == kPage) {
    if (theirs == nullptr) return drop_page(number);
    const std::size_t within = number % SparseBytes::kChunkPages;
    const std::size_t chunk = number / SparseBytes::kChunkPages;
    own_chunk(chunk).pages[within] = other.chunks_[chunk]->pages[within];
    own_[chunk].pages &= ~(std::uint64_t{1} << within);
    return;
  }
  Page& page = own_page(number);
  const auto from = static_cast<std::ptrdiff_t>(begin % kPage);
  const auto to = from + static_cast<std::ptrdiff_t>(end - begin);
  if (theirs == nullptr) {
    std::fill(page.begin() + from, page.begin() + to, std::byte{});
  } else {
    std::copy(theirs->begin() + from, theirs->begin() + to, page.begin() + from);
  }
}

MappingMemory::~MappingMemory() {
  for (const Block& block : blocks_) {
    ::operator delete[](block.data, std::align_val_t{kPage});
  }
}

Result<MappingMemory::Block> MappingMemory::take(std::size_t bytes) {
  const std::size_t wanted = std::bit_ceil(std::max<std::size_t>(bytes, kPage));
  {
    const base::MutexLock lock(mutex_);
    for (Block& block : blocks_) {
      if (block.bytes != wanted) continue;
      const Block found = block;
      block = blocks_.back();
      blocks_.pop_back();
      kept_bytes_ -= wanted;
      return found;
    }
  }
  void* data = ::operator new[](wanted, std::align_val_t{kPage}, std::nothrow);
  if (data == nullptr) {
    return resource_exhausted("the system has no " + std::to_string(wanted) + " bytes of memory");
  }
  std::memset(data, 0, wanted);
  return Block{static_cast<std::byte*>(data), wanted};
}

void MappingMemory::give_back(Block block, std::span<const std::uint32_t> dirty) {
  for (const std::uint32_t page : dirty) std::memset(block.data + page * kPage, 0, kPage);
  {
    const base::MutexLock lock(mutex_);
    if (kept_bytes_ + block.bytes <= kKeptBytesMax) {
      blocks_.push_back(block);
      kept_bytes_ += block.bytes;
      return;
    }
  }
  ::operator delete[](block.data, std::align_val_t{kPage});
}

Result<std::shared_ptr<const MappedFile>> FileVersion::map(
    const std::shared_ptr<MappingMemory>& memory) const {
  const base::MutexLock lock(mutex_);
  if (mapped_ == nullptr) {
    SPRINGG_ASSIGN_OR_RETURN(const MappingMemory::Block block, memory->take(bytes_.size()));
    mapped_ = std::make_shared<const SparseMappedFile>(memory, block, bytes_);
  }
  return mapped_;
}

}  // namespace springg::io
