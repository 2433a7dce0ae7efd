// A GPT of official sizes that never ends a segment by itself, and the parts of its decoding steps.
#include "decode_parts.h"

#include "support/random_gpt.h"

namespace indextts2 {

EndlessGpt::EndlessGpt(at::ScalarType type) {
  WeightsOptions options;
  options.device = at::Device(at::kCUDA, 0);
  options.dtype = type;
  const RandomGptSizes sizes;
  model = random_gpt(sizes, options, at::kBFloat16, 3);
  model->mel_head().bias.select(0, model->config().stop_mel_token).fill_(-1e4f);
  uint64_t state = 7;
  rows = random_weights({1, kBenchPrefix - 7, sizes.width}, 0, 1, at::kBFloat16, &state)
             .to(options.device, options.dtype);
}

DecodeJob EndlessGpt::job(int number, int codes) const {
  DecodeJob out;
  out.conditioning = rows;
  out.text_ids = {2, 3, 4, 5};
  out.random = {static_cast<uint64_t>(number), 0, RandomPurpose::kCodes};
  out.options.max_codes = codes;
  out.options.vocabulary = model->vocabulary();
  out.options.start_token = model->config().start_mel_token;
  out.options.stop_token = model->config().stop_mel_token;
  return out;
}

std::vector<OpTime> decode_parts(CudaDecodeBatch& batch, const UnifiedVoice& model, int positions,
                                 int rounds) {
  const char* const names[] = {"work list", "networks", "attention, all layers", "scores",
                               "choice, beams moved"};
  const int segments = batch.running_bucket();
  const at::Tensor& codes = model.mel_embedding().weight;
  const auto layers = static_cast<double>(model.gpt().layers().size());
  // Each position's key and value once, as if no beam had a past of its own.
  const double attended = 2.0 * layers * segments * positions * static_cast<double>(codes.size(1)) *
                          static_cast<double>(codes.element_size());
  const double weights =
      double(model.gpt().weight_bytes()) + double(model.mel_head().weight.nbytes());
  cuda_check(cudaStreamSynchronize(batch.stream()), "decoding");
  std::vector<OpTime> ops;
  for (int part = 0; part < DecodeStep::kParts; ++part) {
    const DeviceTime time = time_graph(
        [&](cudaStream_t on) {
          batch.parts().run_part(static_cast<DecodeStep::Part>(part), segments, on);
        },
        rounds);
    const double bytes = part == DecodeStep::kNetworks    ? weights
                         : part == DecodeStep::kAttention ? attended
                                                          : 0;
    ops.push_back({names[part], 1, time, bytes, 0});
  }
  return ops;
}

}  // namespace indextts2
