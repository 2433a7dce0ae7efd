// Trap 11: a LibTorch of another version in the process; and what else can be wrong with the engine
// library.
#include <dlfcn.h>

#include <string>

#include "case.h"
#include "player.h"

using namespace player;

namespace {

std::string init_error() {
  Player p({{"model-path", "tone:"}, {"text", "One."}});
  fail_if(p.go_to(GST_STATE_READY));
  auto errors = p.reports(GST_MESSAGE_ERROR);
  fail_unless_equals_int(static_cast<int>(errors.size()), 1);
  fail_unless(errors[0].domain == GST_LIBRARY_ERROR && errors[0].code == GST_LIBRARY_ERROR_INIT);
  return errors[0].text;
}

bool has(const std::string& where, const std::string& what) {
  return where.find(what) != std::string::npos;
}

}  // namespace

CASE(trap_11_other_libtorch) {
  fail_unless(dlopen(g_getenv("INDEXTTS2_TORCH_STUB"), RTLD_NOW | RTLD_LOCAL) != nullptr);
  const std::string text = init_error();
  fail_unless(has(text, "2.9.1") && has(text, "2.11.0"), "%s", text.c_str());
}

// With the engine open already, another LibTorch that comes later is not our concern.
CASE(trap_11_other_libtorch_later) {
  Player p({{"model-path", "tone:"}, {"text", "One."}});
  fail_unless(p.play());
  fail_unless(dlopen(g_getenv("INDEXTTS2_TORCH_STUB"), RTLD_NOW | RTLD_LOCAL) != nullptr);
  p.go_to(GST_STATE_NULL);
  p.forget();
  fail_unless(p.play());
}

CASE(engine_library_missing) {
  g_setenv("INDEXTTS2_ENGINE", "/no/such/engine.so", TRUE);
  fail_unless(has(init_error(), "/no/such/engine.so"));
}

CASE(engine_library_is_another_library) {
  g_setenv("INDEXTTS2_ENGINE", g_getenv("INDEXTTS2_TORCH_STUB"), TRUE);
  Player p({{"model-path", "tone:"}, {"text", "One."}});
  fail_if(p.go_to(GST_STATE_READY));
}

CASE(engine_library_of_another_version) {
  g_setenv("INDEXTTS2_ENGINE", g_getenv("INDEXTTS2_OLD_ENGINE"), TRUE);
  const std::string text = init_error();
  fail_unless(has(text, "interface version"), "%s", text.c_str());
}

// An unset model-path is the bundled voice; where it is not found, every place is named.
CASE(bundled_voice_places) {
  g_unsetenv("INDEXTTS2_ENGINE");
  Player p({{"model-path", "/no/such/folder"}, {"text", "One."}});
  fail_if(p.go_to(GST_STATE_READY));
  auto errors = p.reports(GST_MESSAGE_ERROR);
  fail_unless(errors[0].domain == GST_RESOURCE_ERROR &&
              errors[0].code == GST_RESOURCE_ERROR_NOT_FOUND);
  fail_unless(has(errors[0].text, "/no/such/folder"));
}

RUN_CASES("traps_library")
