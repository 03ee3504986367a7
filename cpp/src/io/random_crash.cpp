// SPDX-License-Identifier: MIT
// Which crash states are tried: CrashPoint::random().
#include <algorithm>
#include <utility>

#include "io/crash_point.h"
#include "io/split_mix.h"

namespace springg::io {

namespace {

// Up to so many sectors each is drawn alone; more are drawn in runs.
constexpr std::uint64_t kSectorsDrawnMax = 64;

// Which parts reached the disk at all.
std::vector<bool> draw_parts(std::size_t parts, SplitMix& random) {
  std::vector<bool> kept(parts, false);
  if (parts == 0) return kept;
  switch (random.below(8)) {
    case 0: kept.assign(parts, true); break;
    case 1:  // a prefix
      std::fill_n(kept.begin(), random.below(parts + 1), true);
      break;
    case 2:  // all but the first
      kept.assign(parts, true);
      kept.front() = false;
      break;
    case 3:  // all but the last
      kept.assign(parts, true);
      kept.back() = false;
      break;
    case 4:  // all but one
      kept.assign(parts, true);
      kept[random.below(parts)] = false;
      break;
    case 5:  // one
      kept[random.below(parts)] = true;
      break;
    default: {  // each alone, few or many
      const std::uint64_t odds = 1 + random.below(7);
      for (std::size_t i = 0; i < parts; ++i) kept[i] = random.chance(odds, 8);
    }
  }
  return kept;
}

// Any subset of [begin, end).
std::vector<SectorRange> draw_sectors(SectorRange all, SplitMix& random) {
  std::vector<SectorRange> ranges;
  const std::uint64_t count = all.end - all.begin;
  const bool alone = count <= kSectorsDrawnMax;
  const std::uint64_t odds = 1 + random.below(7);
  for (std::uint64_t at = all.begin; at < all.end;) {
    const std::uint64_t run = alone ? 1 : 1 + random.below(count / 8);
    const std::uint64_t end = std::min(all.end, at + run);
    if (random.chance(odds, 8)) {
      if (!ranges.empty() && ranges.back().end == at) {
        ranges.back().end = end;
      } else {
        ranges.push_back({at, end});
      }
    }
    at = end;
  }
  return ranges;
}

// The sectors of one write that was torn.
std::vector<SectorRange> tear(SectorRange all, SplitMix& random) {
  const std::uint64_t at = all.begin + random.below(all.end - all.begin);
  std::vector<SectorRange> ranges;
  switch (random.below(6)) {
    case 0: ranges = {{all.begin, at}}; break;           // its head
    case 1: ranges = {{at, all.end}}; break;             // its tail
    case 2: ranges = {{all.begin + 1, all.end}}; break;  // all but the first
    case 3: ranges = {{all.begin, all.end - 1}}; break;  // all but the last
    case 4: ranges = {{all.begin, at}, {at + 1, all.end}}; break;
    default: ranges = draw_sectors(all, random);
  }
  std::erase_if(ranges, [](SectorRange range) { return range.begin >= range.end; });
  return ranges;
}

// Between two sizes: a sector's edge, or the greater one.
std::uint64_t draw_size(const Unsynced& part, SplitMix& random) {
  const std::uint64_t first = part.size_before / kSectorBytes + 1;
  const std::uint64_t edges = (part.size - 1) / kSectorBytes - (first - 1);
  const std::uint64_t drawn = random.below(edges + 1);
  return drawn == edges ? part.size : (first + drawn) * kSectorBytes;
}

void draw_garbage(std::span<const Unsynced> parts, SplitMix& random, CrashChoice& choice) {
  for (const Unsynced& part : parts) {
    if (part.part != Unsynced::Part::kData || random.chance(1, 2)) continue;
    const std::uint64_t sectors = part.end_sector() - part.first_sector();
    for (std::uint64_t count = 1 + random.below(3); count > 0; --count) {
      choice.garbage.push_back(
          {part.inode, part.first_sector() + random.below(sectors), random.next()});
    }
  }
}

}  // namespace

CrashChoice CrashPoint::random(std::uint64_t seed, const RandomCrash& options) const {
  SplitMix random(seed);
  const std::vector<bool> kept = draw_parts(open_.size(), random);
  const bool torn = random.chance(1, 2);
  CrashChoice choice;
  for (std::size_t i = 0; i < open_.size(); ++i) {
    if (!kept[i]) continue;
    const Unsynced& part = open_[i];
    Kept one{i, part.size, {}};
    const bool cut = torn && random.chance(1, 2);
    if (part.part == Unsynced::Part::kSize && cut) one.size = draw_size(part, random);
    if (part.part == Unsynced::Part::kData) {
      const SectorRange all{part.first_sector(), part.end_sector()};
      one.sectors = cut ? tear(all, random) : std::vector<SectorRange>{all};
      if (one.sectors.empty()) continue;
    }
    choice.kept.push_back(std::move(one));
  }
  if (random.chance(1, 4)) {
    for (std::size_t i = choice.kept.size(); i > 1; --i) {
      std::swap(choice.kept[i - 1], choice.kept[random.below(i)]);
    }
  }
  if (options.garbage && random.chance(3, 4)) draw_garbage(open_, random, choice);
  return choice;
}

}  // namespace springg::io
