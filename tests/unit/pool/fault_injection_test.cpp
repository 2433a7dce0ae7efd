// Lists of faults, and when they come.
#include "pool/fault_injection.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace indextts2 {
namespace {

const auto kNever = [] { return false; };

// The step, from 1 on, at which the trigger throws; 0: it does not within ten.
int step_of_fault(FaultTrigger* trigger, ErrorCode* code) {
  for (int step = 1; step <= 10; ++step) {
    try {
      trigger->step(kNever);
    } catch (const Error& error) {
      *code = error.code;
      return step;
    }
  }
  return 0;
}

TEST(FaultInjection, ComesOnceInTheMiddleOfItsSegment) {
  const auto plan = std::make_shared<const FaultPlan>("cuda:0:oom@2;cpu:throw@1;cpu:lost@3");
  ErrorCode code{};
  FaultTrigger trigger(plan, "cuda:0");
  trigger.taken_in();
  EXPECT_EQ(step_of_fault(&trigger, &code), 0);
  trigger.taken_in();
  EXPECT_EQ(step_of_fault(&trigger, &code), 3);
  EXPECT_EQ(code, ErrorCode::kNoMemory);
  EXPECT_EQ(step_of_fault(&trigger, &code), 0);

  FaultTrigger again(plan, "cuda:0");  // the device was loaded again
  for (int i = 0; i < 5; ++i) again.taken_in();
  EXPECT_EQ(step_of_fault(&again, &code), 0);

  FaultTrigger cpu(plan, "cpu");
  for (int i = 0; i < 3; ++i) cpu.taken_in();
  EXPECT_EQ(step_of_fault(&cpu, &code), 3);
  EXPECT_EQ(code, ErrorCode::kInternal);
  EXPECT_EQ(step_of_fault(&cpu, &code), 3);
  EXPECT_EQ(code, ErrorCode::kDeviceLost);
}

TEST(FaultInjection, StallsUntilGivenUp) {
  FaultTrigger trigger(std::make_shared<const FaultPlan>("x:stall@1"), "x");
  trigger.taken_in();
  trigger.step(kNever);
  trigger.step(kNever);
  int asked = 0;
  EXPECT_THROW(trigger.step([&] { return ++asked == 3; }), Error);
  EXPECT_EQ(asked, 3);
}

TEST(FaultInjection, NothingIsOffByDefault) {
  FaultTrigger none(nullptr, "cpu");
  none.taken_in();
  for (int i = 0; i < 10; ++i) none.step(kNever);
  FaultTrigger empty(std::make_shared<const FaultPlan>(""), "cpu");
  empty.taken_in();
  for (int i = 0; i < 10; ++i) empty.step(kNever);
}

TEST(FaultInjection, RefusesWhatItCannotRead) {
  for (const char* list : {"cpu", "cpu:throw", "cpu@1", "cpu:throw@0", "cpu:throw@x", ":throw@1",
                           "cpu:fall@1", "cpu:throw@1;x"}) {
    EXPECT_THROW(FaultPlan{list}, Error) << list;
  }
}

}  // namespace
}  // namespace indextts2
