//! What goes wrong behind the wall becomes an error with its place; the process and the model live on.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::*;
use engine::{HeadTarget, Mode, Model, Supervision};
use plugin_api::{Task, abi::host::Library, prelude::*};
use std::{
    cell::RefCell,
    sync::atomic::{AtomicUsize, Ordering},
};

/// The error of a forward pass of this function.
fn error(f: impl Fn(&[Tensor]) -> Tensor + Send + Sync + 'static) -> String {
    Rig::new(vec![spread(&[2, 3], 1)], vec![], f).forward().unwrap_err().to_string()
}

#[test]
fn a_tensor_kept_across_calls_is_stale() {
    thread_local! {
        static KEPT: RefCell<Option<Tensor>> = const { RefCell::new(None) };
    }
    let rig = Rig::new(vec![spread(&[2, 3], 1)], vec![], |t| match KEPT.with_borrow_mut(Option::take) {
        Some(kept) => kept + 1.0,
        None => {
            KEPT.set(Some(t[0].exp()));
            t[0].clone() * 2.0
        }
    });
    let first = rig.forward().unwrap();
    let error = rig.forward().unwrap_err().to_string();
    assert!(error.contains("kept from an earlier call") && error.contains("faults.rs:"), "{error}");
    assert_eq!(rig.forward().unwrap(), first);
}

#[test]
fn a_panic_becomes_an_error_with_its_place() {
    let calls = AtomicUsize::new(0);
    let rig = Rig::new(vec![spread(&[2, 3], 1)], vec![], move |t| {
        if calls.fetch_add(1, Ordering::Relaxed) == 0 {
            panic!("the author's mistake");
        }
        t[0].exp()
    });
    let error = rig.forward().unwrap_err().to_string();
    assert!(error.contains("the author's mistake") && error.contains("faults.rs:"), "{error}");
    assert_eq!(rig.forward().unwrap().1, [2, 3]);
    let outside = self::error(|t| {
        let shape = t[0].shape();
        Tensor::zeros(&[shape[5]])
    });
    assert!(outside.contains("index out of bounds") && outside.contains("faults.rs:"), "{outside}");
}

#[test]
fn wrong_shapes_are_named() {
    for (found, wanted) in [
        (error(|t| &t[0] + Tensor::zeros(&[4])), "(2, 3)"),
        (error(|t| t[0].matmul(&Tensor::zeros(&[4, 2]))), "(4, 2)"),
        (error(|t| t[0].reshape(&[4, -1])), "(2, 3)"),
        (error(|t| t[0].sum_axes(&[2], false)), "axis 2"),
        (error(|t| t[0].slice(1, 2, 9)), "9"),
        (error(|t| t[0].logical_not()), "Bool"),
    ] {
        assert!(found.contains(wanted) && found.contains("faults.rs:"), "{found}");
    }
}

#[test]
fn uploads_of_the_wrong_length_are_refused() {
    let floats = error(|_| Tensor::from_f32(&[2, 3], &[0.0; 5]));
    assert!(floats.contains("upload: shape [2, 3] wants 6 values, 5 were given") && floats.contains("faults.rs:"), "{floats}");
    let ints = error(|_| Tensor::from_i32(&[2], &[1, 2, 3]));
    assert!(ints.contains("wants 2 values, 3 were given"), "{ints}");
    assert!(error(|_| Tensor::from_f32(&[0], &[])).contains("upload: "));
    // 2 (2^63 + 1) is 2 in 64 bits
    assert!(error(|_| Tensor::from_f32(&[usize::MAX / 2 + 2, 2], &[0.0; 2])).contains("upload: "));
}

/// Returns the logits, which are no single number.
#[derive(Default, Deserialize)]
struct Vector {}

impl Loss for Vector {
    fn forward(&self, logits: &Tensor, _: &Target) -> Result<Tensor> {
        Ok(logits.exp())
    }
}

register_loss!("vector", Vector);

/// Reads a target that the task lacks.
#[derive(Default, Deserialize)]
struct Lost {}

impl Loss for Lost {
    fn forward(&self, logits: &Tensor, target: &Target) -> Result<Tensor> {
        Ok((logits * target.prepared("distance")).sum())
    }
}

register_loss!("lost", Lost);

fn step(rig: &Rig, loss: &str, x: &[f32], head: HeadTarget<'_>, task: &Task) -> engine::Result<f32> {
    let loss = Library::builtin().loss(loss, "{}", "{}").unwrap();
    rig.model.step(Mode::Train, x, &[1, 1, 1], &Supervision { heads: vec![head], prepared: &[], task }, &loss, &[]).map(|s| s.loss)
}

fn head<'a>(shape: &'a [usize], values: &'a [i16]) -> HeadTarget<'a> {
    HeadTarget { shape, values, weight: 1.0 }
}

#[test]
fn a_loss_is_one_number() {
    let rig = Rig::new(vec![spread(&[2, 3], 1)], vec![], |t| t[0].exp());
    let error = step(&rig, "vector", &[0.0], head(&[1, 1, 1], &[0]), &Task::default()).unwrap_err().to_string();
    assert!(error.contains("a loss is one number; forward returned 6 of them"), "{error}");
    let error = step(&rig, "lost", &[0.0], head(&[1, 1, 1], &[0]), &Task::default()).unwrap_err().to_string();
    assert!(error.contains("prepare() returned no array called distance") && error.contains("faults.rs:"), "{error}");
}

#[test]
fn a_loss_outside_the_gradient_gives_no_gradients() {
    let rig = Rig::new(vec![spread(&[2, 3], 1)], vec![], |t| t[0].detach());
    assert_eq!(rig.gradients(), [vec![0.0; 6]]);
}

#[test]
fn images_and_targets_of_the_wrong_length_are_refused() {
    let rig = Rig::new(vec![spread(&[2, 3], 1)], vec![], |t| t[0].exp());
    let error = rig.model.predict(&[0.0; 5], &[1, 1, 2, 3]).err().unwrap().to_string();
    assert!(error.contains("5") && error.contains("[1, 1, 2, 3]"), "{error}");
    let plain = Task::default();
    let regions = |ignore: bool| Task { regions: true, ignore, ..Task::default() };
    for (shape, values, task) in [
        (&[1, 1, 2][..], &[0i16][..], &plain),
        (&[1], &[0], &plain),
        (&[1, 2, 1], &[0], &regions(false)),
        (&[1, 1, 1], &[0], &regions(true)),
        (&[1, 1, 1], &[2], &plain),
        (&[1, 1, 1], &[3], &Task { ignore: true, ..Task::default() }),
    ] {
        let error = step(&rig, "vector", &[0.0], head(shape, values), task).unwrap_err().to_string();
        assert!(error.contains("target"), "{error}");
    }
}

#[test]
fn weights_that_do_not_fit_are_listed() {
    let mut rig = Rig::new(vec![spread(&[2, 3], 1), spread(&[2], 2)], vec![], |t| t[0].exp());
    let weight = |name: &str, shape: &[usize], n: usize| (name.to_string(), shape.to_vec(), vec![0f32; n]);
    let error = rig.model.load(&[weight("p0", &[3, 2], 6), weight("other", &[1], 1)]).unwrap_err().to_string();
    for part in
        ["3 tensors differ", "p0: the file has [3, 2], the network [2, 3]", "missing: p1, [2] in the network", "extra: other, [1] in the file"]
    {
        assert!(error.contains(part), "{error}");
    }
    let error = rig.model.load(&[weight("p0", &[2, 3], 5), weight("p1", &[2], 2)]).unwrap_err().to_string();
    assert!(error.contains("p0") && error.contains('5'), "{error}");
    assert_eq!(rig.model.weights().unwrap()[0].data, rig.inputs[0].1);
}

/// Two parameters of one name; a parameter made in the middle of a forward pass.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Careless {
    late: bool,
    empty: bool,
}

struct Late(Params);

impl Network for Late {
    fn forward(&self, _: &Tensor) -> Result<Vec<Tensor>> {
        self.0.param("late", &[1], plugin_api::Init::ZEROS).map(|p| vec![p.tensor()])
    }
}

struct Nothing;

impl Network for Nothing {
    fn forward(&self, _: &Tensor) -> Result<Vec<Tensor>> {
        Ok(vec![])
    }
}

impl Architecture for Careless {
    fn build(&self, _: &NetworkSpec, p: &Params) -> Result<Box<dyn Network>> {
        if self.late {
            return Ok(Box::new(Late(p.clone())));
        }
        if self.empty {
            return Ok(Box::new(Nothing));
        }
        p.at("block").param("weight", &[1], plugin_api::Init::ZEROS)?;
        p.at("block").param("weight", &[1], plugin_api::Init::ZEROS)?;
        Ok(Box::new(Nothing))
    }
}

register_architecture!("careless", Careless);

#[test]
fn parameters_are_made_once_and_in_build() {
    let spec = NetworkSpec::from_json(r#"{"input_channels": 1, "num_classes": 2, "patch_size": [1]}"#).unwrap();
    let build = |settings: &str| {
        let architecture = Library::builtin().architecture("careless", settings).unwrap();
        Model::build(&engine::Device::cpu(), &architecture, &spec, 0)
    };
    let error = build("{}").err().unwrap().to_string();
    assert!(error.contains("two parameters are called block.weight") && error.contains("faults.rs:"), "{error}");
    let error = build(r#"{"late": true}"#).unwrap().predict(&[0.0], &[1, 1, 1]).err().unwrap().to_string();
    assert!(error.contains("parameter late was asked for outside build()"), "{error}");
    let error = build(r#"{"empty": true}"#).unwrap().predict(&[0.0], &[1, 1, 1]).err().unwrap().to_string();
    assert!(error.contains("forward returned no logits"), "{error}");
}
