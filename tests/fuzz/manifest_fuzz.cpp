// SPDX-License-Identifier: MIT
// The content of a manifest from outside. What is read can be published and read again.
#include <cstdlib>

#include "storage/file_bytes.h"
#include "storage/manifest.h"
#include "storage/manifest_json.h"

using namespace springg;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto decoded = storage::decode_manifest({reinterpret_cast<const char*>(data), size});
  if (!decoded.ok()) return 0;
  const std::string text = storage::encode_manifest(decoded.value());
  const auto again = storage::decode_manifest(text);
  if (!again.ok() || storage::encode_manifest(again.value()) != text) std::abort();
  return 0;
}
