// Beam attention of a decode step against plain sums in double on the host.
#include "cuda/kernels/paged_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cuda/kernels/beam_reorder.h"
#include "decode_scene.h"

namespace indextts2 {
namespace {

template <class T>
std::vector<T> draw(size_t count, std::mt19937* random) {
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  std::vector<T> values(count);
  for (T& value : values) value = Element<T>::from(uniform(*random));
  return values;
}

template <class T>
T not_a_number() {
  return Element<T>::from(std::nanf(""));
}

// Tables, pages and rows of a step on both sides. What no beam may read is NaN.
template <class T>
class Scene {
 public:
  Scene(const SceneSize& size, int max_segments)
      : host(size),
        device(size, max_segments),
        pool(device.pool.size(), not_a_number<T>()),
        qkv(max_segments * size.beams * 3 * size.width()),
        size_(size),
        device_qkv_(qkv.size()),
        out_(max_segments * size.beams * size.width()) {
    check(prepare_paged_attention(Element<T>::kType, size.beams, &blocks));
  }

  // Element of a key (or value) in the pool.
  size_t place(int slot, int beam, int position, int layer, int is_value, int head) const {
    const size_t page =
        (static_cast<size_t>(slot) * size_.beams + beam) * size_.max_pages + position / kPageKeys;
    const size_t row = (static_cast<size_t>(layer) * 2 + is_value) * size_.heads + head;
    return page * size_.page() + (row * kPageKeys + position % kPageKeys) * size_.head_size;
  }

  size_t qkv_place(int segment, int beam, int part, int head) const {
    const size_t row = static_cast<size_t>(segment) * size_.beams + beam;
    return (row * 3 + part) * size_.width() + head * size_.head_size;
  }

  // Keys and values for all that somebody reads of `slot`.
  void fill(int slot, std::mt19937* random) {
    for (uint32_t entry : host.entries(slot)) {
      const int position = static_cast<int>(entry_position(entry));
      if (position == host.length[slot]) continue;
      for (int part = 0; part < size_.layers * 2 * size_.heads; ++part) {
        const std::vector<T> row = draw<T>(size_.head_size, random);
        const size_t at =
            place(slot, static_cast<int>(entry_owner(entry)), position, part / (2 * size_.heads),
                  part / size_.heads % 2, part % size_.heads);
        std::copy(row.begin(), row.end(), pool.begin() + at);
      }
    }
  }

  void upload() {
    device.upload(host);
    copy_to(&device.pool, pool);
  }

  PagedAttention attention(int layer, bool overlap) {
    PagedAttention a{};
    a.tables = device.tables();
    a.work = device.work();
    a.qkv = device_qkv_.data();
    a.out = out_.data();
    a.segments = static_cast<int32_t>(host.segments.size());
    a.heads = size_.heads;
    a.layer = layer;
    a.type = Element<T>::kType;
    a.blocks = blocks;
    a.overlap = overlap;
    return a;
  }

  void list() {
    check(list_attention_work(device.tables(), device.work(),
                              static_cast<int>(host.segments.size()), false, nullptr));
  }

  // The rows after one layer; rows that nobody writes hold 0xFF bytes.
  std::vector<T> attend(int layer) {
    send_rows();
    check(paged_attention(attention(layer, false), nullptr));
    return out();
  }

  void send_rows() {
    copy_to(&device_qkv_, qkv);
    check(cudaMemset(out_.data(), 0xFF, out_.size() * sizeof(T)));
  }

  std::vector<T> out() const { return out_.host(); }

  bool idle(int segment) const {
    const int slot = host.segments[segment];
    return slot < 0 || host.done[slot] != 0;
  }

  // What the launch is to leave in the pages.
  void append(int layer) {
    for (size_t s = 0; s < host.segments.size(); ++s) {
      if (idle(s)) continue;
      const int slot = host.segments[s];
      for (int b = 0; b < host.beams[slot]; ++b) {
        for (int part = 0; part < 2 * size_.heads; ++part) {
          const int is_value = part / size_.heads, head = part % size_.heads;
          const T* from = qkv.data() + qkv_place(s, b, 1 + is_value, head);
          std::copy(from, from + size_.head_size,
                    pool.begin() + place(slot, b, host.length[slot], layer, is_value, head));
        }
      }
    }
  }

  // One head of one row, after append().
  std::vector<double> want(int segment, int beam, int layer, int head) {
    const int slot = host.segments[segment], count = host.length[slot] + 1, D = size_.head_size;
    const T* query = qkv.data() + qkv_place(segment, beam, 0, head);
    std::vector<double> scores(count), sums(D, 0.0);
    double top = -INFINITY, total = 0;
    for (int p = 0; p < count; ++p) {
      const T* key = pool.data() + place(slot, host.owner_of(slot, beam, p), p, layer, 0, head);
      for (int d = 0; d < D; ++d) {
        scores[p] += static_cast<double>(Element<T>::value(query[d])) * Element<T>::value(key[d]);
      }
      scores[p] /= std::sqrt(static_cast<double>(D));
      top = std::max(top, scores[p]);
    }
    for (int p = 0; p < count; ++p) {
      const T* value = pool.data() + place(slot, host.owner_of(slot, beam, p), p, layer, 1, head);
      const double weight = std::exp(scores[p] - top);
      total += weight;
      for (int d = 0; d < D; ++d) sums[d] += weight * Element<T>::value(value[d]);
    }
    for (double& sum : sums) sum /= total;
    return sums;
  }

  // `got` against want(), idle rows untouched, pages as append() says.
  void expect(const std::vector<T>& got, int layer) {
    append(layer);
    const int D = size_.head_size;
    for (size_t s = 0; s < host.segments.size(); ++s) {
      for (int row = 0; row < size_.beams * size_.heads; ++row) {
        const int b = row / size_.heads, head = row % size_.heads;
        const T* x = got.data() + (s * size_.beams * size_.heads + row) * D;
        if (idle(s) || b >= host.beams[host.segments[s]]) {
          const std::vector<uint8_t> untouched(D * sizeof(T), 0xFF);
          ASSERT_EQ(std::memcmp(x, untouched.data(), untouched.size()), 0) << "segment " << s;
          continue;
        }
        const std::vector<double> sums = want(s, b, layer, head);
        for (int d = 0; d < D; ++d) {
          ASSERT_NEAR(Element<T>::value(x[d]), sums[d], Element<T>::kTolerance)
              << "segment " << s << " beam " << b << " head " << head << " dimension " << d;
        }
      }
    }
    const std::vector<T> pages = device.pool.host();
    ASSERT_EQ(std::memcmp(pages.data(), pool.data(), pool.size() * sizeof(T)), 0);
  }

  HostTables host;
  DeviceScene<T> device;
  std::vector<T> pool, qkv;
  int32_t blocks = 0;

 private:
  const SceneSize size_;
  DeviceBuffer<T> device_qkv_, out_;
};

template <class T>
class PagedAttentionTest : public testing::Test {};
using Types = testing::Types<float, __half, __nv_bfloat16>;
TYPED_TEST_SUITE(PagedAttentionTest, Types);

struct Past {
  int prefix, length;
};
// Around the borders of pages, of chunks of entries and of words of owners.
constexpr Past kPasts[] = {{1, 1},     {100, 100}, {127, 127}, {128, 128}, {129, 129}, {100, 127},
                           {101, 128}, {102, 129}, {37, 255},  {38, 256},  {130, 300}};
constexpr int kPastCount = sizeof(kPasts) / sizeof(kPasts[0]);

// All of kPasts in one step, in reverse; the slots between them are done, gone or of fewer beams.
template <class T>
void attend_to_all_pasts(int beams, Pasts pasts) {
  std::mt19937 random(17 * beams);
  Scene<T> scene({kPastCount + 1, beams, /*heads=*/2, /*layers=*/2, /*max_pages=*/3},
                 kPastCount + 2);
  for (int i = 0; i < kPastCount; ++i) {
    scene.host.admit(i, i % 3 == 1 ? (beams + 1) / 2 : beams, kPasts[i].prefix);
    scene.host.grow(i, kPasts[i].length, pasts, &random);
    scene.fill(i, &random);
    scene.host.segments.insert(scene.host.segments.begin(), i);
  }
  scene.host.admit(kPastCount, beams, 50);
  scene.host.done[kPastCount] = 1;
  scene.host.segments.insert(scene.host.segments.begin() + 2, kPastCount);
  scene.host.segments.insert(scene.host.segments.begin() + 5, -1);
  scene.qkv = draw<T>(scene.qkv.size(), &random);
  scene.upload();
  scene.list();
  for (int layer = 0; layer < 2; ++layer) {
    const std::vector<T> got = scene.attend(layer);
    scene.expect(got, layer);
    // However the heads are split: the same bits.
    const int units = static_cast<int>(scene.host.segments.size()) * 2;
    for (int split : {1, 8}) {
      if (scene.blocks > 1) scene.blocks = units * split;
      const std::vector<T> again = scene.attend(layer);
      EXPECT_EQ(std::memcmp(got.data(), again.data(), got.size() * sizeof(T)), 0) << split;
    }
  }
}

TYPED_TEST(PagedAttentionTest, OneBeam) {
  if (!have_device()) return;
  attend_to_all_pasts<TypeParam>(1, Pasts::kDrawn);
}

TYPED_TEST(PagedAttentionTest, ThreeBeamsOfDrawnPasts) {
  if (!have_device()) return;
  attend_to_all_pasts<TypeParam>(3, Pasts::kDrawn);
}

TYPED_TEST(PagedAttentionTest, ThreeBeamsApart) {
  if (!have_device()) return;
  attend_to_all_pasts<TypeParam>(3, Pasts::kApart);
}

TYPED_TEST(PagedAttentionTest, FiveBeams) {
  if (!have_device()) return;
  attend_to_all_pasts<TypeParam>(5, Pasts::kDrawn);
}

TYPED_TEST(PagedAttentionTest, TenBeamsOfDrawnPasts) {
  if (!have_device()) return;
  attend_to_all_pasts<TypeParam>(10, Pasts::kDrawn);
}

TYPED_TEST(PagedAttentionTest, TenBeamsApart) {
  if (!have_device()) return;
  attend_to_all_pasts<TypeParam>(10, Pasts::kApart);
}

// One segment alone, and as the last but one of 32 others of other lengths: the same bits.
TYPED_TEST(PagedAttentionTest, NeighboursChangeNoBit) {
  if (!have_device()) return;
  using T = TypeParam;
  constexpr int kSegments = 32, kSlot = 5, kBeams = 3;
  std::mt19937 random(3);
  Scene<T> scene({kSegments, kBeams, /*heads=*/2, /*layers=*/1, /*max_pages=*/4}, kSegments);
  for (int i = 0; i < kSegments; ++i) {
    scene.host.admit(i, kBeams, 60 + 3 * i);
    scene.host.grow(i, i == kSlot ? 420 : 60 + 13 * i, i % 2 ? Pasts::kDrawn : Pasts::kApart,
                    &random);
    scene.fill(i, &random);
  }
  const std::vector<T> rows = draw<T>(scene.qkv.size(), &random);
  scene.qkv = rows;
  scene.host.segments = {kSlot};
  scene.upload();
  scene.list();
  const std::vector<T> alone = scene.attend(0);

  // Its rows move with it.
  constexpr int kPlace = kSegments - 2;
  for (int i = 0; i < kSegments; ++i) {
    if (i > 0) scene.host.segments.push_back(0);
    scene.host.segments[i] = i == kPlace ? kSlot : i == kSlot ? kPlace : i;
  }
  scene.qkv = draw<T>(scene.qkv.size(), &random);
  const size_t width = kBeams * 2 * 64;
  std::copy_n(rows.begin(), 3 * width, scene.qkv.begin() + kPlace * 3 * width);
  for (int blocks : {scene.blocks, 1}) {
    scene.blocks = blocks;
    scene.upload();
    scene.list();
    const std::vector<T> beside = scene.attend(0);
    EXPECT_EQ(std::memcmp(alone.data(), beside.data() + kPlace * width, width * sizeof(T)), 0);
  }
}

// Steps from the list to the moved beams, eager and as a graph whose kernels overlap, while a
// second segment joins: like the host, each time.
TYPED_TEST(PagedAttentionTest, StepsOfAGraph) {
  if (!have_device()) return;
  using T = TypeParam;
  constexpr int kBeams = 3, kLayers = 2;
  std::mt19937 random(9);
  Scene<T> scene({2, kBeams, /*heads=*/2, kLayers, /*max_pages=*/3}, 2);
  scene.host.segments = {1, -1};
  scene.host.admit(1, kBeams, 120);
  scene.host.grow(1, 124, Pasts::kDrawn, &random);
  scene.fill(1, &random);
  scene.qkv = draw<T>(scene.qkv.size(), &random);
  DeviceBuffer<int32_t> device_parents(std::vector<int32_t>(2 * kBeams, 0));
  // Loads the kernels, which a capture must not do.
  scene.upload();
  scene.list();
  scene.attend(0);
  check(reorder_beams(scene.device.tables(), device_parents.data(), 2, false, nullptr));
  scene.upload();
  scene.send_rows();

  cudaStream_t stream = nullptr;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t step = nullptr;
  check(cudaStreamCreate(&stream));
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  check(list_attention_work(scene.device.tables(), scene.device.work(), 2, false, stream));
  for (int layer = 0; layer < kLayers; ++layer) {
    check(paged_attention(scene.attention(layer, layer > 0), stream));
  }
  check(reorder_beams(scene.device.tables(), device_parents.data(), 2, true, stream));
  check(cudaStreamEndCapture(stream, &graph));
  check(cudaGraphInstantiate(&step, graph, 0));
  for (int i = 0; i < 12; ++i) {
    if (i == 6) {
      scene.host.segments[1] = 0;
      scene.host.admit(0, kBeams, 128);
      scene.fill(0, &random);
      scene.upload();
    }
    std::vector<int32_t> parents(2 * kBeams, 0);
    for (int s = 0; s < 2; ++s) {
      if (scene.idle(s)) continue;
      const int slot = scene.host.segments[s];
      const std::vector<int32_t> own = scene.host.draw_parents(slot, Pasts::kDrawn, &random);
      std::copy(own.begin(), own.end(), parents.begin() + slot * kBeams);
    }
    copy_to(&device_parents, parents);
    check(cudaGraphLaunch(step, stream));
    check(cudaStreamSynchronize(stream));
    scene.append(0);
    scene.expect(scene.out(), 1);
    for (int s = 0; s < 2; ++s) {
      if (scene.idle(s)) continue;
      const int slot = scene.host.segments[s];
      scene.host.move(slot,
                      {parents.begin() + slot * kBeams, parents.begin() + slot * kBeams + kBeams});
    }
    ASSERT_EQ(scene.device.length.host(), scene.host.length);
  }
  check(cudaGraphExecDestroy(step));
  check(cudaGraphDestroy(graph));
  check(cudaStreamDestroy(stream));
}

TEST(PagedAttention, RefusesWhatItHasNoKernelsFor) {
  EXPECT_TRUE(paged_attention_supports(64, 1));
  EXPECT_TRUE(paged_attention_supports(64, 10));
  EXPECT_FALSE(paged_attention_supports(64, 11));
  EXPECT_FALSE(paged_attention_supports(64, 0));
  EXPECT_FALSE(paged_attention_supports(32, 3));
}

}  // namespace
}  // namespace indextts2
