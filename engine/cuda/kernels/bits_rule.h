// The rule of equal bits, and the build that measures what it costs.
#pragma once

namespace indextts2 {

// A segment's samples are the same bits alone and among others: sums of one shape of weights have
// one order for every number of rows. The build option equal_bits=false lets products, splits of
// sums too, be whatever is fastest for their number of rows; such a build is for measurements, and
// tests of equal bits fail in it.
#ifdef INDEXTTS2_FREE_BITS
inline constexpr bool kEqualBits = false;
#else
inline constexpr bool kEqualBits = true;
#endif

}  // namespace indextts2
