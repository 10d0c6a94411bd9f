"""SPMamba computed the way its published code computes it: the slow reference.

The functions run on the weights of our modules, so that both forms can be
compared in value before they are compared in time. Written from the
description of the network: maps are channels-first, windows are unfolded into a
tensor of their own, the backward direction flips its input and its output, both
directions are concatenated, every head of the attention has its own
convolutions.

The scan is ``mamba_ssm``'s kernel where that runs (CUDA), else the arithmetic
of its Python reference: decays and drives of all steps are laid out in memory,
then a loop runs over time.
"""

import torch
import torch.nn.functional as F

from speechbrain_spmamba.nnet.waveform import level
from speechbrain_spmamba.ops import mamba_ssm


def scan(u, delta, A, B, C, D, z, bias):
    """Selective scan, everything ``[B, D, L]``, B and C ``[B, N, L]``."""
    if not mamba_ssm.why_not(u.transpose(1, 2), A):
        kernel = mamba_ssm._probe()[0]
        return kernel(
            u,
            delta,
            A.float(),
            B,
            C,
            D=D.float(),
            z=z,
            delta_bias=bias.float(),
            delta_softplus=True,
        )
    dtype, (u, delta, B, C) = u.dtype, (t.float() for t in (u, delta, B, C))
    delta = F.softplus(delta + bias[:, None].float())
    decay = torch.exp(torch.einsum("bdl,dn->bdln", delta, A))
    drive = torch.einsum("bdl,bnl,bdl->bdln", delta, B, u)
    state, out = A.new_zeros(len(u), *A.shape), []
    # unbind, for its gradient: that of an index for every step fills a tensor
    # of the size of all steps with zeros, every time
    steps = (decay.unbind(2), drive.unbind(2), C.unbind(2))
    for decay_t, drive_t, C_t in zip(*steps, strict=True):
        state = decay_t * state + drive_t
        out.append(torch.einsum("bdn,bn->bd", state, C_t))
    y = torch.stack(out, 2) + u * D[:, None]
    return (y * F.silu(z)).to(dtype)


def mamba(layer, x):
    """A Mamba layer, ``[B, L, d] -> [B, L, d]``, forward in time."""
    length, inner = x.shape[1], layer.conv1d.weight.shape[0]
    xz = F.linear(x, layer.in_proj.weight).transpose(1, 2)
    u, z = xz.chunk(2, 1)
    past = layer.conv1d.weight.shape[-1] - 1
    u = F.conv1d(
        u, layer.conv1d.weight, layer.conv1d.bias, padding=past, groups=inner
    )
    u = F.silu(u[..., :length])
    mixed = F.linear(u.transpose(1, 2).flatten(0, 1), layer.x_proj.weight)
    states = layer.d_state
    dt, B, C = mixed.split([layer.dt_rank, states, states], -1)
    delta = F.linear(dt, layer.dt_proj.weight).unflatten(0, (-1, length))
    B, C = (
        weights.unflatten(0, (-1, length)).transpose(1, 2).contiguous()
        for weights in (B, C)
    )
    y = scan(
        u,
        delta.transpose(1, 2).contiguous(),
        -torch.exp(layer.A_log.float()),
        B,
        C,
        layer.D,
        z,
        layer.dt_proj.bias,
    )
    return F.linear(y.transpose(1, 2), layer.out_proj.weight)


def bidirectional(mixer, x):
    """Both branches with their residuals, side by side."""
    outputs = []
    for branch, flip in (
        (mixer.forward_branch, False),
        (mixer.backward_branch, True),
    ):
        y = x.flip(1) if flip else x
        y = mamba(branch.mamba, branch.norm(y)) + y
        outputs.append(y.flip(1) if flip else y)
    return torch.cat(outputs, -1)


def norm_channels(x, weight, bias, eps):
    """Layer norm over the channels of ``[B, C, T, F]``."""
    mean = x.mean(1, keepdim=True)
    std = torch.sqrt(x.var(1, unbiased=False, keepdim=True) + eps)
    return (x - mean) / std * weight[:, None, None] + bias[:, None, None]


def grid_path(path, x):
    """Along the last axis of ``[B, C, R, Q]``."""
    batch, channels, rows, size = x.shape
    y = norm_channels(x, path.norm.weight, path.norm.bias, path.norm.eps)
    y = y.permute(0, 2, 1, 3).reshape(batch * rows, channels, size, 1)
    y = F.unfold(y, (path.emb_ks, 1), stride=(path.emb_hs, 1))
    y = bidirectional(path.mixer, y.transpose(1, 2)).transpose(1, 2)
    y = F.conv_transpose1d(
        y, path.deconv.weight, path.deconv.bias, stride=path.emb_hs
    )
    y = y.view(batch, rows, channels, size).permute(0, 2, 1, 3)
    return y + x


def head(x, weight, bias, norm, index):
    """1x1 convolution, PReLU and norm over (channel, frequency)."""
    x = F.conv2d(x, weight[:, :, None, None], bias)
    x = F.prelu(x, norm.slope[index : index + 1])
    mean = x.mean((1, 3), keepdim=True)
    std = torch.sqrt(x.var((1, 3), unbiased=False, keepdim=True) + norm.eps)
    gain, shift = (
        p[index].t()[None, :, None] for p in (norm.weight, norm.bias)
    )
    return (x - mean) / std * gain + shift


def attention(layer, x):
    """Between the frames of ``[B, C, T, F]``, head by head."""
    heads = layer.num_heads
    norms = (layer.query_norm, layer.key_norm, layer.value_norm)
    sizes = [size for size in layer.head_sizes for _ in range(heads)]
    weights = layer.qkv.weight.split(sizes)
    biases = layer.qkv.bias.split(sizes)
    parts = []
    for role, norm in enumerate(norms):
        outputs = [
            head(
                x, weights[role * heads + i], biases[role * heads + i], norm, i
            )
            for i in range(heads)
        ]
        parts.append(torch.cat(outputs).transpose(1, 2))  # [H B, T, E, F]
    query, key, value = (part.flatten(2) for part in parts)
    scores = query @ key.transpose(1, 2) / query.shape[-1] ** 0.5
    out = (F.softmax(scores, -1) @ value).view(parts[2].shape)
    out = out.transpose(1, 2)  # [H B, E, T, F]
    out = torch.cat(out.chunk(heads), 1)
    return x + head(out, layer.proj.weight, layer.proj.bias, layer.proj_norm, 0)


def grid_block(block, x):
    """A grid block on a channels-first map ``[B, C, T, F]``."""
    x = grid_path(block.intra, x)
    x = grid_path(block.inter, x.transpose(2, 3)).transpose(2, 3)
    return attention(block.attention, x)


def separate(model, mix):
    """``[B, T] -> [B, T, S]`` by the blocks above."""
    scale = level(mix.unsqueeze(-1))
    window = torch.hann_window(model.stft.n_fft, device=mix.device)
    options = (model.stft.n_fft, model.stft.hop_length, None, window)
    spectrum = torch.stft(mix / scale[..., 0], *options, return_complex=True)
    x = torch.stack([spectrum.real, spectrum.imag], 1).transpose(2, 3)
    x = F.conv2d(x, model.input_conv.weight, model.input_conv.bias, padding=1)
    norm = model.input_norm
    x = F.group_norm(x, 1, norm.weight, norm.bias, norm.eps)
    for block in model.blocks:
        x = grid_block(block, x)
    x = F.conv_transpose2d(
        x, model.output_conv.weight, model.output_conv.bias, padding=1
    )
    real, imag = x.float().unflatten(1, (-1, 2)).unbind(2)
    spectra = torch.complex(real, imag).transpose(2, 3).flatten(0, 1)
    waves = torch.istft(spectra, *options, length=mix.shape[1])
    return waves.unflatten(0, (len(mix), -1)).transpose(1, 2) * scale
