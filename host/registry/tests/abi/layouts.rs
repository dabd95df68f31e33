//! Every type, number and name that crosses, written down. A change that breaks plugins shows as a difference here before it does there.

use abi_stable::{
    StableAbi,
    std_types::utypeid::UTypeId,
    type_layout::{TLData, TypeLayout},
};
use plugin_api::{
    BatchQuestion, ChannelFacts, LowresQuestion, Op, PatchQuestion, PlannerSetup, PlanningDataset, PreprocessingPlan, Task, TopologyQuestion,
    TransposeQuestion,
    abi::__private::{PluginRootRef, abi_stable},
};
use std::{collections::BTreeMap, fmt::Write};

/// The types that were met. abi_stable names a generic type without its parameters, so those of one name are numbered.
#[derive(Default)]
struct Types {
    names: BTreeMap<String, Vec<UTypeId>>,
    texts: BTreeMap<String, String>,
}

impl Types {
    /// What to call a type; a new one is described.
    fn label(&mut self, layout: &'static TypeLayout) -> String {
        let (name, id) = (layout.full_type().to_string().trim().to_owned(), layout.get_utypeid());
        let known = self.names.entry(name.clone()).or_default();
        let place = known.iter().position(|&other| other == id);
        let number = place.unwrap_or(known.len());
        let label = if number == 0 { name } else { format!("{name} #{}", number + 1) };
        if place.is_none() {
            known.push(id);
            self.texts.insert(label.clone(), String::new());
            let text = self.describe(layout);
            self.texts.insert(label.clone(), text);
        }
        label
    }

    fn describe(&mut self, layout: &'static TypeLayout) -> String {
        let mut text = format!("{} bytes, aligned to {}", layout.size(), layout.alignment());
        if let TLData::PrefixType(prefix) = layout.data() {
            let _ = write!(text, ", {} of {} fields in every version", prefix.first_suffix_field, prefix.fields.len());
        }
        let fields = layout.get_fields().into_iter().flat_map(|fields| fields.to_vec());
        for field in fields.chain(layout.phantom_fields().to_vec()) {
            let mut of: Vec<String> = Vec::new();
            for function in field.function_range().iter() {
                let parameters: Vec<String> = function.param_type_layouts.iter().map(|layout| self.label(layout())).collect();
                let returned = function.return_type_layout().map_or("()".to_owned(), |layout| self.label(layout()));
                of.push(format!("fn({}) -> {returned}", parameters.join(", ")));
            }
            if !field.is_function() {
                of.push(self.label(field.layout()));
            }
            let _ = write!(text, "\n    {}: {}", field.name(), of.join(" "));
        }
        text
    }
}

#[test]
fn no_type_changes_by_accident() {
    let mut types = Types::default();
    types.label(<PluginRootRef as StableAbi>::LAYOUT);
    let types = types.texts;
    // what must be among them, or the walk missed a part
    for part in ["PluginRoot", "HostTable", "AbiHead", "AbiNewArray", "AbiArrayMut", "AbiError"] {
        assert!(types.keys().any(|name| name.contains(part)), "{part} was not reached: {:?}", types.keys());
    }
    let text: Vec<String> = types.iter().map(|(name, text)| format!("{name}: {text}")).collect();
    insta::with_settings!({snapshot_path => "../../../../tests/abi/layouts", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("types", text.join("\n"));
    });
}

#[test]
fn no_number_or_name_changes_by_accident() {
    let ops: Vec<String> = Op::ALL.iter().map(|&op| format!("{} {}", op as u32, op.name())).collect();
    let json = |what: &str, value: serde_json::Result<String>| format!("{what} {}", value.unwrap());
    let questions = [
        json("task", serde_json::to_string(&Task::default())),
        json("planning dataset", serde_json::to_string(&PlanningDataset::default())),
        json("setup", serde_json::to_string(&PlannerSetup::default())),
        json("transpose", serde_json::to_string(&TransposeQuestion::default())),
        json("topology", serde_json::to_string(&TopologyQuestion::default())),
        json("patch_size", serde_json::to_string(&PatchQuestion::default())),
        json("batch_size", serde_json::to_string(&BatchQuestion::default())),
        json("lowres_spacing", serde_json::to_string(&LowresQuestion::default())),
        json("preprocessing plan", serde_json::to_string(&PreprocessingPlan::default())),
        json("normalize", serde_json::to_string(&ChannelFacts::default())),
    ];
    insta::with_settings!({snapshot_path => "../../../../tests/abi/layouts", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("numbers_and_names", [ops.join("\n"), questions.join("\n")].join("\n\n"));
    });
}
