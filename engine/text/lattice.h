// Lattice: all ways in which a transducer reads a text, and the cheapest of them.
//
// Note [Same ties as OpenFst]: many ways have equal cost, and which one fst::ShortestPath
// (OpenFst 1.7.9) takes depends on the order of states and arcs and on its queue. The reference's
// grammars are tuned by what it happens to take, so the choice has to be the same
// (tests/unit/text/openfst_test.cpp compares). That is why
// - build_lattice makes the lattice of fst::Compose and fst::Connect in the same order: breadth
// first, arcs as in the file.
//   It looks the arcs of a byte up instead of trying all, and never adds states that cannot read
//   the next byte. Such states do not survive fst::Connect and lead to none that does, so the order
//   of the others is unchanged. 277 bytes of English take 3 ms instead of 170 ms.
// - cheapest_path visits the states as fst::AutoQueue does for a lattice without cycles.
// OpenFst itself is not linked: libfst and libsentencepiece both export a variable FLAGS_help, of
// different types; whichever comes second in link order has its memory overwritten.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/transducer_graph.h"

namespace indextts2 {

struct Lattice {
  struct Arc {
    int out;  // label; 0: none
    float weight;
    int next;  // state
  };

  bool empty() const { return final_weights.empty(); }
  int num_states() const { return static_cast<int>(final_weights.size()); }

  // The start is state 0.
  std::vector<int> first;  // of each state in arcs; one more at the end
  std::vector<Arc> arcs;
  std::vector<float> final_weights;  // infinite: not final
};

// Empty when no path of `graph` reads `text`. `text` has no NUL bytes.
Lattice build_lattice(const TransducerGraph& graph, std::string_view text);

// The output of the cheapest path, and in *cost, which goes into all sums from the start, the cost
// at its end. Nothing for an empty lattice.
std::optional<std::string> cheapest_path(const Lattice& lattice, float* cost);

}  // namespace indextts2
