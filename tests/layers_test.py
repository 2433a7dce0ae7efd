#!/usr/bin/env python3
"""Checks who includes whom: every #include of engine/ and gst/ against the table of docs/architecture.md.

usage: layers_test.py [SOURCE_ROOT]
"""
import os
import re
import sys

STD = set("""algorithm array atomic bitset cassert charconv cctype cerrno cfloat chrono cinttypes climits clocale cmath
condition_variable csignal cstddef cstdint cstdio cstdlib cstring ctime deque exception filesystem fstream functional
future initializer_list iomanip iosfwd iostream istream iterator limits list locale map memory memory_resource mutex new numeric
optional ostream queue random ratio regex set shared_mutex sstream stack stdexcept streambuf string string_view system_error
thread tuple type_traits typeindex typeinfo unordered_map unordered_set utility variant vector
dlfcn.h fcntl.h unistd.h sys/mman.h sys/stat.h sys/types.h sched.h pthread.h malloc.h locale.h""".split())

# Folder or file (longest match wins) -> what it may include, as prefixes; a full name is its own prefix.
ATEN_CORE = ["ATen/core/", "c10/"]
RULES = {
    "gst": ["indextts2/engine.h", "core/error.h", "gst/", "glib", "gobject/", "gio/", "gst:",
            "soundtouch/", "ebur128.h"],
    "engine/core": ["core/"],
    "engine/include/indextts2": ["core/error.h"],
    "engine/engine.cpp": ["core/", "text/", "audio/", "weights/", "ops/", "modules/", "stages/", "pool/", "session",
                          "indextts2/", "device_events.h", "device_loads.h", "emotion_reader.h", "loaded_model.h", "lru_cache.h", "model_stats.h",
                          "shared_loads.h", "voice_key.h", "encoded_voice.h"] + ATEN_CORE,
    "engine/loaded_model": ["core/", "text/", "audio/", "weights/", "ops/", "modules/", "stages/", "pool/", "indextts2/",
                            "device_events.h", "device_loads.h", "loaded_model.h", "memory_marks.h", "shared_loads.h",
                            "text_emotions.h", "trace_log.h", "voice_service.h"] + ATEN_CORE,
    "engine/model_stats": ["core/", "pool/", "indextts2/engine.h", "loaded_model.h", "model_stats.h"],
    "engine/memory_marks": ["memory_marks.h"],
    "engine/trace_log": ["core/", "pool/", "trace_log.h"],
    "engine/device_loads": ["core/", "ops/", "stages/", "pool/", "indextts2/", "device_backend.h", "device_loads.h", "loaded_model.h",
                            "shared_loads.h"] + ATEN_CORE,
    "engine/device_events": ["indextts2/engine.h"],
    "engine/voice_service": ["core/", "audio/", "stages/", "pool/", "indextts2/", "voice_service.h"] + ATEN_CORE,
    "engine/device_backend": ["stages/backend.h", "pool/device.h", "device_backend.h"],
    "engine/encoded_voice": ["stages/voice_parts.h", "weights/config.h", "indextts2/engine.h"],
    "engine/emotion_reader": ["core/", "stages/", "pool/", "emotion_reader.h", "loaded_model.h", "text_emotions.h"] + ATEN_CORE,
    "engine/text_emotions": ["core/", "pool/reaper.h", "text/emotion_answer.h", "lru_cache.h", "shared_loads.h", "text_emotions.h"],
    "engine/lru_cache": [],
    "engine/voice_key": ["indextts2/engine.h", "voice_key.h"],
    "engine/shared_loads": ["core/", "pool/", "indextts2/engine.h"],
    "engine/session": ["core/", "pool/", "text/", "indextts2/engine.h", "session"],
    "engine/pool": ["core/", "pool/"],
    "engine/pool/device.cpp": ["core/", "pool/", "c10/"],
    "engine/text": ["core/", "text/", "sentencepiece", "fst/", "utf8proc.h", "unicode/", "yaml-cpp/", "nlohmann/"],
    "engine/audio": ["core/", "audio/", "ops/", "soxr.h", "sndfile.h"] + ATEN_CORE,
    "engine/weights": ["core/", "weights/", "yaml-cpp/", "nlohmann/"] + ATEN_CORE,
    "engine/ops": ["core/", "ops/", "weights/weights.h", "ATen/", "c10/"],
    "engine/modules": ["core/", "modules/", "ops/", "weights/"] + ATEN_CORE,
    "engine/stages": ["core/", "stages/", "modules/", "ops/", "audio/", "weights/", "pool/job_queue.h",
                      "pool/fault_injection.h",
                      "text/segment.h"] + ATEN_CORE,
    "engine/stages/text_emotion": ["core/", "stages/text_emotion.h", "modules/", "weights/", "text/"],
    "engine/cuda": ["core/", "cuda/", "stages/backend.h", "stages/beam_search.h", "stages/decode_batch.h",
                    "stages/torch_networks.h", "modules/", "ops/", "weights/", "ATen/", "c10/", "cuda", "cublasLt.h"],
    "engine/cuda/kernels": ["core/beam_limits.h", "core/random.h", "core/exact_math.h", "cuda", "cuda/kernels/", "mma.h"],
}
REFUSED = {
    "torch/torch.h": "13 s and 1.2 GB of compile time a file; use ATen/core/Tensor.h or the headers of ops/",
    "torch/nn.h": "use the layers of ops/",
    "ATen/ATen.h": "use ATen/core/Tensor.h, or ATen/ops/<name>.h in ops/",
}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def rule_for(path):
    """The longest entry of RULES that is this path, its stem, or a folder above it."""
    stem = os.path.splitext(path)[0]
    best = None
    for key in RULES:
        if (path == key or stem == key or path.startswith(key + "/")) and (best is None or len(key) > len(best)):
            best = key
    return best


def check(root):
    problems, files = [], 0
    for top in ("engine", "gst"):
        for folder, _, names in sorted(os.walk(os.path.join(root, top))):
            for name in sorted(names):
                if not name.endswith((".h", ".cpp", ".cu", ".cuh")):
                    continue
                files += 1
                path = os.path.relpath(os.path.join(folder, name), root)
                key = rule_for(path)
                if key is None:
                    problems.append(f"{path}:1: no rule of tests/layers_test.py covers this file")
                    continue
                with open(os.path.join(root, path), encoding="utf-8") as source:
                    for number, line in enumerate(source, 1):
                        found = INCLUDE.match(line)
                        if not found:
                            continue
                        target = found.group(1)
                        where = f"{path}:{number}"
                        if target in REFUSED:
                            problems.append(f"{where}: {target} is refused: {REFUSED[target]}")
                        elif target in STD:
                            continue
                        elif top == "gst" and os.path.exists(os.path.join(folder, target)):
                            continue
                        elif not any(target.startswith(allowed) for allowed in RULES[key]):
                            problems.append(f"{where}: includes {target}; {key} may include only: "
                                            f"std, {', '.join(RULES[key]) or 'nothing else'}")
    return files, problems


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    files, problems = check(root)
    for problem in problems:
        print(problem)
    print(f"{files} files, {len(problems)} problems")
    return 1 if problems or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
