"""Writes networks as a model folder in the layout of the official release."""
import json
import os
import shutil

import safetensors.torch
import torch

STAMP = "beside.json"
NEEDED_BYTES = 9 << 30


def _host(state):
    return {k: v.detach().cpu().contiguous() for k, v in state.items()}


def _fingerprint(n, seed):
    """Tells one set of weights from another."""
    parts = dict(gpt=n.gpt, s2mel=n.s2mel, campplus=n.campplus, bigvgan=n.bigvgan, w2v=n.w2v, codec=n.codec)
    return {"seed": seed, **{k: [float(p.double().sum()) for p in list(m.parameters())[:2]] for k, m in parts.items()}}


def write_model_folder(n, folder, bpe_model, seed):
    """True if it was written, False if the same weights are there already."""
    stamp, path = _fingerprint(n, seed), os.path.join(folder, STAMP)
    if os.path.exists(path):
        with open(path) as f:
            if json.load(f) == stamp:
                return False
        os.remove(path)     # a half-written folder has none
    os.makedirs(folder, exist_ok=True)
    official = n.cfg.gpt.model_dim >= 1024
    if official and shutil.disk_usage(folder).free < NEEDED_BYTES:
        raise SystemExit(f"{folder}: {shutil.disk_usage(folder).free >> 30} GiB are free, {NEEDED_BYTES >> 30} are needed; "
                         "name another --work folder")
    from omegaconf import OmegaConf
    hf = os.path.join(folder, "hf_cache")
    os.makedirs(os.path.join(hf, "bigvgan"), exist_ok=True)
    with open(os.path.join(folder, "config.yaml"), "w") as f:
        f.write(OmegaConf.to_yaml(n.cfg))
    shutil.copyfile(bpe_model, os.path.join(folder, n.cfg.dataset["bpe_model"]))
    torch.save(_host(n.gpt.state_dict()), os.path.join(folder, n.cfg.gpt_checkpoint))
    nets = {k: {("module." + name if k == "cfm" else name): v for name, v in _host(m.state_dict()).items()}
            for k, m in n.s2mel.models.items()}
    torch.save({"net": nets, "epoch": 0, "iters": 0}, os.path.join(folder, n.cfg.s2mel_checkpoint))
    torch.save({"mean": n.mean.cpu(), "var": n.var.cpu()}, os.path.join(folder, n.cfg.w2v_stat))
    torch.save(n.feat1, os.path.join(folder, n.cfg.spk_matrix))
    torch.save(n.feat2, os.path.join(folder, n.cfg.emo_matrix))
    torch.save(_host(n.campplus.state_dict()), os.path.join(hf, "campplus_cn_common.bin"))
    torch.save({"generator": _host(n.bigvgan.state_dict())}, os.path.join(hf, "bigvgan/bigvgan_generator.pt"))
    with open(os.path.join(hf, "bigvgan/config.json"), "w") as f:
        json.dump({k: v for k, v in n.bigvgan_config.items() if k != "use_cuda_kernel"}, f, indent=4)
    safetensors.torch.save_file(_host(n.codec.state_dict()), os.path.join(hf, "semantic_codec_model.safetensors"),
                                metadata={"format": "pt"})
    n.w2v.save_pretrained(os.path.join(hf, "w2v-bert-2.0"), safe_serialization=True)
    n.extractor.save_pretrained(os.path.join(hf, "w2v-bert-2.0"))
    with open(path, "w") as f:
        json.dump(stamp, f)
    return True
