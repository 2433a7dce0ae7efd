// An engine library that speaks another interface version.
extern "C" __attribute__((visibility("default"))) const void* indextts2_engine_factory(int) {
  return nullptr;
}
