// SPDX-License-Identifier: MIT
// Errors of the whole C++ API. Whatever the outside world can cause comes back as Status or
// Result<T>; the library never prints and never ends its host process. docs/errors.md lists what
// each code means to a caller, and the Python class and HTTP status that it becomes.
#pragma once

#include <cassert>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace springg {

// Numbers are stable: they are written to logs and go over the wire. Append only.
enum class ErrorCode : std::uint8_t {
  kOk = 0,
  kInvalidArgument = 1,     // the caller's value is outside what is documented
  kDimensionMismatch = 2,   // a vector's width is not the index's
  kNotFound = 3,            // no index or id of that name
  kAlreadyExists = 4,       // an index or id of that name is there already
  kFailedPrecondition = 5,  // right call, wrong state: closed, locked by another process, forked
  kResourceExhausted = 6,   // memory limit, disk full, too many rows
  kUnauthenticated = 7,
  kPermissionDenied = 8,
  kUnavailable = 9,  // try again later
  kDeadlineExceeded = 10,
  kCorruption = 11,   // bytes on disk are not what was written; names file and offset
  kIoError = 12,      // the operating system refused a file operation
  kUnsupported = 13,  // written by a newer release, or not built for this machine
  kInternal = 14,     // a bug in springg
};

// "invalid_argument", ...: the spelling used in Python's `code`, in JSON and in logs.
std::string_view to_string(ErrorCode code) noexcept;

// One fact of an error for programs: {"row", 3}, {"expected", 384}, {"file", "x.segment"}.
struct ErrorDetail {
  std::string key;
  std::variant<std::int64_t, std::string> value;
};

// Success, or a code with a message (lower case, no full stop, expected and actual value) and
// details. Cheap when ok. Values; any thread.
class [[nodiscard]] Status {
 public:
  Status() noexcept = default;
  Status(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status ok_status() noexcept { return {}; }
  bool ok() const noexcept { return code_ == ErrorCode::kOk; }
  ErrorCode code() const noexcept { return code_; }
  const std::string& message() const noexcept { return message_; }
  const std::vector<ErrorDetail>& details() const noexcept { return details_; }

  Status&& with(std::string key, std::int64_t value) && {
    details_.push_back({std::move(key), value});
    return std::move(*this);
  }
  Status&& with(std::string key, std::string value) && {
    details_.push_back({std::move(key), std::move(value)});
    return std::move(*this);
  }

 private:
  ErrorCode code_ = ErrorCode::kOk;
  std::string message_;
  std::vector<ErrorDetail> details_;
};

inline Status invalid_argument(std::string message) {
  return {ErrorCode::kInvalidArgument, std::move(message)};
}
inline Status not_found(std::string message) { return {ErrorCode::kNotFound, std::move(message)}; }
inline Status already_exists(std::string message) {
  return {ErrorCode::kAlreadyExists, std::move(message)};
}
inline Status failed_precondition(std::string message) {
  return {ErrorCode::kFailedPrecondition, std::move(message)};
}
inline Status resource_exhausted(std::string message) {
  return {ErrorCode::kResourceExhausted, std::move(message)};
}
// Memory itself is short. Needs none: the text has room in the string object.
inline Status out_of_memory() noexcept { return {ErrorCode::kResourceExhausted, "out of memory"}; }
inline Status corruption(std::string message) {
  return {ErrorCode::kCorruption, std::move(message)};
}
inline Status io_error(std::string message) { return {ErrorCode::kIoError, std::move(message)}; }
inline Status unsupported(std::string message) {
  return {ErrorCode::kUnsupported, std::move(message)};
}

// A value or a Status that is not ok. `value()` of an error is a programming error (asserted).
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<1>, std::move(value)) {}  // NOLINT(*-explicit-*)
  Result(Status status) : state_(std::in_place_index<0>, std::move(status)) {  // NOLINT
    assert(!std::get<0>(state_).ok());
  }

  bool ok() const noexcept { return state_.index() == 1; }
  const Status& status() const& noexcept { return ok() ? ok_status() : std::get<0>(state_); }
  Status&& take_status() noexcept { return std::move(std::get<0>(state_)); }
  T& value() & {
    assert(ok());
    return *std::get_if<1>(&state_);
  }
  const T& value() const& {
    assert(ok());
    return *std::get_if<1>(&state_);
  }
  T&& value() && {
    assert(ok());
    return std::move(*std::get_if<1>(&state_));
  }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }

 private:
  static const Status& ok_status() noexcept {
    static const Status kOk;
    return kOk;
  }
  std::variant<Status, T> state_;
};

}  // namespace springg

// Returns from the enclosing function when `expression` (a Status) is an error.
#define SPRINGG_RETURN_IF_ERROR(expression)                                      \
  do {                                                                           \
    if (::springg::Status springg_status_ = (expression); !springg_status_.ok()) \
      return springg_status_;                                                    \
  } while (false)

#define SPRINGG_CONCAT_INNER(a, b) a##b
#define SPRINGG_CONCAT(a, b) SPRINGG_CONCAT_INNER(a, b)
// SPRINGG_ASSIGN_OR_RETURN(auto x, f()): x becomes the value of f(), or its Status is returned.
#define SPRINGG_ASSIGN_OR_RETURN(target, expression)                \
  auto SPRINGG_CONCAT(springg_result_, __LINE__) = (expression);    \
  if (!SPRINGG_CONCAT(springg_result_, __LINE__).ok())              \
    return SPRINGG_CONCAT(springg_result_, __LINE__).take_status(); \
  target = std::move(SPRINGG_CONCAT(springg_result_, __LINE__)).value()
