// Clipping, compressing and mixing of cues.
#include "cue_fitter.h"

#include <soundtouch/SoundTouch.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace indextts2 {
namespace {

// The same facts for another length.
SharedInfo with_length(const SharedInfo& info, uint64_t samples) {
  if (!info) return nullptr;
  auto copy = std::make_shared<SegmentInfo>(*info);
  copy->samples = samples;
  return copy;
}

std::vector<float> faster(const std::vector<float>& samples, double tempo) {
  static_assert(sizeof(soundtouch::SAMPLETYPE) == sizeof(float), "SoundTouch of float samples");
  const auto wanted =
      static_cast<size_t>(std::llround(static_cast<double>(samples.size()) / tempo));
  soundtouch::SoundTouch touch;
  touch.setSampleRate(kSampleRateHz);
  touch.setChannels(1);
  touch.setTempo(tempo);
  touch.putSamples(samples.data(), static_cast<unsigned>(samples.size()));
  touch.flush();
  std::vector<float> out(wanted);
  size_t have = 0;
  while (have < wanted) {
    const unsigned got =
        touch.receiveSamples(out.data() + have, static_cast<unsigned>(wanted - have));
    if (got == 0) break;
    have += got;
  }
  return out;  // the end of short ones may be silent
}

// Splits the first `count` samples off.
CuePiece split(CuePiece* piece, uint64_t count) {
  CuePiece head;
  head.gap = std::min(piece->gap, count);
  piece->gap -= head.gap;
  const auto samples = static_cast<long>(count - head.gap);
  head.samples.assign(piece->samples.begin(), piece->samples.begin() + samples);
  piece->samples.erase(piece->samples.begin(), piece->samples.begin() + samples);
  // The words belong to where they begin.
  head.info = samples > 0 ? with_length(piece->info, head.samples.size()) : nullptr;
  if (samples > 0) piece->info = nullptr;
  return head;
}

std::vector<float> flat(const CuePieces& pieces, uint64_t length) {
  std::vector<float> out(length, 0.0f);
  size_t at = 0;
  for (const CuePiece& piece : pieces) {
    at += piece.gap;
    for (size_t i = 0; i < piece.samples.size() && at + i < length; ++i) {
      out[at + i] = piece.samples[i];
    }
    at += piece.samples.size();
  }
  return out;
}

}  // namespace

uint64_t length_of(const CuePieces& pieces) {
  uint64_t sum = 0;
  for (const CuePiece& piece : pieces) sum += piece.size();
  return sum;
}

void clip_cue(uint64_t length, uint64_t fade, CuePieces* pieces) {
  if (length_of(*pieces) <= length) return;
  uint64_t begin = 0;
  for (size_t i = 0; i < pieces->size(); ++i) {
    CuePiece& piece = (*pieces)[i];
    const uint64_t end = begin + piece.size();
    if (end <= length) {
      begin = end;
      continue;
    }
    const uint64_t kept = length > begin + piece.gap ? length - begin - piece.gap : 0;
    piece.samples.resize(kept);
    const uint64_t faded = std::min<uint64_t>(fade, kept);
    for (uint64_t k = 0; k < faded; ++k) {
      piece.samples[kept - 1 - k] *= static_cast<float>(k) / static_cast<float>(faded);
    }
    piece.info = with_length(piece.info, kept);
    pieces->resize(kept > 0 ? i + 1 : i);
    return;
  }
}

void compress_cue(uint64_t length, CuePieces* pieces) {
  const uint64_t total = length_of(*pieces);
  if (total <= length || length == 0) return;
  const double tempo =
      std::min(kMaxCompression, static_cast<double>(total) / static_cast<double>(length));
  for (CuePiece& piece : *pieces) {
    piece.gap = static_cast<uint64_t>(static_cast<double>(piece.gap) / tempo);
    piece.samples = faster(piece.samples, tempo);
    piece.info = with_length(piece.info, piece.samples.size());
  }
}

CuePieces CueMixer::pass(uint64_t time) {
  CuePieces out;
  while (!held_.empty() && position_ + held_.front().size() <= time) {
    position_ += held_.front().size();
    out.push_back(std::move(held_.front()));
    held_.erase(held_.begin());
  }
  return out;
}

CuePieces CueMixer::take_before(uint64_t time) {
  CuePieces out = pass(time);
  if (!held_.empty() && position_ < time) {
    out.push_back(split(&held_.front(), time - position_));
    position_ = time;
  }
  return out;
}

CuePieces CueMixer::add(uint64_t start, CuePieces pieces) {
  if (pieces.empty()) return {};
  start = std::max(start, position_);
  CuePieces out = take_before(start);
  if (held_.empty()) {
    pieces.front().gap += start - position_;
    held_ = std::move(pieces);
    return out;
  }
  // From position_ == start on: the new cue's pieces carry the sum, the rest of the old ones
  // follow.
  const uint64_t fresh = length_of(pieces);
  std::vector<float> below = flat(held_, std::max(length_of(held_), fresh));
  uint64_t at = 0;
  for (CuePiece& piece : pieces) {
    // A gap of the new cue may have old words in it.
    std::vector<float> samples(below.begin() + static_cast<long>(at),
                               below.begin() + static_cast<long>(at + piece.size()));
    for (size_t i = 0; i < piece.samples.size(); ++i) samples[piece.gap + i] += piece.samples[i];
    at += piece.size();
    piece.gap = 0;
    piece.info = with_length(piece.info, samples.size());
    piece.samples = std::move(samples);
  }
  if (below.size() > at) {
    CuePiece rest;
    rest.samples.assign(below.begin() + static_cast<long>(at), below.end());
    pieces.push_back(std::move(rest));
  }
  held_ = std::move(pieces);
  return out;
}

CuePieces CueMixer::finish() {
  CuePieces out = std::move(held_);
  held_.clear();
  position_ += length_of(out);
  return out;
}

void CueMixer::reset(uint64_t position) {
  held_.clear();
  position_ = position;
}

}  // namespace indextts2
