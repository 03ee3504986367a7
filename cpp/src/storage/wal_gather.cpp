// SPDX-License-Identifier: MIT
#include "storage/wal_gather.h"

#include <new>
#include <utility>

namespace springg::storage {

namespace {
// A larger buffer, which one large record made, is not kept.
constexpr std::size_t kKeptBytesMax = std::size_t{16} << 20;
}  // namespace

Status WalGather::begin_file(std::shared_ptr<WalFile> file, WalFileHeader header) {
  header.previous_bytes = offset_;
  header.previous_crc = chain_;
  header.file_bytes = file->bytes();
  const WalHeaderBytes bytes = encode_wal_header(header);
  file->set_header(bytes);
  WalBatch batch{std::move(file), kWalHeaderBytes, {}};
  if (newest_.file != nullptr) {
    try {
      older_.push_back(std::move(newest_));
    } catch (const std::bad_alloc&) {
      return out_of_memory();
    }
    older_bytes_ += older_.back().bytes.size();
  }
  newest_ = std::move(batch);
  salt_ = header.salt;
  offset_ = kWalHeaderBytes;
  chain_ = wal_header_crc(bytes);
  return {};
}

Status WalGather::add(const WalFrame& frame) {
  const std::uint64_t size = wal_frame_bytes(frame.record.payload.size());
  const std::size_t before = newest_.bytes.size();
  try {
    newest_.bytes.resize(before + size);
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
  chain_ = encode_wal_frame(std::span(newest_.bytes).subspan(before), salt_, frame, chain_);
  offset_ += size;
  return {};
}

WalFlight WalGather::take() noexcept {
  WalFlight flight{std::move(older_), {newest_.file, newest_.offset, std::move(newest_.bytes)}};
  older_.clear();
  older_bytes_ = 0;
  newest_.bytes = std::exchange(spare_, {});
  newest_.offset = offset_;
  return flight;
}

void WalGather::give_back(std::vector<std::byte> buffer) noexcept {
  if (buffer.capacity() > kKeptBytesMax || buffer.capacity() < spare_.capacity()) return;
  spare_ = std::move(buffer);
  spare_.clear();
}

}  // namespace springg::storage
