// Composition of a text with a transducer: see Note [Same ties as OpenFst].
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include "text/lattice.h"

namespace indextts2 {
namespace {

class LatticeBuilder {
 public:
  LatticeBuilder(const TransducerGraph& graph, std::string_view text) : graph_(graph), text_(text) {
    find_or_add(0, graph.start());
    for (size_t id = 0; id < nodes_.size(); ++id) expand(static_cast<int>(id));
    first_link_.push_back(static_cast<int>(links_.size()));
  }

  // Only what lies on a path to the end; without a start when there is no path.
  Lattice lattice() const;

 private:
  struct Node {
    int at, state;  // bytes read, state of the graph
  };
  struct Link {
    const TransducerGraph::Arc* arc;
    int next;  // node
  };

  int byte_at(int at) const {
    return at < static_cast<int>(text_.size()) ? static_cast<unsigned char>(text_[at]) : 0;
  }
  void expand(int id);
  int find_or_add(int at, int state);  // -1: cannot go on from there
  void grow();
  size_t slot_of(int at, int state) const;
  std::vector<char> find_live() const;

  const TransducerGraph& graph_;
  const std::string_view text_;
  std::vector<Node> nodes_;
  std::vector<int> first_link_;  // of each node in links_; one more at the end
  std::vector<Link> links_;
  std::vector<int> slots_ = std::vector<int>(1 << 12, -1);  // hash table: node or -1
};

void LatticeBuilder::expand(int id) {
  const Node node = nodes_[id];
  first_link_.push_back(static_cast<int>(links_.size()));
  graph_.for_each_arc(node.state, byte_at(node.at), [&](const TransducerGraph::Arc& arc) {
    const int next = find_or_add(node.at + (arc.in != 0), arc.next);
    if (next >= 0) links_.push_back({&arc, next});
  });
}

size_t LatticeBuilder::slot_of(int at, int state) const {
  const uint64_t key = static_cast<uint64_t>(at) << 32 | static_cast<uint32_t>(state);
  size_t slot = (key * 0x9E3779B97F4A7C15u >> 32) & (slots_.size() - 1);
  while (slots_[slot] >= 0 &&
         (nodes_[slots_[slot]].at != at || nodes_[slots_[slot]].state != state)) {
    slot = (slot + 1) & (slots_.size() - 1);
  }
  return slot;
}

void LatticeBuilder::grow() {
  slots_.assign(slots_.size() * 4, -1);
  for (size_t id = 0; id < nodes_.size(); ++id) {
    slots_[slot_of(nodes_[id].at, nodes_[id].state)] = static_cast<int>(id);
  }
}

int LatticeBuilder::find_or_add(int at, int state) {
  if (!graph_.can_read(state, byte_at(at))) return -1;
  const size_t slot = slot_of(at, state);
  if (slots_[slot] >= 0) return slots_[slot];
  const int id = static_cast<int>(nodes_.size());
  slots_[slot] = id;
  nodes_.push_back({at, state});
  if (nodes_.size() * 2 > slots_.size()) grow();
  return id;
}

// Which nodes lead to the end.
std::vector<char> LatticeBuilder::find_live() const {
  std::vector<int> first(nodes_.size() + 1),
      from(links_.size());  // links by the node that they lead to
  for (const Link& link : links_) ++first[link.next + 1];
  for (size_t id = 0; id < nodes_.size(); ++id) first[id + 1] += first[id];
  std::vector<int> place(first);
  std::vector<char> live(nodes_.size());
  std::vector<int> open;
  for (size_t id = 0; id < nodes_.size(); ++id) {
    for (int link = first_link_[id]; link < first_link_[id + 1]; ++link) {
      from[place[links_[link].next]++] = static_cast<int>(id);
    }
    if (nodes_[id].at == static_cast<int>(text_.size()) &&
        std::isfinite(graph_.final_weight(nodes_[id].state))) {
      live[id] = 1;
      open.push_back(static_cast<int>(id));
    }
  }
  while (!open.empty()) {
    const int id = open.back();
    open.pop_back();
    for (int k = first[id]; k < first[id + 1]; ++k) {
      if (!std::exchange(live[from[k]], 1)) open.push_back(from[k]);
    }
  }
  return live;
}

Lattice LatticeBuilder::lattice() const {
  Lattice lattice;
  const std::vector<char> live = find_live();
  if (live.empty() || !live[0]) return lattice;
  std::vector<int> state_of(nodes_.size(), -1);
  int num_states = 0;
  for (size_t id = 0; id < nodes_.size(); ++id) {
    if (live[id]) state_of[id] = num_states++;
  }
  for (size_t id = 0; id < nodes_.size(); ++id) {
    if (!live[id]) continue;
    const bool at_end = nodes_[id].at == static_cast<int>(text_.size());
    lattice.first.push_back(static_cast<int>(lattice.arcs.size()));
    lattice.final_weights.push_back(at_end ? graph_.final_weight(nodes_[id].state)
                                           : std::numeric_limits<float>::infinity());
    for (int link = first_link_[id]; link < first_link_[id + 1]; ++link) {
      const int next = state_of[links_[link].next];
      if (next >= 0)
        lattice.arcs.push_back({links_[link].arc->out, links_[link].arc->weight, next});
    }
  }
  lattice.first.push_back(static_cast<int>(lattice.arcs.size()));
  return lattice;
}

}  // namespace

Lattice build_lattice(const TransducerGraph& graph, std::string_view text) {
  return LatticeBuilder(graph, text).lattice();
}

}  // namespace indextts2
