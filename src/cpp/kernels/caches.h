// SPDX-License-Identifier: Apache-2.0
// What the kernels of one instruction set know of the machine's caches; core/runtime/caches.h fills it in.
#pragma once

#include "kernels/kernels.h"

namespace pyrnn::kernels {
namespace {

CacheSizes caches = kCommonCaches;

}  // namespace
}  // namespace pyrnn::kernels
