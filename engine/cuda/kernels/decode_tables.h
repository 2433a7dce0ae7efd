// What decoding keeps on the device: the layout that its kernels share.
#pragma once

#include <cstdint>

namespace indextts2 {

// Keys of one page, and the longest way through pages.
inline constexpr int kPageKeys = 128;

// Letters: S segments of a step, B beams of every segment (rows of a step: S * B, row = segment * B
// + beam), slots: places of segments, L layers, H heads, D head size. All pointers are to device
// memory whose addresses never change, so that graphs outlive the segments.
//
// A page holds the keys and values of kPageKeys positions of one beam:
//   page[((layer * 2 + is_value) * H + head) * kPageKeys + position % kPageKeys][D]
// Positions count from the start of the prefix. The prefix (positions 0 .. prefix - 1) is kept
// once: it belongs to beam 0, whoever asks. Each later position is written by every beam into its
// own page; owner tells in whose page a beam finds what it was at that position. The page in which
// the prefix ends is beam 0's alone; the other beams' pages of the same number hold only what
// follows.
struct DecodeTables {
  const int32_t* segments;  // [S] slot of each segment of the step; -1: nobody, its rows are idle
  const int32_t* beams;     // [slots] beams in use, 1..B
  const int32_t* prefix;    // [slots] positions of the prefix, the start code included
  int32_t* length;          // [slots] positions with keys, before this step's are written
  void* const* pages;       // [slots][B][max_pages]
  uint8_t* owner;           // [slots][B][max_pages * kPageKeys]; 0 within the prefix
  int32_t* tokens;          // [slots][B] code that each beam is fed in this step
  int32_t* steps;  // [slots] number of the code fed, from 1; its embedding has position steps + 1
  int32_t* done;   // [slots] not 0: the search is over, its rows are idle
  int32_t max_pages;
  int32_t max_beams;  // B
};

}  // namespace indextts2
