"""Whisper tiny.en in PyTorch: encoder of any context, decoder with and without a cache, log-mel spectrogram.

Shapes: sound is [samples] at 16 kHz in [-1, 1); a spectrogram [80, 2 * context]; encoder states [context, 384],
50 positions a second. A batch dimension comes first. The weights are those of the official ggml file.
"""

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import ggml

SAMPLES_PER_SECOND = 16_000
SAMPLES_PER_POSITION = 320
"""Samples one encoder position covers: two hops of 160."""
CONTEXT_FULL = 1500
"""Encoder positions of 30 s."""
STATE, HEADS, LAYERS, TEXT_CONTEXT = 384, 6, 4, 448

END_OF_TEXT = 50256
START_OF_TRANSCRIPT = 50257
START_OF_PREVIOUS = 50360
NO_SPEECH = 50361
NO_TIMESTAMPS = 50362
FIRST_TIMESTAMP = 50363
"""<|0.00|>; one every position (20 ms) up to 30 s."""
BLANK = 220
"""A space alone: never the first token."""


class Attention(nn.Module):
    """Multi-head attention; the key has no bias."""

    def __init__(self):
        super().__init__()
        self.query = nn.Linear(STATE, STATE)
        self.key = nn.Linear(STATE, STATE, bias=False)
        self.value = nn.Linear(STATE, STATE)
        self.out = nn.Linear(STATE, STATE)

    @staticmethod
    def split(x: Tensor) -> Tensor:
        """[batch, n, 384] -> [batch, 6, n, 64]."""
        return x.unflatten(2, (HEADS, -1)).transpose(1, 2)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, causal: bool = False, mask=None) -> Tensor:
        """x [batch, n, 384]; keys and values as `split` gives them."""
        queries = self.split(self.query(x))
        if queries.dtype == torch.bfloat16 and mask is None and not causal:
            # On a CPU, in bfloat16, forward and backward take 0.5 to 0.9 of the fused function's time (400, 1500 positions).
            y = (queries * queries.shape[3] ** -0.5 @ keys.transpose(2, 3)).softmax(3).to(values.dtype) @ values
        else:
            y = F.scaled_dot_product_attention(queries, keys, values, mask, is_causal=causal)
        return self.out(y.transpose(1, 2).flatten(2))

    def memory(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of x."""
        return self.split(self.key(x)), self.split(self.value(x))


class Block(nn.Module):
    """A transformer block; the decoder's looks at the encoder's states too."""

    def __init__(self, cross: bool):
        super().__init__()
        self.attn, self.attn_ln = Attention(), nn.LayerNorm(STATE)
        if cross:
            self.cross_attn, self.cross_attn_ln = Attention(), nn.LayerNorm(STATE)
        self.mlp = nn.Sequential(nn.Linear(STATE, 4 * STATE), nn.GELU(), nn.Linear(4 * STATE, STATE))
        self.mlp_ln = nn.LayerNorm(STATE)


class Encoder(nn.Module):
    """Spectrogram to states."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(80, STATE, 3, padding=1)
        self.conv2 = nn.Conv1d(STATE, STATE, 3, stride=2, padding=1)
        self.register_buffer("positional_embedding", torch.empty(CONTEXT_FULL, STATE))
        self.blocks = nn.ModuleList(Block(cross=False) for _ in range(LAYERS))
        self.ln_post = nn.LayerNorm(STATE)

    def forward(self, mel: Tensor) -> Tensor:
        """mel [batch, 80, 2 * context] -> [batch, context, 384]."""
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).transpose(1, 2)
        x = x + self.positional_embedding[: x.shape[1]]
        for block in self.blocks:
            y = block.attn_ln(x)
            x = x + block.attn(y, *block.attn.memory(y))
            x = x + block.mlp(block.mlp_ln(x))
        return self.ln_post(x)


class Decoder(nn.Module):
    """Tokens and the encoder's states to the last hidden states."""

    def __init__(self):
        super().__init__()
        self.token_embedding = nn.Embedding(51864, STATE)
        self.positional_embedding = nn.Parameter(torch.empty(TEXT_CONTEXT, STATE))
        self.blocks = nn.ModuleList(Block(cross=True) for _ in range(LAYERS))
        self.ln = nn.LayerNorm(STATE)

    def forward(self, tokens: Tensor, states: Tensor) -> Tensor:
        """tokens [batch, n], states [batch, context, 384] -> hidden states [batch, n, 384]."""
        x = self.token_embedding(tokens) + self.positional_embedding[: tokens.shape[1]]
        for block in self.blocks:
            y = block.attn_ln(x)
            x = x + block.attn(y, *block.attn.memory(y), causal=True)
            x = x + block.cross_attn(block.cross_attn_ln(x), *block.cross_attn.memory(states))
            x = x + block.mlp(block.mlp_ln(x))
        return self.ln(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., 384] -> [..., 51864]."""
        return F.linear(hidden, self.token_embedding.weight)


class Whisper(nn.Module):
    """Tiny.en."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = Encoder(), Decoder()


def load(path: Path) -> tuple[Whisper, "MelSpectrogram", list[bytes]]:
    """The model of an f16 ggml file in float32, frozen; its spectrogram; its vocabulary."""
    file = ggml.read(path)
    model = Whisper()
    weights = {name: torch.from_numpy(array.astype(np.float32)) for name, array in file.tensors.items()}
    shapes = model.state_dict()
    model.load_state_dict({name: array.reshape(shapes[name].shape) for name, array in weights.items()})
    return model.eval().requires_grad_(False), MelSpectrogram(file.mel_filters), file.vocabulary


class MelSpectrogram:
    """Whisper's input, computed as app/src/recognise/mel.rs does."""

    def __init__(self, filters: np.ndarray):
        self.filters = torch.from_numpy(filters.astype(np.float32))
        self.window = torch.hann_window(400)

    def __call__(self, sound: Tensor, context: int) -> Tensor:
        """sound [samples] and the silence behind it -> [80, 2 * context]."""
        need = 2 * context * 160 + 400
        x = torch.cat([sound[1:201].flip(0), sound])[:need]
        x = F.pad(x, (0, need - len(x)))
        power = torch.stft(x, 400, 160, window=self.window, center=False, return_complex=True).abs() ** 2
        mel = (self.filters @ power[:, : 2 * context]).clamp(min=1e-10).log10()
        return (torch.maximum(mel, mel.max() - 8.0) + 4.0) / 4.0


class Cache:
    """Keys and values of a batch that is decoded token by token."""

    def __init__(self, decoder: Decoder, states: Tensor):
        self.decoder = decoder
        self.cross = [block.cross_attn.memory(states) for block in decoder.blocks]
        self.own = [None] * LAYERS
        self.length = 0

    def step(self, tokens: Tensor) -> Tensor:
        """tokens [batch, n] -> hidden states [batch, n, 384] of the tokens given."""
        decoder = self.decoder
        n = tokens.shape[1]
        x = decoder.token_embedding(tokens) + decoder.positional_embedding[self.length : self.length + n]
        mask = None
        if n > 1:
            mask = torch.ones(n, self.length + n, dtype=torch.bool, device=x.device).tril(self.length)
        for i, block in enumerate(decoder.blocks):
            y = block.attn_ln(x)
            keys, values = block.attn.memory(y)
            if self.own[i] is not None:
                keys = torch.cat([self.own[i][0], keys], 2)
                values = torch.cat([self.own[i][1], values], 2)
            self.own[i] = keys, values
            x = x + block.attn(y, keys, values, mask=mask)
            x = x + block.cross_attn(block.cross_attn_ln(x), *self.cross[i])
            x = x + block.mlp(block.mlp_ln(x))
        self.length += n
        return decoder.ln(x)


class TimestampRules:
    """What a greedy decoder may say next: OpenAI's `ApplyTimestampRules`, as app/src/recognise/engine.rs has them."""

    FIRST_MAX = 50
    """Speech is taken to begin in the first second."""

    def __init__(self, timestamps: bool):
        self.timestamps = timestamps
        self.last_two = [True, True]
        self.earliest = 0
        self.initial = True

    def choose(self, logits: Tensor) -> int:
        """logits [51864] -> the token; remembers it."""
        before_last, last = self.last_two
        text = not (self.timestamps and (self.initial or (last and not before_last)))
        stamps = self.timestamps and (self.initial or not (last and before_last))
        allowed = torch.full_like(logits, -math.inf)
        if text:
            allowed[:END_OF_TEXT] = logits[:END_OF_TEXT]
            if self.initial:
                allowed[BLANK] = -math.inf
        if not self.initial:
            allowed[END_OF_TEXT] = logits[END_OF_TEXT]
        stamp_sum = -math.inf
        if stamps:
            first = FIRST_TIMESTAMP + self.earliest
            end = FIRST_TIMESTAMP + self.FIRST_MAX + 1 if self.initial else len(logits)
            allowed[first:end] = logits[first:end]
            stamp_sum = logits[first:end].logsumexp(0).item()
        if stamp_sum > allowed[: END_OF_TEXT + 1].max().item():
            allowed[:FIRST_TIMESTAMP] = -math.inf
        token = int(allowed.argmax())
        is_stamp = token >= FIRST_TIMESTAMP
        if is_stamp:
            self.earliest = token - FIRST_TIMESTAMP + int(last)
        self.last_two, self.initial = [last, is_stamp], False
        return token


def token_cap(samples: int) -> int:
    """Most text tokens that many samples can hold (app/src/recognise/guard.rs)."""
    return 8 + samples * 10 // SAMPLES_PER_SECOND


@torch.no_grad()
def greedy(model: Whisper, states: Tensor, prompts: list[list[int]], timestamps: bool, caps: list[int]) -> list[list[int]]:
    """Decode a batch greedily.

    states [batch, context, 384]; prompts of one length that end before the first token to choose; caps in text
    tokens. Gives the chosen tokens, the end of text included unless the cap came first.
    """
    cache = Cache(model.decoder, states)
    device = states.device
    hidden = cache.step(torch.tensor(prompts, device=device))[:, -1]
    rules = [TimestampRules(timestamps) for _ in prompts]
    out: list[list[int]] = [[] for _ in prompts]
    done = [False] * len(prompts)
    text = [0] * len(prompts)
    while not all(done) and cache.length < TEXT_CONTEXT - 1:
        logits = model.decoder.logits(hidden).cpu()
        chosen = [END_OF_TEXT] * len(prompts)
        for i, rule in enumerate(rules):
            if done[i]:
                continue
            token = chosen[i] = rule.choose(logits[i])
            out[i].append(token)
            text[i] += token < END_OF_TEXT
            done[i] = token == END_OF_TEXT or text[i] >= caps[i]
        hidden = cache.step(torch.tensor(chosen, device=device)[:, None])[:, -1]
    return out


def text_of(vocabulary: list[bytes], tokens: list[int]) -> str:
    """The text of the tokens, without time stamps."""
    return b"".join(vocabulary[t] for t in tokens if t < END_OF_TEXT).decode("utf-8", "replace").strip()


class LowRank(nn.Module):
    """A frozen linear layer and a low-rank addition: (W + B A) x + bias."""

    def __init__(self, base: nn.Linear, rank: int):
        super().__init__()
        self.base = base
        self.a = nn.Parameter(torch.randn(rank, base.in_features) / math.sqrt(base.in_features))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + F.linear(F.linear(x, self.a), self.b)


def adapt(model: nn.Module, rank: int) -> None:
    """Replace every linear layer below `model` by a `LowRank`."""
    for name, child in list(model.named_children()):
        if isinstance(child, nn.Linear):
            setattr(model, name, LowRank(child, rank))
        else:
            adapt(child, rank)
