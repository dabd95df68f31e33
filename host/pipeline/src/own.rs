//! Names that the host's own code answers to, listed under their kinds like any plugin's.

use plugin_api::__register_own as own;

own!("planner", "ExperimentPlanner", "nnU-Net's default planner");
own!("planner", "ResEncUNetPlanner", "residual encoder, as the default planner budgets");
own!("planner", "nnUNetPlannerResEncM", "residual encoder for 8 GiB");
own!("planner", "nnUNetPlannerResEncL", "residual encoder for 24 GiB");
own!("planner", "nnUNetPlannerResEncXL", "residual encoder for 40 GiB");
own!("planner", "nnUNetPlanner_torchres", "the default planner with linear resampling");
own!("planner", "nnUNetPlannerResEncL_torchres", "nnUNetPlannerResEncL with linear resampling");
own!("planner", "nnUNetPlannerResEncL_torchres_sepz", "nnUNetPlannerResEncL with linear resampling, a coarse axis on its own");
own!("planner", "nnUNetPlannerResEncL_noResampling", "nnUNetPlannerResEncL without resampling");
own!("preprocessor", "DefaultPreprocessor", "transpose, crop to what is not zero, normalize, resample");
own!("normalization", "ZScoreNormalization", "mean 0 and standard deviation 1 of each image");
own!("normalization", "CTNormalization", "clipped to the foreground's percentiles, then by its mean and deviation in all images");
own!("normalization", "NoNormalization", "as it is");
own!("normalization", "RescaleTo01Normalization", "0 to 1 of each image");
own!("normalization", "RGBTo01Normalization", "divided by 255");
own!("augmentation", "standard", "nnU-Net's usual augmentation");
own!("augmentation", "da5", "stronger: nnU-Net's DA5");
own!("lr_schedule", "poly", "lr (1 - e/E)^0.9");
own!("lr_schedule", "cosine", "half a wave, from the initial learning rate to 0");

#[cfg(test)]
mod tests {
    use plugin_api::abi::host::Library;

    fn names(kind: &str) -> Vec<String> {
        let own = |description: &str| !description.starts_with("test:");
        Library::builtin().components().into_iter().filter(|c| c.kind == kind && own(&c.description)).map(|c| c.name).collect()
    }

    #[test]
    fn each_preset_and_scheme_is_listed() {
        let mut presets = crate::plan::PRESETS.map(|preset| preset.name.to_owned());
        presets.sort();
        assert_eq!(names("planner"), presets);
        assert_eq!(names("preprocessor"), [crate::preprocess::PREPROCESSOR]);
        let mut schemes = crate::preprocess::SCHEMES.map(str::to_owned);
        schemes.sort();
        assert_eq!(names("normalization"), schemes);
    }
}
