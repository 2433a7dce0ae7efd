// The part of Python's pickle format that PyTorch checkpoints need, read without executing
// anything. Follows the op-code list of CPython's Lib/pickletools.py (protocols 2 to 5); what
// torch.load(weights_only=True) allows.
#include "weights/pickle.h"

#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "weights/pickle_globals.h"
#include "weights/tensor_index.h"

namespace indextts2 {
namespace {

using Kind = PickleValue::Kind;

// Bounds on what a pickle may cost: a checkpoint of 1,000 tensors has about 20,000 values and
// 30,000 items in 100 kB. A value takes some 80 bytes here; items are counted because calls copy
// those of values that are named again and again.
constexpr size_t kMaxBytes = 64 << 20, kMaxValues = 1 << 22, kMaxItems = 1 << 24;

class Machine {
 public:
  Machine(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  Pickle run() {
    while (!stopped_) step();
    return std::move(pickle_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::kOpenRead, where_ + ": data.pkl, byte " + std::to_string(at_) + ": " +
                                          what + "; the file is damaged or not a checkpoint");
  }

  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_) fail("truncated");
    const std::string_view part = bytes_.substr(at_, static_cast<size_t>(count));
    at_ += static_cast<size_t>(count);
    return part;
  }
  uint64_t number(int count) {
    uint64_t value = 0;
    const std::string_view part = take(static_cast<uint64_t>(count));
    for (int i = count; i-- > 0;) {
      value = value << 8 | static_cast<unsigned char>(part[static_cast<size_t>(i)]);
    }
    return value;
  }
  std::string_view line() {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) fail("truncated");
    const std::string_view part = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return part;
  }

  uint32_t add(PickleValue value) {
    if (pickle_.values.size() >= kMaxValues) fail("more values than a checkpoint has");
    count_items(value.items.size());
    pickle_.values.push_back(std::move(value));
    return static_cast<uint32_t>(pickle_.values.size() - 1);
  }
  void count_items(size_t count) {
    num_items_ += count;
    if (num_items_ > kMaxItems) fail("longer lists than a checkpoint has");
  }
  void push(Kind kind, int64_t integer = 0) { stack_.push_back(add({kind, integer, {}, {}})); }
  void push_text(std::string_view text) { stack_.push_back(add({Kind::kText, 0, text, {}})); }
  void push_items(Kind kind, std::vector<uint32_t> items) {
    stack_.push_back(add({kind, 0, {}, std::move(items)}));
  }
  uint32_t pop() {
    if (stack_.size() <= floor()) fail("takes a value that is not there");
    const uint32_t value = stack_.back();
    stack_.pop_back();
    return value;
  }
  // Values above the last mark are all that the next op-codes may take.
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  std::vector<uint32_t> pop_count(size_t count) {
    if (stack_.size() - floor() < count) fail("takes a value that is not there");
    std::vector<uint32_t> items(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return items;
  }
  std::vector<uint32_t> pop_marked() {
    if (marks_.empty()) fail("takes a mark that is not there");
    std::vector<uint32_t> items = pop_count(stack_.size() - floor());
    marks_.pop_back();
    return items;
  }
  PickleValue& top(Kind kind, const char* what) {
    if (stack_.size() <= floor()) fail("takes a value that is not there");
    PickleValue& value = pickle_.values[stack_.back()];
    if (value.kind != kind) fail(std::string("expected ") + what);
    return value;
  }
  void memoize(uint64_t slot) {
    if (stack_.size() <= floor()) fail("takes a value that is not there");
    if (memo_.size() >= kMaxValues) fail("more values than a checkpoint has");
    memo_[slot] = stack_.back();
  }
  void recall(uint64_t slot) {
    const auto found = memo_.find(slot);
    if (found == memo_.end()) fail("refers to a value that is not there");
    stack_.push_back(found->second);
  }

  void step();
  bool step_scalar(unsigned char code);
  bool step_container(unsigned char code);
  bool step_name(unsigned char code);
  void extend(Kind kind, const std::vector<uint32_t>& items);
  void long_integer(uint64_t count);
  void global(std::string_view module, std::string_view name);
  void reduce();
  void ordered_dict(const std::vector<uint32_t>& arguments);

  std::string_view bytes_;
  const std::string& where_;
  size_t at_ = 0;
  bool stopped_ = false;
  Pickle pickle_;
  size_t num_items_ = 0;
  std::vector<uint32_t> stack_;
  std::vector<size_t> marks_;  // stack sizes
  std::unordered_map<uint64_t, uint32_t> memo_;
};

void Machine::step() {
  const size_t start = at_;
  const auto code = static_cast<unsigned char>(take(1)[0]);
  if (step_scalar(code) || step_container(code) || step_name(code)) return;
  switch (code) {
    case 0x80:  // PROTO
      if (const uint64_t version = number(1); version < 2 || version > 5) {
        fail("expected pickle protocol 2 to 5, got " + std::to_string(version));
      }
      break;
    case 0x95:
      number(8);
      break;  // FRAME
    case '.':
      pickle_.root = pop();
      stopped_ = true;
      break;
    case '0':
      pop();
      break;
    case '2':  // DUP
      if (stack_.size() <= floor()) fail("takes a value that is not there");
      stack_.push_back(stack_.back());
      break;
    case 'b':  // BUILD sets attributes of an object; no tensors of a checkpoint live there
      pop();
      if (stack_.size() <= floor()) fail("takes a value that is not there");
      break;
    default:
      at_ = start;
      fail("op-code " + std::to_string(code) + " does not occur in checkpoints");
  }
}

// Op-codes that name values (the memo), Python objects and storages, and calls.
bool Machine::step_name(unsigned char code) {
  switch (code) {
    case 'q':
      memoize(number(1));
      return true;
    case 'r':
      memoize(number(4));
      return true;
    case 0x94:
      memoize(memo_.size());
      return true;
    case 'h':
      recall(number(1));
      return true;
    case 'j':
      recall(number(4));
      return true;
    case 'c': {
      const std::string_view module = line();
      global(module, line());
      return true;
    }
    case 0x93: {  // STACK_GLOBAL
      const std::string_view name = top(Kind::kText, "the name of a global").text;
      pop();
      const std::string_view module = top(Kind::kText, "the module of a global").text;
      pop();
      global(module, name);
      return true;
    }
    case 'Q': {  // BINPERSID: PyTorch names storages this way
      std::vector<uint32_t> items = top(Kind::kTuple, "a storage's description").items;
      pop();
      push_items(Kind::kStorage, std::move(items));
      return true;
    }
    case 'R':
      reduce();
      return true;
    default:
      return false;
  }
}

bool Machine::step_scalar(unsigned char code) {
  switch (code) {
    case 'N':
      push(Kind::kNone);
      return true;
    case 0x88:
      push(Kind::kBool, 1);
      return true;
    case 0x89:
      push(Kind::kBool, 0);
      return true;
    case 'K':
      push(Kind::kInt, static_cast<int64_t>(number(1)));
      return true;
    case 'M':
      push(Kind::kInt, static_cast<int64_t>(number(2)));
      return true;
    case 'J':
      push(Kind::kInt, static_cast<int32_t>(number(4)));
      return true;
    case 0x8a:
      long_integer(number(1));
      return true;
    case 0x8b:
      long_integer(number(4));
      return true;
    case 'G':
      take(8);
      push(Kind::kFloat);
      return true;
    case 'U':
    case 'C':
    case 0x8c:
      push_text(take(number(1)));
      return true;
    case 'T':
    case 'B':
    case 'X':
      push_text(take(number(4)));
      return true;
    case 0x8d:
    case 0x8e:
      push_text(take(number(8)));
      return true;
    default:
      return false;
  }
}

bool Machine::step_container(unsigned char code) {
  switch (code) {
    case '(':
      marks_.push_back(stack_.size());
      return true;
    case ')':
      push(Kind::kTuple);
      return true;
    case ']':
      push(Kind::kList);
      return true;
    case '}':
      push(Kind::kDict);
      return true;
    case 0x85:
      push_items(Kind::kTuple, pop_count(1));
      return true;
    case 0x86:
      push_items(Kind::kTuple, pop_count(2));
      return true;
    case 0x87:
      push_items(Kind::kTuple, pop_count(3));
      return true;
    case 't':
      push_items(Kind::kTuple, pop_marked());
      return true;
    case 'l':
      push_items(Kind::kList, pop_marked());
      return true;
    case 'd':
      push_items(Kind::kDict, pop_marked());
      return true;
    case 'a':
      extend(Kind::kList, pop_count(1));
      return true;
    case 'e':
      extend(Kind::kList, pop_marked());
      return true;
    case 's':
      extend(Kind::kDict, pop_count(2));
      return true;
    case 'u':
      extend(Kind::kDict, pop_marked());
      return true;
    default:
      return false;
  }
}

void Machine::extend(Kind kind, const std::vector<uint32_t>& items) {
  if (kind == Kind::kDict && items.size() % 2 != 0) fail("a key without a value");
  count_items(items.size());
  auto& target = top(kind, kind == Kind::kDict ? "a dictionary" : "a list").items;
  target.insert(target.end(), items.begin(), items.end());
}

void Machine::long_integer(uint64_t count) {
  const std::string_view part = take(count);
  // Larger ones occur as random seeds only; they are kept as a value that no shape accepts.
  if (count > 8) return push(Kind::kOpaque);
  uint64_t value = 0;
  for (size_t i = 0; i < part.size(); ++i) {
    value |= static_cast<uint64_t>(static_cast<unsigned char>(part[i])) << (8 * i);
  }
  if (count > 0 && count < 8 && (static_cast<unsigned char>(part.back()) & 0x80) != 0) {
    value |= ~uint64_t{0} << (8 * count);
  }
  push(Kind::kInt, static_cast<int64_t>(value));
}

void Machine::global(std::string_view module, std::string_view name) {
  const std::string full = std::string(module) + "." + std::string(name);
  if (const std::string_view allowed = allowed_global(full); !allowed.empty()) {
    stack_.push_back(add({Kind::kGlobal, 0, allowed, {}}));
    return;
  }
  throw Error(ErrorCode::kOpenRead,
              where_ + ": contains the Python object '" + printable(full) +
                  "', expected tensors only; nothing of it was run. Save the tensors alone: "
                  "torch.save(model.state_dict(), file)");
}

void Machine::reduce() {
  const std::vector<uint32_t> arguments = top(Kind::kTuple, "arguments of a call").items;
  pop();
  const std::string_view name = top(Kind::kGlobal, "the name of what is called").text;
  pop();
  if (name == "collections.OrderedDict") return ordered_dict(arguments);
  if (name == "torch.device") return push(Kind::kOpaque);
  if (arguments.empty()) fail("a call without arguments");
  if (name == "torch.Size") {
    const PickleValue& sizes = pickle_.at(arguments[0]);
    if (sizes.kind != Kind::kTuple && sizes.kind != Kind::kList) fail("a size that is no tuple");
    return push_items(Kind::kTuple, std::vector<uint32_t>(sizes.items));
  }
  if (name == "torch._utils._rebuild_parameter" ||
      name == "torch._utils._rebuild_parameter_with_state") {
    stack_.push_back(arguments[0]);  // a Parameter is its tensor
    return;
  }
  if (name != "torch._utils._rebuild_tensor_v2" && name != "torch._utils._rebuild_tensor") {
    fail("calls " + std::string(name));
  }
  if (arguments.size() < 4) fail("a tensor with less than 4 arguments");
  push_items(Kind::kTensor, arguments);
}

void Machine::ordered_dict(const std::vector<uint32_t>& arguments) {
  std::vector<uint32_t> items;
  if (!arguments.empty()) {
    for (const uint32_t index : pickle_.at(arguments[0]).items) {
      const auto& pair = pickle_.at(index).items;
      if (pair.size() != 2) fail("an OrderedDict of something else than pairs");
      count_items(2);
      items.insert(items.end(), pair.begin(), pair.end());
    }
  }
  push_items(Kind::kDict, std::move(items));
}

}  // namespace

Pickle read_pickle(std::string_view bytes, const std::string& where) {
  if (bytes.size() > kMaxBytes) {
    throw Error(ErrorCode::kOpenRead, where + ": data.pkl: expected at most " +
                                          std::to_string(kMaxBytes) + " bytes, got " +
                                          std::to_string(bytes.size()) +
                                          "; is it a model's checkpoint?");
  }
  return Machine(bytes, where).run();
}

}  // namespace indextts2
