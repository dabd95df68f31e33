"""small_checkpoint.pth: a checkpoint as nnU-Net's trainer saves it, of a network with a handful of weights."""
from pathlib import Path

import numpy as np
import torch

weight = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4) / 7
weights = {"encoder.weight": weight, "encoder.bias": torch.tensor([0.5, -2.0]), "decoder.encoder.weight": weight, "scale": torch.tensor(3.0)}
torch.save(
    {
        "network_weights": torch.nn.Module().state_dict() | weights,
        "optimizer_state": {"state": {0: {"momentum_buffer": weight * 2}}, "param_groups": [{"lr": 0.01, "momentum": 0.99, "params": [0]}]},
        "grad_scaler_state": None,
        "logging": {"mean_fg_dice": [np.float64(0.5)], "train_losses": [np.float32(0.25)], "lrs": [0.01]},
        "_best_ema": np.float64(0.5),
        "current_epoch": 1,
        "init_args": {"plans": {"plans_name": "nnUNetPlans"}, "configuration": "2d", "fold": 0, "dataset_json": {}, "device": torch.device("cpu")},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": (0, 1),
    },
    Path(__file__).with_suffix(".pth"),
)
