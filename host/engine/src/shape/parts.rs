//! A trace by the parts of its network.

use super::{Info, NodeKind, Trace, ValueKind, flops};
use std::collections::BTreeSet;

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
        let (names, place) = self.part_names();
        let named = |name| Part { name, output: Vec::new(), parameters: 0, flops: 0, activation_bytes: 0 };
        let mut parts: Vec<Part> = names.into_iter().map(named).collect();
        for (node, at) in self.nodes.iter().zip(place) {
            let Some(part) = parts.get_mut(at) else { continue };
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

    /// Which part hands a tensor to which: places in [`Trace::parts`], in order.
    pub fn part_links(&self) -> BTreeSet<(usize, usize)> {
        let (_, place) = self.part_names();
        let mut made_by = vec![None; self.values.len()];
        let mut links = BTreeSet::new();
        for (node, to) in self.nodes.iter().zip(place) {
            links.extend(node.inputs.iter().filter_map(|&input| made_by[input]).filter(|&from| from != to).map(|from| (from, to)));
            node.outputs.iter().for_each(|&output| made_by[output] = Some(to));
        }
        links
    }

    /// The names of the parts, and for each node which part it belongs to.
    fn part_names(&self) -> (Vec<String>, Vec<usize>) {
        let (mut names, mut place): (Vec<String>, Vec<usize>) = (Vec::new(), Vec::new());
        for node in &self.nodes {
            let at = match place.last() {
                Some(&before) if node.scope.is_empty() => before,
                _ => {
                    let name = part_name(&node.scope);
                    names.iter().position(|known| *known == name).unwrap_or_else(|| {
                        names.push(name);
                        names.len() - 1
                    })
                }
            };
            place.push(at);
        }
        (names, place)
    }
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
