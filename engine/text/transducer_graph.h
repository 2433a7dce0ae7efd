// States and arcs of a transducer over bytes, read from an OpenFst file and indexed by the byte
// that an arc reads.
#pragma once

#include <bitset>
#include <string>
#include <vector>

namespace indextts2 {

// Immutable after construction. Thread-safety: const.
class TransducerGraph {
 public:
  struct Arc {
    int in, out;  // labels, 0..255; 0: none
    float weight;
    int next;  // state
    int rank;  // place among the arcs of its state in the file
  };

  // `path`: an OpenFst file, type vector, arcs standard, no symbol tables. Throws Error{kNotFound,
  // kOpenRead}.
  explicit TransducerGraph(const std::string& path);

  int start() const { return start_; }
  // Infinite: not final.
  float final_weight(int state) const { return final_weights_[state]; }

  // Calls visit(arc) for the arcs of `state` that read nothing or `byte`, in the file's order. byte
  // 0: nothing only.
  template <typename Visit>
  void for_each_arc(int state, int byte, Visit visit) const;

  // Whether `state` can go on with `byte` (0: can end) after reading nothing any number of times.
  bool can_read(int state, int byte) const { return reads_[reads_of_[state]][byte]; }

 private:
  void read(const std::string& path, const std::string& bytes);
  void find_reads();
  const Arc* find(const Arc* begin, const Arc* end, int byte) const;

  int start_ = 0;
  std::vector<int> first_;  // of each state in arcs_; one more at the end
  std::vector<Arc> arcs_;   // of each state, sorted by (in, rank)
  std::vector<float> final_weights_;
  std::vector<std::bitset<256>> reads_;  // distinct sets of bytes; bit 0: may end
  std::vector<int> reads_of_;            // of each state, index in reads_
};

template <typename Visit>
void TransducerGraph::for_each_arc(int state, int byte, Visit visit) const {
  const Arc* const end = arcs_.data() + first_[state + 1];
  const Arc* free = arcs_.data() + first_[state];
  const Arc* read = byte ? find(free, end, byte) : end;
  const auto has_free = [&] { return free != end && free->in == 0; };
  const auto has_read = [&] { return read != end && read->in == byte; };
  while (has_free() || has_read()) {
    const bool take_free = has_free() && (!has_read() || free->rank < read->rank);
    visit(take_free ? *free++ : *read++);
  }
}

}  // namespace indextts2
