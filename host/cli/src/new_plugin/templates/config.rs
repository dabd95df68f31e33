//! The trainer config `{{name}}`: AdamW with a cosine schedule, for fewer epochs.
#![forbid(unsafe_code)]

use plugin_api::prelude::*;

#[cfg(test)]
mod tests;

plugin!("{{id}}");

// What is left out is nnU-Net's default, or that of the config that `extends` names. `TrainerConfig` lists the fields.
register_config!("{{name}}" => {
    description: "250 epochs of AdamW under a cosine",
    num_epochs: 250,
    optimizer: "adamw",
    initial_lr: 1e-3,
    lr_schedule: "cosine",
});
