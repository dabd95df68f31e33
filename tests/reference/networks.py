"""network/NAME/{meta.json, io.npz}: small networks of dynamic_network_architectures that the shared reference does not have, in its layout:
inputs, targets, outputs of each head, loss, gradients and three steps of nnU-Net's SGD. primus_sizes.json: the state dict of each size.

Weights are synthesised from names (`synthesised`), so none are stored.
"""
import json
from pathlib import Path

import numpy as np
import torch
from dynamic_network_architectures.architectures import primus, unet
from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from torch import nn

HERE = Path(__file__).parent
SALT = 1
MASK = (1 << 64) - 1


def fnv1a(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    return h


def synthesised(name, shape):
    """The shared reference's formula; tensors of two axes and more are scaled as weights."""
    n = int(np.prod(shape))
    z = np.uint64((fnv1a(name) + SALT) & MASK) + (np.arange(1, n + 1, dtype=np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    v = (z >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1
    if len(shape) >= 2:
        w = v * np.sqrt(6 / (1.0001 * np.prod(shape[1:])))
    else:
        w = 0.1 * v + (1.0 if name.endswith(".weight") else 0.0)
    return torch.from_numpy(w.astype(np.float32).reshape(shape))


def canonical(net):
    """State-dict names in order, the first of each tensor; and the further ones."""
    first, names, aliases = {}, {}, {}
    for name, tensor in net.state_dict(keep_vars=True).items():
        if id(tensor) in first:
            aliases[name] = first[id(tensor)]
        else:
            first[id(tensor)] = name
            names[name] = tensor
    return names, aliases


def loss_of(weights, batch_dice):
    dice = {"batch_dice": batch_dice, "smooth": 1e-5, "do_bg": False, "ddp": False}
    one = DC_and_CE_loss(dice, {}, weight_ce=1, weight_dice=1, ignore_label=None, dice_class=MemoryEfficientSoftDiceLoss)
    return DeepSupervisionWrapper(one, weights)


def run(net, x, targets, loss):
    net.zero_grad(set_to_none=True)
    outputs = net(x)
    outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    value = loss(outputs, targets)
    value.backward()
    return outputs, value


def write(name, make, architecture, channels, classes, patch, scales):
    torch.manual_seed(0)
    net = make().float()
    tensors, aliases = canonical(net)
    trained = {n: t for n, t in tensors.items() if isinstance(t, nn.Parameter)}
    with torch.no_grad():
        for n, tensor in tensors.items():
            tensor.copy_(synthesised(n, tuple(tensor.shape)))
    net.train()
    random = np.random.RandomState(7)
    x = torch.from_numpy(random.standard_normal((2, channels, *patch)).astype(np.float32))
    targets = [torch.from_numpy(random.randint(0, classes, (2, 1, *(int(p * s) for p, s in zip(patch, scale)))).astype(np.float32)) for scale in scales]
    weights = np.array([2.0**-i for i in range(len(scales))])
    if len(weights) > 1:
        weights[-1] = 0
    weights = (weights / weights.sum()).tolist()
    loss = loss_of(weights, True)

    outputs, value = run(net, x, targets, loss)
    gradients = {n: None if t.grad is None else t.grad.clone() for n, t in trained.items()}
    norm = float(torch.linalg.norm(torch.stack([g.norm() for g in gradients.values() if g is not None])))
    net.double()
    outputs64, value64 = run(net, x.double(), [t.double() for t in targets], loss)
    off = {}
    for n, tensor in canonical(net)[0].items():
        if n in trained and gradients[n] is not None:
            off[n] = float((gradients[n].double() - tensor.grad).abs().max() / tensor.grad.abs().max().clamp(min=1e-30))
    net.float()

    def about(g):
        g = g.double()
        return {"l2": float(g.norm()), "sum": float(g.sum()), "absmax": float(g.abs().max()), "first": g.flatten()[:4].tolist()}

    meta = {
        "name": name, "architecture": architecture, "input_channels": channels, "num_outputs": classes, "patch": patch, "batch": 2,
        "batch_dice": True, "regions": False, "init": f"synth salt={SALT}", "n_parameters": sum(t.numel() for t in tensors.values()),
        "n_state_dict_entries": len(net.state_dict()), "canonical_params": {n: list(t.shape) for n, t in tensors.items()}, "aliases": aliases,
        "ds_scales": scales, "ds_weights": weights, "loss": float(value), "loss_f64": float(value64), "total_grad_norm": norm,
        "grad": {n: None if g is None else about(g) for n, g in gradients.items()}, "f32_vs_f64_grad_max_rel": off,
        "f32_vs_f64_max_abs_out": [float((a.double() - b).abs().max()) for a, b in zip(outputs, outputs64)],
    }
    if hasattr(net, "encoder"):
        net.decoder.deep_supervision = False
        meta["conv_feature_map_size_at_patch"] = int(net.compute_conv_feature_map_size(patch))
        net.decoder.deep_supervision = True

    with torch.no_grad():
        for n, tensor in canonical(net)[0].items():
            tensor.copy_(synthesised(n, tuple(tensor.shape)))
    sgd = torch.optim.SGD(net.parameters(), 0.01, weight_decay=3e-5, momentum=0.99, nesterov=True)
    meta["sgd_trajectory"] = []
    for _ in range(3):
        _, value = run(net, x, targets, loss)
        before = float(nn.utils.clip_grad_norm_(net.parameters(), 12))
        sgd.step()
        meta["sgd_trajectory"].append({"loss": float(value), "total_grad_norm_before_clip": before})
    meta["params_l2_after_sgd"] = {n: float(t.double().norm()) for n, t in canonical(net)[0].items()}
    folder = HERE / "network" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta.json").write_text(json.dumps(meta) + "\n")
    arrays = {"x": x.numpy()} | {f"out{i}": o.detach().numpy() for i, o in enumerate(outputs)}
    arrays |= {f"target{i}": t.numpy().astype(np.int8) for i, t in enumerate(targets)}
    np.savez_compressed(folder / "io.npz", **arrays)
    print(name, meta["n_parameters"], meta["loss"], meta["f32_vs_f64_max_abs_out"])


def residual_unet():
    kwargs = {
        "n_stages": 3, "features_per_stage": [4, 8, 12], "conv_op": "torch.nn.modules.conv.Conv3d", "kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
        "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]], "n_blocks_per_stage": [1, 2, 1], "n_conv_per_stage_decoder": [1, 2], "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d", "norm_op_kwargs": {"eps": 1e-05, "affine": True}, "dropout_op": None,
        "dropout_op_kwargs": None, "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": True},
    }
    built = kwargs | {"conv_op": nn.Conv3d, "norm_op": nn.InstanceNorm3d, "nonlin": nn.LeakyReLU}
    architecture = {"network_class_name": "dynamic_network_architectures.architectures.unet.ResidualUNet", "arch_kwargs": kwargs,
                    "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]}
    make = lambda: unet.ResidualUNet(input_channels=1, num_classes=3, deep_supervision=True, **built)
    write("residual_unet", make, architecture, 1, 3, [6, 16, 12], [[1, 1, 1], [1, 0.5, 0.5]])


def small_primus():
    kwargs = {"embed_dim": 36, "patch_embed_size": [8, 8, 8], "eva_depth": 2, "eva_numheads": 3, "init_values": 0.1, "scale_attn_inner": True}
    architecture = {"network_class_name": "dynamic_network_architectures.architectures.primus.Primus", "arch_kwargs": kwargs, "_kw_requires_import": []}
    make = lambda: primus.Primus(input_channels=2, num_classes=3, input_shape=(16, 24, 8), **kwargs)
    write("primus", make, architecture, 2, 3, [16, 24, 8], [[1, 1, 1]])


def sizes():
    found = {}
    for name in "SBML":
        with torch.device("meta"):
            net = getattr(primus, f"Primus{name}" if hasattr(primus, f"Primus{name}") else "PrimusX")
            net = net(1, 3, patch_embed_size=(8, 8, 8), input_shape=(32, 32, 32))
        entries = {n: list(t.shape) for n, t in net.state_dict().items()}
        text = "".join(f"{n} {shape}\n" for n, shape in entries.items())
        found[f"Primus{name}"] = {"entries": len(entries), "numbers": sum(int(np.prod(s)) for s in entries.values()), "fnv1a": f"{fnv1a(text):016x}"}
    (HERE / "primus_sizes.json").write_text(json.dumps(found, indent=1) + "\n")
    print(found)


np.seterr(over="ignore")
torch.set_num_threads(1)
residual_unet()
small_primus()
sizes()
