// What the host and the device agree on for beam search.
#pragma once

namespace indextts2 {

// Beams of a segment, at most.
inline constexpr int kMaxBeams = 10;

}  // namespace indextts2
