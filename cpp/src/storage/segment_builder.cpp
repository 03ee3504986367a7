// SPDX-License-Identifier: MIT
#include <cstring>
#include <utility>

#include "springg/options.h"
#include "storage/segment_sections.h"

namespace springg::storage {

namespace {

Status internal(std::string message) { return {ErrorCode::kInternal, std::move(message)}; }

Status check_entries(const char* what, std::size_t expected, std::size_t actual) {
  if (expected == actual) return {};
  return internal(std::string(what) + " of a segment: expected " + std::to_string(expected) +
                  ", got " + std::to_string(actual));
}

// Empty when no row has any.
Result<base::Buffer> encode_metadata(const MetadataColumn& metadata) {
  std::uint64_t heap_bytes = 0;
  for (std::size_t row = 0; row < metadata.size(); ++row) {
    const std::uint64_t length = metadata.text(row).size();
    if (metadata.has(row) && (length == 0 || length > limits::kMetadataBytesMax)) {
      return internal("metadata of row " + std::to_string(row) + ": expected 1 to " +
                      std::to_string(limits::kMetadataBytesMax) + " bytes, got " +
                      std::to_string(length));
    }
    heap_bytes += length;
  }
  if (heap_bytes == 0) return base::Buffer();
  const std::uint64_t heap_offset = (metadata.size() + 1) * sizeof(std::uint64_t);
  SPRINGG_ASSIGN_OR_RETURN(auto buffer, base::Buffer::allocate(heap_offset + heap_bytes));
  std::uint64_t end = 0;
  for (std::size_t row = 0; row < metadata.size(); ++row) {
    const std::string_view text = metadata.text(row);
    if (!text.empty()) std::memcpy(buffer.data() + heap_offset + end, text.data(), text.size());
    end += text.size();
    store(buffer.span(), (row + 1) * sizeof(std::uint64_t), end);
  }
  return buffer;
}

class MemorySegmentBuilder final : public SegmentBuilder {
 public:
  MemorySegmentBuilder(const SegmentSettings& settings, std::uint32_t rows)
      : segment_(std::make_shared<SectionSegment>(settings, rows)) {}

  Status allocate(std::unique_ptr<io::ScratchMemory> scratch) {
    const SegmentSettings& settings = segment_->settings();
    const std::size_t rows = segment_->rows();
    const std::size_t row_bytes = vector_bytes(settings.dtype, settings.dimensions);
    if (scratch != nullptr) {
      if (scratch->bytes().size() != rows * row_bytes) {
        return internal("scratch memory for vectors: expected " + std::to_string(rows * row_bytes) +
                        " bytes, got " + std::to_string(scratch->bytes().size()));
      }
      vectors_ = scratch->bytes().data();
      segment_->set_scratch(std::move(scratch));
    } else {
      SPRINGG_ASSIGN_OR_RETURN(auto vectors, base::Buffer::allocate(rows * row_bytes));
      vectors_ = segment_->keep(std::move(vectors)).data();
    }
    segment_->set_vectors({vectors_, rows * row_bytes});
    if (settings.metric == Metric::kCosine) {
      SPRINGG_ASSIGN_OR_RETURN(auto norms, base::Buffer::allocate(rows * sizeof(float)));
      const std::span<std::byte> bytes = segment_->keep(std::move(norms));
      inverse_norms_ = reinterpret_cast<float*>(bytes.data());
      segment_->set_inverse_norms(bytes);
    }
    SPRINGG_ASSIGN_OR_RETURN(auto sequences, base::Buffer::allocate(rows * sizeof(std::uint64_t)));
    const std::span<std::byte> bytes = segment_->keep(std::move(sequences));
    sequences_ = reinterpret_cast<std::uint64_t*>(bytes.data());
    segment_->set_sequences(bytes);
    return {};
  }

  std::byte* vectors() noexcept override { return vectors_; }
  float* inverse_norms() noexcept override { return inverse_norms_; }
  std::uint64_t* sequences() noexcept override { return sequences_; }
  const base::RowTable& vector_table() const noexcept override { return segment_->vectors(); }
  const base::RowTable& inverse_norm_table() const noexcept override {
    return segment_->inverse_norms();
  }

  Status set_ids(const IdColumn& ids) override {
    SPRINGG_RETURN_IF_ERROR(check_entries("ids", segment_->rows(), ids.size()));
    SPRINGG_ASSIGN_OR_RETURN(auto encoded, IdSection::encode(ids));
    segment_->set_ids(encoded.encoding, segment_->keep(std::move(encoded.bytes)));
    SPRINGG_ASSIGN_OR_RETURN(auto duplicate, segment_->build_id_table());
    if (duplicate) {
      return already_exists("id " + describe(segment_->id(*duplicate)) + " comes twice")
          .with("row", std::int64_t{*duplicate});
    }
    ids_set_ = true;
    return {};
  }

  Status set_metadata(const MetadataColumn& metadata) override {
    SPRINGG_RETURN_IF_ERROR(check_entries("metadata", segment_->rows(), metadata.size()));
    SPRINGG_ASSIGN_OR_RETURN(auto buffer, encode_metadata(metadata));
    segment_->set_metadata(segment_->keep(std::move(buffer)));
    return {};
  }

  Result<std::span<std::byte>> allocate_graph(std::size_t bytes) override {
    SPRINGG_ASSIGN_OR_RETURN(auto buffer, base::Buffer::allocate(bytes));
    const std::span<std::byte> graph = segment_->keep(std::move(buffer));
    segment_->set_graph(graph);
    return graph;
  }

  Result<std::span<std::byte>> allocate_codes(std::size_t bytes) override {
    SPRINGG_ASSIGN_OR_RETURN(auto buffer, base::Buffer::allocate(bytes));
    const std::span<std::byte> codes = segment_->keep(std::move(buffer));
    segment_->set_codes(codes);
    return codes;
  }
  void drop_codes() noexcept override {
    if (segment_->codes().empty()) return;
    segment_->set_codes({});
    segment_->drop_last_kept();
  }

  Status set_calibration(std::span<const std::byte> bytes) override {
    SPRINGG_ASSIGN_OR_RETURN(auto buffer, base::Buffer::allocate(bytes.size()));
    std::memcpy(buffer.data(), bytes.data(), bytes.size());
    segment_->set_calibration(segment_->keep(std::move(buffer)));
    return {};
  }

  std::optional<std::uint32_t> find(const IdView& id) const noexcept override {
    return segment_->find(id);
  }

  Result<std::shared_ptr<const Segment>> finish() override {
    if (!ids_set_ || finished_) {
      return internal(finished_ ? "segment is finished already" : "segment has no ids");
    }
    for (std::size_t row = 1; row < segment_->rows(); ++row) {
      if (sequences_[row] > sequences_[row - 1]) continue;
      return internal("sequence of row " + std::to_string(row) + ": expected above " +
                      std::to_string(sequences_[row - 1]) + ", got " +
                      std::to_string(sequences_[row]));
    }
    finished_ = true;
    segment_->set_uuid(base::Uuid::random());
    return std::shared_ptr<const Segment>(segment_);
  }

 private:
  std::shared_ptr<SectionSegment> segment_;
  std::byte* vectors_ = nullptr;
  float* inverse_norms_ = nullptr;
  std::uint64_t* sequences_ = nullptr;
  bool ids_set_ = false;
  bool finished_ = false;
};

}  // namespace

Result<std::unique_ptr<SegmentBuilder>> SegmentBuilder::create(
    const SegmentSettings& settings, std::uint32_t rows,
    std::unique_ptr<io::ScratchMemory> scratch) {
  if (settings.dimensions == 0 || settings.dimensions > limits::kDimensionsMax) {
    return invalid_argument("dimensions: expected 1 to " + std::to_string(limits::kDimensionsMax) +
                            ", got " + std::to_string(settings.dimensions));
  }
  if (rows > limits::kSegmentRowsMax) {
    return resource_exhausted("rows of a segment: expected at most " +
                              std::to_string(limits::kSegmentRowsMax) + ", got " +
                              std::to_string(rows));
  }
  auto builder = std::make_unique<MemorySegmentBuilder>(settings, rows);
  SPRINGG_RETURN_IF_ERROR(builder->allocate(std::move(scratch)));
  return std::unique_ptr<SegmentBuilder>(std::move(builder));
}

}  // namespace springg::storage
