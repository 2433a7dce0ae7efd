// Book-keeping of open utterances.
#include "utterance_events.h"

#include <algorithm>
#include <utility>

#include "speech_flow.h"

namespace indextts2 {
namespace {

void add(UtteranceEvent event, std::vector<Notice>* out) {
  Notice notice;
  notice.kind = Notice::Kind::kEvent;
  notice.event = std::move(event);
  out->push_back(std::move(notice));
}

// Bytes of the text that are heard once `done` samples of the segment were: exact at its ends.
size_t heard_at(const SegmentInfo& info, uint64_t done) {
  if (done >= info.samples) return info.end;
  const double share = static_cast<double>(done) / static_cast<double>(info.samples);
  return info.begin + static_cast<size_t>(share * static_cast<double>(info.end - info.begin));
}

}  // namespace

UtteranceEvent Announcer::event(UtteranceEvent::Kind kind, uint64_t id, uint64_t sample) const {
  UtteranceEvent made;
  made.kind = kind;
  made.id = id;
  made.sample = sample;
  const auto open = open_.find(id);
  if (open != open_.end()) {
    made.utterance = open->second.utterance;
    made.heard = open->second.heard;
  }
  return made;
}

void Announcer::queued(uint64_t id, std::shared_ptr<const Utterance> utterance, Notices* out) {
  open_[id].utterance = std::move(utterance);
  add(event(UtteranceEvent::Kind::kQueued, id, 0), out);
}

void Announcer::start(const SharedInfo& info, uint64_t sample, uint64_t lead_samples,
                      Notices* out) {
  Open& open = open_[info->id];
  const bool again = std::exchange(open.announced, true);
  open.paused = false;
  UtteranceEvent made = event(again ? UtteranceEvent::Kind::kResumed : UtteranceEvent::Kind::kStart,
                              info->id, sample);
  made.info = info;
  made.lead_samples = lead_samples;
  add(std::move(made), out);
}

void Announcer::close_segment(uint64_t sample, Notices* out) {
  if (!segment_) return;
  UtteranceEvent made = event(UtteranceEvent::Kind::kSegmentEnd, segment_->id, sample);
  made.info = std::move(segment_);
  segment_ = nullptr;
  add(std::move(made), out);
}

void Announcer::sound(const SharedInfo& info, uint64_t offset, uint64_t count, uint64_t sample,
                      Notices* out) {
  const auto known = open_.find(info->id);
  if (known == open_.end() || !known->second.announced || known->second.paused) {
    close_segment(sample, out);
    start(info, sample, 0, out);
  }
  if (segment_ != info) {
    close_segment(sample, out);
    UtteranceEvent made = event(UtteranceEvent::Kind::kSegmentStart, info->id, sample);
    made.info = info;
    add(std::move(made), out);
    segment_ = info;
  }
  open_[info->id].heard = heard_at(*info, offset + count);
  if (offset + count < info->samples) return;
  close_segment(sample + count, out);
  if (info->last) end(info->id, "done", sample + count, out);
}

void Announcer::pause(uint64_t id, uint64_t sample, Notices* out) {
  const auto open = open_.find(id);
  if (open == open_.end()) return;
  if (segment_ && segment_->id == id) close_segment(sample, out);
  open->second.paused = true;
  add(event(UtteranceEvent::Kind::kPaused, id, sample), out);
}

void Announcer::end(uint64_t id, const std::string& reason, uint64_t sample, Notices* out) {
  if (open_.count(id) == 0) return;
  if (segment_ && segment_->id == id) close_segment(sample, out);
  UtteranceEvent made = event(UtteranceEvent::Kind::kEnd, id, sample);
  made.reason = reason;
  open_.erase(id);
  add(std::move(made), out);
}

void Announcer::drop(uint64_t id, const std::string& reason, uint64_t sample, Notices* out) {
  const auto open = open_.find(id);
  if (open == open_.end()) return;
  if (open->second.heard > 0) {
    end(id, "interrupted", sample, out);
    return;
  }
  UtteranceEvent made = event(UtteranceEvent::Kind::kDropped, id, sample);
  made.reason = reason;
  open_.erase(open);
  add(std::move(made), out);
}

void Announcer::drop_all(const std::string& reason, uint64_t sample, Notices* out) {
  while (!open_.empty()) drop(open_.begin()->first, reason, sample, out);
  segment_ = nullptr;
}

}  // namespace indextts2
