"""What people paste: habits of those who write torch code, each held against torch's own reading of the same text."""

# ruff: noqa: E501 - one row for one habit
from __future__ import annotations

import ast
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from inspect import isbuiltin, isfunction
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - as people import it
from torch import nn

from gradcheck import check
from gradcheck.errors import GradcheckError, LimitProblem
from gradcheck.functions.signatures import resolve
from gradcheck.lower import lower
from gradcheck.parse import parse
from gradcheck.parse.loops import MAX_TURNS
from gradcheck.parse.torch_names import MODULES
from gradcheck.parse.unknown import FORMULAS
from gradcheck.program import RESULT, Call, postorder
from table import ON_TENSORS, TENSORS, each

V, U, S = [0.5, -1.5, 2.25], [1.25, 0.75, -0.5], 0.75
A = [[0.5, -1.0, 1.5], [2.0, 0.25, -0.75]]
B = [[1.0, 0.5], [-0.25, 2.0], [0.75, -1.5]]
C = [[[0.5, -1.0], [1.5, 0.25]], [[-0.75, 2.0], [1.0, -0.5]]]
X: dict[str, Any] = {"x": V}
XY: dict[str, Any] = {"x": V, "y": U}
M: dict[str, Any] = {"x": A}

WORK: list[tuple[str, dict[str, Any]]] = [
    # prefixes and modules
    ("torch.nn.functional.softplus(x).sum() + F.silu(x).mean()", X),
    ("torch.special.expit(x) * torch.linalg.vector_norm(x)", X),
    ("nn.Softmax(dim=-1)(x) @ y", XY),
    ("h = x * 2\nh = nn.ReLU(True)(h)\nh = nn.ELU(inplace=False)(h) + 1\nh.mul_(3)\nh", X),
    ("act = nn.LeakyReLU(0.2)\nact(x).sum()", X),
    ("nn.MSELoss()(x, y)", XY),
    ("criterion = torch.nn.MSELoss()\nloss = criterion(torch.sigmoid(x), y)\nloss.backward()", XY),
    ("nn.Sequential(nn.Tanh(), nn.GELU())(x)", X),
    ("import torch\nimport torch.nn.functional as nnf\nfrom torch import nn\nfrom torch.nn.functional import softplus as sp1\nnnf.relu(x) + sp1(x)", X),
    # shapes
    ("x.sum() / x.shape[0]", M),
    ("x.view(x.size(0), -1).mean(dim=1)", {"x": C}),
    ("x.reshape(x.shape[0], x.shape[1] * x.size(-1))**2", {"x": C}),
    ("x.flatten().sum() / x.numel()", M),
    ("torch.exp(x).sum() / len(x)", X),
    ("B, C = x.shape\n(x / C).sum(dim=1) * B", M),
    ("b, *rest = x.shape\nx.view(b, *rest[:1], -1).sum(0)", {"x": C}),
    ("x.view(*x.shape[:-1], 2, 1) * x.ndim", {"x": C}),
    ("x.reshape(x.shape[:1] + (4,)).prod(dim=1)", {"x": C}),
    ("n = x.size(1)\nx[:, : n // 2] * x[:, -(n // 2) :]", M),
    ("d = q.size(-1)\nscores = q @ k.transpose(-2, -1) / math.sqrt(d)\ntorch.softmax(scores, dim=-1) @ v", {"q": A, "k": A, "v": B[:2]}),
    ("y.expand(x.shape) * x", {"x": A, "y": V}),
    ("x.dim() * x.square()", M),
    # arguments
    ("x.std(unbiased=False) + x.var(0, unbiased=True)", X),
    ("torch.var(x, 1, False)", M),
    ("torch.add(x, y, alpha=2) - torch.sub(x, y, alpha=0.5)", XY),
    ("torch.div(x, y, rounding_mode='floor') * x + x.div(y, rounding_mode=None)", XY),
    ("torch.softmax(x, dim=-1, dtype=torch.float64)", X),
    ("F.relu(x, inplace=True) * 1.0" if False else "F.elu(x * 1.0, inplace=False)", X),
    ("x.double().clone().contiguous().to(torch.float64).to('cpu')**3", X),
    ("x * x.detach() + x.data.sum()", X),
    ("(x > 0).float() * x + (x < y).double()", XY),
    # statements
    ("y = x + 1\ny += x\ny *= 2\ny", X),
    ("h = torch.tanh(x)\nh = h * 2\nh = h + x\nh.sum()", X),
    ("x = x - x.mean()\nx = x / x.std()\nx", X),
    ("a, b = x.chunk(2, dim=0)\na.exp() * b", {"x": [0.5, 1.5, -1.0, 2.0]}),
    ("a, b = x, y\na, b = b, a\na / b", XY),
    ("a, b, c = x[0], x[1], x[2]\na * b + c", X),
    ("a, b, c = x\na * b + c", X),
    ("torch.where((-1 < x) & (x < 1), x**2, x.abs())", X),
    ("training = False\ny = x * 2 if training else x / 2\ny.sum()", X),
    ("y = x\nfor k in range(3):\n    y = y * x + k\ny", X),
    ("total = 0\nfor i in range(3):\n    total += x[i] ** (i + 1)\ntotal", X),
    ("out = []\nfor i in range(3):\n    out.append(torch.sin(x[i]) * i)\ntorch.stack(out)", X),
    ("torch.stack([x[i] * k for i, k in enumerate([2, 3, 5])]).sum()", X),
    ("sum(x[i] ** 2 for i in range(3))", X),
    ("for a, b in zip([x, y], [2, 3]):\n    z = a * b\nz", XY),
    # functions
    ("def f(x):\n    h = torch.tanh(x)\n    return (h * h).sum()", X),
    ("def swish(x, beta=1.5):\n    return x * torch.sigmoid(beta * x)\n\nswish(x) + swish(2 * x, beta=0.5)", X),
    ("def g(a):\n    return a.exp()\n\ndef f(a, b):\n    h = g(a) + g(b)\n    return h * h\n\nf(x, x * y)", XY),
    ("f = lambda t: t**2 + 1\nf(x) * f(f(y))", XY),
    ("lambda x: (x**2).sum()", X),
    ("def both(a, b):\n    return a + b, a * b\n\ns, p = both(x, y)\ns / p", XY),
    ("def loss(x, y, weight=None, reduction='mean'):\n    \"\"\"A loss.\"\"\"\n    e = (x - y) ** 2\n    if weight is not None:\n        e = e * weight\n    if reduction == 'mean':\n        return e.mean()\n    return e.sum()\n\nloss(x, y) + loss(x, y, reduction='sum')", XY),
    ("y = x * 2  # doubled\nassert y.shape == x.shape\nreturn (y**2).mean()", X),
    ("with torch.no_grad():\n    m = x.max()\n(x - m).exp().sum()", X),
    ("y: torch.Tensor = x * 2\nz: float = 0.5\ny * z", X),
    ("x = x.requires_grad_()\ny = (x**3).sum()\ny.backward()", X),
    # literals
    ("w = torch.tensor([1.0, 2.0, -0.5])\n(w * x).sum()", X),
    ("torch.tensor([[1.0, 2.0, 3.0], [0.5, 0.25, 1.0]]) @ x", X),
    ("(x + torch.ones(3) * torch.zeros_like(x) + torch.full((3,), 0.5)).prod()", X),
    ("torch.eye(3, dtype=x.dtype)[1] * x + torch.arange(3) * x + torch.linspace(0, 1, 3)", X),
    ("torch.where(x > 0, x, float('-inf')).logsumexp(0)", X),
    ("x * math.pi + torch.pi * torch.e + torch.finfo(torch.float32).eps * x.sum()", X),
    ("scores = x.masked_fill(y < 0, -torch.inf)\nF.softmax(scores, dim=0)", XY),
    ("q = torch.tensor([0.25, 0.5, 0.9])\nlow, mid, high = torch.quantile(x, q)\n(high - low) * mid * q[0]", X),
    ("x.quantile(torch.tensor([0.1, 0.9], dtype=x.dtype), dim=0, keepdim=True)", X),
    ("torch.pinverse(x, rcond=1e-6) + torch.linalg.pinv(x, 1e-3) * torch.linalg.pinv(x, atol=0.01, rtol=0.001)", M),
    ("torch.linalg.tensorsolve((x @ x.T).reshape(2, 2, 1), x[:, 0], dims=(0,))", M),
    ("f = torch.tensor([1, 3, 2])\ntorch.cov(torch.stack([x, y]), fweights=f, aweights=x.exp())", XY),
    # what is tracked
    ("@torch.no_grad()\ndef stats(x):\n    return x.mean(), x.std()\n\nm, s = stats(x)\n(x - m) / s", X),
    ("def f(x):\n    with torch.no_grad():\n        return [x.mean(), x.std()]\n\nm, s = f(x)\n(x - m) / s", X),
    ("with torch.no_grad():\n    m = torch.max(x, dim=0)\n(x - m.values)**2", M),
    ("@torch.no_grad()\ndef f(x):\n    return x.max(0)\nx * f(x)[0]", M),
    ("w = torch.as_tensor(x)\nw * x", X),
    ("with torch.set_grad_enabled(False):\n    y = x * 2\ny * x", X),
    ("with torch.no_grad():\n    y = x * 2\n    y += x\n    y.mul_(2)\ny * x", X),
    # a dim that has a name
    ("d = 1\nm = torch.max(x, d)\nx - m.values.unsqueeze(d)", M),
    ("dim = -1\nx.max(dim)[0] + x.min(dim - 1).values.sum()", M),
    ("m = x.max(-1)\nm.values", M),
    ("torch.max(x, x.dim() - 1)[0] * x.min(len(x) - 1)[0]", M),
    ("sum(torch.max(x, d)[0].sum() for d in range(2))", M),
    ("rs = []\nfor d in range(2):\n    r = x.max(dim=d)\n    rs.append(r.values)\nrs[0].sum() + rs[1].sum()", M),
    ("x.std(False) + x.var(True) * torch.std(x, False) + torch.var_mean(x, 0, False)[0].sum()", M),
    # lists
    ("xs = [x * 2, y]\nxs[0] * xs[1] + xs[-1].exp()", XY),
    ("h = x * 2\nr = torch.chunk(input=h, chunks=3)\nh = h * 3\nr[0] + h[0]", X),
    ("h = x * 2\nr = torch.meshgrid([h, y], indexing='ij')\nh = h * 3\nr[0] + h", XY),
    ("def f(x):\n    return [x.exp(), x * 2], x.sum()\nf(x)[0][1] * f(x)[1] + f(2 * x)[0][0][1:].sum()", X),
    ("def f(x):\n    return x.sort(dim=0)\nf(x)[0] + f(x).values * f(x * 2)[0][1]", X),
    ("values, idx = torch.sort(x)\nvalues * x", X),
    ("values, _ = x.sort(dim=0, descending=True)\ns = x.sort()\nvalues[0] * s.values + s[0]", X),
    ("ws = [1.0, 2.0, 0.5]\nw = torch.tensor([2 ** (-8 * (i + 1) / 4) for i in range(3)])\ntorch.tensor(ws) * w * x", X),
    # whole numbers
    ("labels = torch.arange(2)\nF.cross_entropy(x, labels) + F.nll_loss(x, torch.tensor([2, 0]))", M),
    ("t = torch.tensor([0, 2])\nF.cross_entropy(x, t) + x.gather(1, torch.tensor([[0], [1]])).sum() + x[:, t].sum()", M),
    ("x[torch.arange(2)] + x[torch.tensor([0, 0])].sum()", M),
    ("t = torch.tensor([0.5, 0.25, 0.25])\nF.cross_entropy(x, t)", X),
    ("mask = torch.eye(3, dtype=torch.bool)\n(x @ y).masked_fill(mask, -1e9).logsumexp(1)", {"x": B, "y": A}),
    # whole losses and layers, as they stand in people's repositories
    ("def focal_loss(inputs, targets, alpha=0.25, gamma=2.0):\n    bce = F.binary_cross_entropy_with_logits(inputs, targets, reduction='none')\n    p_t = torch.exp(-bce)\n    loss = alpha * (1 - p_t) ** gamma * bce\n    return loss.mean()", {"inputs": V, "targets": [0.0, 1.0, 1.0]}),
    ("def nt_xent(z, t: float = 0.5):\n    sim = F.cosine_similarity(z.unsqueeze(1), z.unsqueeze(0), dim=-1) / t\n    mask = torch.eye(2, dtype=torch.bool)\n    sim = sim.masked_fill(mask, -1e9)\n    return torch.logsumexp(sim, dim=1).mean()", {"z": A}),
    ("def info_nce(z1, z2, temperature=0.5):\n    z1 = F.normalize(z1, dim=1)\n    z2 = F.normalize(z2, dim=1)\n    logits = z1 @ z2.T / temperature\n    labels = torch.arange(2)\n    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2", {"z1": A, "z2": [[1.0, 0.5, -0.25], [0.75, -1.5, 2.0]]}),
    ("KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())  # see Appendix B\nBCE = F.mse_loss(x.view(-1, 3), y.view(-1, 3), reduction='sum')\nBCE + KLD", {"x": V, "y": U, "mu": V, "logvar": U}),
    ("def norm(x, weight, bias, eps=1e-5):\n    u = x.mean(-1, keepdim=True)\n    s = (x - u).pow(2).mean(-1, keepdim=True)\n    x = (x - u) / torch.sqrt(s + eps)\n    return weight * x + bias\n\nnorm(x, y, y)", {"x": A, "y": V}),
    ("B, T, C = x.size()\nn_head = 2\nq, k, v = (x @ w).split(C, dim=2)\nk = k.view(B, T, n_head, C // n_head).transpose(1, 2)  # (B, nh, T, hs)\nq = q.view(B, T, n_head, C // n_head).transpose(1, 2)\nv = v.view(B, T, n_head, C // n_head).transpose(1, 2)\natt = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))\natt = att.masked_fill(torch.tril(torch.ones(T, T)).view(1, 1, T, T)[:,:,:T,:T] == 0, float('-inf'))\natt = F.softmax(att, dim=-1)\ny = att @ v\ny = y.transpose(1, 2).contiguous().view(B, T, C)\ny", {"x": C, "w": [[0.5, -0.25, 1.0, 0.75, -1.0, 0.25], [0.1, 0.3, -0.6, 0.2, 0.4, -0.7]]}),
    ("def rotate_half(x):\n    x1, x2 = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]\n    return torch.cat((-x2, x1), dim=-1)\n\ndef rope(q, k, cos, sin):\n    return (q * cos) + (rotate_half(q) * sin), (k * cos) + (rotate_half(k) * sin)\n\ndim = 2\ninv_freq = 1.0 / (10000 ** (torch.arange(0, dim, 2).double() / dim))\nfreqs = torch.outer(torch.arange(x.shape[0]), inv_freq)\nemb = torch.cat((freqs, freqs), dim=-1)\nq, k = rope(x, y, emb.cos(), emb.sin())\n(q @ k.T).sum()", {"x": B, "y": B[::-1]}),
    ("def rmsnorm(x, eps: float = 1e-6):\n    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)\n\noutput = rmsnorm(x.double()).type_as(x)\nreturn output * weight", {"x": A, "weight": V}),
    ("def alibi(n_heads):\n    return torch.tensor([2 ** (-8 * (i + 1) / n_heads) for i in range(n_heads)])\n\nT = x.shape[-1]\npos = torch.arange(T)[None, :] - torch.arange(T)[:, None]\n(x - alibi(4).view(4, 1, 1) * pos.abs()).softmax(-1)[..., 0]", {"x": [[0.5, -1.0, 1.5], [2.0, 0.25, -0.75], [1.0, 0.5, 0.25]]}),
    ("def dice_loss(pred, target, smooth = 1.):\n    pred = pred.contiguous()\n    intersection = (pred * target).sum(dim=1)\n    loss = (1 - ((2. * intersection + smooth) / (pred.sum(dim=1) + target.sum(dim=1) + smooth)))\n    return loss.mean()", {"pred": A, "target": [[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]}),
    ("def quantile_loss(preds, target, quantiles=[0.1, 0.5]):\n    assert preds.size(0) == target.size(0), f'{preds.shape}'\n    losses = []\n    for i, q in enumerate(quantiles):\n        errors = target - preds[:, i]\n        losses.append(torch.max((q - 1) * errors, q * errors).unsqueeze(1))\n    loss = torch.mean(torch.sum(torch.cat(losses, dim=1), dim=1))\n    return loss", {"preds": B, "target": V}),
    ("r = torch.abs(x - y)\ntorch.where(r <= 1.0, 0.5 * r ** 2, 1.0 * (r - 0.5 * 1.0)).mean()", XY),
    ("0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * torch.pow(x, 3)))) + x * torch.tanh(F.softplus(x))", X),
    ("x, gates = x.chunk(2, dim = -1)\nF.silu(x) * F.gelu(gates)", {"x": [[0.5, -1.0], [1.5, 0.25]]}),
    ("log_probs = -((y - mu) ** 2) / (2 * sigma ** 2) - torch.log(sigma) - 0.5 * math.log(2 * math.pi)\n-torch.logsumexp(torch.log_softmax(logits, -1) + log_probs, dim=-1).mean()", {"y": 0.3, "mu": V, "sigma": [0.5, 1.25, 2.0], "logits": U}),
    ("u = torch.tanh(x)\nu_xx = (u[2:] - 2*u[1:-1] + u[:-2]) / dx**2\nf = (u_xx + torch.sin(math.pi * x[1:-1])).pow(2).mean()\nf + u[0]**2 + u[-1]**2", {"x": [0.5, -1.5, 2.25, 0.75], "dx": 0.5}),
    ("class_weights = torch.tensor([0.2, 0.8, 0.5])\nF.cross_entropy(x, torch.tensor([0, 1]), weight=class_weights, label_smoothing=0.1)", M),
    ("F.relu(F.pairwise_distance(x, y) - F.pairwise_distance(x, 2 * y) + 0.2).mean()", {"x": A, "y": [[1.0, 0.5, -0.25], [0.75, -1.5, 2.0]]}),
    ("pt = torch.where(y == 1, x.sigmoid(), 1 - x.sigmoid())\n-(1 - pt).pow(2).mul(pt.log()).mean()", {"x": V, "y": [1.0, 0.0, 1.0]}),
    # in place
    ("def act(t):\n    return t.relu()\n\nh = x * 2\ny = act(h)\nh += 1\nh * y", X),
    ("h = x * 2\ng = h.clone()\ng += 1\nh * g", X),
    ("def f(t):\n    t = t + 1\n    t *= 2\n    return t\nf(x) * x", X),
    # numbers
    ("x * int(x.shape[0] / 2) + int(len(x) * 0.7)", X),
    ("n = 4\nm = n - 1\nfor k in range(m):\n    x = x * 2\nx", X),
    ("def power(x, n):\n    return x if n == 0 else x * power(x, n - 1)\npower(x, 3)", X),
    ("d_k = x.size(-1)\nx / torch.sqrt(torch.tensor(d_k, dtype=torch.float64))", X),
    ("torch.full((3,), 1 / math.sqrt(x.shape[0])) * x", X),
    ("(x > 0).int() * x + (x < 1).long() - (x > 2).to(torch.int32)", X),
    ("x.masked_fill(~(y > 0).bool(), -1.5) + x.masked_fill((y < 1).to(torch.bool), 2)", XY),
]  # fmt: skip
"""Texts that work, with points for their inputs."""

TRANSLATED: dict[str, str] = {
    "np.std(x) + np.var(x, axis=0)": "x.std(correction=0) + x.var(0, correction=0)",
    "np.std(x, ddof=1)": "x.std()",
    "np.cbrt(x) + jnp.cbrt(x) * scipy.special.cbrt(x)": "x.sign()*x.abs()**(1/3) + x.abs()**(2/3)",
    "np.linalg.norm(x, 1)": "torch.linalg.norm(x, 1)",
    "jnp.sum(jnp.exp(x), axis=0) + jax.nn.softmax(x)": "x.exp().sum(0) + torch.softmax(x, -1)",
    "np.concatenate([x, x], axis=0).max() + np.clip(x, a_min=-1, a_max=1)": "torch.cat([x, x]).amax() + x.clamp(-1, 1)",
    "tf.reduce_mean(tf.math.square(x)) + tf.math.reduce_std(x)": "x.square().mean() + x.std(correction=0)",
    "tf.nn.leaky_relu(x) * scipy.special.expit(x)": "F.leaky_relu(x, 0.2) * torch.sigmoid(x)",
    "from numpy import std, tanh\nstd(tanh(x))": "torch.tanh(x).std(correction=0)",
    "torch.tensor(x) * x": "x.detach() * x",
    "np.expand_dims(x, axis=0).T.sum() * np.dot(x, x)": "x.unsqueeze(0).T.sum() * torch.dot(x, x)",
}
"""Texts of other libraries, with what they are in torch."""

REFUSED: dict[str, tuple[str, str]] = {
    "x = torch.tensor([1.0, 2.0], requires_grad=True)\nx**2": ("what is differentiated by is an input", 'leave this line out, and give the point: --at \'x=[1.0,2.0]\''),
    "w = nn.Parameter(torch.randn(3))\nw * x": ("what a module holds is an input", 'leave this line out, and give the point: --at \'w=randn(3)\''),
    "x + torch.randn(3)": ("randn draws numbers that the check cannot know", 'give them as an input: --at \'n=randn(3)\''),
    "nn.Linear(3, 4)(x)": ("nn.Linear holds weights", "write linear(x, weight, bias): the weights are inputs"),
    "y = torch.rand(2, 3)\nx @ y": ("rand draws numbers that the check cannot know", "give them as an input: --at 'y=randn(3)'"),
    "theta = torch.zeros(2, requires_grad=True)\ntheta * x": ("what is differentiated by is an input", "leave this line out, and give the point: --at 'theta=zeros(2)'"),
    "x.item() * 2": (".item() takes the numbers out of torch", "write detach(x) for a number that nothing flows back through"),
    "float(x) + 1": ("float(...) takes the number out of torch", "write detach(x) for a number that nothing flows back through"),
    "x.long() * 2": ("whole numbers have no derivative", "write trunc(x) for the whole part; it is flat"),
    "y = x * 2\nprint(y)": ("nothing is printed on the way", "leave this line out: the check shows the value and the gradient"),
    "y = x * 2\ny[0] = 1\ny": ("no part of a tensor can be assigned", "write where(condition, value, x) for the whole tensor, or cat([x[:1], value, x[2:]])"),
    "x[x > 0].sum()": ("how many elements a condition picks depends on the point", "write where(condition, x, 0), which keeps the shape"),
    "x += 1\nx": ("torch changes no input in place that it differentiates by", "write x = x + ..., which makes a new one"),
    "h = x * 2\ny = F.relu(h, inplace=True)\ny + h": ("this was changed in place before", "leave out inplace=True, or the _ of a method"),
    "h = x * 2\ny = h.clamp_(min=0)\ny + h": ("this was changed in place before", "leave out inplace=True, or the _ of a method"),
    "h = x * 2\nhs = [h]\nh += 1\nhs[0] * h": ("this was changed in place before", "write h = h + ..., which makes a new one"),
    "out = []\nh = x * 1\nfor k in range(2):\n    h += k\n    out.append(h)\ntorch.stack(out)": ("this was changed in place before", "write h = h + ..., which makes a new one"),
    "h = x * 2\nfor a in [h[0], h[1]]:\n    a += 1\nh": ("this was changed in place before", "write a = a + ..., which makes a new one"),
    "h = x * 2\ng = h.view(-1)\ny = h.relu_()\ny + g": ("this was changed in place before", "leave out inplace=True, or the _ of a method"),
    "h = x * 2\ny = h[0].mul_(2)\nh + y": ("this was changed in place before", "leave out inplace=True, or the _ of a method"),
    "h = x * 2\ny = h.add_(x, alpha=2)\nh + y": ("this was changed in place before", "leave out inplace=True, or the _ of a method"),
    "F.relu(x, inplace=True) + x": ("this was changed in place before", "leave out inplace=True, or the _ of a method"),
    "a = []\nb = a\nb.append(x)\na[0]": ("b is a list that has another name as well", "make a new one: b = [*b, ...]"),
    "def f(parts, v):\n    parts.append(v)\n    return v\nps = []\ny = f(ps, x)\nlen(ps) * y": ("parts is a list that has another name as well", "make a new one: parts = [*parts, ...]"),
    "torch.set_grad_enabled(False)\nx * 2": ("what is tracked from here on is no matter of the text", "write `with torch.no_grad():` around the lines that it is meant for"),
    "x.requires_grad_(False)\nx * y": ("what is tracked from here on is no matter of the text", "write x = detach(x), or leave this out for an input"),
    "h = (x * 2).requires_grad_(False)\nx * h": ("what is not differentiated by is no matter of the text", "write detach(x)"),
    "torch.Tensor(3) * x": ("this is a tensor of that size, and nothing is in it", "write torch.tensor(3) for the number, zeros(...) for so many of them"),
    "torch.full((2,), x.sum())": ("torch's full takes a number, and no tensor", "write value.expand(2, 3)"),
    "x * int((len(x) - 1) / 2)": ("int(...) of a size rounds towards 0", "write //, as in (n - 1)//2"),
    "x.sort() * 2": ("sort returns several tensors", "sort(...)[0] is values; or a, b = sort(...)"),
    "s = x.sort()\ns * 2": ("s is several tensors", "s[0] is values"),
    "labels = torch.arange(x.size(0))\nF.cross_entropy(x, labels)": ("indices are known before anything is computed", "give them as an input of the shape that is meant, or write a list"),
    "x.gather(1, t.view(-1, 1))": ("indices are known before anything is computed", "give them as an input of the shape that is meant, or write a list"),
    "x[(x > 0) & (x < 1)]": ("how many elements a condition picks depends on the point", "write where(condition, x, 0), which keeps the shape"),
    "x[~m]": ("how many elements a condition picks depends on the point", "write where(condition, x, 0), which keeps the shape"),
    "x[x.gt(0)]": ("how many elements a condition picks depends on the point", "write where(condition, x, 0), which keeps the shape"),
    "x[m.bool()]": ("how many elements a condition picks depends on the point", "write where(condition, x, 0), which keeps the shape"),
    "x.view(heads, -1)": ("this argument must be a constant", "write the number itself, or heads = 2 in a line before"),
    "x[t] * t": ("t holds indices, and is no number here", "give the numbers as an input of another name"),
    "x[t].sum() / len(t)": ("t holds indices, and is no number here", "give the numbers as an input of another name"),
    "where(m, x, 0).sum() + x[m]": ("m holds indices, and is no number here", "give the numbers as an input of another name"),
    "torch.distributions.Normal(mu, sigma).log_prob(x)": ("a distribution is not part of the language", "write its formula: -((x - mu)**2)/(2*sigma**2) - log(sigma) - log(2*pi)/2 for the log_prob of a Normal"),
    "from torch.distributions import Categorical\nCategorical(logits=x).entropy()": ("a distribution is not part of the language", "write its formula: -((x - mu)**2)/(2*sigma**2) - log(sigma) - log(2*pi)/2 for the log_prob of a Normal"),
    "F.relu(self.conv2(x))": ("what self.conv2 computes is not in the text", "write its formula, with its weights as inputs"),
    "import matplotlib.pyplot as plt\nx": ("matplotlib is no library that is read here", "leave this line out"),
    "from .model import loss\nloss(x)": ("model is no library that is read here", "leave this line out"),
    "if __name__ == '__main__':\n    y = x\nx": ("__name__ is not part of the language", "leave the line out, with what stands in its block"),
    "torch.where(x > 0)": ("where with a condition alone gives indices, which depend on the point", "write where(condition, a, b)"),
    "batch['x'] * 2": ("a dict is not part of the language", "write x: what it holds is an input"),
    "h = x * 2\nwith torch.no_grad():\n    h += 1\nh * x": ("where nothing is tracked this changes the numbers, and no gradient", "change it outside of the block, with detach(...) around what is no part of the gradient"),
    "h = x * 2\nwith torch.no_grad():\n    y = h.relu_()\ny * x": ("where nothing is tracked this changes the numbers, and no gradient", "change it outside of the block, with detach(...) around what is no part of the gradient"),
    "np.cumsum(x)": ("without axis this is another function than torch's", "write axis=..., or flatten(x) before it"),
    "y = x + 1\nz = y.T\ny += 1\nz * y": ("this was changed in place before", "write y = y + ..., which makes a new one"),
    "for i in range(x.shape[0]):\n    y = x[i]\ny": ("the ends of a range are whole numbers, known before anything is computed", "write the numbers themselves: range(3)"),
    "if x.sum() > 0:\n    y = x\nelse:\n    y = -x\ny": ("`if` does not work on tensors", "write where(condition, a, b)"),
    "x if x > 0 else -x": ("`if` does not work on tensors", "write where(condition, a, b)"),
    "while x < 1:\n    x = x * 2\nx": ("a `while` ends when it likes, and is not part of the language", "write for k in range(3): ..."),
    "class Net(nn.Module):\n    def forward(self, x):\n        return x": ("a class is not part of the language", "paste the lines of its forward, with its weights as inputs: w for self.w"),
    "self.scale * x": (".scale is not part of the language", "write scale: what a module holds is an input"),
    "x.grad": (".grad is not part of the language", "the gradient is what the check gives: leave this out"),
    "torch.autograd.grad(x.sum(), x)": ("the gradient is what the check gives", "leave this out, and check the function itself"),
    "x.argmax() * x": ("indices are whole numbers, and have no derivative", "write amax(x, dim=...) for the largest element"),
    "x.sum(dim=y)": ("this argument must be a constant", "write the number itself, or y = 2 in a line before"),
    "x * float('nan')": ("nan is no number of the language", "leave out what it stands for"),
    "y = torch.exp(x, out=x)": ("out= writes into a tensor, and is not part of the language", "write y = exp(...)"),
    "np.median(x)": ("numpy's `median` is none of torch's", "numpy's median of an even number is between two: write their mean, sort(x)[1]/2 + sort(x)[2]/2 of four"),
    "jax.nn.gelu(x)": ("jax's `gelu` is none of torch's", 'jax\'s gelu is the approximation by tanh: write gelu(x, approximate="tanh")'),
    "scipy.special.softmax(x)": ("without axis this is another function than torch's", "write axis=..., or flatten(x) before it"),
    "torch.tensor([x.sum(), y.sum()])": ("torch.tensor takes the numbers out, and nothing flows back", "write stack([a, b])"),
    "import os\nx": ("os is no library that is read here", "leave this line out"),
    "def f(*xs):\n    return xs[0]\nf(x)": ("* and ** in a function are not part of the language", "name each argument"),
    "y = x * 2\ny.backward(torch.ones(3))": ("a backward pass is what the check does", "leave this out"),
}  # fmt: skip
"""Texts that are refused: what is wrong, and what to write."""


def test_there_are_many_habits() -> None:
    assert len(WORK) + len(TRANSLATED) + len(REFUSED) >= 67
    assert len(WORK) >= 60


# --- torch's own reading ----------------------------------------------------------------------------


def in_torch(text: str, point: dict[str, Any]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Return the output as torch and Python compute it, and the leaves with the gradient of its sum."""
    leaves = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in point.items()}
    names: dict[str, Any] = {"torch": torch, "F": F, "nn": nn, "math": math}
    tree = ast.parse(text)
    backward = isinstance(tree.body[-1], ast.Expr) and ast.unparse(tree.body[-1]).endswith(".backward()")
    body = tree.body[:-1] if backward else tree.body
    last = body[-1]
    if isinstance(last, ast.Expr):
        body[-1] = ast.copy_location(ast.Return(last.value), last)
    elif isinstance(last, ast.FunctionDef):
        body.append(ast.parse(f"return {last.name}({', '.join(leaves)})").body[0])
    elif not isinstance(last, ast.Return):
        assigned = [one.id for one in ast.walk(last) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)]
        body.append(ast.parse(f"return {assigned[-1]}").body[0])
    wrapper = ast.parse(f"def pasted({', '.join(leaves)}): pass")
    wrapper.body[0].body = body  # type: ignore[attr-defined]
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        exec(compile(ast.fix_missing_locations(wrapper), "pasted", "exec"), names)
        made = names["pasted"](**leaves)
        made = made(**leaves) if callable(made) else made
        made.sum().backward()
    finally:
        torch.set_default_dtype(default)
    return made.detach(), leaves


def agrees(text: str, spoken: str, point: dict[str, Any]) -> None:
    """Check a text, and compare its value and gradients with what torch makes of ``spoken``."""
    value, leaves = in_torch(spoken, point)
    run = check(text, dtype="float64", **point)
    [outcome] = run
    assert run.passed, str(run)
    for name, leaf in leaves.items():
        found = run.gradients[name].torch
        wanted = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
        np.testing.assert_allclose(np.zeros(leaf.shape) if found is None else found, wanted, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(outcome.layers[-1].values, value, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("text", "point"), WORK, ids=[text for text, _ in WORK])
def test_a_habit_means_what_it_means_in_torch(text: str, point: dict[str, Any]) -> None:
    agrees(text, text, point)


@pytest.mark.parametrize("text", TRANSLATED)
def test_other_libraries_mean_what_they_mean_there(text: str) -> None:
    agrees(text, TRANSLATED[text], X)


@pytest.mark.parametrize("text", [*(text for text, _ in WORK), *TRANSLATED])
def test_what_is_read_prints_to_text_that_parses_back(text: str) -> None:
    program = parse(text)
    printed = str(program)
    assert str(parse(printed)) == printed
    assert parse(printed).inputs == program.inputs or set(parse(printed).inputs) <= set(program.inputs)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused_says_what_to_write(text: str) -> None:
    with pytest.raises(GradcheckError) as problem:
        parse(text)
    assert (problem.value.message, problem.value.hint or "") == REFUSED[text]
    assert problem.value.span is not None


def answer_to(text: str) -> GradcheckError | None:
    """Return the problem with a text, None where it is a program."""
    try:
        parse(text)
    except GradcheckError as problem:
        return problem
    return None


# --- limits -------------------------------------------------------------------------------------------

NESTED = [
    "x.sum(dim=len({}))", "len({})", "x.reshape({}, -1)", "({}).shape[0]", "torch.zeros(len({}))", "({} if True else x)",
    "(lambda a: {})(x)", "torch.stack([{} for k in range(1)])[0]", "sum([{}])", "torch.tensor([{}])", "({}).float()",
    "torch.ones_like({})", "x[{}:]", "chunk({}, 2)[0]", "nn.GELU()({})", "np.std({})", "x.view(*({}).shape)", "({},)",
    "f({})", "0 < {} < 1", "torch.arange(len({}))", "sort({}).values", "[{}]", "x if False else {}", "not {}",
]  # fmt: skip
PLACES = ["{}", "f = lambda a: a*a\ny = {}\ny", "a, b = {}\na", "for a in {}:\n y = a", "if {}:\n y = x"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("nested", NESTED)
def test_whatever_nests_is_a_program_or_a_problem(nested: str, place: str) -> None:
    for depth in (3, 99, 300):
        text = "x"
        for _ in range(depth):
            text = nested.replace("{}", text)
        with suppress(GradcheckError):
            printed = str(parse(place.replace("{}", text)))
            assert str(parse(printed)) == printed


BOMBS = {
    "a list that is doubled": "p = [x]\nfor k in range(60):\n    p += p\ntorch.stack(p)",
    "a list that is doubled by extend": "p = [x]\nfor k in range(60):\n    p.extend(p)\ntorch.stack(p)",
    "a list that is spread twice": "p = [x]\nfor k in range(60):\n    p = [*p, *p]\ntorch.stack(p)",
    "a tuple of itself": "p = (x, x)\nfor k in range(60):\n    p = (p, p)\nx",
    "a shape that is doubled": "s = x.shape + (1,)\nfor k in range(60):\n    s = s + s\nx.view(s)",
    "a size that is squared": "n = len(x)\nfor k in range(60):\n    n = n * n\nx * n",
    "lines that compute nothing": "for k in range(1000):\n" + " pass\n" * 20_000 + "x",
    "functions that nobody calls": "for k in range(1000):\n" + " def f(): pass\n" * 20_000 + "x",
    "a function that calls itself": "def f(x):\n    return f(x)\nf(x)",
    "a function that calls itself twice": "def f(x, n):\n    return x if n == 0 else f(x, n - 1) + f(x, n - 1)\nf(x, 30)",
    "a function that is given itself": "f = lambda g: g(g)\nf(f)",
    "a tensor of many words": "torch.zeros(3) + torch.arange(10**9)",
    "a comprehension of comprehensions": "y = [[[x for a in range(99)] for b in range(99)] for c in range(99)]\nx",
}  # fmt: skip
"""Short texts that stand for very much."""


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_short_text_that_stands_for_very_much_meets_a_limit(text: str) -> None:
    """Soon, and with one message: what is written out is counted before it is."""
    with pytest.raises(GradcheckError) as problem:
        parse(text)
    assert "(the limit MAX_" in problem.value.message


@pytest.mark.parametrize("row", each(row for row in ON_TENSORS if row.params))
def test_a_huge_static_argument_of_any_function_meets_a_limit(row: Any) -> None:
    """A definition that writes out what it reads says how much that is, before it does."""
    for text in row.samples:
        program = parse(text)
        known = {name: TENSORS[name].shape for name in program.inputs}
        last = program.layers[-1]
        node = last.expression
        assert isinstance(node, Call)
        for name, value in node.params:
            for huge in (10**6, 10**9, 10**30, (10**6, 10**6)):
                if isinstance(value, str) or name == RESULT or name in row_words(row):
                    continue
                params = tuple((key, huge if key == name else one) for key, one in node.params)
                changed = replace(last, expression=replace(node, params=params))
                with suppress(GradcheckError), few_steps():
                    lower(replace(program, layers=(*program.layers[:-1], changed)), known)


def row_words(row: Any) -> Any:
    return getattr(row, "words", ())


@contextmanager
def few_steps(most: int = 3_000_000) -> Iterator[None]:
    """Fail after so many lines of Python."""
    count = 0

    def step(*_: Any) -> Any:
        nonlocal count
        count += 1
        assert count < most, "no limit was met"
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        yield
    finally:
        sys.settrace(before)


LENGTHY = {
    "many arguments that are computed": lambda n: f"def f({', '.join(f'a{k}' for k in range(n))}):\n    return x\nf({', '.join(['x + 1'] * n)})",
    "many inputs": lambda n: "y = x\n" + "\n".join(f"y = y*a{k}" for k in range(n)),
}  # fmt: skip


def steps(text: str) -> int:
    """Return how many lines of Python are run to read a text, and to ask what is differentiated by."""
    count = 0

    def step(*_: Any) -> Any:
        nonlocal count
        count += 1
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        assert parse(text).tracked
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("written", LENGTHY.values(), ids=LENGTHY)
def test_what_is_ten_times_as_long_takes_no_hundred_times_as_much(written: Any) -> None:
    assert steps(written(400)) < 20 * steps(written(40))


def test_a_shape_in_the_place_of_a_dim_prints_as_one() -> None:
    assert str(parse(str(parse("x.sum(x.shape)")))) == str(parse("x.sum(x.shape)"))


def test_the_limit_of_loops_is_the_one_it_names() -> None:
    parse(f"for k in range({MAX_TURNS}): y = x*k")
    with pytest.raises(LimitProblem):
        parse(f"for k in range({MAX_TURNS - 1}): y = x*k\nfor k in range(2): y = y*k")


# --- names ----------------------------------------------------------------------------------------------


def test_carets_stand_where_the_user_typed_it() -> None:
    """Inside of loops and functions, too: every part of a program has a place in the text, and its own words there."""
    text = "def f(a):\n    return torch.exp(a) * 2\n\ny = x\nfor k in range(2):\n    y = f(y) + k\ny"
    for layer in parse(text).layers:
        for part in postorder(layer.expression):
            shown = text[part.span.start : part.span.end]
            assert shown, part
            assert not isinstance(part, Call) or part.op != "exp" or shown == "torch.exp(a)"


@pytest.mark.parametrize("name", FORMULAS)
def test_a_function_that_torch_has_is_answered_with_its_formula(name: str) -> None:
    assert resolve(name, 1, False) is resolve(name, 2, False) is None
    with pytest.raises(GradcheckError) as problem:
        parse(f"{name}(x)")
    hint = problem.value.hint or ""
    assert hint == f"write {FORMULAS[name]}"
    for one in FORMULAS[name].partition(" for ")[0].split(" and "):
        parse(one)


def test_the_names_of_torch_are_no_slips() -> None:
    """All that torch's modules of functions hold is known, by the table or as torch's: none is another name misspelt."""
    modules = (torch.special, torch.linalg, torch.fft)
    public = [(module, name) for module in modules for name in dir(module) if name[0] != "_" and name[-1] != "_"]
    listed = [name for module, name in public if isfunction(getattr(module, name)) or isbuiltin(getattr(module, name))]
    assert listed
    answers = {name: answer_to(f"{name}(x)") for name in listed}
    assert not [name for name, one in answers.items() if one is not None and "unknown function" in one.message]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_is_its_function_or_says_what_to_write(name: str) -> None:
    answer = answer_to(f"nn.{name}()(x)")
    assert answer is None or answer.hint, answer
