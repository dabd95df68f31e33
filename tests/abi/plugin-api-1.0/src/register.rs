//! Macros by which a crate becomes a plugin and a type becomes a component.

/// Makes the crate a plugin: `plugin!("org.example.focal");`, once, in a cdylib.
///
/// Name, version, authors, licence, description and repository come from Cargo.toml.
#[macro_export]
macro_rules! plugin {
    ($id:literal) => {
        $crate::__record!(
            __NNU_PLUGIN,
            "nnu-plugin=1\0api=",
            $crate::abi::ABI_VERSION,
            "\0id=",
            $id,
            "\0name=",
            env!("CARGO_PKG_NAME"),
            "\0version=",
            env!("CARGO_PKG_VERSION"),
            "\0author=",
            env!("CARGO_PKG_AUTHORS"),
            "\0license=",
            env!("CARGO_PKG_LICENSE"),
            "\0description=",
            env!("CARGO_PKG_DESCRIPTION"),
            "\0repository=",
            env!("CARGO_PKG_REPOSITORY"),
            "\0",
        );
        const _: () = {
            use $crate::abi::__private::{PluginRootRef, abi_stable::library as wall};
            extern "C" fn start() -> wall::RootModuleResult {
                wall::__call_root_module_loader($crate::abi::export::root)
            }
            #[unsafe(no_mangle)]
            #[allow(non_upper_case_globals)]
            pub static nnu_plugin_root_v1: wall::LibHeader = $crate::abi::export::header(start);
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __register {
    ($kind:literal, $name:literal, $description:expr, $make:expr) => {
        const _: () = {
            $crate::__record!(RECORD, "component=", $kind, ":", $name, ":", $description, "\0");
            $crate::abi::__private::inventory::submit! {
                $crate::abi::export::Registration { kind: $kind, name: $name, description: $description, make: $make, record: &RECORD }
            }
        };
    };
}

/// Offers a type as an architecture: `register_architecture!("small_unet", SmallUNet, "one line");`
#[macro_export]
macro_rules! register_architecture {
    ($name:literal, $ty:ty) => {
        $crate::register_architecture!($name, $ty, "");
    };
    ($name:literal, $ty:ty, $description:literal) => {
        $crate::__register!(
            "architecture",
            $name,
            $description,
            $crate::abi::export::Make::Architecture($crate::abi::export::make_architecture::<$ty>)
        );
    };
}

/// Offers a type as a loss: `register_loss!("focal", Focal, "one line");`
#[macro_export]
macro_rules! register_loss {
    ($name:literal, $ty:ty) => {
        $crate::register_loss!($name, $ty, "");
    };
    ($name:literal, $ty:ty, $description:literal) => {
        $crate::__register!("loss", $name, $description, $crate::abi::export::Make::Loss($crate::abi::export::make_loss::<$ty>));
    };
}

/// Offers a type as a planner: `register_planner!("Isotropic", Isotropic, "one line");`, selected by `plan_experiment -pl Isotropic`.
#[macro_export]
macro_rules! register_planner {
    ($name:literal, $ty:ty) => {
        $crate::register_planner!($name, $ty, "");
    };
    ($name:literal, $ty:ty, $description:literal) => {
        $crate::__register!("planner", $name, $description, $crate::abi::export::Make::Hook($crate::abi::export::make_planner::<$ty>));
    };
}

/// Offers a type as a preprocessor: `register_preprocessor!("Denoise", Denoise, "one line");`, selected by `preprocessor_name` in plans.
#[macro_export]
macro_rules! register_preprocessor {
    ($name:literal, $ty:ty) => {
        $crate::register_preprocessor!($name, $ty, "");
    };
    ($name:literal, $ty:ty, $description:literal) => {
        $crate::__register!("preprocessor", $name, $description, $crate::abi::export::Make::Hook($crate::abi::export::make_preprocessor::<$ty>));
    };
}

/// Offers a type as a normalization scheme, selected by its name in `normalization_schemes` of plans.
#[macro_export]
macro_rules! register_normalization {
    ($name:literal, $ty:ty) => {
        $crate::register_normalization!($name, $ty, "");
    };
    ($name:literal, $ty:ty, $description:literal) => {
        $crate::__register!("normalization", $name, $description, $crate::abi::export::Make::Hook($crate::abi::export::make_normalization::<$ty>));
    };
}

/// Offers a type as an augmentation, selected by `augmentation` of a trainer config.
#[macro_export]
macro_rules! register_augmentation {
    ($name:literal, $ty:ty) => {
        $crate::register_augmentation!($name, $ty, "");
    };
    ($name:literal, $ty:ty, $description:literal) => {
        $crate::__register!("augmentation", $name, $description, $crate::abi::export::Make::Hook($crate::abi::export::make_augmentation::<$ty>));
    };
}

/// Offers a type as a learning rate schedule, selected by `lr_schedule` of a trainer config.
#[macro_export]
macro_rules! register_lr_schedule {
    ($name:literal, $ty:ty) => {
        $crate::register_lr_schedule!($name, $ty, "");
    };
    ($name:literal, $ty:ty, $description:literal) => {
        $crate::__register!("lr_schedule", $name, $description, $crate::abi::export::Make::Hook($crate::abi::export::make_lr_schedule::<$ty>));
    };
}

/// Lists a name that the host's own code answers to, under a kind.
#[doc(hidden)]
#[macro_export]
macro_rules! __register_own {
    ($kind:literal, $name:literal, $description:literal) => {
        $crate::__register!($kind, $name, $description, $crate::abi::export::Make::Host);
    };
}

/// Offers a trainer config: `register_config!("focal" => { description: "one line", loss: "focal", num_epochs: 500 });`
///
/// The fields are those of [`TrainerConfig`](crate::TrainerConfig); a component with settings is `json!({"name": "focal", "gamma": 3.0})`.
#[macro_export]
macro_rules! register_config {
    ($name:literal => { description: $description:literal $(, $key:ident : $value:expr)* $(,)? }) => {
        $crate::__register!("config", $name, $description, $crate::abi::export::Make::Data(|| {
            let mut fields = $crate::abi::__private::serde_json::Map::new();
            fields.insert("description".into(), $description.into());
            $(fields.insert(stringify!($key).into(), $crate::json!($value));)*
            $crate::abi::__private::serde_json::Value::Object(fields).to_string()
        }));
    };
}
