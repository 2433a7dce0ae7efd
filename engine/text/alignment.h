// Alignment: which place of the source a place of the spoken text belongs to.
//
// Normalisation keeps no positions ("$5" becomes "five dollars"), so the places are found
// afterwards: both texts are cut into units (a word of letters, a run of digits, a CJK character, a
// mark), the longest common sequence of units is taken as the anchors, and a place between two
// anchors is interpolated linearly and moved to the start of a character. Upper and lower case, and
// marks that map to the same mark, count as equal.
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace indextts2 {

// Immutable. Thread-safety: const.
class Alignment {
 public:
  // Memory and time grow with the product of the numbers of units: meant for texts of some
  // kilobytes.
  Alignment(std::string_view source, std::string_view spoken);

  // The source offset of an offset of the spoken text: monotone, 0 for 0. White space before the
  // place is left out of it: what follows a sentence starts at its first word.
  size_t source_offset(size_t spoken_at) const;

 private:
  std::string_view source_;  // not owned
  std::vector<std::pair<size_t, size_t>>
      anchors_;  // (spoken, source), both rising; from (0, 0) to both ends
};

}  // namespace indextts2
