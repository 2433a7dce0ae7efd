// Cuts what arrives on the sink pad into texts to speak.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace indextts2 {

// Note [What is one utterance]: a buffer with a timestamp is one. Without a timestamp, bytes form
// utterances at '\n' and at the end of the stream; letters and lines may be cut between buffers.
// Blank ones are skipped. Thread-safety: one thread.
class UtteranceCutter {
 public:
  // Appends the utterances that are complete now. A line longer than `max_bytes` (0: no limit)
  // comes out as far as it has come, above the limit, and the rest of it is skipped.
  void push(std::string_view bytes, bool has_time, size_t max_bytes, std::vector<std::string>* out);
  // End of the stream: the line that had no end yet.
  void finish(std::vector<std::string>* out);
  void clear();

 private:
  std::string line_;
  bool skip_line_ = false;  // until the next '\n'
};

// Pango markup to plain text: tags away, entities decoded. What only looks like a tag stays. Sets
// *unknown_tag when a tag that Pango does not have, such as <break>, was dropped.
std::string strip_markup(std::string_view markup, bool* unknown_tag);

}  // namespace indextts2
