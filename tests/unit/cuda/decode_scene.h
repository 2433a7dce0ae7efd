// Segments in the midst of decoding, kept as decode_tables.h says, on the host and on the device:
// for tests and benches of the kernels of the decode step.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <random>
#include <vector>

#include "cuda/kernels/attention_work.h"
#include "cuda/kernels/decode_tables.h"
#include "cuda/kernels/element_type.h"
#include "device_buffer.h"

namespace indextts2 {

struct SceneSize {
  int slots, beams, heads, layers, max_pages;
  int head_size = 64;

  size_t positions() const { return static_cast<size_t>(max_pages) * kPageKeys; }
  size_t width() const { return static_cast<size_t>(heads) * head_size; }
  size_t page() const { return 2 * layers * width() * kPageKeys; }  // elements
};

template <class T>
struct Element;
template <>
struct Element<float> {
  static constexpr ElementType kType = ElementType::kFloat32;
  static constexpr double kTolerance = 1e-5;
  static float from(float x) { return x; }
  static float value(float x) { return x; }
};
template <>
struct Element<__half> {
  static constexpr ElementType kType = ElementType::kFloat16;
  static constexpr double kTolerance = 1e-3;
  static __half from(float x) { return __float2half(x); }
  static float value(__half x) { return __half2float(x); }
};
template <>
struct Element<__nv_bfloat16> {
  static constexpr ElementType kType = ElementType::kBFloat16;
  static constexpr double kTolerance = 8e-3;
  static __nv_bfloat16 from(float x) { return __float2bfloat16(x); }
  static float value(__nv_bfloat16 x) { return __bfloat162float(x); }
};

// Whom the beams continue.
enum class Pasts {
  kDrawn,  // anybody
  kApart,  // always themselves: as many owners as beams at every position
};

// The tables on the host, by plain loops.
struct HostTables {
  explicit HostTables(const SceneSize& size)
      : size(size),
        beams(size.slots, 0),
        prefix(size.slots, 0),
        length(size.slots, 0),
        done(size.slots, 0),
        owner(size.slots * size.beams * size.positions(), 0) {}

  uint8_t& stored_owner(int slot, int beam, int position) {
    return owner[(static_cast<size_t>(slot) * size.beams + beam) * size.positions() + position];
  }

  // In whose page `beam` finds a position up to the new one.
  int owner_of(int slot, int beam, int position) {
    if (position < prefix[slot]) return 0;
    return position == length[slot] ? beam : stored_owner(slot, beam, position);
  }

  void admit(int slot, int beams_used, int positions) {
    beams[slot] = beams_used;
    prefix[slot] = length[slot] = positions;
    done[slot] = 0;
  }

  void move(int slot, const std::vector<int32_t>& parents) {
    const int fresh = length[slot];
    for (int p = prefix[slot]; p <= fresh; ++p) {
      std::vector<int> old(beams[slot]);
      for (int b = 0; b < beams[slot]; ++b) old[b] = owner_of(slot, b, p);
      for (int b = 0; b < beams[slot]; ++b) {
        stored_owner(slot, b, p) = static_cast<uint8_t>(old[parents[b]]);
      }
    }
    length[slot] = fresh + 1;
  }

  std::vector<int32_t> draw_parents(int slot, Pasts pasts, std::mt19937* random) const {
    std::vector<int32_t> parents(beams[slot]);
    for (int b = 0; b < beams[slot]; ++b) {
      parents[b] = pasts == Pasts::kApart ? b : static_cast<int32_t>((*random)() % beams[slot]);
    }
    return parents;
  }

  void grow(int slot, int until, Pasts pasts, std::mt19937* random) {
    while (length[slot] < until) move(slot, draw_parents(slot, pasts, random));
  }

  // What list_attention_work is to find.
  std::vector<uint32_t> entries(int slot) {
    std::vector<uint32_t> found;
    for (int p = 0; p <= length[slot]; ++p) {
      for (int o = 0; o < beams[slot]; ++o) {
        uint32_t readers = 0;
        for (int b = 0; b < beams[slot]; ++b) {
          if (owner_of(slot, b, p) == o) readers |= 1u << b;
        }
        if (readers != 0) found.push_back(attention_entry(p, o, readers));
      }
    }
    return found;
  }

  const SceneSize size;
  std::vector<int32_t> segments;  // of the step
  std::vector<int32_t> beams, prefix, length, done;
  std::vector<uint8_t> owner;
};

template <class T>
void copy_to(DeviceBuffer<T>* to, const std::vector<T>& from) {
  check(cudaMemcpy(to->data(), from.data(), from.size() * sizeof(T), cudaMemcpyHostToDevice));
}

// The same on the device, at addresses that stay; every beam has all pages, in one pool.
template <class T>
class DeviceScene {
 public:
  DeviceScene(const SceneSize& size, int max_segments)
      : size_(size),
        pool(static_cast<size_t>(size.slots) * size.beams * size.max_pages * size.page()),
        owner(size.slots * size.beams * size.positions()),
        entries(max_segments * attention_entries(size.max_pages, size.beams)),
        counts(max_segments),
        length(size.slots),
        segments_(max_segments),
        beams_(size.slots),
        prefix_(size.slots),
        done_(size.slots),
        pages_(static_cast<size_t>(size.slots) * size.beams * size.max_pages) {
    std::vector<void*> pages(pages_.size());
    for (size_t i = 0; i < pages.size(); ++i) pages[i] = pool.data() + i * size.page();
    copy_to(&pages_, pages);
  }

  void upload(const HostTables& host) {
    copy_to(&segments_, host.segments);
    copy_to(&beams_, host.beams);
    copy_to(&prefix_, host.prefix);
    copy_to(&length, host.length);
    copy_to(&done_, host.done);
    copy_to(&owner, host.owner);
  }

  DecodeTables tables() {
    DecodeTables tables{};
    tables.segments = segments_.data();
    tables.beams = beams_.data();
    tables.prefix = prefix_.data();
    tables.length = length.data();
    tables.pages = pages_.data();
    tables.owner = owner.data();
    tables.done = done_.data();
    tables.max_pages = size_.max_pages;
    tables.max_beams = size_.beams;
    return tables;
  }

  AttentionWork work() { return {entries.data(), counts.data()}; }

 private:
  const SceneSize size_;  // first: the buffers' sizes come from it

 public:
  DeviceBuffer<T> pool;
  DeviceBuffer<uint8_t> owner;
  DeviceBuffer<uint32_t> entries;
  DeviceBuffer<int32_t> counts, length;

 private:
  DeviceBuffer<int32_t> segments_, beams_, prefix_, done_;
  DeviceBuffer<void*> pages_;
};

}  // namespace indextts2
