"""Records one whole chain of the reference, with every random draw, as a golden folder for golden_test."""
import os
import shutil

import torch

import common as C
from golden import Golden, hook

from .networks import forget_voice

GAP = 2e-3          # smallest relative distance between what a step takes and leaves, and within what it ranks
NOISE = 3e-5        # disturbance of the logits that must not change a code; rounding differs by about 1e-5
TRIES = 6
ATOL = 1e-3


class ClearDraws(C.Draws):
    """Draws again where a step would depend on rounding."""

    redrawn = 0

    def draw(self, probs, num_samples):
        for _ in range(200):
            q = super().draw(probs, num_samples)
            if self._clear(probs, q, num_samples):
                return q
            self.redrawn += 1
        raise SystemExit(f"step {len(self.q)}: no draw selects with a gap of {GAP}")

    @staticmethod
    def _clear(probs, q, count):
        top = (probs / q).topk(count + 1, dim=-1)
        last, next_ = top.values[..., count - 1], top.values[..., count]
        if bool((last > 0).all() and ((last - next_) / last < GAP).any()):
            return False
        taken = probs.gather(-1, top.indices[..., :count]).sort(descending=True, dim=-1).values
        high, low = taken[..., :-1], taken[..., 1:]
        return not bool(((high - low) / high.clamp_min(1e-38) < GAP)[low > 0].any())


def _speak(tts, clip, text, codes, draws, noise=0.):
    """One run of infer(): the recorded tensors of its one segment."""
    state, hooks, gpt = {}, [], tts.gpt
    plain = gpt.inference_speech

    def speech(*a, **k):
        state["tokens"], state["emovec"] = a[1].clone(), k["emo_vec"].clone()
        result = plain(*a, **k)
        state["codes"] = result[0].clone()
        return result

    def disturb(_, inputs, output):
        output.logits = output.logits + noise * torch.randn_like(output.logits)
        return output

    gpt.inference_speech = speech
    if noise:
        hooks.append(gpt.inference_model.register_forward_hook(disturb))
    hooks.append(hook(gpt, state, "latent"))
    hooks.append(hook(tts.s2mel.models["length_regulator"], state, "cond"))
    hooks.append(tts.bigvgan.register_forward_pre_hook(lambda _, i: state.update(mel=i[0].clone())))
    hooks.append(hook(tts.bigvgan, state, "wave"))
    forget_voice(tts)
    try:
        with C.quiet(), torch.no_grad(), draws:
            tts.infer(clip, text, None, max_mel_tokens=codes)
    finally:
        del gpt.inference_speech
        for h in hooks:
            h.remove()
    return state


def _stable_run(tts, clip, text, codes, seed, say):
    for attempt in range(TRIES):
        torch.manual_seed(seed + attempt)
        draws = ClearDraws()
        state = _speak(tts, clip, text, codes, draws)
        again = _speak(tts, clip, text, codes, C.Draws(q=draws.q, z=draws.z), noise=NOISE)
        same = torch.equal(state["codes"], again["codes"])
        say(f"parity: seed {seed + attempt}: {state['codes'].shape[1]} codes of {state['codes'].unique().numel()} kinds, "
            f"smallest gap {draws.min_gap:.1e}, {draws.redrawn} draws again, least candidates {draws.min_nonzero}, "
            f"{'the same' if same else 'OTHER'} codes under noise")
        if same:
            return state, draws, seed + attempt
    raise SystemExit(f"no stable chain in {TRIES} tries")


def record_chain(tts, model, folder, clip, text, codes, seed, say):
    """Writes folder/{index.json, voice.wav, chain_beside.safetensors}; `model` is the model folder of the same weights."""
    os.makedirs(folder, exist_ok=True)
    voice = os.path.join(folder, "voice.wav")
    shutil.copyfile(clip, voice)
    tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        state, draws, seed = _stable_run(tts, voice, text, codes, seed, say)
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = tf32
    state = {k: (v if isinstance(v, list) else [v]) for k, v in state.items()}
    g = Golden(folder, "chain_beside", "IndexTTS2.infer in fp32 without TF32: voice.wav + text -> wave; q_0 and noise_0 are "
               "the draws", seed=seed, voice="voice.wav", text=text, model=os.path.abspath(model), segments=[text],
               infer=dict(max_mel_tokens=codes, max_text_tokens_per_segment=120), smallest_selection_gap=draws.min_gap)
    g.draw(q_0=torch.cat(draws.q).cpu(), noise_0=draws.z[0].cpu())
    g.out_("tokens_0", state["tokens"][0].cpu().long()).out_("codes_0", state["codes"][0].cpu())
    g.out_("emovec", state["emovec"][0].cpu(), atol=ATOL).out_("prompt_cond", state["cond"][0].cpu(), atol=ATOL)
    for key in ("latent", "cond", "mel"):
        g.out_(f"{key}_0", state[key][-1].cpu(), atol=ATOL)
    g.out_("wave_0", state["wave"][-1].cpu(), snr_db=60.)
    with C.quiet():
        g.write()
    Golden.write_index(folder, merge=False)
    mel, wave = state["mel"][-1], state["wave"][-1]
    say(f"parity: mel {tuple(mel.shape)} of deviation {float(mel.std()):.2f}, wave of rms {float(wave.square().mean().sqrt()):.3f}, "
        f"{float((wave.abs() >= 1).float().mean()):.1%} of it at full scale")
