//! What a new crate holds, by the kind of its component.

/// A kind's part of a new crate.
pub(crate) struct Template {
    /// As records name it.
    pub(crate) kind: &'static str,
    source: &'static str,
    tests: &'static str,
    trial: &'static str,
}

macro_rules! templates {
    ($($kind:literal tried by $trial:expr;)+) => {
        /// The kinds that can be begun.
        pub(crate) const KINDS: &[&str] = &[$($kind),+];

        static ALL: &[Template] = &[$(Template {
            kind: $kind,
            source: include_str!(concat!("templates/", $kind, ".rs")),
            tests: include_str!(concat!("templates/", $kind, "_tests.rs")),
            trial: $trial,
        }),+];
    };
}

/// For what a planner or a preprocessor does to a dataset.
const PLANNED: &str = "host plan_and_preprocess -d DATASET -pl {{name}} --plugins-dir target/release --dev-plugins";
const PREPROCESSED: &str =
    "host plan_and_preprocess -d DATASET -preprocessor_name {{name}} -overwrite_plans_name {{name}}Plans --plugins-dir target/release --dev-plugins";
/// A planner names schemes; plans that are there can be edited.
const NORMALIZED: &str =
    "host preprocess -d DATASET --plugins-dir target/release --dev-plugins   # with \"{{name}}\" in the plans' normalization_schemes";
/// For what `-tr` selects.
const TRAINED: &str = "host demo --quick -tr {{name}} --plugins-dir target/release --dev-plugins";

templates! {
    "architecture" tried by TRAINED;
    "loss" tried by TRAINED;
    "config" tried by TRAINED;
    "planner" tried by PLANNED;
    "preprocessor" tried by PREPROCESSED;
    "normalization" tried by NORMALIZED;
    "augmentation" tried by TRAINED;
    "lr_schedule" tried by TRAINED;
}

impl Template {
    /// The template of a kind.
    pub(crate) fn of(kind: &str) -> Option<&'static Template> {
        ALL.iter().find(|t| t.kind == kind)
    }

    /// The files beside what is vendored, with their texts.
    pub(crate) fn files(&self) -> [(&'static str, String); 5] {
        [
            ("Cargo.toml", include_str!("templates/Cargo.toml.txt").to_owned()),
            (".gitignore", "/target/\n".to_owned()),
            ("README.md", include_str!("templates/README.md").replace("{{trial}}", self.trial)),
            ("src/lib.rs", self.source.to_owned()),
            ("src/tests.rs", self.tests.to_owned()),
        ]
    }

    /// The command that tries a built plugin of this kind.
    pub(crate) fn trial(&self) -> &'static str {
        self.trial
    }
}
