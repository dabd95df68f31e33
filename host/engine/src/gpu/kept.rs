//! What GPUs keep for the next run: kernels once compiled, and choices once tuned. Both take minutes where there are none.

use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig, cache::CacheConfig};

/// Keeps them in the user's cache (`~/.cache/cubecl`), unless a `cubecl.toml` names another folder. To be called before a device is opened.
pub(crate) fn keep() {
    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    config.compilation.cache = true;
    if matches!(config.environment.path, CacheConfig::Target) {
        // the runtime's own default looks for a cargo project around the working folder
        config.environment.path = CacheConfig::Global;
    }
    // false: settings were read before, by a device that is open
    CubeClRuntimeConfig::try_set(config);
}
