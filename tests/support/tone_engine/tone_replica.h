// The fake replica: holds several segments at once and speaks tones.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pool/fault_injection.h"
#include "pool/job_queue.h"
#include "session.h"
#include "tone_options.h"

namespace indextts2 {

using ToneJob = Job<SpeechRequest, Wave>;

// One voice: the names of its clips.
class ToneVoice : public Voice {
 public:
  ToneVoice(std::string speaker, std::string emotion, double seconds);
  ~ToneVoice() override;
  double prompt_seconds() const override { return seconds_; }

  const std::string speaker, emotion;

 private:
  const double seconds_;
};

// Thread-safety: one thread.
class ToneReplica {
 public:
  ToneReplica(const ToneOptions& options, int index, std::string device, int max_batch,
              std::shared_ptr<const FaultPlan> faults);
  void serve(JobQueue<ToneJob>& queue);

 private:
  struct Row {
    std::shared_ptr<ToneJob> job;
    double since = 0, until = 0;
  };
  void admit(std::shared_ptr<ToneJob> job);
  void end(const Row& row);

  const ToneOptions options_;
  const int index_;
  const std::string device_;
  const size_t max_batch_;
  std::vector<Row> rows_;
  FaultTrigger faults_;
  int num_spoken_ = 0;
};

// Counts living engines, sessions and voices for indextts2_tone_alive().
void tone_count(int change);

}  // namespace indextts2
