"""The reference's networks with random weights, and an IndexTTS2 object made of them without any checkpoint."""
import contextlib
import json
import os
import sys
import types

import torch

import common as C
import random_weights as W
from tiny_sizes import hard_coded_sizes, shrink_config, w2v_sizes

STOP_SUPPRESSED = -1e4     # bias of the stop token: a segment is exactly as long as its limit


class Unchanged:
    """In place of the text grammars, which leave plain words as they are."""

    def normalize(self, text):
        return text


def _make(device, build):
    """Built on the device itself, which is fast; on the host where a constructor cannot."""
    try:
        with torch.device(device):
            return build().to(device).eval()
    except (RuntimeError, TypeError) as error:
        print(f"built on the host instead of {device}: {error}", file=sys.stderr)
        return build().to(device).eval()


@torch.no_grad()
def _statistics(w2v, extractor, clip, device):
    """Features of the 17th layer over a clip, and their statistics as the official file holds them."""
    import librosa
    audio, _ = librosa.load(clip, sr=16000, duration=8.)
    inputs = extractor(audio, sampling_rate=16000, return_tensors="pt").to(device)
    hidden = w2v(**inputs, output_hidden_states=True).hidden_states[17]
    return hidden, hidden[0].mean(0), hidden[0].var(0)


def make_networks(ref, config, clip, device, seed, sizes=None):
    """All networks in fp32 on `device`, weight norm still on. sizes: of a tiny profile; None: the official ones."""
    from omegaconf import OmegaConf
    cfg = OmegaConf.load(config)
    if sizes:
        shrink_config(cfg, sizes)
    with (C.patched_sizes(**hard_coded_sizes(sizes)) if sizes else contextlib.nullcontext()), C.quiet():
        import indextts.infer_v2 as iv
        from indextts.s2mel.modules.bigvgan import bigvgan
        from indextts.s2mel.modules.bigvgan.env import AttrDict
        from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertModel

        torch.manual_seed(seed)
        n = types.SimpleNamespace(cfg=cfg, module=iv, device=device)
        n.gpt = W.randomise_gpt(_make(device, lambda: iv.UnifiedVoice(**cfg.gpt)), STOP_SUPPRESSED)
        n.s2mel = W.randomise_s2mel(_make(device, lambda: iv.MyModel(cfg.s2mel, use_gpt_latent=True)))
        n.campplus = W.randomise_campplus(_make(device, lambda: iv.CAMPPlus(feat_dim=80, embedding_size=192)))
        with open(os.path.join(ref, "indextts/s2mel/modules/bigvgan/config.json")) as f:
            n.bigvgan_config = {**json.load(f), **(sizes["bigvgan"] if sizes else {})}
        n.bigvgan = W.randomise_vocoder(_make(device, lambda: bigvgan.BigVGAN(AttrDict(n.bigvgan_config))))
        n.extractor = SeamlessM4TFeatureExtractor(feature_size=80, sampling_rate=16000, num_mel_bins=80,
                                                  padding_value=1, stride=2)
        w2v_config = Wav2Vec2BertConfig(**(w2v_sizes(sizes) if sizes else {}), apply_spec_augment=False)
        n.w2v = W.randomise_w2v(_make(device, lambda: Wav2Vec2BertModel(w2v_config)))
        hidden, n.mean, n.var = _statistics(n.w2v, n.extractor, clip, device)
        n.codec = W.randomise_codec(_make(device, lambda: iv.build_semantic_codec(cfg.semantic_codec)),
                                    (hidden - n.mean) / n.var.sqrt())
        rows = sum(cfg.emo_num)
        n.feat1, n.feat2 = W.rn(rows, 192), W.rn(rows, cfg.gpt.model_dim, std=.8)
    return n


def _mel_function(iv, cfg):
    spect = cfg.s2mel["preprocess_params"]["spect_params"]
    settings = dict(n_fft=spect["n_fft"], win_size=spect["win_length"], hop_size=spect["hop_length"],
                    num_mels=spect["n_mels"], sampling_rate=cfg.s2mel["preprocess_params"]["sr"],
                    fmin=spect.get("fmin", 0), fmax=None if spect.get("fmax", "None") == "None" else 8000, center=False)
    return lambda x: iv.mel_spectrogram(x, **settings)


def assemble(n, bpe_model):
    """An IndexTTS2 with every attribute that infer() reads. The networks must have been saved before: this folds the weight
    norm of the vocoder and adds caches."""
    iv, cfg, device = n.module, n.cfg, n.device
    tts = iv.IndexTTS2.__new__(iv.IndexTTS2)
    tts.cfg, tts.device, tts.model_dir = cfg, device, None
    tts.use_fp16, tts.dtype, tts.use_cuda_kernel, tts.use_accel, tts.use_torch_compile = False, None, False, False, False
    tts.stop_mel_token, tts.qwen_emo = cfg.gpt.stop_mel_token, None
    tts.gpt = n.gpt
    with C.quiet():
        n.gpt.post_init_gpt2_config(use_deepspeed=False, kv_cache=True, half=False)
        n.s2mel.models["cfm"].estimator.setup_caches(max_batch_size=1, max_seq_length=8192)
        n.bigvgan.remove_weight_norm()
    # The reference gives the width of the features as the length of a prompt: never a mask at 1024, but in a narrow model.
    for encoder in (n.gpt.conditioning_encoder, n.gpt.emo_conditioning_encoder):
        encoder.register_forward_pre_hook(lambda _, a: (a[0], torch.full_like(a[1], 1024)))
    tts.extract_features, tts.semantic_model = n.extractor, n.w2v
    tts.semantic_mean, tts.semantic_std = n.mean, n.var.sqrt()
    tts.semantic_codec, tts.s2mel, tts.campplus_model, tts.bigvgan = n.codec, n.s2mel.to(device), n.campplus, n.bigvgan
    tts.normalizer = iv.TextNormalizer(enable_glossary=True)
    tts.normalizer.zh_normalizer = tts.normalizer.en_normalizer = Unchanged()
    tts.tokenizer = iv.TextTokenizer(bpe_model, tts.normalizer)
    tts.emo_num = list(cfg.emo_num)
    tts.emo_matrix = torch.split(n.feat2.to(device), tts.emo_num)
    tts.spk_matrix = torch.split(n.feat1.to(device), tts.emo_num)
    tts.mel_fn = _mel_function(iv, cfg)
    tts.gr_progress, tts.model_version = None, None
    forget_voice(tts)
    return tts


def forget_voice(tts):
    tts.cache_spk_cond = tts.cache_s2mel_style = tts.cache_s2mel_prompt = tts.cache_mel = None
    tts.cache_spk_audio_prompt = tts.cache_emo_cond = tts.cache_emo_audio_prompt = None


def to_fp16(tts):
    """What the reference's use_fp16=True does: the GPT in half precision, autocast around its calls."""
    tts.gpt.half()
    tts.use_fp16, tts.dtype = True, torch.float16
