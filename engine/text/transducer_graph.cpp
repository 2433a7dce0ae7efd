// States and arcs of a transducer: the OpenFst file format and the index of bytes.
#include "text/transducer_graph.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <unordered_map>

#include "core/error.h"

namespace indextts2 {
namespace {

constexpr int32_t kMagic = 2125659606;

// Reads numbers one after another. Throws Error{kOpenRead} at the end of the file.
class FileReader {
 public:
  FileReader(const std::string& path, const std::string& bytes) : path_(path), bytes_(bytes) {}

  template <typename Number>
  Number number() {
    Number value;
    need(sizeof value, 1);
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::string string() {
    const auto size = number<int32_t>();
    need(size, 1);
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }
  // Checks that `count` things of `size` bytes follow, before memory is taken for them.
  void need(int64_t size, int64_t count) const {
    const auto left = static_cast<int64_t>(bytes_.size() - at_);
    if (size < 0 || count < 0 || (size > 0 && count > left / size)) fail("it ends too early");
  }
  [[noreturn]] void fail(const std::string& reason) const {
    throw Error(ErrorCode::kOpenRead, "text: grammar file " + path_ + " cannot be read: " + reason +
                                          " (expected an OpenFst vector file); install it anew");
  }

 private:
  const std::string& path_;
  const std::string& bytes_;
  size_t at_ = 0;
};

}  // namespace

TransducerGraph::TransducerGraph(const std::string& path) {
  std::ifstream stream(path, std::ios::binary | std::ios::ate);
  if (!stream) {
    throw Error(
        ErrorCode::kNotFound,
        "text: grammar file " + path + " does not exist; is the data folder that of this version?");
  }
  std::string bytes(static_cast<size_t>(std::max<std::streamoff>(stream.tellg(), 0)), '\0');
  stream.seekg(0);
  stream.read(&bytes[0], static_cast<std::streamsize>(bytes.size()));
  read(path, bytes);
  find_reads();
}

void TransducerGraph::read(const std::string& path, const std::string& bytes) {
  constexpr int64_t kStateBytes = 12, kArcBytes = 16;
  FileReader file(path, bytes);
  if (file.number<int32_t>() != kMagic) file.fail("it is of another kind");
  const std::string type = file.string(), arc_type = file.string();
  file.number<int32_t>();  // version of the format
  const bool plain = file.number<int32_t>() == 0;
  if (type != "vector" || arc_type != "standard" || !plain) file.fail("it is a " + type + " file");
  file.number<uint64_t>();  // properties
  const auto start = file.number<int64_t>();
  const auto num_states = file.number<int64_t>();
  file.number<int64_t>();  // number of arcs; 0 when not known
  file.need(kStateBytes, num_states);
  if (start < 0 || start >= num_states) file.fail("it has no start");
  start_ = static_cast<int>(start);
  for (int64_t state = 0; state < num_states; ++state) {
    first_.push_back(static_cast<int>(arcs_.size()));
    final_weights_.push_back(file.number<float>());
    const auto num_arcs = file.number<int64_t>();
    file.need(kArcBytes, num_arcs);
    for (int rank = 0; rank < num_arcs; ++rank) {
      const auto in = file.number<int32_t>(), out = file.number<int32_t>();
      const auto weight = file.number<float>();
      const auto next = file.number<int32_t>();
      if (in < 0 || in > 255 || out < 0 || out > 255 || next < 0 || next >= num_states) {
        file.fail("an arc is out of range");
      }
      arcs_.push_back({in, out, weight, next, rank});
    }
    std::stable_sort(arcs_.begin() + first_.back(), arcs_.end(),
                     [](const Arc& a, const Arc& b) { return a.in < b.in; });
  }
  first_.push_back(static_cast<int>(arcs_.size()));
}

// Repeats until nothing changes; most arcs that read nothing lead to a state of a higher number, so
// that going backwards settles nearly all in the first round.
void TransducerGraph::find_reads() {
  const int num_states = static_cast<int>(final_weights_.size());
  std::vector<std::bitset<256>> sets(num_states);
  std::vector<int> with_free;  // states with arcs that read nothing
  for (int state = 0; state < num_states; ++state) {
    sets[state][0] = std::isfinite(final_weights_[state]);
    for (int a = first_[state]; a < first_[state + 1]; ++a) {
      if (arcs_[a].in > 0) sets[state].set(arcs_[a].in);
    }
    if (first_[state] < first_[state + 1] && arcs_[first_[state]].in == 0) {
      with_free.push_back(state);
    }
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (auto state = with_free.rbegin(); state != with_free.rend(); ++state) {
      std::bitset<256> set = sets[*state];
      for (int a = first_[*state]; a < first_[*state + 1] && arcs_[a].in == 0; ++a) {
        set |= sets[arcs_[a].next];
      }
      changed = changed || set != sets[*state];
      sets[*state] = set;
    }
  }
  std::unordered_map<std::bitset<256>, int> index;
  for (const std::bitset<256>& set : sets) {
    const auto added = index.emplace(set, static_cast<int>(reads_.size()));
    if (added.second) reads_.push_back(set);
    reads_of_.push_back(added.first->second);
  }
}

const TransducerGraph::Arc* TransducerGraph::find(const Arc* begin, const Arc* end,
                                                  int byte) const {
  return std::lower_bound(begin, end, byte, [](const Arc& arc, int b) { return arc.in < b; });
}

}  // namespace indextts2
