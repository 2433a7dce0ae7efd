// The cheapest path of a lattice, with the choices of fst::ShortestPath: see Note [Same ties as
// OpenFst].
#include <algorithm>
#include <limits>
#include <utility>

#include "text/lattice.h"

namespace indextts2 {
namespace {

constexpr float kFar = std::numeric_limits<float>::infinity();

// States in topological order: the reverse of the order in which a depth-first search leaves them.
std::vector<int> topological_order(const Lattice& lattice) {
  std::vector<int> order;
  std::vector<char> seen(lattice.num_states());
  std::vector<std::pair<int, int>> open = {{0, lattice.first[0]}};  // state, its next arc
  seen[0] = 1;
  while (!open.empty()) {
    const int state = open.back().first;
    if (open.back().second == lattice.first[state + 1]) {
      order.push_back(state);
      open.pop_back();
      continue;
    }
    const int next = lattice.arcs[open.back().second++].next;
    if (!std::exchange(seen[next], 1)) open.emplace_back(next, lattice.first[next]);
  }
  std::reverse(order.begin(), order.end());
  return order;
}

class Search {
 public:
  Search(const Lattice& lattice, float start_cost)
      : lattice_(lattice),
        distance_(lattice.num_states(), kFar),
        parent_(lattice.num_states(), -1),
        arc_(lattice.num_states(), -1) {
    distance_[0] = start_cost;
    const bool unweighted =
        start_cost == 0 && std::all_of(lattice.arcs.begin(), lattice.arcs.end(),
                                       [](const Lattice::Arc& arc) { return arc.weight == 0; });
    if (unweighted) {
      visit_last_found_first();
    } else {
      for (const int state : topological_order(lattice)) visit(state, [](int) {});
    }
  }

  float cost() const { return distance_[end_]; }

  std::string output() const {
    std::string reversed;
    for (int state = end_; parent_[state] >= 0; state = parent_[state]) {
      if (const int out = lattice_.arcs[arc_[state]].out) reversed += static_cast<char>(out);
    }
    return std::string(reversed.rbegin(), reversed.rend());
  }

 private:
  template <typename Found>
  void visit(int state, Found found) {
    const float end = distance_[state] + lattice_.final_weights[state];
    if (end < end_cost_) {
      end_cost_ = end;
      end_ = state;
    }
    for (int k = lattice_.first[state]; k < lattice_.first[state + 1]; ++k) {
      const Lattice::Arc& arc = lattice_.arcs[k];
      const float distance = distance_[state] + arc.weight;
      if (!(distance < distance_[arc.next])) continue;
      distance_[arc.next] = distance;
      parent_[arc.next] = state;
      arc_[arc.next] = k;
      found(arc.next);
    }
  }

  // Without weights each state is found once.
  void visit_last_found_first() {
    std::vector<int> open = {0};
    while (!open.empty()) {
      const int state = open.back();
      open.pop_back();
      visit(state, [&](int next) { open.push_back(next); });
    }
  }

  const Lattice& lattice_;
  std::vector<float> distance_;  // from the start
  std::vector<int> parent_;      // state before, on the cheapest way; -1: the start
  std::vector<int> arc_;         // the arc that leads here from it
  float end_cost_ = kFar;
  int end_ = 0;  // last state of the cheapest path
};

}  // namespace

std::optional<std::string> cheapest_path(const Lattice& lattice, float* cost) {
  if (lattice.empty()) return std::nullopt;
  const Search search(lattice, *cost);
  *cost = search.cost();
  return search.output();
}

}  // namespace indextts2
