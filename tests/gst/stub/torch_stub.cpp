// A LibTorch of another version, as far as its name and version go.
#include <cstdint>

extern "C" __attribute__((visibility("default"))) uint64_t aoti_torch_abi_version() {
  return 0x0209010000000000;  // 2.9.1
}
