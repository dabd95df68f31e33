//! The trainer configs that `-tr` selects. What a config leaves out is nnU-Net's default.
//!
//! Here they stand under names that say what they do; `nnunet` has them under the names of nnU-Net's trainer classes.

mod nnunet;

use plugin_api::{json, register_config};

register_config!("base" => { description: "nnU-Net's training: the plan's network, Dice + cross entropy, SGD with a polynomial schedule, 1000 epochs" });

// mirroring
register_config!("no_mirroring" => {
    description: "no mirroring, neither in training nor in prediction (for structures that tell left from right)",
    mirror_axes: false,
    inference_allowed_mirroring_axes: false,
});
register_config!("mirror_01" => {
    description: "mirroring along z and y alone (y in slices), in training and in prediction",
    mirror_axes: [0, 1],
    inference_allowed_mirroring_axes: [0, 1],
});

/// Two configs for each number of epochs: as `base`, and as `no_mirroring`.
macro_rules! epochs {
    ($($n:literal: $name:literal $about:literal, $no_mirroring:literal $about_no_mirroring:literal;)+) => {$(
        register_config!($name => { description: $about, num_epochs: $n });
        register_config!($no_mirroring => { description: $about_no_mirroring, extends: "no_mirroring", num_epochs: $n });
    )+};
}

epochs! {
    1: "1epochs" "1 epoch, to see whether it runs", "1epochs_no_mirroring" "1 epoch without mirroring";
    2: "2epochs" "2 epochs", "2epochs_no_mirroring" "2 epochs without mirroring";
    3: "3epochs" "3 epochs", "3epochs_no_mirroring" "3 epochs without mirroring";
    4: "4epochs" "4 epochs", "4epochs_no_mirroring" "4 epochs without mirroring";
    5: "5epochs" "5 epochs, to see whether it learns", "5epochs_no_mirroring" "5 epochs without mirroring";
    10: "10epochs" "10 epochs", "10epochs_no_mirroring" "10 epochs without mirroring";
    20: "20epochs" "20 epochs", "20epochs_no_mirroring" "20 epochs without mirroring";
    50: "50epochs" "50 epochs", "50epochs_no_mirroring" "50 epochs without mirroring";
    100: "100epochs" "100 epochs", "100epochs_no_mirroring" "100 epochs without mirroring";
    250: "250epochs" "250 epochs", "250epochs_no_mirroring" "250 epochs without mirroring";
    500: "500epochs" "500 epochs", "500epochs_no_mirroring" "500 epochs without mirroring";
    750: "750epochs" "750 epochs", "750epochs_no_mirroring" "750 epochs without mirroring";
    1000: "1000epochs" "1000 epochs, as base says", "1000epochs_no_mirroring" "1000 epochs without mirroring";
    1500: "1500epochs" "1500 epochs", "1500epochs_no_mirroring" "1500 epochs without mirroring";
    2000: "2000epochs" "2000 epochs", "2000epochs_no_mirroring" "2000 epochs without mirroring";
    4000: "4000epochs" "4000 epochs", "4000epochs_no_mirroring" "4000 epochs without mirroring";
    8000: "8000epochs" "8000 epochs", "8000epochs_no_mirroring" "8000 epochs without mirroring";
}

// optimisers
register_config!("adam" => {
    description: "AdamW with AMSGrad at the usual learning rate of 0.01",
    optimizer: json!({"name": "adamw", "amsgrad": true}),
});
register_config!("adam_1e3" => {
    description: "AdamW with AMSGrad, learning rate 0.001",
    extends: "adam",
    initial_lr: 1e-3,
});
register_config!("adam_3e4" => {
    description: "AdamW with AMSGrad, learning rate 0.0003",
    extends: "adam",
    initial_lr: 3e-4,
});
register_config!("vanilla_adam" => {
    description: "Adam (weight decay as part of the gradient) at the usual learning rate of 0.01",
    optimizer: "adam",
});
register_config!("vanilla_adam_1e3" => {
    description: "Adam, learning rate 0.001",
    extends: "vanilla_adam",
    initial_lr: 1e-3,
});
register_config!("vanilla_adam_3e4" => {
    description: "Adam, learning rate 0.0003",
    extends: "vanilla_adam",
    initial_lr: 3e-4,
});
register_config!("adan" => {
    description: "Adan (Xie et al. 2022) at the usual learning rate of 0.01",
    optimizer: "adan",
});
register_config!("adan_1e3" => { description: "Adan, learning rate 0.001", extends: "adan", initial_lr: 1e-3 });
register_config!("adan_3e4" => { description: "Adan, learning rate 0.0003", extends: "adan", initial_lr: 3e-4 });
register_config!("adan_1e1" => { description: "Adan, learning rate 0.1, which few trainings survive", extends: "adan", initial_lr: 1e-1 });
register_config!("adan_cosine_annealing" => {
    description: "Adan, the learning rate along a cosine",
    extends: "adan",
    lr_schedule: "cosine",
});
register_config!("cosine_annealing" => {
    description: "the learning rate falls along a cosine instead of a polynomial",
    lr_schedule: "cosine",
});
register_config!("warmup" => {
    description: "the learning rate rises for 50 epochs before it falls",
    lr_schedule: json!({"name": "poly", "warmup_epochs": 50}),
});

/// Primus (arXiv 2503.01835).
macro_rules! primus {
    ($($name:literal $size:literal $about:literal;)+) => {$(
        register_config!($name => {
            description: $about,
            extends: "warmup",
            architecture: json!({"name": $size, "drop_path_rate": 0.2}),
            optimizer: json!({"name": "adamw", "beta1": 0.9, "beta2": 0.98}),
            initial_lr: 3e-4,
            weight_decay: 5e-2,
            gradient_clip: 1.0,
            enable_deep_supervision: false,
        });
    )+};
}

primus! {
    "primus_s" "PrimusS" "Primus S (a transformer) with AdamW; patches divisible by 8";
    "primus_b" "PrimusB" "Primus B (a transformer) with AdamW; patches divisible by 8";
    "primus_m" "PrimusM" "Primus M (a transformer) with AdamW; patches divisible by 8";
    "primus_l" "PrimusL" "Primus L (a transformer) with AdamW; patches divisible by 8";
}

// augmentation and sampling
register_config!("no_da" => {
    description: "no augmentation at all, hence no mirroring in prediction either",
    extends: "no_mirroring",
    disable_data_augmentation: true,
});
register_config!("no_dummy_2d_da" => {
    description: "rotates and scales anisotropic patches in 3D too, instead of slice by slice",
    do_dummy_2d_data_aug: false,
});
register_config!("da5" => { description: "stronger augmentation", augmentation: "da5" });
register_config!("nearest_labels" => {
    description: "augmentation takes the nearest label where it rotates and scales",
    augmentation: json!({"nearest": ["labels"]}),
});
register_config!("nearest" => {
    description: "augmentation takes the nearest voxel where it rotates and scales, of the image and of the labels",
    augmentation: json!({"nearest": ["image", "labels"]}),
});
register_config!("probabilistic_oversampling" => {
    description: "each sample shows foreground with probability 0.33, instead of the last third of each batch",
    probabilistic_oversampling: true,
    oversample_foreground_percent: 0.33,
});
register_config!("probabilistic_oversampling_010" => {
    description: "each sample shows foreground with probability 0.1",
    extends: "probabilistic_oversampling",
    oversample_foreground_percent: 0.1,
});

// losses
register_config!("dice_loss" => { description: "soft Dice alone", loss: "dice" });
register_config!("ce_loss" => { description: "cross entropy alone (binary for regions)", loss: "ce" });
register_config!("dice_ce_no_smooth" => {
    description: "Dice + cross entropy without the Dice's smoothing term",
    loss: json!({"name": "dice_ce", "smooth": 0.0}),
});
register_config!("topk_ce_loss" => { description: "cross entropy of the hardest 10 % of the voxels", loss: "topk_ce" });
register_config!("dice_topk_loss" => { description: "Dice + cross entropy of the hardest 10 % of the voxels", loss: "dice_topk" });

// the rest
register_config!("batch_norm" => { description: "batch normalisation instead of the plan's", norm: "batch" });
register_config!("benchmark_5epochs" => {
    description: "5 epochs whose fastest goes to benchmark_result.json; no checkpoint, no final validation",
    num_epochs: 5,
    benchmark: true,
});
register_config!("benchmark_5epochs_no_data_loading" => {
    description: "the same with one random batch, so that loading does not count",
    extends: "benchmark_5epochs",
    synthetic_data: true,
});
register_config!("no_deep_supervision" => {
    description: "the loss sees the finest head alone",
    enable_deep_supervision: false,
});
