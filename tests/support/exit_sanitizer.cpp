// Options of the sanitizers for programs that end by exit() in the midst of work; without a
// sanitizer it does nothing.

// What lives at exit() is leaked on purpose; exit() from a worker also leaves threads that have
// ended and that nobody can join any more.
extern "C" {
__attribute__((visibility("default"))) const char* __tsan_default_options();
__attribute__((visibility("default"))) const char* __asan_default_options();
}
const char* __tsan_default_options() { return "report_thread_leaks=0"; }
const char* __asan_default_options() { return "detect_leaks=0"; }
