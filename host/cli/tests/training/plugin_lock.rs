//! What a model says of the plugins that trained it, and what is said where they are others or gone.

use crate::{panics::add_plugin, tree::Tree};
use pipeline::lock::{self, UsedPlugin};
use serde_json::Value;
use std::{fs, io::Write};

#[test]
fn a_model_knows_its_plugins() {
    let tree = Tree::small();
    let file = add_plugin(&tree.path("plugins"), "fx-good");
    let train = "train 999 small 0 -tr fx_focal --iterations 1 --val-iterations 1 --seed 1 -device cpu --plugins-dir plugins --dev-plugins";
    tree.done(&format!("{train} --epochs 1"));
    let model = tree.path("res").join(&tree.dataset).join("fx_focal__nnUNetPlans__small");
    let lock = || serde_json::from_slice::<Value>(&fs::read(model.join("fold_0/plugins.lock")).unwrap()).unwrap();
    let first = lock()["plugins"].as_array().unwrap().clone();
    assert_eq!(first.len(), 1);
    assert_eq!((first[0]["plugin"].as_str(), first[0]["version"].as_str()), (Some("org.example.fx_good"), Some("0.1.0")));
    assert_eq!(first[0]["components"], serde_json::json!(["config:fx_focal", "architecture:fx_small_unet", "loss:fx_focal"]));
    let hash = first[0]["sha256"].as_str().unwrap().to_owned();
    assert_eq!(hash.len(), 64);

    // an exported model carries it
    tree.done("export_model_to_zip -d 999 -o model.zip -tr fx_focal -c small -f 0");
    let zip = zip::ZipArchive::new(fs::File::open(tree.path("model.zip")).unwrap()).unwrap();
    assert!(zip.file_names().any(|name| name.unwrap().ends_with("fold_0/plugins.lock")));

    // another file of the same plugin
    fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(&[0]).unwrap();
    let predict = format!("predict -i {} -o out -d 999 -tr fx_focal -c small -f 0 -device cpu --disable_tta", tree.images().display());
    let said = |line: &str| {
        let output = tree.host(line).output().unwrap();
        (output.status.code(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
    };
    let warning = |what: &str| format!("trained with the {what} of plugin org.example.fx_good 0.1.0 (sha256 {hash:.12}...), and here it is that of ");
    let (code, text) = said(&format!("{predict} --plugins-dir plugins --dev-plugins"));
    assert!(code == Some(0) && text.matches(&warning("architecture `fx_small_unet`")).count() == 1, "{text}");
    assert!(text.contains("warning: ") && text.contains(": results may differ") && !text.contains("loss `fx_focal`"), "{text}");
    let (code, text) = said(&format!("{train} --epochs 2 --c"));
    assert_eq!(code, Some(0), "{text}");
    for what in ["config `fx_focal`", "architecture `fx_small_unet`", "loss `fx_focal`"] {
        assert!(text.contains(&format!("warning: the checkpoint was {}", warning(what))), "{what}: {text}");
    }
    let both = lock()["plugins"].as_array().unwrap().clone();
    assert!(both.len() == 2 && both[0] == first[0] && both[1]["sha256"] != first[0]["sha256"], "{both:?}");
    // the last one counts
    assert!(!said(&format!("{predict} --plugins-dir plugins --dev-plugins")).1.contains("results may differ"));

    // no plugin
    fs::remove_file(&file).unwrap();
    let now = both[1]["sha256"].as_str().unwrap();
    for (line, what) in [(predict, "architecture `fx_small_unet`"), (format!("{train} --epochs 3 --c"), "config `fx_focal`")] {
        let (code, text) = said(&line);
        let wanted = format!("trained with the {what} of plugin org.example.fx_good 0.1.0 (sha256 {now:.12}...), which is not here; install it");
        assert!(code == Some(1) && text.contains(&wanted), "{text}");
    }
}

/// Plans that ask for a plugin which is not here: each command names them, and a fold that was trained so knows the plugin.
#[test]
fn plans_that_ask_for_a_missing_plugin_are_named() {
    let tree = Tree::small();
    let failed = |line: &str| {
        let output = tree.host(line).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(failed("plan_experiment -d 999 -pl Waves").starts_with("error: no planner is called `Waves`"));
    let plans = tree.path("pre").join(&tree.dataset).join("nnUNetPlans.json");
    let own = fs::read_to_string(&plans).unwrap();
    let fold = tree.path("res").join(&tree.dataset).join("nnUNetTrainer__nnUNetPlans__small/fold_0");
    fs::create_dir_all(&fold).unwrap();
    for (key, component) in [("DefaultPreprocessor", "preprocessor:Waves"), ("ZScoreNormalization", "normalization:Waves")] {
        fs::write(&plans, own.replace(key, "Waves")).unwrap();
        lock::write(&fold, &[]).unwrap();
        let asks = format!("error: {}: small asks for the {} `Waves`", plans.display(), component.split(':').next().unwrap());
        let train = "train 999 small 0 --epochs 1 -device cpu";
        for line in ["preprocess -d 999 -c small".to_owned(), train.to_owned(), format!("{train} --c"), format!("{train} --val")] {
            let said = failed(&line);
            assert!(said.starts_with(&format!("{asks}, which no plugin here has; install it (`host install-plugin`)")), "{line}: {said}");
        }
        let (plugin, version, sha256) = ("org.waves".into(), "1.2.0".into(), "ab".repeat(32));
        let used = UsedPlugin { plugin, version, sha256, repository: String::new(), components: vec![component.into()] };
        lock::write(&fold, &[used]).unwrap();
        for line in [format!("{train} --c"), format!("{train} --val")] {
            let said = failed(&line);
            assert!(
                said.starts_with(&format!("{asks} of plugin org.waves 1.2.0 (sha256 abababababab...), which is not here; install it")),
                "{line}: {said}"
            );
        }
    }
}
