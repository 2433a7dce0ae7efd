// What the thread sanitizer must not report in tests that link this file; without the sanitizer it
// does nothing.

// Exceptions are counted inside libstdc++, and a thread's storage is freed by the loader; neither
// is instrumented, so the sanitizer does not see that the last holder's free happens after another
// thread's reads. What GLib and GStreamer do to their own memory (called_from_lib) is their
// business; glib_sanitizer.cpp tells what they order. The element's functions that they call are
// checked all the same: without the lock in SpeechStream::serve(), which runs in a pad's task, or
// the one in SpeechStream::stats(), which runs in a property's getter, races_test has dozens of
// reports.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_suppressions();
const char* __tsan_default_suppressions() {
  return "race:std::__exception_ptr::exception_ptr::_M_release\n"
         "race:_dl_deallocate_tls\n"
         "called_from_lib:libglib-2.0.so\n"
         "called_from_lib:libgobject-2.0.so\n"
         "called_from_lib:libgstreamer-1.0.so\n"
         "called_from_lib:libgstbase-1.0.so\n"
         "called_from_lib:libgstcheck-1.0.so\n"
         "called_from_lib:libgstaudio-1.0.so\n"
         "deadlock:orc_init\n";
}
