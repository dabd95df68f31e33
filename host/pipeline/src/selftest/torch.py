"""Times training iterations of a U-Net in PyTorch: a network as JSON on standard input, seconds an iteration and bytes held as JSON on standard output.

The networks are those of nnU-Net's plans (Isensee et al. 2021; residual encoders: Isensee et al. 2024), with deep supervision, Dice + cross entropy,
gradient clipping and SGD with Nesterov momentum.
"""
import json
import sys
import time

import torch
from torch import nn

WARM, LEAST, ENOUGH = 3, 3, 4.0
ask = json.load(sys.stdin)
kwargs, dims = ask["kwargs"], len(ask["patch"])
Conv = {2: nn.Conv2d, 3: nn.Conv3d}[dims]
Up = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[dims]
Norm = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}[dims]
Pool = {2: nn.AvgPool2d, 3: nn.AvgPool3d}[dims]


def conv(i, o, kernel, stride, nonlin=True):
    parts = [Conv(i, o, kernel, stride, [k // 2 for k in kernel]), Norm(o, affine=True)]
    return nn.Sequential(*parts, *([nn.LeakyReLU(0.01, inplace=True)] if nonlin else []))


class Residual(nn.Module):
    def __init__(self, i, o, kernel, stride):
        super().__init__()
        self.path = nn.Sequential(conv(i, o, kernel, stride), conv(o, o, kernel, 1, nonlin=False))
        skip = [Pool(stride, stride)] if any(s != 1 for s in stride) else []
        self.skip = nn.Sequential(*skip, *([conv(i, o, [1] * dims, 1, nonlin=False)] if i != o else []))
        self.end = nn.LeakyReLU(0.01, inplace=True)

    def forward(self, x):
        return self.end(self.path(x) + self.skip(x))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        features, kernels, strides = kwargs["features_per_stage"], kwargs["kernel_sizes"], kwargs["strides"]
        residual = ask["class"].startswith("Residual")
        blocks = kwargs["n_blocks_per_stage" if residual else "n_conv_per_stage"]
        self.stem = conv(ask["channels"], features[0], kernels[0], 1) if residual else nn.Identity()
        before = features[0] if residual else ask["channels"]
        self.down, self.up, self.decoder, self.heads = (nn.ModuleList() for _ in range(4))
        for o, kernel, stride, n in zip(features, kernels, strides, blocks):
            make = Residual if residual else conv
            self.down.append(nn.Sequential(make(before, o, kernel, stride), *(make(o, o, kernel, [1] * dims) for _ in range(n - 1))))
            before = o
        for stage, n in zip(reversed(range(len(features) - 1)), kwargs["n_conv_per_stage_decoder"]):
            o, kernel = features[stage], kernels[stage]
            self.up.append(Up(features[stage + 1], o, strides[stage + 1], strides[stage + 1]))
            self.decoder.append(nn.Sequential(conv(2 * o, o, kernel, 1), *(conv(o, o, kernel, 1) for _ in range(n - 1))))
            self.heads.append(Conv(o, ask["classes"], 1))

    def forward(self, x):
        x, skips, heads = self.stem(x), [], []
        for stage in self.down:
            x = stage(x)
            skips.append(x)
        x = skips.pop()
        for up, decode, head in zip(self.up, self.decoder, self.heads):
            x = decode(torch.cat([up(x), skips.pop()], 1))
            heads.append(head(x))
        return heads[::-1]


def loss(heads, targets):
    total = 0.0
    for i, (logits, target) in enumerate(zip(heads, targets)):
        logits, axes = logits.float(), tuple(range(2, logits.ndim))
        p = logits.softmax(1)
        one_hot = torch.zeros_like(p).scatter_(1, target, 1.0)
        overlap, sizes = (p * one_hot).sum(axes), p.sum(axes) + one_hot.sum(axes)
        dice = ((2 * overlap + 1e-5) / (sizes + 1e-5).clamp_min(1e-8))[:, 1:].mean()
        total = total + 0.5 ** (i + 1) * (nn.functional.cross_entropy(logits, target[:, 0]) - dice)
    return total


def taken(compiled, low):
    device = torch.device(ask["device"])
    torch.manual_seed(1)
    network = UNet().to(device)
    if device.type == "cuda":
        # there must be something on the device before its memory can be asked for
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
        network = network.to(memory_format=torch.channels_last_3d if dims == 3 else torch.channels_last)
    run = torch.compile(network) if compiled else network
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.99, nesterov=True, weight_decay=3e-5)
    x = torch.randn(ask["batch"], ask["channels"], *ask["patch"], device=device)
    with torch.no_grad():
        targets = [torch.randint(ask["classes"], (ask["batch"], 1, *head.shape[2:]), device=device) for head in network(x)]

    def iterate():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=low):
            heads = run(x)
        value = loss(heads, targets)
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 12)
        optimizer.step()
        return value.item()

    for _ in range(WARM):
        iterate()
    start, n = time.perf_counter(), 0
    while n < LEAST or time.perf_counter() - start < ENOUGH:
        iterate()
        n += 1
    seconds = (time.perf_counter() - start) / n
    return {"seconds": seconds, "bytes": torch.cuda.max_memory_reserved(device) if device.type == "cuda" else 0}


answer = {}
for name, compiled, low in [("bf16", False, True), ("bf16 compiled", True, True), ("f32", False, False)]:
    # a processor has no use for the compiler here
    if ask["device"] == "cpu" and compiled:
        continue
    try:
        answer[name] = taken(compiled, low)
    except Exception as error:
        print(f"{name}: {error}", file=sys.stderr)
if not answer:
    sys.exit(1)
json.dump(answer, sys.stdout)
