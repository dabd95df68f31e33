//! The stack machine that a pickle drives, with the opcodes of protocols 0 to 5 that PyTorch and NumPy emit.

use std::collections::HashMap;

use super::constructors::{Global, build, construct, storage};
use super::input::{Input, raw_unicode_escape};
use super::resolve::{Id, Node, resolve};
use super::value::Value;
use crate::files::error::{Malformed, malformed};

type Result<T> = std::result::Result<T, Malformed>;

/// Reads one pickled value; what follows it is ignored.
///
/// # Errors
/// The bytes are no pickle, are cut short, name a constructor that is not on the list, hold an integer of more than
/// 64 bits, nest deeper than a hundred levels, or expand to many times their length.
pub fn read(pickle: &[u8]) -> Result<Value> {
    let mut machine = Machine {
        input: Input::new(pickle),
        nodes: Nodes { all: Vec::new(), spare: pickle.len().saturating_mul(4).saturating_add(4096) },
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        let at = machine.input.position();
        match machine.step() {
            Ok(None) => {}
            Ok(Some(root)) => return resolve(&machine.nodes.all, root, pickle.len()),
            Err(Malformed(problem)) => return malformed!("pickle at byte {at}: {problem}"),
        }
    }
}

/// Everything built so far. Nodes refer to each other by index, so sharing costs nothing and a cycle does no harm.
pub(super) struct Nodes {
    pub(super) all: Vec<Node>,
    /// How many payload bytes may still be copied; each opcode pays for what it duplicates.
    spare: usize,
}

impl Nodes {
    pub(super) fn add(&mut self, node: Node) -> Result<Id> {
        let id = u32::try_from(self.all.len()).map_err(|_| Malformed("more than 2^32 values".into()))?;
        self.all.push(node);
        Ok(id)
    }

    pub(super) fn get(&self, id: Id) -> Result<&Node> {
        self.all.get(id as usize).ok_or_else(|| Malformed(format!("no value {id}")))
    }

    fn get_mut(&mut self, id: Id) -> Result<&mut Node> {
        self.all.get_mut(id as usize).ok_or_else(|| Malformed(format!("no value {id}")))
    }

    pub(super) fn set(&mut self, id: Id, node: Node) -> Result<()> {
        *self.get_mut(id)? = node;
        Ok(())
    }

    /// Pays for a copy of `bytes` bytes.
    pub(super) fn pay(&mut self, bytes: usize) -> Result<()> {
        match self.spare.checked_sub(bytes) {
            Some(left) => self.spare = left,
            None => return malformed!("expands to many times its length"),
        }
        Ok(())
    }
}

struct Machine<'a> {
    input: Input<'a>,
    nodes: Nodes,
    stack: Vec<Id>,
    /// The stack's height at each open mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl Machine<'_> {
    /// Runs one opcode; `Some` is the value that STOP leaves.
    fn step(&mut self) -> Result<Option<Id>> {
        match self.input.byte()? {
            b'.' => return self.pop().map(Some),
            // protocol and framing, which say nothing that the opcodes do not
            0x80 => drop(self.input.byte()?),
            0x95 => drop(self.input.take(8)?),
            // the stack
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.pop()?;
                self.stack.extend([top, top]);
            }
            // the memo
            b'p' => {
                let index = self.input.line_number()?;
                self.memoize(index)?;
            }
            b'q' => {
                let index = self.input.byte()?.into();
                self.memoize(index)?;
            }
            b'r' => {
                let index = self.input.u32()?;
                self.memoize(index)?;
            }
            0x94 => {
                let index = u32::try_from(self.memo.len()).map_err(|_| Malformed("memo too large".into()))?;
                self.memoize(index)?;
            }
            b'g' => {
                let index = self.input.line_number()?;
                self.recall(index)?;
            }
            b'h' => {
                let index = self.input.byte()?.into();
                self.recall(index)?;
            }
            b'j' => {
                let index = self.input.u32()?;
                self.recall(index)?;
            }
            // plain values
            b'N' => self.push(Node::None)?,
            0x88 => self.push(Node::Bool(true))?,
            0x89 => self.push(Node::Bool(false))?,
            b'K' => {
                let i = self.input.byte()?.into();
                self.push(Node::Int(i))?;
            }
            b'M' => {
                let i = u16::from_le_bytes(self.input.array()?).into();
                self.push(Node::Int(i))?;
            }
            b'J' => {
                let i = i32::from_le_bytes(self.input.array()?).into();
                self.push(Node::Int(i))?;
            }
            0x8a => {
                let len = self.input.byte()?.into();
                self.long(len)?;
            }
            0x8b => {
                let len = self.input.u32()? as usize;
                self.long(len)?;
            }
            b'I' | b'L' => self.decimal()?,
            b'G' => {
                let x = f64::from_be_bytes(self.input.array()?);
                self.push(Node::Float(x))?;
            }
            b'F' => {
                let text = self.input.line()?;
                match text.parse() {
                    Ok(x) => self.push(Node::Float(x))?,
                    Err(_) => return malformed!("`{text}` is no float"),
                }
            }
            // text and bytes
            b'X' => {
                let len = self.input.u32()? as usize;
                self.text(len)?;
            }
            0x8c => {
                let len = self.input.byte()?.into();
                self.text(len)?;
            }
            0x8d => {
                let len = self.input.long_len()?;
                self.text(len)?;
            }
            b'V' => {
                let text = raw_unicode_escape(self.input.line_bytes()?)?;
                self.push(Node::Str(text))?;
            }
            b'T' => {
                let len = self.input.u32()? as usize;
                self.latin1(len)?;
            }
            b'U' => {
                let len = self.input.byte()?.into();
                self.latin1(len)?;
            }
            b'B' => {
                let len = self.input.u32()? as usize;
                self.bytes(len)?;
            }
            b'C' => {
                let len = self.input.byte()?.into();
                self.bytes(len)?;
            }
            0x8e | 0x96 => {
                let len = self.input.long_len()?;
                self.bytes(len)?;
            }
            // containers
            b']' => self.push(Node::List(Vec::new()))?,
            b'}' => self.push(Node::Dict(Vec::new(), false))?,
            b')' => self.push(Node::Tuple(Vec::new()))?,
            0x8f => self.push(Node::Set(Vec::new()))?,
            b'l' => {
                let items = self.pop_mark()?;
                self.push(Node::List(items))?;
            }
            b't' => {
                let items = self.pop_mark()?;
                self.push(Node::Tuple(items))?;
            }
            0x91 => {
                let items = self.pop_mark()?;
                self.push(Node::Set(items))?;
            }
            b'd' => {
                let items = pairs(&self.pop_mark()?)?;
                self.push(Node::Dict(items, false))?;
            }
            n @ 0x85..=0x87 => {
                let start = self.stack.len().checked_sub(usize::from(n) - 0x84);
                let start = start.ok_or_else(|| Malformed("stack is empty".into()))?;
                let items = self.stack.split_off(start);
                self.push(Node::Tuple(items))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(&[item])?;
            }
            b'e' | 0x90 => {
                let items = self.pop_mark()?;
                self.extend(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.insert(&[(key, value)])?;
            }
            b'u' => {
                let items = pairs(&self.pop_mark()?)?;
                self.insert(&items)?;
            }
            // constructors
            b'c' => {
                let module = self.input.line()?;
                let name = self.input.line()?;
                self.push(Node::Global(Global::find(module, name)?))?;
            }
            0x93 => {
                let name = self.pop()?;
                let module = self.pop()?;
                let (Node::Str(module), Node::Str(name)) = (self.nodes.get(module)?, self.nodes.get(name)?) else {
                    return malformed!("a global's name is not text");
                };
                let global = Global::find(module, name)?;
                self.push(Node::Global(global))?;
            }
            b'R' | 0x81 => {
                let args = self.pop()?;
                let callable = self.pop()?;
                let made = construct(&mut self.nodes, callable, args)?;
                self.stack.push(made);
            }
            b'b' => {
                let state = self.pop()?;
                let object = self.pop()?;
                build(&mut self.nodes, object, state)?;
                self.stack.push(object);
            }
            b'Q' => {
                let id = self.pop()?;
                let node = storage(&self.nodes, id)?;
                self.push(node)?;
            }
            other => return malformed!("opcode {other:#04x} is not one that PyTorch or NumPy writes"),
        }
        Ok(None)
    }

    /// An integer in decimal; `00` and `01` are protocol 0's booleans, and a trailing `L` is Python 2's.
    fn decimal(&mut self) -> Result<()> {
        let node = match self.input.line()? {
            "00" => Node::Bool(false),
            "01" => Node::Bool(true),
            text => match text.strip_suffix('L').unwrap_or(text).parse() {
                Ok(i) => Node::Int(i),
                Err(_) => return malformed!("`{text}` is no integer of 64 bits"),
            },
        };
        self.push(node)
    }

    /// A two's complement integer of `len` bytes.
    fn long(&mut self, len: usize) -> Result<()> {
        let bytes = self.input.take(len)?;
        let fill = if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 };
        let mut wide = [fill; 8];
        if len > wide.len() {
            return malformed!("an integer of {len} bytes; more than 64 bits are not read");
        }
        wide.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        self.push(Node::Int(i64::from_le_bytes(wide)))
    }

    fn text(&mut self, len: usize) -> Result<()> {
        let text = std::str::from_utf8(self.input.take(len)?).map_err(|_| Malformed("text that is not UTF-8".into()))?;
        self.push(Node::Str(text.to_owned()))
    }

    fn latin1(&mut self, len: usize) -> Result<()> {
        let text = self.input.take(len)?.iter().map(|&b| char::from(b)).collect();
        self.push(Node::Str(text))
    }

    fn bytes(&mut self, len: usize) -> Result<()> {
        let bytes = self.input.take(len)?.to_vec();
        self.push(Node::Bytes(bytes))
    }

    fn push(&mut self, node: Node) -> Result<()> {
        let id = self.nodes.add(node)?;
        self.stack.push(id);
        Ok(())
    }

    /// The floor below which an opcode may not pop: the innermost mark.
    fn pop(&mut self) -> Result<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.pop() {
            Some(id) if self.stack.len() >= floor => Ok(id),
            _ => malformed!("stack is empty"),
        }
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => malformed!("no mark on the stack"),
        }
    }

    fn top(&mut self) -> Result<&mut Node> {
        match self.stack.last() {
            Some(&id) => self.nodes.get_mut(id),
            None => malformed!("stack is empty"),
        }
    }

    fn extend(&mut self, items: &[Id]) -> Result<()> {
        match self.top()? {
            Node::List(list) | Node::Set(list) => list.extend(items),
            _ => return malformed!("append to what is no list or set"),
        }
        Ok(())
    }

    fn insert(&mut self, items: &[(Id, Id)]) -> Result<()> {
        match self.top()? {
            Node::Dict(entries, _) => entries.extend(items),
            _ => return malformed!("an item set in what is no dict"),
        }
        Ok(())
    }

    fn memoize(&mut self, index: u32) -> Result<()> {
        match self.stack.last() {
            Some(&id) => drop(self.memo.insert(index, id)),
            None => return malformed!("stack is empty"),
        }
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Result<()> {
        match self.memo.get(&index) {
            Some(&id) => self.stack.push(id),
            None => return malformed!("memo {index} was never stored"),
        }
        Ok(())
    }
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>> {
    let chunks = items.chunks_exact(2);
    if !chunks.remainder().is_empty() {
        return malformed!("a dict with a key that has no value");
    }
    Ok(chunks.filter_map(|pair| Some((*pair.first()?, *pair.last()?))).collect())
}
