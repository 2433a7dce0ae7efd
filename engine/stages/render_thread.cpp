// The second thread of a replica.
#include "stages/render_thread.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/clock.h"
#include "stages/failure.h"

namespace indextts2 {
namespace {

// Somebody waits for its sound, or for its end, which takes no time.
bool goes_first(const DecodedSegment& segment) {
  return segment.job->first() || segment.job->stop_requested();
}

constexpr std::chrono::milliseconds kVoiceTest{2};
constexpr double kCompanyTest = 0.005;  // seconds: how late a stop is seen
constexpr double kMostForFirsts = 2;    // times RenderOptions::longest_for_firsts
// Segments being decoded for each that is waited for, and how many there are at most. A 7 in place
// of the 8 made pairs with 16 in flight, and a first sound, which comes after what is being
// rendered, took a third longer on an H100.
constexpr int kDecodingPerPlace = 8, kMostPlaces = 4;
// All frames are used only where so many segments are in work, and by no more than kMostPlaces: a
// longer flow keeps a first sound waiting, and more segments in it do not make it faster for each.
constexpr int kManyDecoding = 2 * kDecodingPerPlace;
constexpr int64_t kKeptFree = 3;  // else a third

// Its voice is whole or has failed, or nobody wants it any more.
bool is_ready(const DecodedSegment& segment) {
  return segment.job->request.voice->settled() || segment.job->stop_requested();
}

int64_t frames(const DecodedSegment& segment) {
  return Renderer::frames(segment.job->request, segment.codes.codes.size());
}

}  // namespace

// A segment between two steps of rendering.
struct RenderThread::Prepared {
  DecodedSegment segment;
  FlowJob flow;
  at::Tensor mel;  // once solved
};

RenderThread::RenderThread(std::function<std::shared_ptr<void>()> enter,
                           std::function<std::unique_ptr<Renderer>()> make,
                           const RenderOptions& options)
    : enter_(std::move(enter)),
      make_(std::move(make)),
      options_(options),
      thread_([this] { run(); }) {}

RenderThread::~RenderThread() { close(); }

void RenderThread::push(DecodedSegment segment) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    segment.pushed = now_seconds();
    if (!abandoned_) waiting_.push_back(std::move(segment));
  }
  wake_.notify_all();
}

void RenderThread::set_on_fault(std::function<void(std::exception_ptr)> on_fault) {
  std::lock_guard<std::mutex> lock(mutex_);
  on_fault_ = std::move(on_fault);
}

void RenderThread::abandon() {
  std::deque<DecodedSegment> left;  // goes without the lock
  std::lock_guard<std::mutex> lock(mutex_);
  abandoned_ = true;
  left.swap(waiting_);
}

// A job of its own fault fails; one that the device has let down is left alone.
void RenderThread::fail(SynthesisJob& job, const std::exception_ptr& failure) {
  std::function<void(std::exception_ptr)> on_fault;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    on_fault = on_fault_;
  }
  if (!on_fault || !breaks_device(failure)) {
    job.fail(failure);
    return;
  }
  on_fault(failure);
  abandon();
}

void RenderThread::close() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void RenderThread::run() {
  std::shared_ptr<void> scope;
  std::exception_ptr no_device;  // nothing may leave the thread: what comes fails with it
  try {
    scope = enter_();
    renderer_ = make_();
  } catch (...) {
    no_device = as_error(std::current_exception());
  }
  for (;;) {
    double waited = 0;  // for voices, with nothing else to do
    std::vector<DecodedSegment> group = take(&waited);
    if (group.empty()) return;
    if (renderer_ && waited > 0) renderer_->waited_for_voice(waited);
    if (no_device) {
      for (const DecodedSegment& segment : group) fail(*segment.job, no_device);
    } else {
      render(std::move(group));
    }
  }
}

void RenderThread::expect_firsts(int count) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (firsts_ == 0) firsts_since_ = now_seconds();
  firsts_ = count;
}

// Seconds for which what is ready had better wait for more. Caller holds the mutex.
double RenderThread::wait_for_company(int ready, int64_t frames_ready, double oldest) const {
  const int places = std::min(waiting_.back().decoding / kDecodingPerPlace, kMostPlaces);
  if (ready >= places || frames_ready + frames_ready / ready > options_.frames_together) return 0;
  return oldest + options_.longest_wait - now_seconds();
}

// The same, also for a first segment that is still being decoded.
double RenderThread::wait_for_others() const {
  if (options_.frames_together <= 0 || closed_) return 0;
  int ready = 0;
  int64_t frames_ready = 0;
  double oldest = now_seconds();
  for (const DecodedSegment& segment : waiting_) {
    if (!is_ready(segment)) continue;
    if (goes_first(segment)) return 0;
    ++ready;
    frames_ready += frames(segment);
    oldest = std::min(oldest, segment.pushed);
  }
  const double company = wait_for_company(ready, frames_ready, oldest);
  if (firsts_ == 0) return company;
  const double until = std::min(firsts_since_ + options_.longest_for_firsts,
                                oldest + kMostForFirsts * options_.longest_for_firsts);
  return std::max(company, until - now_seconds());
}

// What is rendered next; waits for it. Empty: the end. A segment whose voice is still on its way is
// not there yet: others go before it.
std::vector<DecodedSegment> RenderThread::take(double* waited) {
  std::unique_lock<std::mutex> lock(mutex_);
  *waited = 0;
  for (;;) {
    wake_.wait(lock, [this] { return closed_ || !waiting_.empty(); });
    if (waiting_.empty()) return {};
    if (std::any_of(waiting_.begin(), waiting_.end(), is_ready)) {
      const double seconds = wait_for_others();
      if (seconds <= 0) break;
      wake_.wait_for(lock, std::chrono::duration<double>(std::min(seconds, kCompanyTest)));
      continue;
    }
    const double start = now_seconds();
    wake_.wait_for(lock, kVoiceTest);
    *waited += now_seconds() - start;
  }
  std::vector<DecodedSegment> group;
  const bool together = options_.frames_together > 0;
  const bool first =
      together && std::any_of(waiting_.begin(), waiting_.end(), [](const DecodedSegment& segment) {
        return goes_first(segment) && is_ready(segment);
      });
  const bool many = waiting_.back().decoding >= kManyDecoding;
  const int64_t kept_free = options_.frames_together / kKeptFree;
  int64_t room = options_.frames_together;
  for (auto next = waiting_.begin(); next != waiting_.end();) {
    if (!is_ready(*next) || (first && !goes_first(*next))) {
      ++next;
      continue;
    }
    room -= frames(*next);
    const bool all = many && group.size() < static_cast<size_t>(kMostPlaces);
    if (!group.empty() && room < (all ? 0 : kept_free)) break;
    group.push_back(std::move(*next));
    next = waiting_.erase(next);
    if (!together) break;
  }
  return group;
}

void RenderThread::render(std::vector<DecodedSegment> group) {
  std::vector<Prepared> prepared = prepare(std::move(group));
  solve(&prepared);
  for (Prepared& segment : prepared) finish(std::move(segment));
}

// False: the job has failed. What a voice failed with happened elsewhere, perhaps on another
// device.
bool RenderThread::check_voice(SynthesisJob& job) {
  try {
    job.request.voice->whole(job.stop());
    return true;
  } catch (...) {
    job.fail(as_error(std::current_exception()));
    return false;
  }
}

std::vector<RenderThread::Prepared> RenderThread::prepare(std::vector<DecodedSegment> group) {
  std::vector<Prepared> prepared;
  for (DecodedSegment& segment : group) {
    if (!check_voice(*segment.job)) continue;
    try {
      segment.job->stop().check();
      FlowJob flow = renderer_->prepare(segment.job->request, segment.codes);
      prepared.push_back({std::move(segment), std::move(flow), {}});
    } catch (...) {
      fail(*segment.job, as_error(std::current_exception()));
    }
  }
  return prepared;
}

// Solves all together. If that fails, one by one: so each fails by itself, and what only fails
// together for want of memory succeeds.
void RenderThread::solve(std::vector<Prepared>* group) {
  if (group->empty()) return;
  std::vector<FlowJob> jobs;
  std::vector<StopToken> stops;
  for (const Prepared& segment : *group) {
    jobs.push_back(segment.flow);
    stops.push_back(segment.segment.job->stop());
  }
  const StopToken all_stopped([&stops] {
    return std::all_of(stops.begin(), stops.end(),
                       [](const StopToken& stop) { return stop.stop_requested(); });
  });
  try {
    std::vector<at::Tensor> mels = renderer_->solve(jobs, all_stopped);
    for (size_t i = 0; i < mels.size(); ++i) group->at(i).mel = std::move(mels[i]);
  } catch (...) {
    if (group->size() == 1) {
      fail(*group->front().segment.job, as_error(std::current_exception()));
      return;
    }
  }
  for (Prepared& segment : *group) {
    if (segment.mel.defined() || segment.segment.job->over()) continue;
    std::vector<Prepared> one;
    one.push_back(std::move(segment));
    solve(&one);
    segment = std::move(one.front());
  }
}

void RenderThread::finish(Prepared prepared) {
  SynthesisJob& job = *prepared.segment.job;
  if (job.over() || !prepared.mel.defined()) return;
  try {
    Sound sound = renderer_->vocode(prepared.mel, prepared.segment.codes.capped, job.stop());
    sound.seconds_spent = now_seconds() - prepared.segment.start;
    const double seconds = static_cast<double>(sound.samples.size()) / options_.sample_rate_hz;
    sound.codes = static_cast<int>(prepared.segment.codes.codes.size());
    const double codes = sound.codes;
    job.deliver(std::move(sound), seconds, codes);
  } catch (...) {
    fail(job, as_error(std::current_exception()));
  }
}

}  // namespace indextts2
