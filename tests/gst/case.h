// A GstCheck program as a list of cases: CASE(trap_02_text_pad_events) { ... } and one RUN_CASES at
// the end. Include it after the standard headers: check.h has macros with everyday names.
#pragma once

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "patience.h"

namespace player {

struct Case {
  TFun function;
  const char* name;
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

inline bool add_case(TFun function, const char* name) {
  cases().push_back({function, name});
  return true;
}

// fail_unless_equals_string keeps pointers into temporaries.
inline void check_text(const std::string& got, const std::string& wanted) {
  fail_unless(got == wanted, "\"%s\" instead of \"%s\"", got.c_str(), wanted.c_str());
}

inline void check_near(const std::vector<int>& got, const std::vector<int>& wanted) {
  fail_unless_equals_int(static_cast<int>(got.size()), static_cast<int>(wanted.size()));
  for (size_t i = 0; i < got.size(); ++i) {
    fail_unless(std::abs(got[i] - wanted[i]) <= 3, "text %d: %d Hz instead of %d Hz",
                static_cast<int>(i), got[i], wanted[i]);
  }
}

}  // namespace player

// Each case runs in a process of its own (CK_FORK), with the time limit of CK_DEFAULT_TIMEOUT.
#define CASE(name)                                                         \
  static void name##_body();                                               \
  START_TEST(name) { name##_body(); }                                      \
  END_TEST static const bool name##_added = player::add_case(name, #name); \
  static void name##_body()

#define RUN_CASES(suite_name)                                         \
  int main(int argc, char** argv) {                                   \
    gst_check_init(&argc, &argv);                                     \
    Suite* suite = suite_create(suite_name);                          \
    TCase* tests = tcase_create(suite_name);                          \
    suite_add_tcase(suite, tests);                                    \
    for (const player::Case& added : player::cases()) {               \
      _tcase_add_test(tests, added.function, added.name, 0, 0, 0, 1); \
    }                                                                 \
    return gst_check_run_suite(suite, suite_name, __FILE__);          \
  }
