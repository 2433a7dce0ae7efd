// What the thread sanitizer must not report in tests that link this file; without the sanitizer it
// does nothing.

// Exceptions are counted inside libstdc++, which is not instrumented: the sanitizer does not see
// that the last holder's free happens after another thread's reads.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_suppressions();
const char* __tsan_default_suppressions() {
  return "race:std::__exception_ptr::exception_ptr::_M_release\n";
}
