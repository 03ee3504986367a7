// SPDX-License-Identifier: MIT
#include "ann/hnsw_image.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "springg/options.h"

namespace springg::ann {

namespace {

static_assert(std::endian::native == std::endian::little,
              "images are read in place as little-endian words");

constexpr std::uint32_t kMagic = 0x5753'4e48;
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kAlignment = 64;

struct Header {
  std::uint32_t magic = kMagic;
  std::uint32_t version = kVersion;
  std::uint32_t rows = 0;
  std::uint32_t m = 0;
  std::uint32_t upper_count = 0;
  std::uint32_t entry = 0;
  std::uint32_t layers = 0;
  std::uint32_t reserved = 0;
  std::uint32_t counts[kLayersMax + 1] = {};  // [l - 1] = rows on layer l
};
constexpr std::size_t kHeaderBytes = 192;
static_assert(sizeof(Header) <= kHeaderBytes);

// At most 2^31 rows of 512 bytes and 31 layers: far from overflow.
constexpr std::size_t padded(std::size_t bytes) noexcept {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}
std::size_t base_bytes(const Header& h) noexcept {
  return padded(std::size_t{h.rows} * 2 * h.m * sizeof(std::uint32_t));
}
std::size_t upper_rows_bytes(const Header& h) noexcept {
  return padded(std::size_t{h.upper_count} * sizeof(std::uint32_t));
}
std::size_t layer_bytes(const Header& h, std::uint32_t layer) noexcept {
  return padded(std::size_t{h.counts[layer - 1]} * h.m * sizeof(std::uint32_t));
}
std::size_t total_bytes(const Header& h) noexcept {
  std::size_t bytes = kHeaderBytes + base_bytes(h) + upper_rows_bytes(h);
  for (std::uint32_t l = 1; l <= h.layers; ++l) bytes += layer_bytes(h, l);
  return bytes;
}

// Levels follow from the blocks: a number has one for each of its layers.
std::vector<std::uint32_t> levels_of(const GrowingData& data, std::uint32_t numbers) {
  std::vector<std::uint32_t> levels(numbers);
  for (std::uint32_t n = 0; n < numbers; ++n) {
    const std::size_t next = n + 1 < numbers ? data.nodes.row(n + 1)[1] : data.block_count;
    levels[n] = static_cast<std::uint32_t>(next - data.nodes.row(n)[1]);
  }
  return levels;
}

Header header_of(const GrowingData& data, const std::vector<std::uint32_t>& levels) {
  Header header;
  header.rows = data.covered.load(std::memory_order_acquire);
  header.m = data.options.m;
  header.upper_count = static_cast<std::uint32_t>(levels.size());
  header.layers = data.layers.load(std::memory_order_acquire);
  for (const std::uint32_t level : levels) {
    for (std::uint32_t l = 1; l <= level; ++l) ++header.counts[l - 1];
  }
  return header;
}

void put_links(const std::uint32_t* from, std::uint32_t width, std::uint32_t* to,
               const std::vector<std::uint32_t>& renumbered) {
  for (std::uint32_t i = 0; i < width; ++i) {
    const std::uint32_t link = from[i];
    to[i] = link == kNoRow ? kNoRow : renumbered[link];
  }
}

bool links_valid(const std::uint32_t* links, std::size_t count, std::uint32_t limit) noexcept {
  std::uint32_t bad = 0;
  for (std::size_t i = 0; i < count; ++i) {
    bad |= static_cast<std::uint32_t>(links[i] >= limit) &
           static_cast<std::uint32_t>(links[i] != kNoRow);
  }
  return bad == 0;
}

Status damaged(const std::string& what, std::size_t offset) {
  return corruption("the graph's " + what + " at offset " + std::to_string(offset))
      .with("offset", static_cast<std::int64_t>(offset));
}

Status check_number(const char* what, std::uint32_t found, std::uint32_t least, std::uint32_t most,
                    std::size_t offset) {
  if (found >= least && found <= most) return {};
  return damaged(std::string(what) + " is not " + std::to_string(least) + " to " +
                     std::to_string(most) + ", got " + std::to_string(found),
                 offset);
}

Status check_header(const Header& h, std::uint32_t rows, std::size_t bytes) {
  SPRINGG_RETURN_IF_ERROR(check_number("mark", h.magic, kMagic, kMagic, 0));
  SPRINGG_RETURN_IF_ERROR(check_number("version", h.version, kVersion, kVersion, 4));
  SPRINGG_RETURN_IF_ERROR(check_number("row count", h.rows, rows, rows, 8));
  constexpr auto kMMin = static_cast<std::uint32_t>(limits::kMMin);
  constexpr auto kMMax = static_cast<std::uint32_t>(limits::kMMax);
  SPRINGG_RETURN_IF_ERROR(check_number("m", h.m, kMMin, kMMax, 12));
  SPRINGG_RETURN_IF_ERROR(check_number("upper row count", h.upper_count, 0, rows, 16));
  SPRINGG_RETURN_IF_ERROR(check_number("layer count", h.layers, 0, kLayersMax, 24));
  SPRINGG_RETURN_IF_ERROR(check_number("reserved word", h.reserved, 0, 0, 28));
  std::uint32_t below = h.upper_count;
  for (std::uint32_t l = 1; l <= kLayersMax + 1; ++l) {
    const std::uint32_t found = h.counts[l - 1];
    const std::size_t offset = 28 + 4 * std::size_t{l};
    const bool there = l <= h.layers;
    const std::uint32_t least = !there ? 0 : l == 1 ? h.upper_count : 1;
    SPRINGG_RETURN_IF_ERROR(check_number(
        "layer's row count", found, std::max(least, there ? 1U : 0U), there ? below : 0, offset));
    below = found;
  }
  const std::uint32_t entries = h.layers == 0 ? 1 : h.counts[h.layers - 1];
  SPRINGG_RETURN_IF_ERROR(check_number("entry", h.entry, 0, entries - 1, 20));
  if (h.layers == 0) {
    SPRINGG_RETURN_IF_ERROR(check_number("upper row count", h.upper_count, 0, 0, 16));
  }
  if (bytes != total_bytes(h)) {
    return damaged(
        "size is not " + std::to_string(total_bytes(h)) + " bytes, got " + std::to_string(bytes),
        bytes);
  }
  return {};
}

}  // namespace

std::size_t image_bytes(const GrowingData& data) {
  return total_bytes(header_of(data, levels_of(data, data.upper_count.load())));
}

void write_image(const GrowingData& data, std::span<std::byte> image) {
  const std::vector<std::uint32_t> levels = levels_of(data, data.upper_count.load());
  const Header header = header_of(data, levels);
  std::vector<std::uint32_t> order(levels.size());  // new number -> old
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return levels[a] > levels[b]; });
  std::vector<std::uint32_t> renumbered(levels.size());
  for (std::uint32_t n = 0; n < order.size(); ++n) renumbered[order[n]] = n;

  std::memset(image.data(), 0, image.size());
  std::memcpy(image.data(), &header, sizeof header);
  std::byte* at = image.data() + kHeaderBytes;
  const std::size_t row_bytes = std::size_t{2} * header.m * sizeof(std::uint32_t);
  for (std::uint32_t row = 0; row < header.rows; ++row) {
    std::memcpy(at + row * row_bytes, data.base.row(row), row_bytes);
  }
  at += base_bytes(header);
  auto* rows = reinterpret_cast<std::uint32_t*>(at);
  for (std::size_t n = 0; n < order.size(); ++n) rows[n] = data.nodes.row(order[n])[0];
  at += upper_rows_bytes(header);
  for (std::uint32_t l = 1; l <= header.layers; ++l) {
    auto* links = reinterpret_cast<std::uint32_t*>(at);
    for (std::uint32_t n = 0; n < header.counts[l - 1]; ++n) {
      const std::size_t block = std::size_t{data.nodes.row(order[n])[1]} + l - 1;
      put_links(data.blocks.row(block), header.m, links + std::size_t{n} * header.m, renumbered);
    }
    at += layer_bytes(header, l);
  }
}

Result<SealedGraph> SealedGraph::open(std::span<const std::byte> image, std::uint32_t rows) {
  if (image.size() < kHeaderBytes) {
    return damaged(
        "header is " + std::to_string(kHeaderBytes) + " bytes, got " + std::to_string(image.size()),
        image.size());
  }
  Header header;
  std::memcpy(&header, image.data(), sizeof header);
  SPRINGG_RETURN_IF_ERROR(check_header(header, rows, image.size()));
  SealedGraph graph;
  graph.rows_ = rows;
  graph.m_ = header.m;
  graph.upper_count_ = header.upper_count;
  graph.entry_ = header.entry;
  graph.layers_ = header.layers;
  std::size_t at = kHeaderBytes;
  const auto words = [&](std::size_t offset) {
    return reinterpret_cast<const std::uint32_t*>(image.data() + offset);
  };
  graph.links_ = words(at);
  const std::size_t base_links = std::size_t{rows} * 2 * header.m;
  if (!links_valid(graph.links_, base_links, rows)) return damaged("links", at);
  at += base_bytes(header);
  graph.upper_rows_ = words(at);
  for (std::uint32_t n = 0; n < header.upper_count; ++n) {
    if (graph.upper_rows_[n] >= rows) return damaged("upper rows", at);
  }
  at += upper_rows_bytes(header);
  for (std::uint32_t l = 1; l <= header.layers; ++l) {
    const std::uint32_t count = header.counts[l - 1];
    graph.layer_links_.push_back(words(at));
    graph.layer_counts_.push_back(count);
    if (!links_valid(words(at), std::size_t{count} * header.m, count)) {
      return damaged("upper links", at);
    }
    at += layer_bytes(header, l);
  }
  return graph;
}

}  // namespace springg::ann
