// Book-keeping of texts.
#include "script.h"

#include <utility>

namespace indextts2 {

void Script::clear() {
  texts_.clear();
  first_ = next_push = next_end = 0;
  waiting_bytes_ = 0;
}

void Script::add(Utterance utterance) {
  ScriptText added;
  added.bytes = utterance.text.size();
  added.utterance = std::make_shared<const Utterance>(std::move(utterance));
  waiting_bytes_ += added.bytes;
  texts_.push_back(std::move(added));
}

void Script::release(size_t number) {
  waiting_bytes_ -= at(number).bytes;
  at(number).bytes = 0;
}

void Script::drop_before(size_t number) {
  while (first_ < number && !texts_.empty()) {
    release(first_);
    texts_.pop_front();
    ++first_;
  }
}

}  // namespace indextts2
