// Flows solved by own kernels and cuBLASLt.
#include "cuda/flow_solver.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>

#include "core/error.h"
#include "cuda/cuda_check.h"
#include "cuda/kernels/flow_attention.h"
#include "cuda/kernels/random_fill.h"
#include "ops/host_tensor.h"

namespace indextts2 {
namespace {

constexpr size_t kMostStreams = 64;
constexpr size_t kMostTimes = 4;     // numbers of steps whose tables are kept
constexpr int64_t kRoomStep = 1024;  // rows by which the memory grows

size_t streams_of(const FlowJob& job) { return job.options.guidance > 0 ? 2 : 1; }

int64_t rows_of(const FlowJob& job) {
  return static_cast<int64_t>(streams_of(job)) * job.noise.size(2);
}

FlowSegment segment_of(const FlowJob& job, const Dit& dit) {
  const int64_t frames = job.noise.size(2), prompt = job.input.prompt.size(2);
  const int64_t first = job.options.whole ? 0 : dit.first_needed(prompt, frames);
  return {static_cast<int32_t>(frames), static_cast<int32_t>(first),
          static_cast<int32_t>(frames - prompt),
          job.options.guidance > 0 ? static_cast<float>(job.options.guidance) : 0.0f};
}

std::vector<FlowSegment> segments_of(const std::vector<const FlowJob*>& jobs, const Dit& dit) {
  std::vector<FlowSegment> segments;
  for (const FlowJob* job : jobs) segments.push_back(segment_of(*job, dit));
  return segments;
}

FlowLayout layout_of(const std::vector<const FlowJob*>& jobs, const FlowNetwork& network,
                     const FlowSolverOptions& options) {
  int64_t rows = 0;
  for (const FlowJob* job : jobs) rows += rows_of(*job);
  const int32_t tile_rows = attention_tile_rows(network.type, static_cast<int>(network.heads),
                                                static_cast<int>(network.head_size), rows);
  const bool split = rows <= options.side_rows && rows >= options.least_side_rows;
  return FlowLayout(segments_of(jobs, network.flow->dit), tile_rows, split);
}

int64_t room_for(int64_t rows) { return (rows + kRoomStep - 1) / kRoomStep * kRoomStep; }

}  // namespace

// Jobs of the same number of steps that are solved together.
struct CudaFlowSolver::Pack {
  Pack(std::vector<const FlowJob*> of, std::vector<size_t> at, const FlowNetwork& network,
       const FlowSolverOptions& options)
      : jobs(std::move(of)), indices(std::move(at)), layout(layout_of(jobs, network, options)) {
    for (const FlowJob* job : jobs) streams += streams_of(*job);
  }
  int64_t steps() const { return jobs.front()->options.steps; }
  FlowExtent extent() const {
    return {layout.lanes, layout.rows, layout.head_rows, layout.max_tiles, layout.max_head_tiles};
  }
  // The state of job `i` in `x`, [G, M].
  at::Tensor state_of(size_t i, const at::Tensor& x) const {
    const int64_t generated = jobs[i]->noise.size(2) - jobs[i]->input.prompt.size(2);
    return x.narrow(0, layout.segment_state[i], generated);
  }

  std::vector<const FlowJob*> jobs;
  std::vector<size_t> indices;  // of the jobs among all
  FlowLayout layout;
  size_t streams = 0;
};

CudaFlowSolver::CudaFlowSolver(std::shared_ptr<const FlowNetwork> network,
                               FlowSolverOptions options)
    : network_(std::move(network)), options_(options) {
  const c10::cuda::CUDAGuard guard(network_->device);
  products_ = std::make_unique<MatrixProducts>(network_->device, options_.products);
  graphs_ = std::make_unique<FlowGraphs>();
  for (cudaEvent_t& event : done_) {
    cuda_check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming | cudaEventBlockingSync),
               "creating an event");
  }
  for (cudaEvent_t* event : {&fork_, &join_}) {
    cuda_check(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "creating an event");
  }
  cuda_check(cudaStreamCreateWithFlags(&side_, cudaStreamNonBlocking), "creating a stream");
}

CudaFlowSolver::~CudaFlowSolver() {
  for (cudaEvent_t event : {done_[0], done_[1], fork_, join_}) cudaEventDestroy(event);
  cudaStreamDestroy(side_);
}

const FlowTimes& CudaFlowSolver::times(int64_t steps) {
  const auto found = times_.find(steps);
  if (found != times_.end()) return found->second;
  if (times_.size() >= kMostTimes) {  // graphs hold their addresses
    graphs_->clear();
    times_.clear();
  }
  const FlowSchedule schedule = flow_schedule(steps);
  const DitTimes tables = network_->flow->dit.times(float_tensor(schedule.times, network_->device));
  return times_
      .emplace(steps, FlowTimes{{tables.norms.contiguous(), tables.wavenet.contiguous(),
                                 tables.head.contiguous()},
                                float_tensor(schedule.widths, network_->device)})
      .first->second;
}

void CudaFlowSolver::reserve(const FlowLayout& layout, size_t streams) {
  if (workspace_ && layout.rows <= workspace_->rows && layout.head_rows <= workspace_->head_rows) {
    return;
  }
  int64_t rows = room_for(layout.rows), head_rows = room_for(layout.head_rows);
  if (workspace_) {
    rows = std::max(rows, workspace_->rows);
    head_rows = std::max(head_rows, workspace_->head_rows);
  }
  graphs_->clear();
  workspace_.reset();
  workspace_ = std::make_unique<FlowWorkspace>(
      *network_, rows, head_rows, static_cast<int64_t>(std::max(streams, kMostStreams)));
}

void CudaFlowSolver::load(const Pack& pack, cudaStream_t on) {
  FlowWorkspace& space = *workspace_;
  space.upload(pack.layout, on);
  space.x_trunk.narrow(0, 0, pack.layout.rows).zero_();
  space.normed_x.narrow(0, 0, pack.layout.head_rows).zero_();
  for (size_t i = 0; i < pack.jobs.size(); ++i) {
    const FlowJob& job = *pack.jobs[i];
    const FlowInput& input = job.input;
    const at::Tensor merged = network_->flow->dit
                                  .constants(input.prompt.transpose(1, 2), input.cond, input.style,
                                             job.options.guidance > 0)
                                  .merged;
    for (size_t branch = 0; branch < streams_of(job); ++branch) {
      space.merged.narrow(0, pack.layout.stream_row[i][branch], job.noise.size(2))
          .copy_(merged.view({-1, job.noise.size(2), network_->width})
                     .select(0, static_cast<int64_t>(branch)));
    }
    at::Tensor state = pack.state_of(i, space.x);
    const int64_t prompt = input.prompt.size(2);
    state.copy_(job.noise.select(0, 0).narrow(1, prompt, state.size(0)).t());
  }
}

void CudaFlowSolver::launch_step(const FlowTimes& times, const FlowExtent& extent,
                                 cudaStream_t on) {
  const auto on_stream = [&](cudaStream_t stream) {
    return FlowStep(*network_, *workspace_, *products_, times, extent, FlowStep::Mode::kRun,
                    stream);
  };
  const bool side = extent.lanes > 1;
  FlowStep step = on_stream(on);
  if (side) {
    cuda_check(cudaEventRecord(fork_, on), "a step of a flow");
    cuda_check(cudaStreamWaitEvent(side_, fork_, 0), "a step of a flow");
    on_stream(side_).run_lane(1);
    cuda_check(cudaEventRecord(join_, side_), "a step of a flow");
  }
  step.run_lane(0);
  if (side) cuda_check(cudaStreamWaitEvent(on, join_, 0), "a step of a flow");
  step.finish();
}

// A new extent's first step runs by single launches, which also load what a capture may not.
void CudaFlowSolver::step(const Pack& pack, const FlowTimes& times, bool first, cudaStream_t on) {
  const FlowExtent extent = pack.extent();
  const FlowGraphs::Key key = {pack.steps(),     extent.lanes,     extent.rows,
                               extent.head_rows, extent.max_tiles, extent.max_head_tiles};
  const auto launches = [&](cudaStream_t stream) { launch_step(times, extent, stream); };
  if (options_.graphs && (graphs_->has(key) || !first)) {
    graphs_->run(key, launches, on);
  } else {
    launches(on);
  }
}

void CudaFlowSolver::solve_pack(const Pack& pack, const StopToken& stop,
                                std::vector<at::Tensor>& mels) {
  stop.check();
  const cudaStream_t on = c10::cuda::getCurrentCUDAStream(network_->device.index());
  const FlowTimes& times = this->times(pack.steps());
  reserve(pack.layout, pack.streams);
  load(pack, on);
  const auto in_mode = [&](FlowStep::Mode mode) {
    return FlowStep(*network_, *workspace_, *products_, times, pack.extent(), mode, on);
  };
  FlowStep prepared = in_mode(FlowStep::Mode::kPrepare);
  prepared.run_lane(0);  // all lanes have the same shapes
  prepared.finish();
  in_mode(FlowStep::Mode::kRun).feed();
  for (int64_t i = 0; i < pack.steps(); ++i) {
    // No more than two steps are under way, so that a stop does not wait for all of them.
    if (i >= 2) cuda_check(cudaEventSynchronize(done_[i % 2]), "a step of a flow");
    stop.check();
    const auto run = [&] { step(pack, times, /*first=*/i == 0, on); };
    options_.turns ? options_.turns->take(DeviceTurns::Kind::kFlow, on, run) : run();
    cuda_check(cudaEventRecord(done_[i % 2], on), "a step of a flow");
    for (size_t k = 0; k < pack.jobs.size(); ++k) {
      const FlowOptions& options = pack.jobs[k]->options;
      if (options.on_step) options.on_step(i, pack.state_of(k, workspace_->x).unsqueeze(0).clone());
    }
  }
  for (size_t k = 0; k < pack.jobs.size(); ++k) {
    mels[pack.indices[k]] =
        pack.state_of(k, workspace_->x).t().unsqueeze(0).clone(at::MemoryFormat::Contiguous);
  }
}

std::vector<at::Tensor> CudaFlowSolver::solve(const std::vector<FlowJob>& jobs,
                                              const StopToken& stop) {
  const c10::InferenceMode inference;
  const c10::cuda::CUDAGuard guard(network_->device);
  for (const FlowJob& job : jobs) network_->flow->check(job.input, job.noise, job.options);
  std::vector<at::Tensor> mels(jobs.size());
  std::vector<bool> taken(jobs.size(), false);
  for (size_t first = 0; first < jobs.size(); ++first) {
    if (taken[first]) continue;
    std::vector<const FlowJob*> together;
    std::vector<size_t> indices;
    int64_t rows = 0;
    size_t streams = 0;
    for (size_t i = first; i < jobs.size(); ++i) {
      if (taken[i] || jobs[i].options.steps != jobs[first].options.steps) continue;
      const bool fits = rows + rows_of(jobs[i]) <= options_.pack_rows &&
                        streams + streams_of(jobs[i]) <= kMostStreams;
      if (!together.empty() && !fits) continue;
      taken[i] = true;
      together.push_back(&jobs[i]);
      indices.push_back(i);
      rows += rows_of(jobs[i]);
      streams += streams_of(jobs[i]);
    }
    solve_pack(Pack(std::move(together), std::move(indices), *network_, options_), stop, mels);
  }
  return mels;
}

at::Tensor CudaFlowSolver::noise(const RandomStream& stream, int64_t bands, int64_t prompt,
                                 int64_t frames) {
  const c10::InferenceMode inference;
  const c10::cuda::CUDAGuard guard(network_->device);
  const at::Tensor noise =
      at::empty({1, bands, frames}, at::TensorOptions().device(network_->device).dtype(at::kFloat));
  cuda_check(
      fill_normal(stream, 0, noise.mutable_data_ptr<float>(), static_cast<size_t>(noise.numel()),
                  c10::cuda::getCurrentCUDAStream(network_->device.index())),
      "drawing the noise of a flow");
  noise.narrow(2, 0, prompt).zero_();
  return noise;
}

void CudaFlowSolver::warm_up(int64_t prompt_frames, int64_t generated_frames,
                             const FlowOptions& options) {
  const c10::InferenceMode inference;
  const int64_t frames = prompt_frames + generated_frames;
  const auto floats = at::TensorOptions().device(network_->device).dtype(at::kFloat);
  const auto of_type = floats.dtype(scalar_type_of(network_->type));
  const Dit& dit = network_->flow->dit;
  FlowJob job;
  job.input = {at::zeros({1, network_->mel, prompt_frames}, of_type),
               at::zeros({1, frames, dit.cond_width()}, of_type),
               at::zeros({1, dit.style_width()}, of_type)};
  job.noise = at::zeros({1, network_->mel, frames}, floats);
  job.options = options;
  // The second step captures. Before the first there are two tests, before the others one.
  const StopToken after_two_steps([tests = std::make_shared<int>(0)] { return ++*tests > 3; });
  try {
    solve({job}, after_two_steps);
  } catch (const Error& error) {
    if (error.code != ErrorCode::kCancelled) throw;
  }
}

}  // namespace indextts2
