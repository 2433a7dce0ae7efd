/* A C face of the engine, as small as the cluster job needs it: a model on one device, and a run of
 * segments of a text as samples. Everything else is in indextts2/engine.h. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct indextts2_speaker indextts2_speaker;

/* Loads a model onto `devices` (comma-separated); `voice` is a clip or NULL for the model's own.
 * NULL: it failed, and *error holds why; free it with indextts2_free. Slow. */
indextts2_speaker *indextts2_speaker_open(const char *model_dir, const char *devices,
                                          const char *voice, char **error);

/* Speaks segments `first` to `first + count - 1` of a text, as they would be spoken within the whole
 * text. *sizes is an array of `count` lengths in samples; a segment that the text does not have is 0
 * long, and *last is 1 when the text ends in this run. The return value is all samples (mono, 22050
 * Hz, -1 to 1) one after the other; free both with indextts2_free. NULL: as above. One call at a
 * time. */
float *indextts2_speaker_speak(indextts2_speaker *speaker, const char *text, int64_t seed,
                               int first, int count, size_t **sizes, int *last, char **error);

void indextts2_speaker_close(indextts2_speaker *speaker);
void indextts2_free(void *memory);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
