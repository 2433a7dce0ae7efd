// The vocoder on CUDA: BigVGAN as launches of two kernels.
#include "cuda/wave_decoder.h"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/DeviceGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>

#include "core/error.h"
#include "cuda/cuda_check.h"

namespace indextts2 {
namespace {

// Elements of the largest array between two launches.
int64_t largest_array(const PackedVocoder& vocoder, int64_t frames) {
  int64_t largest = frames * vocoder.pre().out();
  for (const PackedStage& stage : vocoder.stages()) {
    frames *= stage.rate;
    largest = std::max(largest, frames * stage.channels());
  }
  return largest;
}

constexpr int kArrays = 2 + 3 * kWaveParts;

// The work memory, cut into arrays of equal size.
struct Arrays {
  Arrays(void* memory, int64_t bytes) {
    auto* at = static_cast<std::byte*>(memory);
    const auto take = [&] {
      at += bytes;
      return static_cast<void*>(at - bytes);
    };
    x = take();
    mean = take();
    for (int i = 0; i < kWaveParts; ++i) {
      active[i] = take();
      dilated[i] = take();
      residual[i] = take();
    }
  }

  void* x;     // what a stage's blocks begin with
  void* mean;  // what they end with
  // Of each block: behind an activation, behind the dilated convolution, what runs through it.
  void *active[kWaveParts], *dilated[kWaveParts], *residual[kWaveParts];
};

// One mel's way through the launches.
class Pass {
 public:
  Pass(const PackedVocoder& vocoder, const WavePlan& plan, const CudaWaveDecoder::Trace& trace,
       const Arrays& arrays)
      : vocoder_(vocoder),
        plan_(plan),
        trace_(trace),
        arrays_(arrays),
        stream_(c10::cuda::getCurrentCUDAStream()),
        item_(vocoder.type() == WaveType::kHalf ? 2 : 4) {}

  void run(const void* mel, int64_t frames, float* samples, const StopToken& stop) {
    frames_ = frames;
    small_tiles_ = frames <= plan_.small_tiles;
    TapConvCall pre = same_size(vocoder_.pre());
    pre.count = 1;
    pre.parts[0] = part(vocoder_.pre(), mel, nullptr, arrays_.mean);
    convolve("conv", pre);
    for (const PackedStage& stage : vocoder_.stages()) {
      stop.check();
      go_up(stage);
      residual_blocks(stage);
    }
    SnakeCall post = snake_call(vocoder_.stages().back().channels());
    post.count = 1;
    post.parts[0] = part(vocoder_.activation_post(), arrays_.mean, arrays_.x);
    activate(post);
    to_samples(samples);
  }

 private:
  static TapConvPart part(const PackedConv& conv, const void* in, const void* residual, void* out) {
    return {in,
            conv.weight.const_data_ptr(),
            conv.bias.const_data_ptr<float>(),
            residual,
            out,
            conv.taps,
            conv.first,
            conv.dilation};
  }

  static SnakePart part(const PackedSnake& snake, const void* in, void* out) {
    SnakePart part{};
    part.in = in;
    part.out = out;
    part.curve = snake.curve.const_data_ptr<float>();
    std::copy(snake.up.begin(), snake.up.end(), part.up);
    std::copy(snake.down.begin(), snake.down.end(), part.down);
    return part;
  }

  // A call for convolutions of conv's sizes that keep the number of frames, without its parts.
  TapConvCall same_size(const PackedConv& conv) const {
    TapConvCall call{};
    call.in_frames = call.rows = frames_;
    call.in_channels = conv.in();
    call.out_channels = conv.out();
    call.size = frames_ * conv.out();
    call.small_tiles = small_tiles_;
    return call;
  }

  SnakeCall snake_call(int64_t channels) const {
    SnakeCall call{};
    call.frames = frames_;
    call.channels = channels;
    return call;
  }

  void go_up(const PackedStage& stage) {
    const int64_t longer = frames_ * stage.rate;
    TapConvCall call = same_size(stage.up);
    call.count = 1;
    call.parts[0] = part(stage.up, arrays_.mean, nullptr, arrays_.x);
    call.rows = (longer - 1 + stage.padding) / stage.rate + 1;
    call.shift = stage.padding * stage.channels();
    call.size = longer * stage.channels();
    convolve("up", call);
    frames_ = longer;
  }

  void residual_blocks(const PackedStage& stage) {
    const auto count = static_cast<int>(stage.blocks.size());
    const size_t pairs = stage.blocks.front().size();
    if (frames_ <= plan_.side_by_side) {
      for (size_t pair = 0; pair < pairs; ++pair) run_pair(stage, pair, 0, count);
    } else {
      for (int block = 0; block < count; ++block) {
        for (size_t pair = 0; pair < pairs; ++pair) run_pair(stage, pair, block, block + 1);
      }
    }
    // The last convolutions of all blocks and their mean are one sum.
    TapConvCall call = same_size(stage.blocks.front().back().plain);
    call.count = count;
    call.sum = true;
    call.scale = 1.0f / static_cast<float>(count);
    for (int block = 0; block < count; ++block) {
      call.parts[block] = part(stage.blocks[static_cast<size_t>(block)].back().plain,
                               arrays_.active[block], through(block, pairs - 1), arrays_.mean);
    }
    convolve("conv", call);
  }

  // What runs through a block in front of a pair.
  const void* through(int block, size_t pair) const {
    return pair == 0 ? arrays_.x : arrays_.residual[block];
  }

  // The blocks begin .. end - 1 up to behind their pair, the last pair without its plain
  // convolution.
  void run_pair(const PackedStage& stage, size_t pair, int begin, int end) {
    const auto& first = stage.blocks.front().front();
    SnakeCall before_dilated = snake_call(stage.channels()), before_plain = before_dilated;
    TapConvCall dilated = same_size(first.dilated), plain = dilated;
    const int count = end - begin;
    before_dilated.count = before_plain.count = dilated.count = plain.count = count;
    for (int i = 0; i < count; ++i) {
      const int block = begin + i;
      const PackedPair& one = stage.blocks[static_cast<size_t>(block)][pair];
      void *active = arrays_.active[block], *middle = arrays_.dilated[block];
      before_dilated.parts[i] = part(one.before_dilated, through(block, pair), active);
      dilated.parts[i] = part(one.dilated, active, nullptr, middle);
      before_plain.parts[i] = part(one.before_plain, middle, active);
      plain.parts[i] = part(one.plain, active, through(block, pair), arrays_.residual[block]);
    }
    activate(before_dilated);
    convolve("conv", dilated);
    activate(before_plain);
    if (pair + 1 < stage.blocks.front().size()) convolve("conv", plain);
  }

  void to_samples(float* samples) const {
    const PackedOut& post = vocoder_.post();
    const WaveOutCall call{arrays_.x,          post.weight.const_data_ptr<float>(),
                           post.bias,          samples,
                           post.taps,          frames_,
                           post.weight.size(1)};
    cuda_check(run_wave_out(vocoder_.type(), call, stream_), "the vocoder's last convolution");
    const auto values = static_cast<double>(frames_ * call.channels);
    tell("out", call.channels, 2 * values * call.taps,
         values * item_ + 4 * static_cast<double>(frames_));
  }

  void activate(const SnakeCall& call) const {
    cuda_check(run_snake(vocoder_.type(), call, stream_), "an activation of the vocoder");
    const auto values = static_cast<double>(call.count * call.frames * call.channels);
    tell("snake", call.channels, 60 * values, 2 * item_ * values);
  }

  void convolve(const char* kind, const TapConvCall& call) const {
    cuda_check(run_tap_conv(vocoder_.type(), call, stream_), "a convolution of the vocoder");
    if (!trace_) return;
    double taps = 0, arrays_out = call.sum ? 1 : call.count;
    for (int i = 0; i < call.count; ++i) {
      taps += call.parts[i].taps;
      if (call.parts[i].residual != nullptr) arrays_out += 1;
    }
    const auto product = static_cast<double>(call.in_channels * call.out_channels);
    const auto in = static_cast<double>(call.count * call.in_frames * call.in_channels);
    tell(kind, call.in_channels, 2 * taps * product * static_cast<double>(call.rows),
         item_ * (in + taps * product + arrays_out * static_cast<double>(call.size)));
  }

  void tell(const char* kind, int64_t channels, double operations, double bytes) const {
    if (trace_) trace_({kind, channels, operations, bytes});
  }

  const PackedVocoder& vocoder_;
  const WavePlan& plan_;
  const CudaWaveDecoder::Trace& trace_;
  const Arrays& arrays_;
  cudaStream_t stream_;
  double item_;         // bytes
  int64_t frames_ = 0;  // at this stage
  bool small_tiles_ = false;
};

}  // namespace

CudaWaveDecoder::CudaWaveDecoder(std::shared_ptr<const PackedVocoder> vocoder, WavePlan plan,
                                 LendMemory lend)
    : vocoder_(std::move(vocoder)), plan_(plan), lend_(std::move(lend)) {}

at::Tensor CudaWaveDecoder::work_memory(int64_t bytes) {
  const at::Tensor lent = lend_ ? lend_() : at::Tensor();
  if (lent.defined() && lent.size(0) >= bytes) {
    memory_ = at::Tensor();
    return lent;
  }
  if (!memory_.defined() || memory_.size(0) < bytes) {
    memory_ = at::Tensor();  // first, so that the two need not fit together
    memory_ = at::empty({bytes}, at::TensorOptions(vocoder_->device()).dtype(at::kByte));
  }
  return memory_;
}

at::Tensor CudaWaveDecoder::decode(const at::Tensor& mel, const StopToken& stop) {
  const PackedVocoder& vocoder = *vocoder_;
  if (mel.dim() != 3 || mel.size(0) != 1 || mel.size(1) != vocoder.mel_bands() ||
      mel.device() != vocoder.device()) {
    throw Error(ErrorCode::kInternal, "vocoder: mel of a wrong shape or device");
  }
  const c10::DeviceGuard guard(vocoder.device());
  const int64_t frames = mel.size(2);
  at::Tensor samples = at::empty({frames * vocoder.hop()}, mel.options().dtype(at::kFloat));
  if (frames == 0) return samples;
  const at::Tensor rows =
      at::constant_pad_nd(mel.select(0, 0).t(), {0, vocoder.pre().in() - vocoder.mel_bands()})
          .to(scalar_type(vocoder.type()))
          .contiguous();
  // Arrays begin at multiples of 256 bytes.
  const int64_t bytes =
      (largest_array(vocoder, frames) * static_cast<int64_t>(rows.element_size()) + 255) / 256 *
      256;
  const at::Tensor memory = work_memory(kArrays * bytes);
  const Arrays arrays(memory.mutable_data_ptr(), bytes);
  Pass(vocoder, plan_, trace_, arrays)
      .run(rows.const_data_ptr(), frames, samples.mutable_data_ptr<float>(), stop);
  return samples;
}

void CudaWaveDecoder::warm_up(int64_t frames) {
  decode(at::zeros({1, vocoder_->mel_bands(), frames},
                   at::TensorOptions(vocoder_->device()).dtype(at::kFloat)),
         StopToken());
}

}  // namespace indextts2
