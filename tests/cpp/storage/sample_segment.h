// SPDX-License-Identifier: MIT
// Small segments with known content, and the comparison of a segment with it.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/segment.h"

namespace springg::storage {

struct SampleRows {
  SegmentSettings settings;
  std::vector<std::byte> vectors;
  std::vector<float> inverse_norms;
  std::vector<std::uint64_t> sequences;
  IdColumn ids;
  MetadataColumn metadata;
  std::string graph;

  std::uint32_t rows() const { return static_cast<std::uint32_t>(sequences.size()); }
};

enum class SampleIds { kIntegers, kUuids, kStrings, kMixed };

inline void append_sample_id(SampleIds kind, std::uint32_t row, IdColumn& ids) {
  const auto turn = kind == SampleIds::kMixed ? static_cast<SampleIds>(row % 3) : kind;
  if (turn == SampleIds::kIntegers) {
    ids.append_integer(std::uint64_t{row} * 0x9e37'79b9'7f4a'7c15U);
  } else if (turn == SampleIds::kUuids) {
    std::array<std::uint8_t, 16> uuid{};
    std::memcpy(uuid.data() + 3, &row, sizeof row);
    ids.append_uuid(uuid);
  } else {
    ids.append_string("doc-" + std::to_string(row));
  }
}

inline SampleRows sample_rows(std::uint32_t rows, SampleIds id_kind,
                              SegmentSettings settings = {3, Metric::kCosine,
                                                          ScalarType::kFloat32}) {
  SampleRows sample;
  sample.settings = settings;
  sample.vectors.resize(rows * vector_bytes(settings.dtype, settings.dimensions));
  for (std::size_t i = 0; i < sample.vectors.size(); ++i) {
    sample.vectors[i] = static_cast<std::byte>(i * 37 + 11);
  }
  for (std::uint32_t row = 0; row < rows; ++row) {
    sample.inverse_norms.push_back(1.0F / static_cast<float>(row + 1));
    sample.sequences.push_back(100 + std::uint64_t{row} * 3);
    append_sample_id(id_kind, row, sample.ids);
    if (row % 3 == 1) {
      sample.metadata.append_none();
    } else {
      sample.metadata.append("{\"row\":" + std::to_string(row) + "}");
    }
  }
  sample.graph = "links of " + std::to_string(rows) + " rows";
  return sample;
}

inline Result<std::shared_ptr<const Segment>> build(const SampleRows& sample) {
  SPRINGG_ASSIGN_OR_RETURN(auto builder, SegmentBuilder::create(sample.settings, sample.rows()));
  if (!sample.vectors.empty()) {
    std::memcpy(builder->vectors(), sample.vectors.data(), sample.vectors.size());
    std::memcpy(builder->sequences(), sample.sequences.data(),
                sample.sequences.size() * sizeof(std::uint64_t));
    if (builder->inverse_norms() != nullptr) {
      std::memcpy(builder->inverse_norms(), sample.inverse_norms.data(),
                  sample.inverse_norms.size() * sizeof(float));
    }
  }
  SPRINGG_RETURN_IF_ERROR(builder->set_ids(sample.ids));
  SPRINGG_RETURN_IF_ERROR(builder->set_metadata(sample.metadata));
  if (!sample.graph.empty()) {
    SPRINGG_ASSIGN_OR_RETURN(auto graph, builder->allocate_graph(sample.graph.size()));
    std::memcpy(graph.data(), sample.graph.data(), graph.size());
  }
  return builder->finish();
}

// Empty when every row, id and document is the sample's; else what differs.
inline std::string difference(const Segment& segment, const SampleRows& sample) {
  if (segment.settings() != sample.settings) return "settings";
  if (segment.rows() != sample.rows()) return "rows";
  const std::size_t row_bytes = vector_bytes(sample.settings.dtype, sample.settings.dimensions);
  for (std::uint32_t row = 0; row < sample.rows(); ++row) {
    const std::string where = " of row " + std::to_string(row);
    if (std::memcmp(segment.vectors().row(row), sample.vectors.data() + row * row_bytes,
                    row_bytes) != 0) {
      return "vector" + where;
    }
    if (sample.settings.metric == Metric::kCosine &&
        std::memcmp(segment.inverse_norms().row(row), &sample.inverse_norms[row], sizeof(float)) !=
            0) {
      return "inverse norm" + where;
    }
    if (segment.sequences()[row] != sample.sequences[row]) return "sequence" + where;
    if (!(segment.id(row) == sample.ids[row])) return "id" + where;
    if (segment.find(sample.ids[row]) != row) return "hash table" + where;
    if (segment.has_metadata(row) != sample.metadata.has(row) ||
        segment.metadata(row) != sample.metadata.text(row)) {
      return "metadata" + where;
    }
  }
  const std::string_view graph(reinterpret_cast<const char*>(segment.graph().data()),
                               segment.graph().size());
  if (segment.graph_damaged() ? !graph.empty() : graph != sample.graph) return "graph";
  return "";
}

}  // namespace springg::storage
