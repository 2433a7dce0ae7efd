// Results of jobs that end in any order, taken in the order in which the jobs were submitted.
#pragma once

#include <cstdint>
#include <deque>
#include <exception>
#include <utility>

namespace indextts2 {

// Note [Ordered delivery]
// A slot is reserved when a job is submitted; it is empty, holds a value, or an exception. Only the
// head slot can be taken, so an error comes out at its job's place. Not std::future: the waiter
// must also wake for interrupt(), and a future's wait cannot be woken. The owner's one mutex and
// condition variable guard the slots.
//
// Thread-safety: one thread, or under the owner's mutex.
template <typename Value>
class OrderedSlots {
 public:
  // Adds an empty slot at the end; returns its number.
  uint64_t reserve() {
    slots_.emplace_back();
    return first_ + slots_.size() - 1;
  }
  // False, and nothing done: the slot was cleared, taken or filled before.
  bool fill(uint64_t number, Value value) {
    Slot* slot = find(number);
    if (!slot) return false;
    slot->value = std::move(value);
    slot->filled = true;
    return true;
  }
  bool fail(uint64_t number, std::exception_ptr error) {
    Slot* slot = find(number);
    if (!slot) return false;
    slot->error = std::move(error);
    slot->filled = true;
    return true;
  }

  bool empty() const { return slots_.empty(); }
  size_t size() const { return slots_.size(); }
  bool head_ready() const { return !slots_.empty() && slots_.front().filled; }
  // Takes the head slot; throws what it holds. Call it when head_ready().
  Value take() {
    Slot slot = std::move(slots_.front());
    slots_.pop_front();
    ++first_;
    if (slot.error) std::rethrow_exception(slot.error);
    return std::move(slot.value);
  }
  // Forgets all slots; their jobs' results will be refused.
  void clear() {
    first_ += slots_.size();
    slots_.clear();
  }

 private:
  struct Slot {
    bool filled = false;
    Value value{};
    std::exception_ptr error;
  };
  Slot* find(uint64_t number) {
    if (number < first_ || number - first_ >= slots_.size()) return nullptr;
    Slot* slot = &slots_[static_cast<size_t>(number - first_)];
    return slot->filled ? nullptr : slot;
  }

  std::deque<Slot> slots_;
  uint64_t first_ = 0;  // number of the head slot
};

}  // namespace indextts2
