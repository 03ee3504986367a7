// SPDX-License-Identifier: MIT
#include "engine/overlay.h"

#include <map>
#include <random>
#include <set>

#include "catch.h"

namespace springg::engine {

TEST_CASE("versions of an overlay keep what they had") {
  std::mt19937 random(5);
  std::uniform_int_distribution<std::uint32_t> row(0, 99'999);
  std::set<std::uint32_t> deleted;
  std::map<std::uint32_t, std::string> patches;
  std::shared_ptr<const Overlay> overlay;
  std::shared_ptr<const Overlay> middle;
  std::set<std::uint32_t> middle_deleted;
  std::map<std::uint32_t, std::string> middle_patches;
  for (int version = 0; version < 200; ++version) {
    OverlayEditor editor(overlay);
    for (int i = 0; i < 20; ++i) {
      const std::uint32_t gone = row(random);
      editor.erase(gone);
      editor.erase(gone);
      deleted.insert(gone);
      const std::uint32_t changed = row(random) % 3000;
      patches[changed] = "v" + std::to_string(version);
      editor.patch(changed, std::make_shared<const std::string>(patches[changed]));
    }
    overlay = editor.finish();
    if (version == 100) {
      middle = overlay;
      middle_deleted = deleted;
      middle_patches = patches;
    }
  }
  const auto holds = [](const Overlay& version, const std::set<std::uint32_t>& gone,
                        const std::map<std::uint32_t, std::string>& texts) {
    if (version.deleted_rows() != gone.size()) return false;
    for (std::uint32_t i = 0; i < 100'000; ++i) {
      if (version.deleted().test(i) != gone.contains(i)) return false;
    }
    std::map<std::uint32_t, std::string> seen;
    version.for_each_patch([&](const MetadataPatch& patch) { seen[patch.row] = *patch.text; });
    return seen == texts && version.patch(3001) == nullptr;
  };
  CHECK(holds(*middle, middle_deleted, middle_patches));
  CHECK(holds(*overlay, deleted, patches));
}

}  // namespace springg::engine
