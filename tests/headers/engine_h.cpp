// Compiles the public header alone and uses a little of it.
#include "indextts2/engine.h"

int main() {
  const indextts2::EngineOptions options;
  return options.devices.size() == 1 && options.devices[0] == "auto" ? 0 : 1;
}
