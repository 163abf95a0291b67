#!/usr/bin/env python3
"""Training once more, in PyTorch alone: a second implementation to test sr-train-step's loss curve against.

train_torch.py MODEL ADAPTER|- SETTINGS < token-records     a log record per step: step, loss, grad_norm

MODEL is the Hugging Face folder of a Llama; ADAPTER the PEFT folder that training begins with (LoRA, or a prefix), or -
for full fine-tuning. SETTINGS is JSON: rate, warmup (steps), batch (records), clip, weight_decay, beta1, beta2.
Everything is in f32; a step's loss is the mean over all tokens from loss_from on of its records.
"""
import json
import math
import os
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hf_logits  # noqa: E402
import peft_logits  # noqa: E402

PREFIX = "base_model.model."


def parameters(tensors):
    return {name: torch.tensor(rows, dtype=torch.float32) for name, rows in tensors.items()}


class Llama:
    """Weights by their names, what LoRA adds to some of them, and keys and values before the text."""

    def __init__(self, config, weights, adapter=None, settings=None):
        self.c, self.w, self.adapter, self.settings = config, weights, adapter or {}, settings

    def linear(self, name, x):
        y = F.linear(x, self.w[name + ".weight"])
        a = self.adapter.get(PREFIX + name + ".lora_A.weight")
        if a is not None:
            b = self.adapter[PREFIX + name + ".lora_B.weight"]
            _, scale = peft_logits.scale_of(self.settings, name)
            y = y + scale * F.linear(F.linear(x, a), b)
        return y

    def norm(self, name, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.c["rms_norm_eps"]) * self.w[name + ".weight"]

    def before(self, layer):
        """A prefix's keys and values in a layer, (heads, tokens, width) each."""
        rows = self.adapter.get("prompt_embeddings")
        if rows is None:
            return None
        heads = self.settings["num_attention_heads"]
        view = rows.view(rows.shape[0], 2 * self.settings["num_layers"], heads, -1).permute(1, 2, 0, 3)
        return view[2 * layer], view[2 * layer + 1]

    def rotate(self, x, first):
        """Halves of heads (heads, tokens, width) turned by the angles of positions first.."""
        half = x.shape[-1] // 2
        freqs = self.c["rope_theta"] ** (-torch.arange(half, dtype=torch.float64) / half)
        angles = torch.outer(torch.arange(first, first + x.shape[1], dtype=torch.float64), freqs)
        cos, sin = angles.cos().float(), angles.sin().float()
        a, b = x[..., :half], x[..., half:]
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    def attention(self, layer, x):
        p = "model.layers.%d.self_attn." % layer
        heads, shared = self.c["num_attention_heads"], self.c["num_key_value_heads"]
        q, k, v = (self.linear(p + s + "_proj", x).view(x.shape[0], n, -1).transpose(0, 1)
                   for s, n in (("q", heads), ("k", shared), ("v", shared)))
        past = self.before(layer)
        first = past[0].shape[1] if past else 0
        q, k = self.rotate(q, first), self.rotate(k, first)
        if past:
            k, v = torch.cat([past[0], k], 1), torch.cat([past[1], v], 1)
        k, v = (t.repeat_interleave(heads // shared, 0) for t in (k, v))
        scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
        hidden = torch.ones(scores.shape[1:]).triu(first + 1).bool()
        y = scores.masked_fill(hidden, -math.inf).softmax(-1) @ v
        return self.linear(p + "o_proj", y.transpose(0, 1).reshape(x.shape[0], -1))

    def loss_sum(self, ids, loss_from):
        """-log p of the tokens from loss_from on, added up."""
        x = self.w["model.embed_tokens.weight"][torch.tensor(ids[:-1])]
        for i in range(self.c["num_hidden_layers"]):
            p = "model.layers.%d." % i
            x = x + self.attention(i, self.norm(p + "input_layernorm", x))
            y = self.norm(p + "post_attention_layernorm", x)
            y = F.silu(self.linear(p + "mlp.gate_proj", y)) * self.linear(p + "mlp.up_proj", y)
            x = x + self.linear(p + "mlp.down_proj", y)
        x = self.norm("model.norm", x)[loss_from - 1:]
        head = self.w.get("lm_head.weight", self.w["model.embed_tokens.weight"])
        return F.cross_entropy(F.linear(x, head), torch.tensor(ids[loss_from:]), reduction="sum")


def main():
    folder, adapter, s = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    torch.set_num_threads(1)
    config = json.load(open(os.path.join(folder, "config.json")))
    config.setdefault("rope_theta", (config.get("rope_parameters") or {}).get("rope_theta", 10000.0))
    weights = parameters(hf_logits.read_safetensors(folder))
    settings, own = (None, {}) if adapter == "-" else peft_logits.read_adapter(adapter)
    own = parameters(own)
    trained = list((own or weights).values())
    for p in trained:
        p.requires_grad_()
    model = Llama(config, weights, own, settings)
    groups = [{"params": [p for p in trained if p.dim() > 1], "weight_decay": s["weight_decay"]},
              {"params": [p for p in trained if p.dim() == 1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=s["rate"], betas=(s["beta1"], s["beta2"]),
                                  eps=1e-8)
    records = [json.loads(line) for line in sys.stdin]
    for step in range(len(records) // s["batch"]):
        batch = records[step * s["batch"]:(step + 1) * s["batch"]]
        for group in optimizer.param_groups:
            group["lr"] = s["rate"] * min(1, (step + 1) / s["warmup"])
        optimizer.zero_grad()
        loss = sum(model.loss_sum(r["tokens"], max(1, r["loss_from"])) for r in batch)
        loss = loss / sum(len(r["tokens"]) - max(1, r["loss_from"]) for r in batch)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trained, s["clip"])
        optimizer.step()
        print(json.dumps({"step": step + 1, "loss": loss.item(), "grad_norm": norm.item()}))


main()
