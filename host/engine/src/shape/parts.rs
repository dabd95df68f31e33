//! A trace by the parts of its network.

use super::{Info, NodeKind, Trace, ValueKind, flops};

/// The layers whose parameters begin alike, such as `encoder.stages.2`, with what comes between them and the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The beginning of its parameters' names, up to the first number.
    pub name: String,
    /// Shape of the last tensor that it makes: (B, C, spatial...).
    pub output: Vec<usize>,
    /// Numbers in its trainable parameters.
    pub parameters: u64,
    /// Floating-point operations of its forward (see [`flops`]).
    pub flops: u64,
    /// Bytes of all tensors that its forward makes; what training keeps of them is at most that.
    pub activation_bytes: u64,
}

impl Trace {
    /// The parts of the network, in the order in which a forward comes to them. What has no parameters counts for the part before it.
    pub fn parts(&self) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        let mut at = None;
        for node in &self.nodes {
            if !node.scope.is_empty() || at.is_none() {
                at = Some(place(&mut parts, &part_name(&node.scope)));
            }
            let Some(part) = at.and_then(|at| parts.get_mut(at)) else { continue };
            let infos = |list: &[usize]| -> Vec<Info> { list.iter().map(|&i| self.values[i].info.clone()).collect() };
            let outputs = infos(&node.outputs);
            if let NodeKind::Op(op) = node.kind {
                part.flops = part.flops.saturating_add(flops(op, &infos(&node.inputs), &outputs, &node.ints));
            }
            let made = node.outputs.iter().filter(|&&o| self.values[o].kind == ValueKind::Result);
            part.activation_bytes += made.map(|&o| self.values[o].info.bytes()).sum::<u64>();
            if let Some(last) = outputs.last() {
                part.output.clone_from(&last.shape);
            }
        }
        for parameter in self.parameters.iter().filter(|p| p.trainable) {
            let count = parameter.shape.iter().map(|&n| n as u64).product::<u64>();
            let name = part_name(parameter.name.rsplit_once('.').map_or("", |(layer, _)| layer));
            // a parameter that no operation takes is `unused_parameters`' business
            if let Some(part) = parts.iter_mut().find(|part| part.name == name) {
                part.parameters += count;
            }
        }
        parts
    }
}

/// The place of the part called `name`, which is made if it is new.
fn place(parts: &mut Vec<Part>, name: &str) -> usize {
    parts.iter().position(|part| part.name == name).unwrap_or_else(|| {
        parts.push(Part { name: name.to_owned(), output: Vec::new(), parameters: 0, flops: 0, activation_bytes: 0 });
        parts.len() - 1
    })
}

/// `encoder.stages.0` of `encoder.stages.0.0.convs.0.conv`; without a number the first two words.
fn part_name(scope: &str) -> String {
    let words: Vec<&str> = scope.split('.').collect();
    let end = words.iter().position(|word| word.parse::<u32>().is_ok()).map_or(2, |number| number + 1);
    words[..end.min(words.len())].join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_at_the_first_number() {
        for (scope, name) in [
            ("encoder.stages.0.0.convs.0.conv", "encoder.stages.0"),
            ("decoder.seg_layers.3", "decoder.seg_layers.3"),
            ("stem.convs.0.conv", "stem.convs.0"),
            ("fuse.conv.norm", "fuse.conv"),
            ("fuse.conv", "fuse.conv"),
            ("head", "head"),
            ("", ""),
        ] {
            assert_eq!(part_name(scope), name);
        }
    }
}
