// SPDX-License-Identifier: MIT
// What happens when a mapped file cannot be read: it was cut shorter behind our back, or the disk
// failed. The system sends SIGBUS to the thread that touches the page, and would end the process.
// Here a page of zeros takes the place of the one that cannot be read, the mapping is marked as
// damaged, and the thread goes on. So whoever reads a guarded mapping must stand zeros anywhere in
// it, and ask for the mark before what was read is believed. What is written to such a page is in
// memory alone, and another failed page of the mapping may zero it again.
//
// A signal at an address that is no guarded mapping's goes to the handler that was there before.
// The handler is installed with the first mapping, not when the library is loaded; one that is
// installed later by others comes before it.
#pragma once

#include <cstddef>

namespace springg::io {

class GuardedRange;

// What the mapping allows, and the zeros in the place of its pages allow as well.
enum class GuardedUse { kRead, kReadWrite };

// Enters a mapping, from a page's start. Null when memory is short. Any thread.
GuardedRange* guard_range(const void* data, std::size_t bytes, GuardedUse use) noexcept;
// Before it is unmapped, when nobody reads it any more. Any thread.
void release_range(GuardedRange* range) noexcept;
// Whether zeros were put in the place of a part of it. One relaxed load.
bool has_zeroed_pages(const GuardedRange& range) noexcept;

// Puts the handler in front of the present one. guard_range() does it, once; tests do it again.
void install_bus_handler() noexcept;

}  // namespace springg::io
