// The engine without GStreamer: speaks the arguments one after another and writes 32-bit float samples (22050 Hz, mono)
// to standard output.
//
//   embed MODEL_DIR TEXT... > speech.f32       play it with: aplay -f FLOAT_LE -r 22050 -c 1 speech.f32
#include <dlfcn.h>

#include <cstdio>

#include "indextts2/engine.h"

int main(int argc, char** argv) {
  using namespace indextts2;
  if (argc < 3) return std::fprintf(stderr, "usage: embed MODEL_DIR TEXT...\n"), 2;
  // Never closed: LibTorch does not survive it.
  void* library = dlopen("libindextts2.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library) return std::fprintf(stderr, "embed: %s\n", dlerror()), 1;
  const auto entry =
      reinterpret_cast<decltype(&indextts2_engine_factory)>(dlsym(library, "indextts2_engine_factory"));
  const EngineFactory* factory = entry ? entry(kEngineAbi) : nullptr;
  if (!factory) return std::fprintf(stderr, "embed: the library has another version than its header\n"), 1;
  try {
    EngineOptions options;
    options.model_dir = argv[1];
    const std::shared_ptr<Engine> engine = factory->open_engine(options);
    const std::shared_ptr<const Voice> voice = engine->load_voice({});  // the model's first prompt
    const std::unique_ptr<Session> session = engine->open_session({});
    SpeakOptions speak;
    speak.seed = 1;  // the same sound every time
    for (int i = 2; i < argc; ++i) session->push(argv[i], voice, speak);
    session->finish();
    Wave wave;
    for (Next next; (next = session->next(&wave, /*wait_when_idle=*/true)) != Next::kEnd;) {
      if (next == Next::kWave) std::fwrite(wave.samples.data(), sizeof(float), wave.samples.size(), stdout);
    }
  } catch (const Error& error) {
    return std::fprintf(stderr, "embed: %s\n", error.what()), 1;
  }
  return 0;
}
