// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace springg::engine {

// Whether `bytes` is UTF-8 as RFC 3629 has it: no surrogates, no overlong forms.
bool is_utf8(std::string_view bytes) noexcept;

}  // namespace springg::engine
