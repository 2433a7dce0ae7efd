// What half precision costs in quality, stage by stage: the same voice, codes and noise through the
// networks in fp32 (without TF32) and in each other precision, in one process.
//
// Bounds, exit status 1 beyond them: mel 2 % relative root mean square, vocoder 35 dB on the same
// mel, speaker latents 1 %. `--kernels libtorch` leaves the device's own kernels out.
#include <ATen/core/Tensor.h>
#include <c10/core/InferenceMode.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "audio/clip.h"
#include "core/random.h"
#include "device_backend.h"
#include "ops/host_tensor.h"
#include "ops/runtime.h"
#include "pool/device.h"
#include "stages/code_generator.h"
#include "stages/speech_model.h"
#include "stages/stream_handover.h"
#include "text/front_end.h"
#include "weights/model_files.h"

namespace indextts2 {
namespace {

constexpr double kMostMelError = 0.02, kLeastSnrDb = 35, kMostVoiceError = 0.01;
constexpr char kUsage[] =
    "usage: bench_quality MODEL_DIR [--device cuda:0] [--voice FILE] [--text TEXT] [--codes N]\n"
    "  [--seed N] [--precisions bf16,fp16] [--kernels auto|libtorch]\n"
    "  --codes: most codes of the segment, which the model in fp32 draws from the text and the "
    "seed\n";

struct Arguments {
  std::string model_dir, device = "cuda:0", voice, precisions = "bf16,fp16", kernels = "auto";
  std::string text =
      "The ferry leaves the old harbour at seven in the morning and crosses the bay.";
  int codes = 500;
  uint64_t seed = 1;
};

bool parse(int argc, char** argv, Arguments* to) {
  if (argc < 2 || argc % 2 != 0) return false;
  to->model_dir = argv[1];
  const std::map<std::string, std::string*> words = {{"--device", &to->device},
                                                     {"--voice", &to->voice},
                                                     {"--text", &to->text},
                                                     {"--precisions", &to->precisions},
                                                     {"--kernels", &to->kernels}};
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (const auto word = words.find(name); word != words.end()) {
      *word->second = argv[i + 1];
    } else if (name == "--codes") {
      to->codes = std::atoi(argv[i + 1]);
    } else if (name == "--seed") {
      to->seed = std::strtoull(argv[i + 1], nullptr, 10);
    } else {
      return false;
    }
  }
  return to->codes > 0;
}

double relative_error(const at::Tensor& got, const at::Tensor& want) {
  const at::Tensor exact = want.to(at::kCPU).to(at::kDouble);
  const at::Tensor error = got.to(at::kCPU).to(at::kDouble).sub(exact);
  return std::sqrt(error.square().sum().item<double>() / exact.square().sum().item<double>());
}

double snr_db(const std::vector<float>& got, const std::vector<float>& want) {
  double signal = 0, noise = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double error = double(got.at(i)) - want[i];
    signal += double(want[i]) * want[i];
    noise += error * error;
  }
  return 10 * std::log10(signal / noise);
}

// Counts what lies beyond its bound.
class Judge {
 public:
  void at_most(const char* what, double value, double bound) {
    tell(what, value * 100, "%", value <= bound, bound * 100);
  }
  void at_least(const char* what, double value, double bound) {
    tell(what, value, "dB", value >= bound, bound);
  }
  static void say(const char* what, double value, const char* unit) {
    std::printf("  %-56s %9.4f %s\n", what, value, unit);
  }
  int failures() const { return failures_; }

 private:
  void tell(const char* what, double value, const char* unit, bool good, double bound) {
    std::printf("  %-56s %9.4f %-2s  %s (bound %g %s)\n", what, value, unit, good ? "ok" : "MISSED",
                bound, unit);
    if (!good) ++failures_;
  }
  int failures_ = 0;
};

// The networks in one precision.
class Side {
 public:
  Side(const ModelCheckpoints& files, const ModelConfig& config, const Arguments& arguments,
       at::ScalarType dtype)
      : model_(files, config, WeightsOptions{at::Device(arguments.device), dtype, {}, {}},
               arguments.kernels == "libtorch" ? nullptr : find_device_backend(arguments.device)),
        solver_(model_.networks->flow_solver()),
        decoder_(model_.networks->wave_decoder(solver_.get())) {
    wait_for_stream(at::Device(arguments.device));
  }

  const SpeechModel& model() const { return model_; }
  at::Tensor latent(const at::Tensor& conditioning, const std::vector<int32_t>& ids,
                    const std::vector<int64_t>& codes) const {
    return model_.gpt->latent(conditioning, ids, codes).to(at::kFloat);
  }
  at::Tensor mel(const std::vector<int64_t>& codes, const at::Tensor& latent,
                 const VoiceFeatures& voice, const at::Tensor& noise, const FlowOptions& options) {
    const at::Tensor ids = host_tensor(codes, {1, static_cast<int64_t>(codes.size())});
    return solver_
        ->solve(
            {model_.mel.flow_job(ids, latent, {voice.ref_mel, voice.prompt_condition, voice.style},
                                 noise, options)},
            StopToken())
        .front();
  }
  std::vector<float> wave(const at::Tensor& mel) {
    return model_.vocoder.decode(mel, *decoder_, StopToken());
  }

 private:
  const SpeechModel model_;
  const std::unique_ptr<FlowSolver> solver_;
  const std::unique_ptr<WaveDecoder> decoder_;
};

std::vector<int32_t> tokens_of(const ModelFiles& files, const std::string& text) {
  const char* grammars = std::getenv("INDEXTTS2_GRAMMARS");
  const FrontEnd front(files.bpe_model, grammars ? grammars : INDEXTTS2_GRAMMAR_DIR);
  Segment segment;
  front.open(text, FrontOptions())->next(&segment, StopToken());
  return segment.ids;
}

VoiceFeatures encode(const ModelCheckpoints& files, const ModelConfig& config,
                     const Arguments& arguments, at::ScalarType dtype, const MonoClip& clip) {
  const WeightsOptions options{at::Device(arguments.device), dtype, {}, {}};
  return load_voice_encoder(files, config, options)->encode(clip, nullptr, EncodeOptions());
}

void compare_voices(const VoiceFeatures& got, const VoiceFeatures& want, Judge* judge) {
  judge->at_most("speaker latents", relative_error(got.speaker_latents, want.speaker_latents),
                 kMostVoiceError);
  judge->at_most("emotion vector", relative_error(got.base_emovec, want.base_emovec),
                 kMostVoiceError);
  Judge::say("prompt condition (behind a quantizer)",
             100 * relative_error(got.prompt_condition, want.prompt_condition), "%");
}

int bench(const Arguments& arguments) {
  resolve_devices({arguments.device}, 1);  // loads the CUDA library
  if (arguments.device != "cpu") allow_tf32(false);
  const DeviceScope scope(arguments.device);
  const ModelFiles found = find_model_files(arguments.model_dir, "");
  const ModelConfig config = read_model_config(found);
  const ModelCheckpoints files(found);
  const MonoClip clip =
      read_clip(arguments.voice.empty() ? found.prompts.at(0) : arguments.voice, 15);
  const VoiceFeatures voice = encode(files, config, arguments, at::kFloat, clip);

  Side exact(files, config, arguments, at::kFloat);
  CodeGenerator generator(exact.model().gpt, exact.model().networks->decode_batch(1));
  CodeRequest request;
  request.speaker_latents = voice.speaker_latents;
  request.emotion = exact.model().emotions.emotion_vector(voice, EmotionChoice());
  request.text_ids = tokens_of(found, arguments.text);
  request.max_codes = arguments.codes;
  request.seed = arguments.seed;
  const std::vector<int64_t> codes = generator.generate(request, StopToken()).codes;
  const auto conditioning = [&](const Side& side) {
    return side.model().gpt->conditioning(request.speaker_latents, request.emotion);
  };

  FlowOptions flow;
  flow.steps = config.generation.diffusion_steps;
  flow.guidance = config.generation.guidance;
  const int64_t bands = exact.model().mel.mel_bands();
  const int64_t frames = voice.ref_mel.size(2) + mel_frames(static_cast<int64_t>(codes.size()));
  std::vector<float> draws(static_cast<size_t>(bands * frames));
  fill_normal({arguments.seed, 0, RandomPurpose::kFlowNoise}, 0, draws.data(), draws.size());
  const at::Tensor noise = host_tensor(draws, {1, bands, frames});
  const at::Tensor latent = exact.latent(conditioning(exact), request.text_ids, codes);
  const at::Tensor mel = exact.mel(codes, latent, voice, noise, flow);
  const std::vector<float> wave = exact.wave(mel);
  std::printf("%s, prompt of %.1f s, %zu codes, against fp32\n", arguments.device.c_str(),
              voice.prompt_seconds, codes.size());

  Judge judge;
  const std::map<std::string, at::ScalarType> types = {
      {"fp32", at::kFloat}, {"bf16", at::kBFloat16}, {"fp16", at::kHalf}};
  for (const auto& [name, dtype] : types) {
    if (("," + arguments.precisions + ",").find("," + name + ",") == std::string::npos) continue;
    std::printf("%s\n", name.c_str());
    compare_voices(encode(files, config, arguments, dtype, clip), voice, &judge);
    Side side(files, config, arguments, dtype);
    const at::Tensor own_latent = side.latent(conditioning(side), request.text_ids, codes);
    Judge::say("latent of the same codes", 100 * relative_error(own_latent, latent), "%");
    judge.at_most("mel of the same latent",
                  relative_error(side.mel(codes, latent, voice, noise, flow), mel), kMostMelError);
    const at::Tensor own_mel = side.mel(codes, own_latent, voice, noise, flow);
    judge.at_most("mel of its own latent", relative_error(own_mel, mel), kMostMelError);
    judge.at_least("sound of the same mel", snr_db(side.wave(mel), wave), kLeastSnrDb);
    Judge::say("sound of its own mel", snr_db(side.wave(own_mel), wave), "dB");
  }
  return judge.failures() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace indextts2

int main(int argc, char** argv) {
  indextts2::Arguments arguments;
  if (!indextts2::parse(argc, argv, &arguments)) {
    std::fputs(indextts2::kUsage, stderr);
    return 2;
  }
  try {
    return indextts2::bench(arguments);
  } catch (const indextts2::Error& error) {
    std::fprintf(stderr, "bench_quality: %s\n%s\n", error.what(), error.detail.c_str());
    return 2;
  }
}
