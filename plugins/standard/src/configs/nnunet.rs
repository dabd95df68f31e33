//! The configs under the names of nnU-Net's trainer classes: habits, scripts and checkpoints (`trainer_name`) carry over.

use plugin_api::{json, register_config};

/// `"nnU-Net's name" = "ours": "what it is";`
macro_rules! also_called {
    ($($theirs:literal = $ours:literal: $about:literal;)+) => {$(
        register_config!($theirs => { description: $about, extends: $ours });
    )+};
}

also_called! {
    "nnUNetTrainer_1epoch" = "1epochs": "1 epoch";
    "nnUNetTrainer_5epochs" = "5epochs": "5 epochs";
    "nnUNetTrainer_10epochs" = "10epochs": "10 epochs";
    "nnUNetTrainer_20epochs" = "20epochs": "20 epochs";
    "nnUNetTrainer_50epochs" = "50epochs": "50 epochs";
    "nnUNetTrainer_100epochs" = "100epochs": "100 epochs";
    "nnUNetTrainer_250epochs" = "250epochs": "250 epochs";
    "nnUNetTrainer_500epochs" = "500epochs": "500 epochs";
    "nnUNetTrainer_750epochs" = "750epochs": "750 epochs";
    "nnUNetTrainer_2000epochs" = "2000epochs": "2000 epochs";
    "nnUNetTrainer_4000epochs" = "4000epochs": "4000 epochs";
    "nnUNetTrainer_8000epochs" = "8000epochs": "8000 epochs";
    "nnUNetTrainer_250epochs_NoMirroring" = "250epochs_no_mirroring": "250 epochs without mirroring";
    "nnUNetTrainer_2000epochs_NoMirroring" = "2000epochs_no_mirroring": "2000 epochs without mirroring";
    "nnUNetTrainer_4000epochs_NoMirroring" = "4000epochs_no_mirroring": "4000 epochs without mirroring";
    "nnUNetTrainer_8000epochs_NoMirroring" = "8000epochs_no_mirroring": "8000 epochs without mirroring";

    "nnUNetTrainerNoMirroring" = "no_mirroring": "no mirroring";
    "nnUNetTrainer_onlyMirror01" = "mirror_01": "mirroring along z and y alone";
    "nnUNetTrainerNoDA" = "no_da": "no augmentation";
    "nnUNetTrainer_noDummy2DDA" = "no_dummy_2d_da": "augments anisotropic patches in 3D";
    "nnUNetTrainerDA5" = "da5": "stronger augmentation";
    "nnUNetTrainerDAOrd0" = "nearest": "nearest voxel of image and labels in augmentation";
    "nnUNetTrainer_DASegOrd0" = "nearest_labels": "nearest label in augmentation";

    "nnUNetTrainerAdam" = "adam": "AdamW with AMSGrad";
    "nnUNetTrainerAdam1en3" = "adam_1e3": "AdamW with AMSGrad, learning rate 0.001";
    "nnUNetTrainerAdam3en4" = "adam_3e4": "AdamW with AMSGrad, learning rate 0.0003";
    "nnUNetTrainerVanillaAdam" = "vanilla_adam": "Adam at the usual learning rate";
    "nnUNetTrainerVanillaAdam1en3" = "vanilla_adam_1e3": "Adam, learning rate 0.001";
    "nnUNetTrainerVanillaAdam3en4" = "vanilla_adam_3e4": "Adam, learning rate 0.0003";
    "nnUNetTrainerAdan" = "adan": "Adan at the usual learning rate";
    "nnUNetTrainerAdan1en3" = "adan_1e3": "Adan, learning rate 0.001";
    "nnUNetTrainerAdan3en4" = "adan_3e4": "Adan, learning rate 0.0003";
    "nnUNetTrainerAdan1en1" = "adan_1e1": "Adan, learning rate 0.1";
    "nnUNetTrainerAdanCosAnneal" = "adan_cosine_annealing": "Adan along a cosine";
    "nnUNetTrainerCosAnneal" = "cosine_annealing": "learning rate along a cosine";
    "nnUNetTrainer_warmup" = "warmup": "50 epochs of warm-up";

    "nnUNetTrainerCELoss" = "ce_loss": "cross entropy alone";
    "nnUNetTrainerDiceLoss" = "dice_loss": "soft Dice alone";
    "nnUNetTrainerDiceCELoss_noSmooth" = "dice_ce_no_smooth": "Dice + cross entropy without smoothing term";
    "nnUNetTrainerTopk10Loss" = "topk_ce_loss": "cross entropy of the hardest 10 %";
    "nnUNetTrainerDiceTopK10Loss" = "dice_topk_loss": "Dice + cross entropy of the hardest 10 %";

    "nnUNetTrainerBN" = "batch_norm": "batch normalisation";
    "nnUNetTrainerNoDeepSupervision" = "no_deep_supervision": "the finest head alone";
    "nnUNetTrainer_probabilisticOversampling_033" = "probabilistic_oversampling": "foreground with probability 0.33";
    "nnUNetTrainer_probabilisticOversampling_010" = "probabilistic_oversampling_010": "foreground with probability 0.1";
    "nnUNetTrainerBenchmark_5epochs" = "benchmark_5epochs": "5 epochs, measured";
    "nnUNetTrainerBenchmark_5epochs_noDataLoading" = "benchmark_5epochs_no_data_loading": "5 epochs, measured without loading";

    "nnUNet_Primus_S_Trainer" = "primus_s": "Primus S";
    "nnUNet_Primus_B_Trainer" = "primus_b": "Primus B";
    "nnUNet_Primus_M_Trainer" = "primus_m": "Primus M";
    "nnUNet_Primus_L_Trainer" = "primus_l": "Primus L";
}

// combinations that only nnU-Net names
register_config!("nnUNetTrainer_onlyMirror01_1500ep" => {
    description: "mirroring along z and y alone, 1500 epochs",
    extends: "mirror_01",
    num_epochs: 1500,
});
register_config!("nnUNetTrainer_onlyMirror01_DASegOrd0" => {
    description: "mirroring along z and y alone, nearest label in augmentation",
    extends: "mirror_01",
    augmentation: json!({"nearest": ["labels"]}),
});
register_config!("nnUNetTrainer_onlyMirror01_DA5" => {
    description: "mirroring along z and y alone, stronger augmentation",
    extends: "mirror_01",
    augmentation: "da5",
});
register_config!("nnUNetTrainer_DASegOrd0_NoMirroring" => {
    description: "no mirroring, nearest label in augmentation",
    extends: "no_mirroring",
    augmentation: json!({"nearest": ["labels"]}),
});
register_config!("nnUNetTrainerDA5ord0" => {
    description: "stronger augmentation with the nearest voxel of image and labels",
    augmentation: json!({"name": "da5", "nearest": ["image", "labels"]}),
});
register_config!("nnUNetTrainerDA5Segord0" => {
    description: "stronger augmentation with the nearest label",
    augmentation: json!({"name": "da5", "nearest": ["labels"]}),
});
register_config!("nnUNetTrainerDA5_10epochs" => { description: "stronger augmentation, 10 epochs", extends: "da5", num_epochs: 10 });
register_config!("nnUNetTrainerCELoss_5epochs" => { description: "cross entropy alone, 5 epochs", extends: "ce_loss", num_epochs: 5 });
register_config!("nnUNetTrainerTopk10LossLS01" => {
    description: "cross entropy of the hardest 10 %, labels smoothed by 0.1",
    loss: json!({"name": "topk_ce", "label_smoothing": 0.1}),
});
register_config!("nnUNetTrainer_probabilisticOversampling" => {
    description: "each sample shows foreground with the probability that the last third of a batch comes to (half of two samples)",
    probabilistic_oversampling: true,
});
register_config!("nnUNet_Trainer_BS8" => { description: "batches of 8", batch_size: 8 });
register_config!("nnUNet_Primus_M_Trainer_BS8" => { description: "Primus M, batches of 8", extends: "primus_m", batch_size: 8 });
register_config!("nnUNet_Primus_M_Trainer_BS8_2e4" => {
    description: "Primus M, batches of 8, learning rate 0.0002",
    extends: "primus_m",
    batch_size: 8,
    initial_lr: 2e-4,
});
