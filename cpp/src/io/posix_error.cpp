// SPDX-License-Identifier: MIT
#include "io/posix_error.h"

#include <cctype>
#include <cerrno>
#include <system_error>

namespace springg::io {

namespace {

ErrorCode code_of(int error) {
  switch (error) {
    case ENOENT: return ErrorCode::kNotFound;
    case EEXIST: return ErrorCode::kAlreadyExists;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:  // nothing was lost, and a descriptor comes free
    case ENFILE:
    case ENOMEM: return ErrorCode::kResourceExhausted;
    default: return ErrorCode::kIoError;
  }
}

// The system's text in our spelling: no capital at the start, except of an abbreviation.
std::string text_of(int error) {
  std::string text = std::generic_category().message(error);
  if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  return text;
}

}  // namespace

Status posix_status(int error, std::string_view action, const std::string& path) {
  std::string message = "cannot " + std::string(action) + " " + path + ": " + text_of(error);
  return Status(code_of(error), std::move(message)).with("file", path).with("errno", error);
}

}  // namespace springg::io
