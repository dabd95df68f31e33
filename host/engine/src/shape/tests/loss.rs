use super::*;
use crate::shape::{LossHead, Trace, TraceError, trace_loss};
use plugin_api::{abi::host::Library, losses::DiceCe, prelude::*};

/// Dice and cross entropy, or what is asked.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Usual {
    fault: String,
}

impl Loss for Usual {
    fn forward(&self, logits: &Tensor, target: &Target) -> Result<Tensor> {
        match self.fault.as_str() {
            "read" => Ok(Tensor::full(&[1], f64::from(logits.sum().to_vec()[0]))),
            "map" => Ok(logits.softmax(1)),
            "labels" => Ok(logits.gather(1, target.labels()).mean()),
            "constant" => Ok((logits.detach() * 2.0).mean()),
            "prepared" => Ok((logits.sigmoid() * target.prepared("distance")).mean()),
            "segments" => Ok(logits.segment_sum(&target.prepared("ids"), 5).mean()),
            _ => losses::dice_ce(logits, target, &DiceCe::default()),
        }
    }
}
register_loss!("shape_usual", Usual);

fn run(fault: &str, task: &Task, prepared: &[Prepared]) -> plugin_api::Result<Trace, TraceError> {
    let loss = Library::builtin().loss("shape_usual", &json!({ "fault": fault }).to_string(), &serde_json::to_string(task).unwrap()).unwrap();
    let head = |n: usize, weight: f64, prepared| LossHead { shape: vec![2, 3, n, n], weight, prepared };
    trace_loss(&loss, &[head(8, 0.75, prepared), head(4, 0.25, &[])], task)
}

fn task(regions: bool, ignore: bool) -> Task {
    Task { outputs: 3, regions, ignore, batch_dice: false }
}

#[test]
fn the_usual_loss_fits_every_task() {
    for (regions, ignore) in [(false, false), (false, true), (true, false), (true, true)] {
        for batch_dice in [false, true] {
            let t = run("", &Task { batch_dice, ..task(regions, ignore) }, &[]).unwrap();
            assert_eq!((t.outputs.as_slice(), t.differentiable, t.leaked), ([vec![1]].as_slice(), true, 0));
            assert_eq!(t.inputs.len(), if ignore { 6 } else { 4 });
            assert_eq!(t.inputs[1], if regions { vec![2, 3, 8, 8] } else { vec![2, 1, 8, 8] });
            assert_eq!((t.conv_output_elements, t.parameter_count()), (0, 0));
            assert!(t.activation_bytes > 4 * 2 * 3 * 64 * 2 && t.flops > 0);
        }
    }
}

#[test]
fn what_a_loss_does_wrong_is_told() {
    let fail = |fault: &str, t: Task| run(fault, &t, &[]).unwrap_err();
    let read = fail("read", task(false, false));
    assert!(read.reads_values && read.error.kind() == ErrorKind::Unsupported);
    assert_eq!(fail("map", task(false, false)).error.message(), "add: (2, 3, 8, 8) and (2, 3, 4, 4) do not broadcast: lengths 8 and 4 meet");
    assert_eq!(fail("labels", task(true, false)).error.message(), "a region-based task has no label map; use regions() or one_hot()");
    assert_eq!(fail("", Task { outputs: 4, ..task(false, false) }).error.message(), "head 0 has 3 channels, the task has 4 outputs");
    assert_eq!(fail("prepared", task(false, false)).error.message(), "prepare() returned no array called distance for this head");
    assert!(!run("constant", &task(false, false), &[]).unwrap().differentiable);
}

#[test]
fn one_head_and_prepared_arrays() {
    let task = task(false, false);
    let json = serde_json::to_string(&task).unwrap();
    let distance = Prepared::floats("distance", &[2, 1, 8, 8], vec![0.0; 128]);
    let ids = Prepared::ints("ids", &[2, 1, 8, 8], vec![0; 128]);
    let arrays = [distance, ids];
    let one = |fault: &str| {
        let loss = Library::builtin().loss("shape_usual", &json!({ "fault": fault }).to_string(), &json).unwrap();
        trace_loss(&loss, &[LossHead { shape: vec![2, 3, 8, 8], weight: 1.0, prepared: &arrays }], &task)
    };
    assert!(one("prepared").unwrap().differentiable);
    assert!(one("segments").unwrap().differentiable);
    assert_eq!(one("map").unwrap_err().error.message(), "the loss is (2, 3, 8, 8) Float, wanted one Float");
}
