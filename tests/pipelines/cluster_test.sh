#!/usr/bin/env bash
# pipelines/cluster/: two local CPU workers, one killed in mid-run: the output is whole, and the same as of one process.
# Ray is installed from PyPI into .ray on the first call; where that cannot be done the test says so and passes.
source "$(dirname "$0")/common.sh"
"$root/pipelines/cluster/speak_cluster.sh" --help >/dev/null 2>&1
if [ $? -eq 3 ]; then
  printf 'left out: Ray cannot be installed from PyPI here (build-setup.log)\n'
  exit 0
fi
python="$root/.ray/bin/python"
cd "$scratch" || exit 1
for number in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do printf 'This is sentence number %s of the text. ' "$number"; done >text.txt

cat >run.py <<'PY'
import os, signal
import ray
import speak_cluster as cluster

args = cluster.parse(["--output", "x", "--cpu-workers", "2", "--run", "1", "text.txt"])
text = open("text.txt").read()
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
actors = cluster.open_actors(ray, args)
victim = ray.get(actors[1].process_id.remote())

def kill_one(number):
    if number == 1:
        os.kill(victim, signal.SIGKILL)

cluster.write_wav("two.wav", cluster.in_order(ray, actors, text, 7, 1, 2), kill_one)
again = ray.get(actors[1].process_id.remote())
assert again != victim, "nobody was killed"
ray.shutdown()

alone = cluster.Speaker(args.shim, args.model, "cpu", "")
waves, last = alone.speak(text, 7, 0, 1000)
assert last
cluster.write_wav("one.wav", [one for one in waves if one])
print(len([one for one in waves if one]), "segments")
PY
check "two workers, one of them killed" timeout 500 env "PYTHONPATH=$root/pipelines/cluster" "$python" run.py
check "the output is whole" has_speech two.wav 6
check "and equal to that of one process" cmp one.wav two.wav
finish
