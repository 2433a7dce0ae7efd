// Clips: formats, channels, damage, and the reasons for refusing one.
#include "audio/clip.h"

#include <gtest/gtest.h>
#include <sndfile.h>
#include <stdlib.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "core/error.h"

namespace indextts2 {
namespace {

namespace fs = std::filesystem;

// A sine of 440 Hz; channel c has amplitude 0.5 / (c + 1).
std::vector<float> tone(int rate_hz, double seconds, int channels = 1) {
  std::vector<float> samples;
  for (int i = 0; i < static_cast<int>(seconds * rate_hz); ++i) {
    for (int c = 0; c < channels; ++c) {
      samples.push_back(static_cast<float>(0.5 / (c + 1) * std::sin(2 * M_PI * 440 * i / rate_hz)));
    }
  }
  return samples;
}

// Noise of amplitude 0.5, which no encoder makes small.
std::vector<float> noise(int rate_hz, double seconds) {
  std::vector<float> samples(static_cast<size_t>(seconds * rate_hz));
  uint32_t state = 1;
  for (float& sample : samples) {
    state = state * 1664525u + 1013904223u;
    sample = static_cast<float>(state >> 8) / (1 << 24) - 0.5f;
  }
  return samples;
}

class ClipTest : public testing::Test {
 protected:
  ClipTest() {
    std::string pattern = (fs::temp_directory_path() / "clip_test.XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~ClipTest() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  std::string write(const std::string& name, int format, const std::vector<float>& samples,
                    int rate_hz, int channels = 1) const {
    SF_INFO info{};
    info.samplerate = rate_hz;
    info.channels = channels;
    info.format = format;
    SNDFILE* file = sf_open(path(name).c_str(), SFM_WRITE, &info);
    if (!file) ADD_FAILURE() << name << ": " << sf_strerror(nullptr);
    // In pieces: some encoders need much stack for one large block.
    const auto frames = static_cast<sf_count_t>(samples.size()) / channels;
    for (sf_count_t at = 0; file && at < frames; at += 4096) {
      sf_writef_float(file, samples.data() + at * channels,
                      std::min<sf_count_t>(4096, frames - at));
    }
    if (file) sf_close(file);
    return path(name);
  }

  std::string write_text(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }

  fs::path folder_;
};

// The error that `call` throws; a failure if it throws none.
template <class Call>
Error error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return Error(ErrorCode::kInternal, "");
}

double rms(const std::vector<float>& samples) {
  double sum = 0;
  for (const float sample : samples) sum += sample * sample;
  return std::sqrt(sum / static_cast<double>(samples.size()));
}

TEST_F(ClipTest, ReadsLosslessFormatsExactly) {
  const std::vector<float> wanted = tone(24000, 1.5);
  for (const auto& [name, format, tolerance] :
       {std::tuple{"a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 1.0 / 32768},
        std::tuple{"b.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 1e-6},
        std::tuple{"c.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 1e-9},
        std::tuple{"d.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_24, 1e-6},
        std::tuple{"e.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 1.0 / 32768}}) {
    const MonoClip clip = read_clip(write(name, format, wanted, 24000), 15);
    EXPECT_EQ(clip.sample_rate_hz, 24000) << name;
    ASSERT_EQ(clip.samples.size(), wanted.size()) << name;
    for (size_t i = 0; i < wanted.size(); ++i)
      ASSERT_NEAR(clip.samples[i], wanted[i], tolerance) << name << " " << i;
  }
}

TEST_F(ClipTest, ReadsLossyFormats) {
  const std::vector<float> wanted = tone(44100, 2);
  for (const auto& [name, format] :
       {std::pair{"a.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS},
        std::pair{"b.opus", SF_FORMAT_OGG | SF_FORMAT_OPUS},
        std::pair{"c.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III}}) {
    const bool opus = std::string(name) == "b.opus";
    const int rate = opus ? 48000 : 44100;
    const MonoClip clip = read_clip(write(name, format, opus ? tone(rate, 2) : wanted, rate), 15);
    EXPECT_EQ(clip.sample_rate_hz, rate) << name;
    EXPECT_NEAR(clip.seconds(), 2, 0.1) << name;
    EXPECT_NEAR(rms(clip.samples), 0.5 / std::sqrt(2), 0.02) << name;
  }
}

TEST_F(ClipTest, AveragesChannels) {
  const MonoClip stereo =
      read_clip(write("s.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, tone(48000, 1, 2), 48000, 2), 15);
  const std::vector<float> one = tone(48000, 1);
  ASSERT_EQ(stereo.samples.size(), one.size());
  for (size_t i = 0; i < one.size(); ++i) ASSERT_NEAR(stereo.samples[i], one[i] * 0.75f, 1e-6);

  const MonoClip eight =
      read_clip(write("e.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, tone(192000, 1, 8), 192000, 8), 15);
  EXPECT_EQ(eight.sample_rate_hz, 192000);
  double mean_amplitude = 0;
  for (int c = 1; c <= 8; ++c) mean_amplitude += 0.5 / c / 8;
  EXPECT_NEAR(rms(eight.samples), mean_amplitude / std::sqrt(2), 1e-4);
}

TEST_F(ClipTest, ReadsNoMoreThanNeeded) {
  const std::string file =
      write("long.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, tone(8000, 30), 8000);
  const MonoClip clip = read_clip(file, 4);
  EXPECT_GE(clip.seconds(), 4.5);  // the resampler looks ahead
  EXPECT_LE(clip.seconds(), 6);
}

TEST_F(ClipTest, UsesWhatDecodesOfATruncatedFile) {
  for (const auto& [name, format] : {std::pair{"t.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16},
                                     std::pair{"t.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16},
                                     std::pair{"t.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS}}) {
    const std::string file = write(name, format, noise(22050, 6), 22050);
    fs::resize_file(file, fs::file_size(file) / 2);
    const MonoClip clip = read_clip(file, 15);
    EXPECT_GT(clip.seconds(), 1) << name;
    EXPECT_LT(clip.seconds(), 5.9) << name;
    EXPECT_NO_THROW(check_clip(clip, kMinSpeakerSeconds)) << name;
  }
}

TEST_F(ClipTest, NamesAMissingFile) {
  const Error error = error_of([&] { read_clip(path("nothing.wav"), 15); });
  EXPECT_EQ(error.code, ErrorCode::kVoiceNotFound);
  EXPECT_NE(std::string(error.what()).find("nothing.wav does not exist"), std::string::npos)
      << error.what();
}

TEST_F(ClipTest, RefusesWhatIsNotAudio) {
  for (const std::string& file : {write_text("text.wav", "This is a letter, not a sound."),
                                  write_text("empty.wav", ""), folder_.string()}) {
    const Error error = error_of([&, file = file] { read_clip(file, 15); });
    EXPECT_EQ(error.code, ErrorCode::kVoiceInvalid) << file;
    EXPECT_NE(std::string(error.what()).find(file), std::string::npos) << error.what();
  }
}

MonoClip clip_of(std::vector<float> samples, int rate_hz = 16000) {
  MonoClip clip;
  clip.name = "samples";
  clip.samples = std::move(samples);
  clip.sample_rate_hz = rate_hz;
  return clip;
}

void expect_refused(const MonoClip& clip, const std::string& reason) {
  const Error error = error_of([&] { check_clip(clip, kMinSpeakerSeconds); });
  EXPECT_EQ(error.code, ErrorCode::kVoiceInvalid);
  EXPECT_NE(std::string(error.what()).find("samples"), std::string::npos) << error.what();
  EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
}

TEST(CheckClip, AcceptsSpeechLongEnough) {
  EXPECT_NO_THROW(check_clip(clip_of(tone(16000, 1)), kMinSpeakerSeconds));
  EXPECT_NO_THROW(check_clip(clip_of(tone(16000, 0.5)), kMinEmotionSeconds));
}

TEST(CheckClip, RefusesUnusableClips) {
  expect_refused(clip_of(tone(16000, 0.4)), "too short: 0.4 s, need at least 1 s");
  expect_refused(clip_of({}), "too short");
  expect_refused(clip_of(std::vector<float>(32000, 0.0f)), "silent");
  expect_refused(clip_of(tone(16000, 2), 0), "sample rate of 0");
  expect_refused(clip_of(tone(16000, 2), 5000000), "sample rate");
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> samples = tone(16000, 2);
    samples[777] = bad;
    expect_refused(clip_of(samples), "not finite");
  }
}

}  // namespace
}  // namespace indextts2
