use super::{NAME, draw_both, layers, picture::Item, repeats, stacks};
use engine::shape::{Trace, trace};
use plugin_api::{NetworkSpec, abi::host::Library, json};
use std::collections::BTreeSet;

fn traced(class: &str, patch: &[usize], blocks: usize) -> Trace {
    standard::link();
    let (dims, stages) = (patch.len(), 4);
    let strides: Vec<usize> = (0..stages).map(|stage| if stage == 0 { 1 } else { 2 }).collect();
    let spec = NetworkSpec {
        input_channels: 2,
        num_classes: 3,
        patch_size: patch.to_vec(),
        deep_supervision: true,
        network_class_name: class.into(),
        arch_kwargs: json!({
            "n_stages": stages, "features_per_stage": [8, 16, 32, 64], "kernel_sizes": 3, "strides": strides, "conv_bias": true,
            "n_conv_per_stage": blocks, "n_blocks_per_stage": blocks, "n_conv_per_stage_decoder": blocks.min(2),
            "norm_op": format!("torch.nn.modules.instancenorm.InstanceNorm{dims}d"), "nonlin": "torch.nn.LeakyReLU",
        }),
    };
    trace(&Library::builtin().architecture(class, "{}").unwrap(), &spec, 1).unwrap()
}

fn networks() -> [(&'static str, Trace); 4] {
    [
        ("plain 3d", traced("PlainConvUNet", &[16, 24, 16], 2)),
        ("plain 2d", traced("PlainConvUNet", &[32, 48], 3)),
        ("residual", traced("ResidualEncoderUNet", &[16, 16, 16], 4)),
        ("residual 2d", traced("ResidualEncoderUNet", &[64, 32], 1)),
    ]
}

#[test]
fn every_layer_of_the_trace_is_drawn_once() {
    for (name, trace) in networks() {
        let wanted: BTreeSet<&str> = trace.nodes.iter().map(|node| node.scope.as_str()).filter(|scope| !scope.is_empty()).collect();
        let folded = repeats::fold(layers::layers(&trace), stacks::stacks(&layers::layers(&trace)));
        let drawn: Vec<&str> = folded.layers.iter().flat_map(|layer| &layer.names).map(String::as_str).collect();
        assert_eq!(drawn.iter().copied().collect::<BTreeSet<_>>(), wanted, "{name}");
        assert_eq!(drawn.len(), wanted.len(), "{name}: a layer is drawn twice");
        assert_eq!(folded.layers.iter().map(|layer| layer.parameters).sum::<u64>(), trace.parameter_count(), "{name}");
        let heads: BTreeSet<usize> = folded.layers.iter().filter_map(|layer| layer.head).collect();
        assert_eq!(heads, (0..trace.outputs.len()).collect(), "{name}");
        // each convolution is the first of its layer, or one of those that a repeated block stands for
        let convs = trace.nodes.iter().filter(|node| node.kind == engine::shape::NodeKind::Op(plugin_api::Op::Conv)).count();
        let shown = folded.layers.iter().filter(|layer| layer.words[0].starts_with("conv")).count();
        let again = |repeat: &repeats::Repeat| {
            let block = &folded.stacks[repeat.stack].layers[repeat.first..repeat.first + repeat.layers];
            (repeat.times - 1) * block.iter().filter(|&&layer| folded.layers[layer].words[0].starts_with("conv")).count()
        };
        assert_eq!(shown + folded.repeats.iter().map(again).sum::<usize>(), convs, "{name}");
    }
}

#[test]
fn skip_connections_go_over_the_row_and_no_boxes_overlap() {
    for (name, trace) in networks() {
        let picture = super::picture(name, &trace);
        let boxes: Vec<_> = picture.items.iter().filter_map(|item| if let Item::Layer { area, .. } = item { Some(area) } else { None }).collect();
        for (number, a) in boxes.iter().enumerate() {
            assert!(a.x >= 0.0 && a.y >= 0.0 && a.x + a.width <= picture.width && a.y + a.height <= picture.height, "{name}: {a:?}");
            for b in &boxes[..number] {
                let apart = a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
                assert!(apart, "{name}: {a:?} and {b:?}");
            }
        }
        let touches = |[x, y]: [f64; 2]| boxes.iter().any(|a| (a.x..=a.x + a.width).contains(&x) && (a.y..=a.y + a.height).contains(&y));
        let mut over = 0;
        for item in &picture.items {
            let Item::Edge { points, .. } = item else { continue };
            assert!(touches(points[0]) && touches(points[points.len() - 1]), "{name}: {points:?} joins no boxes");
            let inside = |pair: &[[f64; 2]]| touches([(pair[0][0] + pair[1][0]) / 2.0, (pair[0][1] + pair[1][1]) / 2.0]);
            assert!(!points.windows(2).any(inside), "{name}: {points:?} runs through a box");
            over += usize::from(points.len() == 6);
        }
        assert_eq!(over, 3, "{name}: a skip connection for each stage but the last");
    }
}

#[test]
fn both_files_are_whole() {
    let dir = tempfile::tempdir().unwrap();
    for (name, trace) in networks() {
        draw_both(dir.path(), &format!("<{name}> & \"more\""), &trace).unwrap();
        let svg = std::fs::read_to_string(dir.path().join(format!("{NAME}.svg"))).unwrap();
        let tags = |text: &str| svg.matches(text).count();
        assert!(svg.starts_with("<?xml") && svg.ends_with("</svg>\n") && svg.contains("&lt;plain 3d&gt; &amp;") == (name == "plain 3d"));
        assert_eq!((tags("<g "), tags("<text "), tags("<polyline ")), (tags("</g>"), tags("</text>"), tags("</polyline>")));
        let pdf = std::fs::read(dir.path().join(format!("{NAME}.pdf"))).unwrap();
        assert!(pdf.starts_with(b"%PDF-1.") && pdf.trim_ascii_end().ends_with(b"%%EOF"));
    }
    let refused = super::draw(&dir.path().join("network.png"), "", &networks()[0].1).unwrap_err().to_string();
    assert!(refused.ends_with("a diagram ends in .svg or .pdf, not in \"png\""), "{refused}");
}
