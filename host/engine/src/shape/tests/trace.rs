use super::*;
use crate::shape::{NodeKind, ParamInfo, Trace, TraceError, planning_size, recorder::Recorder, trace};
use plugin_api::{
    abi::host::{Host, Library},
    nn::{BlockSpec, Conv, ConvStack, ConvTranspose, NormKind},
    prelude::*,
};

/// A U-Net of two levels that misbehaves as asked.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Toy {
    fault: String,
    planned: Option<u64>,
}

struct ToyNetwork {
    fault: String,
    first: Conv,
    down: Conv,
    up: ConvTranspose,
    head: Conv,
    scale: Param,
    place: Params,
}

impl Architecture for Toy {
    fn build(&self, spec: &NetworkSpec, p: &Params) -> Result<Box<dyn Network>> {
        let n = spec.dims();
        let (three, one, two) = (vec![3; n], vec![1; n], vec![2; n]);
        let names = if self.fault == "twice" { "first" } else { "down" };
        Ok(Box::new(ToyNetwork {
            first: Conv::same(&p.at("first"), spec.input_channels, 2, &three, &one, true)?,
            down: Conv::same(&p.at(names), 2, 4, &three, &two, true)?,
            up: ConvTranspose::new(&p.at("up"), 4, 2, &two, true)?,
            head: Conv::pointwise(&p.at_each(&["heads.0", "decoder.head"]), 4, spec.num_classes, n, true)?,
            scale: p.buffer("scale", &[1], Init::ONES)?,
            fault: self.fault.clone(),
            place: p.clone(),
        }))
    }

    fn planning_size(&self, _: &NetworkSpec) -> Result<Option<u64>> {
        Ok(self.planned)
    }
}

struct Doubled;
impl CustomOp for Doubled {
    fn name(&self) -> &str {
        "doubled"
    }
    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        match inputs {
            [x] => Ok(x.iter().map(|n| n * 2).collect()),
            _ => bail!("doubled: takes 1 tensor, got {}", inputs.len()),
        }
    }
    fn forward(&self, _: &[Array<'_>], _: ArrayMut<'_>) -> Result<()> {
        bail!("a trace runs no values")
    }
}

impl Network for ToyNetwork {
    fn forward(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let a = self.first.forward(x).leaky_relu(0.01);
        let b = self.down.forward(&a);
        let up = self.up.forward(&b);
        let cat = Tensor::concat(&[&up, &a], 1);
        let logits = self.head.forward(&cat);
        match self.fault.as_str() {
            "read" => drop(logits.to_vec()),
            "late" => drop(self.place.param("late", &[1], Init::ONES)?),
            "leak" => std::mem::forget(a.exp()),
            "panic" => panic!("toy"),
            "none" => return Ok(vec![]),
            "input" => return Ok(vec![x.clone()]),
            "coarse" => return Ok(vec![logits.resize(&[4, 4], Resize::Linear)]),
            "fine" => return Ok(vec![logits.clone(), logits.resize(&[16, 16], Resize::Linear)]),
            "custom" => return Ok(vec![logits.clone(), Tensor::custom(Doubled, &[&self.scale.tensor()])]),
            "custom args" => drop(Tensor::custom(Doubled, &[&a, &b])),
            "upload" => drop(Tensor::from_f32(&[2, 2], &[1.0])),
            "detached" => return Ok(vec![logits.detach()]),
            "training" => assert!(plugin_api::training()),
            _ => {}
        }
        Ok(vec![logits])
    }
}
register_architecture!("shape_toy", Toy);

fn toy_spec(size: usize) -> NetworkSpec {
    NetworkSpec {
        input_channels: 1,
        num_classes: 3,
        patch_size: vec![size, size],
        deep_supervision: false,
        network_class_name: String::new(),
        arch_kwargs: json!({}),
    }
}

fn toy(fault: &str, size: usize) -> plugin_api::Result<Trace, TraceError> {
    let arch = Library::builtin().architecture("shape_toy", &json!({ "fault": fault }).to_string()).unwrap();
    trace(&arch, &toy_spec(size), 2)
}

#[test]
fn a_small_network_by_hand() {
    let t = toy("", 8).unwrap();
    assert_eq!(t.parameter_count(), 20 + 76 + 34 + 15);
    assert_eq!(t.parameters.len(), 9);
    let head = ParamInfo { name: "heads.0.weight".into(), aliases: vec!["decoder.head.weight".into()], shape: vec![3, 4, 1, 1], trainable: true };
    assert_eq!(t.parameters[6], head);
    assert_eq!((&t.inputs, &t.outputs), (&vec![vec![2, 1, 8, 8]], &vec![vec![2, 3, 8, 8]]));
    let nodes: Vec<(&NodeKind, &str)> = t.nodes.iter().map(|n| (&n.kind, n.scope.as_str())).collect();
    let kinds = [Op::Conv, Op::LeakyRelu, Op::Conv, Op::ConvTranspose, Op::Concat, Op::Conv].map(NodeKind::Op);
    let scopes = ["first", "", "down", "up", "", "heads.0"];
    assert_eq!(nodes, kinds.iter().zip(scopes).collect::<Vec<_>>());
    assert_eq!(t.nodes[1].floats, [0.01]);
    assert_eq!(t.nodes[4].inputs, [t.nodes[3].outputs[0], t.nodes[1].outputs[0]]);
    // of one sample: 2 and 4 channels, the transposed 2, the head's 3
    assert_eq!(t.conv_output_elements, 2 * 64 + 4 * 16 + 2 * 64 + 3 * 64);
    assert_eq!(t.flops, (2 * 256 * 9 + 256) + 2 * 256 + (2 * 128 * 18 + 128) + (2 * 128 * 8 + 256) + (2 * 384 * 4 + 384));
    // at the head: x, leaky, down, up, concat and the logits are held
    assert_eq!(t.inference_bytes, 4 * (128 + 256 + 128 + 256 + 512 + 384));
    // kept: x, leaky, down, concat; with the logits, their gradient and that of the concat
    assert_eq!(t.activation_bytes, 4 * (128 + 256 + 128 + 512 + 384 + 384 + 512));
    assert!(t.differentiable && t.unused_parameters().is_empty());
    assert_eq!(t.leaked, 0);
}

#[test]
fn faults_are_told() {
    let fail = |fault: &str, size: usize| toy(fault, size).unwrap_err();
    let says = |fault: &str, kind: ErrorKind, text: &str| {
        let e = fail(fault, 8);
        assert_eq!((e.error.kind(), e.error.message()), (kind, text), "{fault}");
        assert_eq!(e.reads_values, fault == "read");
    };
    says("read", ErrorKind::Unsupported, "the values of (2, 3, 8, 8) are read here, which cannot be traced on shapes alone");
    says("late", ErrorKind::Invalid, "parameter late is asked for in forward; parameters are created in build");
    says("twice", ErrorKind::Invalid, "parameter first.weight exists already");
    says("panic", ErrorKind::Panic, "panicked: toy");
    says("none", ErrorKind::Component, "forward returned no head");
    says("input", ErrorKind::Component, "head 0 is (2, 1, 8, 8) Float, wanted (2, 3, ...) Float with spatial axes (8, 8)");
    says("coarse", ErrorKind::Component, "head 0 is (2, 3, 4, 4) Float, wanted (2, 3, ...) Float with spatial axes (8, 8)");
    says("fine", ErrorKind::Component, "head 1 is (2, 3, 16, 16) Float, wanted (2, 3, ...) Float with spatial axes at most (8, 8)");
    says("custom", ErrorKind::Component, "head 1 is (2) Float, wanted (2, 3, ...) Float with spatial axes at most (8, 8)");
    says("custom args", ErrorKind::Component, "doubled: takes 1 tensor, got 2");
    says("upload", ErrorKind::Invalid, "a tensor from values: (2, 2) holds 4 values, 1 were given");
    let odd = fail("", 9);
    assert_eq!(odd.error.message(), "concat along axis 1: (2, 2, 10, 10) and (2, 2, 9, 9) differ in axis 2");
    let none = trace(&Library::builtin().architecture("shape_toy", "").unwrap(), &toy_spec(8), 0).unwrap_err();
    assert_eq!(none.error.message(), "an argument: (0, 1, 8, 8) has no elements");
}

#[test]
fn what_is_no_fault_is_noted() {
    assert_eq!(toy("leak", 8).unwrap().leaked, 1);
    assert!(!toy("detached", 8).unwrap().differentiable);
    assert!(toy("training", 8).is_ok());
}

#[test]
fn the_planners_figure() {
    let figure = |settings: &str| planning_size(&Library::builtin().architecture("shape_toy", settings).unwrap(), &toy_spec(8)).unwrap();
    assert_eq!(figure(""), toy("", 8).unwrap().planning_elements());
    assert_eq!(figure(r#"{"planned": 7}"#), 7);
}

#[test]
fn handles_are_checked() {
    let info = || float(&[2]);
    let (host, other) = (Recorder::new(), Recorder::new());
    let x = host.argument(info(), false).unwrap();
    let y = host.emit(Op::Exp as u32, &[x], &[], &[]).unwrap()[0];
    assert_eq!(host.describe(y), Ok((vec![2], DType::Float)));
    host.release(x); // the host's own: stays
    host.release(y);
    host.release(y); // twice and unknown ones do no harm
    host.release(0);
    assert!(host.describe(x).is_ok());
    let stale = host.emit(Op::Exp as u32, &[y], &[], &[]).unwrap_err();
    assert_eq!((stale.kind(), stale.message()), (ErrorKind::Stale, "a tensor of shape (2) was used after its release"));
    for wrong in [0, 1, u64::MAX, x + 50, other.argument(info(), false).unwrap()] {
        assert_eq!(host.describe(wrong).unwrap_err().kind(), ErrorKind::Stale, "{wrong}");
    }
    assert_eq!(host.emit(9999, &[x], &[], &[]).unwrap_err().kind(), ErrorKind::Unsupported);
    let z = host.upload_i32(&[2], &[1, 2]).unwrap();
    assert_eq!(host.end_call(&host.returned(&[z]).unwrap()), 0);
    assert_eq!(host.end_call(&[]), 1);
    assert_eq!(host.describe(z).unwrap_err().kind(), ErrorKind::Stale);
}

#[test]
fn parameters_are_checked() {
    let host = Recorder::new();
    let init = |aliases: &[&str]| json!({ "init": { "kind": "constant", "value": 0.0 }, "aliases": aliases }).to_string();
    host.parameter("a.weight", &[2], &init(&["b.weight"]), true).unwrap();
    let says = |name: &str, shape: &[usize], init: &str, text: &str| {
        assert!(host.parameter(name, shape, init, true).unwrap_err().message().starts_with(text), "{name}");
    };
    says("b.weight", &[2], &init(&[]), "parameter b.weight exists already");
    says("c", &[2], &init(&["a.weight"]), "parameter a.weight exists already");
    says("", &[2], &init(&[]), "a parameter of shape (2) has no name");
    says("d", &[0], &init(&[]), "parameter d: (0) has no elements");
    says("e", &[2], "{}", "parameter e: its initialisation cannot be read: missing field");
    host.start_forward();
    says("f", &[2], &init(&[]), "parameter f is asked for in forward; parameters are created in build");
}

/// nnU-Net's plain U-Net with every head.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Plain {}

struct PlainNetwork {
    encoder: Vec<ConvStack>,
    decoder: Vec<(ConvTranspose, ConvStack, Conv)>,
}

impl Architecture for Plain {
    fn build(&self, spec: &NetworkSpec, p: &Params) -> Result<Box<dyn Network>> {
        let stages = spec.stages()?;
        let block: BlockSpec = spec.block()?;
        assert_eq!(block.norm, NormKind::Instance);
        let encoder = (0..stages.len()).map(|s| ConvStack::of_stage(&p.at("encoder.stages").at(s).at(0), spec, s)).collect::<Result<_>>()?;
        let mut decoder = vec![];
        for (j, pair) in stages.windows(2).rev().enumerate() {
            let (at, n, f) = (p.at("decoder"), spec.dims(), pair[0].features);
            decoder.push((
                ConvTranspose::new(&at.at("transpconvs").at(j), pair[1].features, f, &pair[1].stride, true)?,
                ConvStack::new(&at.at("stages").at(j), pair[0].decoder_convs, 2 * f, f, &pair[0].kernel, &vec![1; n], &block)?,
                Conv::pointwise(&at.at("seg_layers").at(j), f, spec.num_classes, n, true)?,
            ));
        }
        Ok(Box::new(PlainNetwork { encoder, decoder }))
    }
}

impl Network for PlainNetwork {
    fn forward(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let mut skips: Vec<Tensor> = vec![];
        for stage in &self.encoder {
            skips.push(stage.forward(skips.last().unwrap_or(x)));
        }
        let mut x = skips.pop().ok_or_else(|| Error::new("no stages"))?;
        let mut heads = vec![];
        for ((up, stack, head), skip) in self.decoder.iter().zip(skips.into_iter().rev()) {
            x = stack.forward(&Tensor::concat(&[&up.forward(&x), &skip], 1));
            heads.insert(0, head.forward(&x));
        }
        Ok(heads)
    }
}
register_architecture!("shape_plain", Plain);

/// Parameters and sums of convolution outputs as nnU-Net's own network has them (3 classes, 1 channel, every head).
#[test]
fn the_plain_unet_has_nnunets_figures() {
    let run = |stages: usize, patch: &[usize], cap: usize, batch: usize| {
        let features: Vec<usize> = (0..stages).map(|s| (32 << s).min(cap)).collect();
        let strides: Vec<usize> = (0..stages).map(|s| if s == 0 { 1 } else { 2 }).collect();
        let kwargs = json!({
            "n_stages": stages, "features_per_stage": features, "strides": strides, "kernel_sizes": 3, "conv_bias": true,
            "n_conv_per_stage": 2, "n_conv_per_stage_decoder": 2, "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
            "nonlin": "torch.nn.LeakyReLU",
        });
        let spec = NetworkSpec { patch_size: patch.to_vec(), arch_kwargs: kwargs, ..toy_spec(0) };
        let t = trace(&Library::builtin().architecture("shape_plain", "").unwrap(), &spec, batch).unwrap();
        assert_eq!(t.outputs.len(), stages - 1);
        assert!(t.unused_parameters().is_empty() && t.differentiable && t.leaked == 0);
        assert!(t.activation_bytes > t.inference_bytes);
        let bytes = 7.0 * t.planning_elements() as f64 / t.conv_output_elements as f64;
        assert!((8.5..9.5).contains(&bytes), "{bytes}");
        (t.parameter_count(), t.conv_output_elements)
    };
    assert_eq!(run(6, &[128, 128, 128], 320, 2), (31_196_399, 453_694_976));
    assert_eq!(run(5, &[128, 128, 128], 320, 1), (16_548_076, 453_160_960));
    assert_eq!(run(4, &[128, 128, 128], 320, 1), (5_603_177, 449_675_264));
    assert_eq!(run(7, &[512, 512], 512, 1), (33_473_330, 83_033_856));
}
