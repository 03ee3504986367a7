// SPDX-License-Identifier: MIT
// A metadata document from outside. The parser and the scanner that explains refusals agree, and a
// document that was taken stays as it is when it comes back.
#include <cstdlib>
#include <string>

#include "springg/options.h"
#include "storage/json_fault.h"
#include "storage/metadata_json.h"

using namespace springg;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string once;
  const bool taken = storage::append_compact_object(text, once).ok();
  const bool clean = !storage::find_json_fault(text, limits::kMetadataDepthMax).has_value();
  if (taken && !clean) std::abort();
  if (!taken && clean && size <= limits::kMetadataBytesMax) std::abort();
  if (!taken) return 0;
  std::string twice;
  if (!storage::append_compact_object(once, twice).ok() || once != twice) std::abort();
  return 0;
}
