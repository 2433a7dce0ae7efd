// Reading of fault lists, and the faults themselves.
#include "pool/fault_injection.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <utility>

#include "core/error.h"

namespace indextts2 {

FaultPlan::FaultPlan(const std::string& list) {
  for (size_t begin = 0; begin < list.size();) {
    const size_t end = std::min(list.find(';', begin), list.size());
    if (end > begin) faults_.push_back(parse(list.substr(begin, end - begin)));
    begin = end + 1;
  }
}

FaultPlan::Fault FaultPlan::parse(const std::string& entry) {
  const size_t at = entry.rfind('@');
  const size_t colon = at == std::string::npos ? at : entry.rfind(':', at);
  Fault fault;
  if (colon != std::string::npos) {
    fault.device = entry.substr(0, colon);
    fault.segment = std::atoi(entry.c_str() + at + 1);
    const std::string kind = entry.substr(colon + 1, at - colon - 1);
    if (kind == "oom") {
      fault.kind = Kind::kNoMemory;
    } else if (kind == "lost") {
      fault.kind = Kind::kLost;
    } else if (kind == "stall") {
      fault.kind = Kind::kStall;
    } else if (kind != "throw") {
      fault.segment = 0;
    }
  }
  if (fault.segment < 1 || fault.device.empty()) {
    throw Error(ErrorCode::kSettings, "inject_faults: \"" + entry +
                                          "\": expected DEVICE:KIND@N, KIND one of throw, oom, "
                                          "lost, stall and N from 1 on");
  }
  return fault;
}

FaultTrigger::FaultTrigger(std::shared_ptr<const FaultPlan> plan, std::string device)
    : plan_(std::move(plan)), device_(std::move(device)) {}

void FaultTrigger::step(const std::function<bool()>& given_up) {
  if (!plan_) return;
  for (const FaultPlan::Fault& fault : plan_->faults_) {
    if (fault.device != device_ || segments_ < fault.segment || *fault.done) continue;
    if (++steps_ < 3 || fault.done->exchange(true)) return;
    steps_ = 0;
    switch (fault.kind) {
      case FaultPlan::Kind::kThrow:
        throw Error(ErrorCode::kInternal, "injected fault: exception on " + device_);
      case FaultPlan::Kind::kNoMemory:
        throw Error(ErrorCode::kNoMemory, "injected fault: " + device_ + " is out of memory");
      case FaultPlan::Kind::kLost:
        throw Error(ErrorCode::kDeviceLost, "injected fault: " + device_ + " has failed");
      case FaultPlan::Kind::kStall:
        while (!given_up()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        throw Error(ErrorCode::kInternal, "injected fault: " + device_ + " has stalled");
    }
  }
}

}  // namespace indextts2
