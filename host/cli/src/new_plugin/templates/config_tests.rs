//! The config can be read, field by field.

use plugin_api::TrainerConfig;
use plugin_test::config;

#[test]
fn it_says_what_it_promises() -> plugin_api::Result<()> {
    let config: TrainerConfig = config("{{name}}")?;
    assert_eq!((config.num_epochs, config.initial_lr), (Some(250), Some(1e-3)));
    assert_eq!(config.lr_schedule.map(|s| s.name).as_deref(), Some("cosine"));
    Ok(())
}
