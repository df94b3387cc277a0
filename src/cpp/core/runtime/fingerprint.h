// SPDX-License-Identifier: Apache-2.0
// A number that tells whether bytes have changed, read once and faster than a comparison with a copy.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyrnn {

// Of `bytes` bytes, carried on from `seed`: other bytes have the same one with a probability of about 2^-64. Not made
// to withstand somebody who looks for such bytes.
std::uint64_t fingerprint(const void* data, std::size_t bytes, std::uint64_t seed) noexcept;

}  // namespace pyrnn
