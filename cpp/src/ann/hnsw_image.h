// SPDX-License-Identifier: MIT
// A sealed graph as bytes: the "graph" section of a segment.
//
// All numbers are u32, little-endian. Every part starts at a multiple of 64 bytes from the start
// of the image; the bytes between parts are 0. R = rows, M = links a row on the layers above 0,
// U = rows on layer 1, N[l] = rows on layer l.
//
//   offset  bytes      content
//   0       4          0x57534e48, the characters "HNSW"
//   4       4          version: 1
//   8       4          R
//   12      4          M, 2 to 64
//   16      4          U; N[1] when there are layers above 0, else 0
//   20      4          entry: a number below N[layers] when there are layers above 0, else 0
//   24      4          layers above 0, 0 to 31
//   28      4          0
//   32      4 x 32     N[1] to N[31], then 0; N[l + 1] <= N[l]; 0 for layers that are not there
//   192     R x 8M     layer 0: 2M links a row, in no order; a row's links end at the first
//                      0xffffffff (or with the row) and every link is a row below R
//   next    U x 4      the row of each number of the upper part. Numbers are given by falling
//                      level, then ascending row, so that layer l has the numbers below N[l]
//   next    N[l] x 4M  for l = 1 to layers: M links a number, which are numbers below N[l]; ended
//                      the same way
//
// The image ends with its last part, filled with 0 to a multiple of 64.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ann/hnsw_links.h"

namespace springg::ann {

std::size_t image_bytes(const GrowingData& data);
// `image` has image_bytes().
void write_image(const GrowingData& data, std::span<std::byte> image);

}  // namespace springg::ann
